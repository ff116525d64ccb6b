"""The way to a Ray cluster (this machine's, a running one, or one behind an address), and what its machines have."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrb.errors import ConfigError
from bfrb.parts import need

if TYPE_CHECKING:
    from bfrb.cluster.tasks import Node, RayTasks

PACKAGES = ("bfrb", "ray", "numpy", "torch", "onnxruntime")
"""Packages that have to be of one version everywhere, where this machine has them: results could differ."""

ENGINE = "ray"
_ANSWER_S, _PATIENCE_S = 120.0, 10.0
_BEGUN_HERE = Path("/tmp/ray/ray_current_cluster")


@contextmanager
def connect(on: str = ENGINE, *, workers: int = 0, folders: Iterable[Path] = ()) -> Iterator[RayTasks]:
    """What runs jobs on a Ray cluster, so many `workers` at a time, for as long as the context lasts.

    It is `on` `"ray"`: the cluster that `RAY_ADDRESS` names, or else the one that runs on this machine, or else a new
    one of this machine's cores; or on an address: `"ray://head:10001"`, or `"head:6379"` from a machine of the cluster.
    0 workers are as many as there is room for. Every machine has to share the folders with this one.

    ConfigError if Ray is not installed, nothing answers at the address, Python or a package is of another version on a
    machine of the cluster, or a folder is not shared.

    Train an ensemble on a cluster (not run here, for it takes a cluster):

    >>> with connect("ray://head:10001") as cluster:  # doctest: +SKIP
    ...     bfrb.train("/shared/recordings", out="/shared/model", on=cluster)
    """
    check_engine(on)
    need("--on ray", ("ray", "pyarrow", "pandas"), "cluster")
    import ray

    from bfrb.cluster.tasks import RayTasks

    ours = not ray.is_initialized()
    if ours:
        _join(None if on == ENGINE else on)
    try:
        nodes = look_at_nodes(folders)
        check_versions(nodes)
        check_folders(nodes)
        yield RayTasks(nodes, workers)
    finally:
        if ours:
            ray.shutdown()


def check_engine(on: str) -> None:
    """Refuse, by a ConfigError, what is neither `ray` nor an address."""
    host, _, port = on.rpartition(":")
    if on != ENGINE and not (host and port.isdecimal()):
        problem = f"expected --on ray or an address such as ray://head:10001, got {on!r}"
        raise ConfigError(problem, remedy="write --on ray for this machine or RAY_ADDRESS, or name a cluster's head")


def _join(address: str | None) -> None:
    import ray

    named = address or os.environ.get("RAY_ADDRESS")
    try:  # Ray itself tries for half a minute, and for many where a cluster that was begun here is gone
        if named and ":" in named:
            _reach(named)
        elif not named:
            _reach(_BEGUN_HERE.read_text())
    except (OSError, ValueError) as error:
        if named:
            raise _no_answer(named, str(error)) from None
        address = "local"
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report to its makers
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    for left in (2, 1, 0):  # what a head starts for a driver outside may hang: Ray forks for it beside its threads
        try:
            ray.init(address=address, **quiet, **({} if named else {"include_dashboard": False}))
            return
        except Exception as error:  # noqa: BLE001  a bare one is Ray's where it cannot start in half a minute
            told = str(error).strip().splitlines() or [type(error).__name__]
            why = " ".join(dict.fromkeys((told[0], told[-1])))
            if "ersion" in told[0]:
                problem = f"this machine and the cluster at {named} differ: {why}"
                raise ConfigError(problem, remedy="install the same versions on both") from None
            if not (left and named):
                raise _no_answer(named, why) from None
            ray.shutdown()


def _reach(address: str) -> None:
    host, _, port = address.strip().removeprefix("ray://").rpartition(":")
    socket.create_connection((host, int(port)), _PATIENCE_S).close()


def _no_answer(named: str | None, why: str) -> ConfigError:
    return ConfigError(
        f"no Ray cluster answers at {named or 'this machine'}: {why}",
        remedy="begin one with `ray start --head`, name it with --on ray://HOST:10001 or RAY_ADDRESS, or leave "
        "RAY_ADDRESS out to use this machine's cores",
    )


def look_at_nodes(folders: Iterable[Path] = (), files: Iterable[Path] = ()) -> list[Node]:
    """What every machine of the cluster says of itself.

    Each should share the folders, in which it has to find a file that is made for this, and the files, which have to be
    as large there.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from bfrb.cluster.tasks import Node

    found = _living()
    look = ray.remote(_make_look())
    with ExitStack() as stack:
        tokens = [stack.enter_context(_token(folder)) for folder in folders]
        sizes = [(str(path), path.stat().st_size) for path in files]
        asked = {}
        for node in found:
            place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            remote = look.options(num_cpus=0, max_retries=1, scheduling_strategy=place)
            asked[node["NodeID"]] = remote.remote(PACKAGES, tokens, sizes)
        try:
            told = dict(zip(asked, ray.get(list(asked.values()), timeout=_ANSWER_S), strict=True))
        except ray.exceptions.RayError as error:
            if set(asked) - {node["NodeID"] for node in _living()}:  # one was lost while it was asked
                return look_at_nodes(folders, files)
            problem = f"a machine of the cluster does not answer: {str(error).strip().partition(chr(10))[0]}"
            raise ConfigError(problem, remedy="see `ray status`; take it out, or begin it anew") from None
    nodes = []
    for node in found:
        host, versions, lacks, card_memory = told[node["NodeID"]]
        cores, memory, cards = (node["Resources"].get(what, 0.0) for what in ("CPU", "memory", "GPU"))
        name = f"{host}/{node['NodeID'][:4]}"
        nodes.append(Node(node["NodeID"], name, cores, memory, cards, card_memory, versions, tuple(lacks)))
    return nodes


