"""The way to a Ray cluster: this machine's, a running one, or one behind an address."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bfrb.cluster.nodes import check_folders, check_versions, look_at_nodes
from bfrb.errors import ConfigError
from bfrb.parts import need

if TYPE_CHECKING:
    from bfrb.cluster.tasks import RayTasks

ENGINE = "ray"

_PATIENCE_S = 10.0


@contextmanager
def connect(on: str = ENGINE, *, workers: int = 0, folders: Iterable[Path] = ()) -> Iterator[RayTasks]:
    """What runs jobs on a Ray cluster, for as long as the context lasts.

    Parameters
    ----------
    on
        `"ray"`: the cluster that `RAY_ADDRESS` names, or else the one that runs on this machine, or else a new one of
        this machine's cores. Or an address: `"ray://head:10001"`, or `"head:6379"` from a machine of the cluster.
    workers
        Jobs at a time; 0 means as many as there is room for.
    folders
        Folders that every machine has to share with this one.

    Raises
    ------
    ConfigError
        If Ray is not installed, nothing answers at the address, Python or a package is of another version on a machine
        of the cluster, or a folder is not shared.

    Examples
    --------
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
    """Refuse what is no engine and no address.

    Raises
    ------
    ConfigError
        If it is neither `ray` nor an address.
    """
    host, _, port = on.rpartition(":")
    if on != ENGINE and not (host and port.isdecimal()):
        raise ConfigError(
            f"expected --on ray or an address such as ray://head:10001, got {on!r}",
            remedy="write --on ray for this machine or RAY_ADDRESS, or name the head of a running cluster",
        )


def _join(address: str | None) -> None:
    import ray

    named = address or os.environ.get("RAY_ADDRESS")
    try:
        if named and (host := named.removeprefix("ray://").rpartition(":"))[0]:
            socket.create_connection((host[0], int(host[2])), _PATIENCE_S).close()  # Ray itself tries for half a minute
    except (OSError, ValueError) as error:
        raise _no_answer(named, str(error)) from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report to its makers
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        ray.init(address=address, **quiet, **({} if named else {"include_dashboard": False}))
    except Exception as error:  # noqa: BLE001  a bare one is Ray's where it cannot start in half a minute
        why = str(error).strip().partition("\n")[0]
        if "ersion" in why:
            raise ConfigError(
                f"this machine and the cluster at {named} differ: {why}", remedy="install the same versions on both"
            ) from None
        raise _no_answer(named, why) from None


def _no_answer(named: str | None, why: str) -> ConfigError:
    return ConfigError(
        f"no Ray cluster answers at {named or 'this machine'}: {why}",
        remedy="begin one with `ray start --head`, name it with --on ray://HOST:10001 or RAY_ADDRESS, or leave "
        "RAY_ADDRESS out to use this machine's cores",
    )
