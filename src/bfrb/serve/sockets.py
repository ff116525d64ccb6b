"""A port to listen on, taken before anything is served."""

from __future__ import annotations

import socket

from bfrb.errors import ConfigError

LOOPBACK = "127.0.0.1"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens already, so that a client that is quicker than the server only waits.

    Parameters
    ----------
    host
        The interface, by name or address.
    port
        0 for any that is free.

    Raises
    ------
    ConfigError
        If the port is taken, or there is no such interface.

    Examples
    --------
    >>> with listen(LOOPBACK, 0) as bound:
    ...     bound.getsockname()[0]
    '127.0.0.1'
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With the protocol named, asyncio sends small answers at once instead of waiting for more (TCP_NODELAY).
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _refused(host, port, error) from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise _refused(host, port, error) from None
    return bound


def _refused(host: str, port: int, error: OSError) -> ConfigError:
    problem = f"cannot listen on {host}, port {port}: {error.strerror}"
    return ConfigError(problem, remedy="choose another port or interface; port 0 is any that is free")
