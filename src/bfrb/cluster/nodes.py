"""The machines of a cluster: what each has, and whether it is fit to work for this one."""

from __future__ import annotations

import platform
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from bfrb.errors import ConfigError

PACKAGES = ("bfrb", "ray", "numpy", "torch", "onnxruntime")
"""Packages that have to be of one version everywhere, where this machine has them: results could differ."""

_PATIENCE_S = 120.0


class Node(NamedTuple):
    """A machine of the cluster."""

    id: str
    name: str
    """Its host, and as much of its id as tells it apart."""
    cores: float
    memory: float
    """Bytes that jobs may need together."""
    cards: float
    card_memory: int
    """Bytes of the smallest of its cards."""
    versions: Mapping[str, str]
    lacks: tuple[str, ...]
    """Folders and files that it does not share with this machine."""


def look_at_nodes(folders: Iterable[Path] = (), files: Iterable[Path] = ()) -> list[Node]:
    """What every machine of the cluster says of itself.

    Parameters
    ----------
    folders
        Folders that each should share with this machine: it has to find a file there that is made for this.
    files
        Files that each should share with this machine: they have to be as large there.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    found = [node for node in ray.nodes() if node["Alive"]]
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
            told = dict(zip(asked, ray.get(list(asked.values()), timeout=_PATIENCE_S), strict=True))
        except ray.exceptions.RayError as error:
            raise ConfigError(
                f"a machine of the cluster does not answer: {str(error).strip().partition(chr(10))[0]}",
                remedy="see `ray status`; take the machine out of the cluster, or begin it anew",
            ) from None
    return [_node(node, *told[node["NodeID"]]) for node in found]


def _node(node: Mapping[str, Any], host: str, versions: Mapping[str, str], lacks: Sequence[str], memory: int) -> Node:
    has = node["Resources"]
    name = f"{host}/{node['NodeID'][:4]}"
    cores, bytes_, cards = (has.get(what, 0.0) for what in ("CPU", "memory", "GPU"))
    return Node(node["NodeID"], name, cores, bytes_, cards, memory, versions, tuple(lacks))


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


def peak_memory() -> int:
    """The most memory that this process has held, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def own_versions() -> dict[str, str]:
    """Versions here of what has to be the same on all machines."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def check_versions(nodes: Sequence[Node]) -> None:
    """Refuse machines on which something is of another version than here, for results could differ.

    Raises
    ------
    ConfigError
        If there is such a machine.
    """
    own = own_versions()
    for node in nodes:
        other = [name for name, here in own.items() if node.versions[name] != here]
        if other:
            told = ", ".join(f"{name} {node.versions[name]} instead of {own[name]}" for name in other)
            raise ConfigError(
                f"the machine {node.name} of the cluster has {told}",
                remedy="install the same versions on all machines (docs/cluster.md)",
            )


def check_folders(nodes: Sequence[Node]) -> None:
    """Refuse machines that do not see the same folders as this one.

    Raises
    ------
    ConfigError
        If there is such a machine.
    """
    for node in nodes:
        if node.lacks:
            raise ConfigError(
                f"the machine {node.name} of the cluster does not see {node.lacks[0]} of this machine",
                remedy="choose a place that all machines mount at the same path (NFS and the like), or, to predict "
                "and detect, an object store: s3://bucket/folder",
            )
