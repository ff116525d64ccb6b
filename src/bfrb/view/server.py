"""The server: a port of the loopback interface, and the address to open."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable

import uvicorn

from bfrb.serve.sockets import LOOPBACK, listen
from bfrb.view.app import make_app
from bfrb.view.viewer import Viewer

_LAST_ANSWERS_S = 2


class Server:
    """A page that is served on this machine; port 0 is any that is free, ConfigError if it is taken."""

    def __init__(self, viewer: Viewer, port: int = 0) -> None:
        self._socket = listen(LOOPBACK, port)
        self.port: int = self._socket.getsockname()[1]
        self.token = secrets.token_urlsafe(24)
        app = make_app(viewer, self.port, self.token)
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False)
        config.timeout_graceful_shutdown = _LAST_ANSWERS_S
        self._server = uvicorn.Server(config)

    @property
    def url(self) -> str:
        """The address of the page. The token is in the part that a browser sends to nobody."""
        return f"http://{LOOPBACK}:{self.port}/#token={self.token}"

    def run(self, when_ready: Callable[[], object] | None = None) -> None:
        """Serve until it is stopped."""
        if when_ready is not None:
            threading.Thread(target=when_ready, daemon=True).start()
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._server.should_exit = True
