"""Where to listen for Kaggle's gateway: the ports it tries, and which of them are free."""

from __future__ import annotations

import logging
import os
import socket
import sys

from bfrb.errors import BfrbError

log = logging.getLogger(__name__)

PORTS: tuple[int, ...] = (50051, *range(60053, 60063))
"""The ports the gateway tries, in its order."""

RERUN = "KAGGLE_IS_COMPETITION_RERUN"
"""Environment variable that is set, be it to nothing, where Kaggle evaluates."""

LOOPBACK = "127.0.0.1"
EVERYWHERE = "[::]"


class PortError(BfrbError):
    """A port that cannot be listened on, or that the gateway would not reach."""


def is_rerun() -> bool:
    """Whether this process is evaluated by Kaggle."""
    return os.environ.get(RERUN) is not None


def default_host() -> str:
    """All interfaces where Kaggle evaluates, since the gateway is another container; else this machine only."""
    return EVERYWHERE if is_rerun() else LOOPBACK


def is_free(port: int) -> bool:
    """Whether nothing listens on a port, on any interface."""
    family = socket.AF_INET6 if _has_ipv6() else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if sys.platform != "win32":
            # Connections that ended a moment ago do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def _has_ipv6() -> bool:
    if not socket.has_ipv6:
        return False
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def choose_port(port: int | None = None, *, any_port: bool = False) -> int:
    """The port to listen on: the first free one of those that the gateway tries.

    Parameters
    ----------
    port
        A port that was asked for; only whether it is free is checked.
    any_port
        Whether a later port will do if something listens on an earlier one.

    Raises
    ------
    PortError
        If the port is taken, or something on an earlier port would be asked in its place.
    """
    if port is not None:
        if not is_free(port):
            raise PortError(f"port {port} is taken", remedy="end the program that listens there, or name another port")
        return port
    free = [number for number in PORTS if is_free(number)]
    if not free:
        raise PortError(f"all of the ports {_listed(PORTS)} are taken", remedy="end the programs that listen there")
    if free[0] != PORTS[0]:
        _tell_taken(_listed(PORTS[: PORTS.index(free[0])]), any_port)
    return free[0]


def _tell_taken(taken: str, any_port: bool) -> None:
    problem = f"something already listens on port {taken}, and the gateway would ask it instead of this server"
    if not any_port:
        raise PortError(
            problem, remedy="end it (it may be an earlier server), or choose --any-port or --port to start all the same"
        )
    log.warning("warning: %s", problem)


def _listed(ports: tuple[int, ...]) -> str:
    return ", ".join(map(str, ports))
