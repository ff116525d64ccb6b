"""`bfrb serve --protocol http`: a web server that answers with a bundle."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bfrb.errors import ConfigError
from bfrb.predict.predictor import Predictor, load
from bfrb.study.device import HELIOS

try:
    import prometheus_client  # noqa: F401
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    from bfrb.serve.http_app import Limits, make_app
except ImportError:
    raise ConfigError("the web server is not installed", remedy="pip install 'bfrb[http]'") from None

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
PORT = 8000

STOP_S = 1
"""How long answers that are under way may take when the server ends."""

IDLE_S = 5
"""How long a connection may be silent between two requests, or within the head of one."""


class Server:
    """A bundle that answers over HTTP.

    Parameters
    ----------
    predictor
        The bundle.
    host
        The interface to listen on.
    port
        The port; 0 for any that is free.
    limits
        What it takes on.

    Raises
    ------
    ConfigError
        If the port is taken, or the bundle is for a device whose recordings cannot be sent.
    """

    def __init__(
        self, predictor: Predictor, host: str = LOOPBACK, port: int = PORT, limits: Limits | None = None
    ) -> None:
        if predictor.device.name != HELIOS.name:
            raise ConfigError(
                f"expected a bundle for {HELIOS.name!r}, got one for {predictor.device.name!r}",
                remedy="use `bfrb predict` for other devices",
            )
        limits = limits or Limits()
        self._socket = _bind(host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                make_app(predictor, limits),
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=IDLE_S,
                timeout_graceful_shutdown=STOP_S,
                limit_concurrency=limits.connections,
            )
        )

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def run(self) -> None:
        """Serve until it is stopped, or the process gets SIGTERM or SIGINT."""
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
        self._uvicorn.run(sockets=[self._socket])

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._uvicorn.should_exit = True

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        """Serve in the background while the context lasts; yields the address."""
        thread = threading.Thread(target=self.run, name="bfrb-http-server")
        thread.start()
        try:
            yield self.url
        finally:
            self.stop()
            thread.join()


def serve_http(bundle: str | os.PathLike[str] | Predictor, *, host: str = LOOPBACK, port: int = PORT) -> None:
    """Answer requests with a bundle until the process gets SIGTERM or SIGINT.

    Raises
    ------
    BundleError
        If there is no bundle, or it is damaged.
    ConfigError
        If the port is taken, or the bundle is for a device whose recordings cannot be sent.
    """
    predictor = bundle if isinstance(bundle, Predictor) else load(Path(bundle))
    if predictor.simulated:
        log.warning("note: the bundle was trained on simulated recordings; its answers are for trying things out")
    server = Server(predictor, host, port)
    log.info("listening on %s%s", server.url, "" if host == LOOPBACK else " (open to other machines)")
    server.run()


def _bind(host: str, port: int) -> socket.socket:
    """A socket that listens already, so that a client that is quicker than we are only waits."""
    # Only of sockets made for TCP by name asyncio knows that they shall not wait for more before they send.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"cannot listen on {host}, port {port}: {error.strerror}", remedy="choose another with --host and --port"
        ) from None
    return bound


class _Uvicorn(uvicorn.Server):
    """Ends by itself on a signal, instead of dying of it afterwards."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Protocol(H11Protocol):
    """Gives up on clients that do not finish the head of a request."""

    _silence: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if is_answering and self._silence is not None:
            self._silence.cancel()
            self._silence = None
        elif not is_answering and self._silence is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._silence is not None:
            self._silence.cancel()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._silence = self.loop.call_later(IDLE_S, self._give_up)

    def _give_up(self) -> None:
        self._silence = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