def _living() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def _make_look() -> Any:
    """What machines are asked; it travels as a whole, for they may lack this package."""

    def look(
        packages: Sequence[str], tokens: Sequence[tuple[str, str]], sizes: Sequence[tuple[str, int]]
    ) -> tuple[str, dict[str, str], list[str], int]:
        import platform
        import shutil
        import subprocess
        from importlib.metadata import PackageNotFoundError, version
        from pathlib import Path

        versions, lacks = {"python": platform.python_version()}, []
        for name in packages:
            try:
                versions[name] = version(name)
            except PackageNotFoundError:
                versions[name] = "none"
        for path, text in tokens:
            try:
                same = Path(path).read_text(encoding="ascii") == text
            except (OSError, UnicodeDecodeError):
                same = False
            if not same:
                lacks.append(str(Path(path).parent))
        lacks += [path for path, size in sizes if not Path(path).exists() or Path(path).stat().st_size != size]
        memory = 0
        if shutil.which("nvidia-smi"):
            asked = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
            told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()
            memory = min((int(each) for each in told if each.isdecimal()), default=0) * 2**20
        return platform.node(), versions, lacks, memory

    return look


@contextmanager
def _token(folder: Path) -> Iterator[tuple[str, str]]:
    """A file that says something nobody can guess."""
    text = secrets.token_hex(16)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".bfrb-{secrets.token_hex(4)}"
    path.write_text(text, encoding="ascii")
    try:
        yield str(path), text
    finally:
        path.unlink(missing_ok=True)


def own_versions() -> dict[str, str]:
    """Versions here of what has to be the same on all machines."""
    _, versions, _, _ = _make_look()(PACKAGES, (), ())
    return {name: found for name, found in versions.items() if found != "none"}


def check_versions(nodes: Sequence[Node]) -> None:
    """Refuse, by a ConfigError, machines on which something is of another version than here: results could differ."""
    own = own_versions()
    for node in nodes:
        other = [name for name, here in own.items() if node.versions[name] != here]
        if other:
            told = ", ".join(f"{name} {node.versions[name]} instead of {own[name]}" for name in other)
            problem = f"the machine {node.name} of the cluster has {told}"
            raise ConfigError(problem, remedy="install the same versions on all machines (docs/cluster.md)")


def check_folders(nodes: Sequence[Node]) -> None:
    """Refuse, by a ConfigError, machines that do not see the same folders as this one."""
    for node in nodes:
        if node.lacks:
            problem = f"the machine {node.name} of the cluster does not see {node.lacks[0]} of this machine"
            remedy = "choose a place that all machines mount at the same path, or, to predict and detect, s3://bucket/x"
            raise ConfigError(problem, remedy=remedy)
