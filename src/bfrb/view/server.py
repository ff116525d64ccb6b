"""The server: a port of the loopback interface, and the address to open."""

from __future__ import annotations

import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable

import uvicorn

from bfrb.errors import ConfigError
from bfrb.view.app import make_app
from bfrb.view.viewer import Viewer

HOST = "127.0.0.1"
_LAST_ANSWERS_S = 2


class Server:
    """A page that is served on this machine.

    Parameters
    ----------
    viewer
        What it shows.
    port
        0 for any that is free.

    Raises
    ------
    ConfigError
        If the port is taken.
    """

    def __init__(self, viewer: Viewer, port: int = 0) -> None:
        self._socket = _bind(port)
        self.port: int = self._socket.getsockname()[1]
        self.token = secrets.token_urlsafe(24)
        app = make_app(viewer, self.port, self.token)
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False)
        config.timeout_graceful_shutdown = _LAST_ANSWERS_S
        self._server = uvicorn.Server(config)

    @property
    def url(self) -> str:
        """The address of the page. The token is in the part that a browser sends to nobody."""
        return f"http://{HOST}:{self.port}/#token={self.token}"

    def run(self, when_ready: Callable[[], object] | None = None) -> None:
        """Serve until it is stopped."""
        if when_ready is not None:
            threading.Thread(target=when_ready, daemon=True).start()
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._server.should_exit = True


def open_browser(url: str) -> None:
    """Show an address in the user's browser; without one nothing happens."""
    webbrowser.open(url)


def _bind(port: int) -> socket.socket:
    """A socket of the loopback interface. It listens at once, so a browser that is quicker than we are only waits."""
    # With the protocol named, asyncio sends small answers at once instead of waiting for more (TCP_NODELAY).
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
        bound.listen(64)
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"port {port} cannot be used: {error.strerror}", remedy="choose another with --port, or 0 for any"
        ) from None
    return bound
