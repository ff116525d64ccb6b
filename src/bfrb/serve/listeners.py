"""Servers for devices that connect: over TCP, over WebSocket, and over HTTP as phone apps push."""

from __future__ import annotations

import contextlib
import http.server
import json
import logging
import re
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from bfrb.errors import ConfigError
from bfrb.stream.lines import LONGEST_LINE

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 500
"""Threads at a time; further connections are turned away."""

READ_BYTES = 1 << 16

Follow = Callable[[str, Iterable[bytes]], None]
"""Takes the kind of a connection, and its bytes as they come."""

Put = Callable[[str, Iterable[bytes]], None]
"""Takes the name of a sender, and lines."""

_PAGES_HERE = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
_REQUEST_S = 10.0


class _Server(socketserver.ThreadingTCPServer):
    """Hands every connection to a socket that listens already to a thread of its own."""

    daemon_threads = True

    def __init__(self, handler: Any, bound: socket.socket, follow: Follow, put: Put) -> None:
        super().__init__(bound.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket, self.follow, self.put = bound, follow, put

    def verify_request(self, *_: Any) -> bool:
        """Whether a connection is taken on."""
        return threading.active_count() < MOST_CONNECTIONS

    def handle_error(self, *_: Any) -> None:
        """A client that leaves is no error."""
        if not isinstance(sys.exception(), OSError):
            log.exception("a connection failed")


class _Tcp(socketserver.BaseRequestHandler):
    """Lines, as they come."""

    server: _Server

    def handle(self) -> None:
        self.server.follow("tcp", iter(partial(self.request.recv, READ_BYTES), b""))


class _Http(http.server.BaseHTTPRequestHandler):
    """Bodies that phones push: one document of JSON, or lines. Where none names a wearer, it goes by its address."""

    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = _REQUEST_S

    def do_POST(self) -> None:
        size = self.headers.get("content-length", "")
        self.close_connection = True
        if _is_elsewhere(self.headers.get("origin")):
            self.send_error(403, "pages of other sites may not send samples")
        elif not size.isdecimal():
            self.send_error(411)
        elif int(size) > LONGEST_LINE:
            self.send_error(413, f"expected at most {LONGEST_LINE:,} bytes at a time")
        else:
            body = self.rfile.read(int(size))
            self.server.put(self.client_address[0], [body] if _is_json(body) else body.split(b"\n"))
            self.close_connection = False
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _websocket_server(bound: socket.socket, follow: Follow, _: Put) -> Any:
    try:
        from websockets.exceptions import ConnectionClosed
        from websockets.sync.server import serve
    except ImportError:
        raise ConfigError("websockets is not installed", remedy="pip install 'bfrb[stream]'") from None

    def handle(connection: Any) -> None:
        with contextlib.suppress(ConnectionClosed):
            follow("ws", (_as_bytes(message) + b"\n" for message in connection))

    def refuse(connection: Any, request: Any) -> Any:
        if _is_elsewhere(request.headers.get("origin")):
            return connection.respond(403, "pages of other sites may not send samples\n")
        return None if threading.active_count() < MOST_CONNECTIONS else connection.respond(503, "too many\n")

    return serve(handle, sock=bound, process_request=refuse, max_size=LONGEST_LINE, compression=None)


SERVERS: Mapping[str, Callable[[socket.socket, Follow, Put], Any]] = {
    "tcp": partial(_Server, _Tcp),
    "http": partial(_Server, _Http),
    "ws": _websocket_server,
}
"""What makes a server of a socket, by the kind of source; as those of the standard library it has `serve_forever` and
`shutdown`."""


def _as_bytes(message: bytes | str) -> bytes:
    return message if isinstance(message, bytes) else message.encode()


def _is_elsewhere(origin: str | None) -> bool:
    """Whether a page of another site in a browser on this machine asks."""
    return origin is not None and not _PAGES_HERE.fullmatch(origin)


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
