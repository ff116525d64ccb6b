"""Where live samples come from: standard input, a serial port, or whoever connects over TCP or HTTP.

Every connection is read in a thread of its own, which puts lines into one bounded queue: where nobody takes them out,
senders have to wait.
"""

from __future__ import annotations

import contextlib
import http.server
import itertools
import json
import logging
import queue
import re
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO, Any

from bfrb.errors import BfrbError, ConfigError, DataError
from bfrb.serve.sockets import listen
from bfrb.stream.lines import LONGEST_LINE, Line, LineSplitter

log = logging.getLogger(__name__)

TICK_S = 0.25  # so long is waited for lines
MOST_CONNECTIONS = 500  # threads at a time; further connections are turned away

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_BAUD = 115_200
_WAITING = 64  # lists of lines
_READ_BYTES, _MOST_DROPPED_READS = 1 << 16, 1000
_PAGES_HERE = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")


@dataclass(frozen=True)
class Address:
    """Where samples come from: `kind` is `"stdin"`, `"serial"`, `"tcp"` or `"http"`.

    `name` is the serial port, or the interface to listen on; `number` the speed in bits a second, or the port.
    """

    kind: str
    name: str = ""
    number: int = 0

    @classmethod
    def parse(cls, text: str, *, public: bool = False) -> Address:
        """An address such as `-`, `tcp://127.0.0.1:9000`, `http://...` or `serial:/dev/ttyUSB0@115200`.

        ConfigError if it is none of these, or others than this machine could connect and it is not `public`.

        >>> Address.parse("tcp://127.0.0.1:9000"), Address.parse("serial:COM3@9600").number
        (Address(kind='tcp', name='127.0.0.1', number=9000), 9600)
        """
        if text == "-":
            return cls("stdin", "stdin")
        if found := re.fullmatch(r"serial:([^@]+)(?:@([1-9]\d{0,6}))?", text, re.ASCII):
            return cls("serial", found[1], int(found[2] or _BAUD))
        found = re.fullmatch(r"(tcp|http)://(\[[\w:.%]+\]|[\w.-]+):(\d{1,5})/?", text, re.ASCII)
        if not found or int(found[3]) > 65_535:
            remedy = "name -, serial:DEVICE@BAUD, tcp://127.0.0.1:PORT or http://127.0.0.1:PORT"
            raise ConfigError(f"no source {text!r}", remedy=remedy)
        host = found[2].strip("[]")
        if host not in _LOOPBACK and not public:
            problem = f"{text}: others than this machine could send samples and nothing checks who they are"
            raise ConfigError(problem, remedy="listen on 127.0.0.1, or allow it with --public in a network you trust")
        return cls(found[1], host, int(found[3]))


