"""What servers share: a port to listen on, taken before anything is served, and signals that end them."""

import contextlib
import signal
import socket
from collections.abc import Iterator
from typing import Any

from bfrb.errors import ConfigError

LOOPBACK = "127.0.0.1"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens already, so that a client that is quicker than the server only waits; port 0 is any.

    ConfigError if the port is taken, or there is no such interface.

    >>> with listen(LOOPBACK, 0) as bound:
    ...     bound.getsockname()[0]
    '127.0.0.1'
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with contextlib.ExitStack() as on_failure:
            # With the protocol named, asyncio sends small answers at once instead of waiting for more (TCP_NODELAY).
            bound = on_failure.enter_context(socket.socket(family, kind, protocol))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(128)
            on_failure.pop_all()
    except OSError as error:
        problem = f"cannot listen on {host}, port {port}: {error.strerror}"
        raise ConfigError(problem, remedy="choose another port or interface; port 0 is any that is free") from None
    return bound


@contextlib.contextmanager
def handling_signals(handler: Any, *numbers: int) -> Iterator[None]:
    """Have signals handled by a function while the context lasts; what handled them before does so afterwards."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