class Source:
    """Lines from one address, as they come.

    ConfigError if a port cannot be opened, or what is needed for it is not installed.
    """

    def __init__(self, address: Address, stdin: IO[bytes]) -> None:
        self.port = 0
        self._queue: queue.Queue[list[Line]] = queue.Queue(_WAITING)
        self._lock, self._names = threading.Lock(), set[str]()
        self._closed, self._ended = threading.Event(), threading.Event()
        self._error: Exception | None = None
        read = self._open(address, stdin)
        threading.Thread(target=self._run, args=(read,), name=f"bfrb {address.kind}", daemon=True).start()

    def __iter__(self) -> Iterator[list[Line]]:
        """All lines that have come since the last; none after a moment in which none came.

        It ends when nothing more can come, or when the source is closed and what had come is taken. DataError if the
        device is gone.
        """
        over = False
        while not over:
            over = self._ended.is_set() or self._closed.is_set()
            lines: list[Line] = []
            with contextlib.suppress(queue.Empty):
                lines += self._queue.get(not over, TICK_S)
                while True:
                    lines += self._queue.get_nowait()
            yield lines
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Read no more."""
        self._closed.set()

    def follow(self, kind: str, chunks: Iterable[bytes]) -> None:
        """Hand over the lines of a connection, from its bytes as they come."""
        with self._connection(kind) as name:
            splitter = LineSplitter()
            try:
                for chunk in chunks:
                    self.put(name, splitter.push(chunk))
            finally:
                self.put(name, [*splitter.finish(), None])

    def put(self, connection: str, texts: Iterable[bytes | None]) -> None:
        """Hand over lines of a connection, None for its end; waits until there is room."""
        lines = [Line(connection, time.time(), text) for text in texts]
        while lines and not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(lines, timeout=TICK_S)
                return

    @contextlib.contextmanager
    def _connection(self, kind: str) -> Iterator[str]:
        """A name for a connection while it lasts: one that comes back has the same, if no other took it."""
        with self._lock:
            names = itertools.chain([kind], (f"{kind} {number}" for number in itertools.count(2)))
            name = next(name for name in names if name not in self._names)
            self._names.add(name)
        try:
            yield name
        finally:
            self._names.discard(name)

    def _run(self, read: Callable[[], None]) -> None:
        try:
            read()
        except (BfrbError, OSError) as error:
            self._error = error  # raised where the lines are read
        self._ended.set()

    def _open(self, address: Address, stdin: Any) -> Callable[[], None]:
        """What reads the source until it ends."""
        if address.kind == "stdin":
            return partial(self.follow, address.name, iter(partial(stdin.read1, _READ_BYTES), b""))
        if address.kind == "serial":
            return partial(self.follow, address.name, _open_serial(address))
        bound = listen(address.name, address.number)
        self.port = bound.getsockname()[1]
        return partial(self._serve, _Server({"tcp": _Tcp, "http": _Http}[address.kind], bound, self), bound)

    def _serve(self, server: Any, bound: socket.socket) -> None:
        """Listen until the source is closed; the threads of connections end with it, or with the process."""
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._closed.wait()
        server.shutdown()
        bound.close()


class _Server(socketserver.ThreadingTCPServer):
    """Hands every connection to a socket that listens already to a thread of its own."""

    daemon_threads = True

    def __init__(self, handler: Any, bound: socket.socket, source: Source) -> None:
        super().__init__(bound.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket, self.source = bound, source

    def verify_request(self, *_: Any) -> bool:
        """Whether a connection is taken on."""
        return threading.active_count() < MOST_CONNECTIONS

    def handle_error(self, *_: Any) -> None:
        """A client that leaves is no error."""
        if not isinstance(sys.exception(), OSError):
            log.exception("a connection failed")


class _Tcp(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.server.source.follow("tcp", iter(partial(self.request.recv, _READ_BYTES), b""))


class _Http(http.server.BaseHTTPRequestHandler):
    """Bodies that phones push: one document of JSON, or lines. Where none names a wearer, it goes by its address."""

    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 10.0  # seconds

    def do_POST(self) -> None:
        size = self.headers.get("content-length", "")
        self.close_connection = True
        if "origin" in self.headers and not _PAGES_HERE.fullmatch(self.headers["origin"]):
            self.send_error(403, "pages of other sites may not send samples")
        elif not size.isdecimal():
            self.send_error(411)
        elif int(size) > LONGEST_LINE:
            self.send_error(413, f"expected at most {LONGEST_LINE:,} bytes at a time")
        else:
            body = self.rfile.read(int(size))
            self.server.source.put(self.client_address[0], [body] if _is_json(body) else body.split(b"\n"))
            self.close_connection = False
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

    def finish(self) -> None:
        """Read on for a while: a refusal would be lost if the connection ended while its client still sends."""
        super().finish()
        with contextlib.suppress(OSError):
            self.request.shutdown(socket.SHUT_WR)
            for _ in range(_MOST_DROPPED_READS):
                if not self.request.recv(_READ_BYTES):
                    break

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _open_serial(address: Address) -> Iterator[bytes]:
    try:
        import serial

        port = serial.Serial(address.name, address.number)
    except ImportError:
        raise ConfigError("pyserial is not installed", remedy="pip install 'bfrb[stream]'") from None
    except (OSError, ValueError) as error:
        problem = f"cannot open {address.name}: {error}"
        raise ConfigError(problem, remedy="check its name, its speed and your rights") from None
    return _read_serial(port, address.name)


def _read_serial(port: Any, device: str) -> Iterator[bytes]:
    try:
        while True:
            yield bytes(port.read(max(1, min(port.in_waiting, _READ_BYTES))))
    except OSError as error:
        raise DataError(f"the device {device} is gone: {error}", remedy="plug it in, and start again") from None
