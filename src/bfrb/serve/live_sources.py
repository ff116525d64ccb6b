"""Where live samples come from: standard input, a serial port, or connections over TCP or WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlsplit

from bfrb.errors import ConfigError
from bfrb.stream.lines import LONGEST_LINE
from bfrb.stream.live import Arrival

Queue = asyncio.Queue[Arrival | None]
"""What has arrived; None once nothing more can come."""

STDIN = "-"
WAITING = 64
"""Arrivals that may wait; after that, senders have to."""

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_LOCAL_PAGES = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
_READ_BYTES = 1 << 16
_BAUD = 115_200


@dataclass(frozen=True)
class Place:
    """Where samples come from.

    Parameters
    ----------
    kind
        `"stdin"`, `"tcp"`, `"ws"` or `"serial"`.
    host, port
        What to listen on, for connections.
    device, baud
        The serial port and its speed.
    """

    kind: str
    host: str = ""
    port: int = 0
    device: str = ""
    baud: int = _BAUD

    @classmethod
    def parse(cls, text: str, *, public: bool = False) -> Place:
        """A place such as `-`, `tcp://127.0.0.1:9000`, `ws://127.0.0.1:9001` or `serial:/dev/ttyUSB0@115200`.

        Parameters
        ----------
        public
            Whether others than this machine may be listened to.

        Raises
        ------
        ConfigError
            If it is none of these, or others could connect and `public` is not set.
        """
        if text == STDIN:
            return cls("stdin")
        if text.startswith("serial:"):
            device, _, baud = text.removeprefix("serial:").partition("@")
            return cls("serial", device=device, baud=int(baud) if baud.isdecimal() else _BAUD)
        host, port = _address(text)
        if host not in _LOOPBACK and not public:
            raise ConfigError(
                f"{text}: others than this machine could send samples and nothing checks who they are",
                remedy="listen on 127.0.0.1, or allow it with --public in a network you trust",
            )
        return cls(urlsplit(text).scheme, host, port)


def _address(text: str) -> tuple[str, int]:
    refusal = ConfigError(
        f"no source {text!r}", remedy="name -, tcp://127.0.0.1:PORT, ws://127.0.0.1:PORT or serial:DEVICE@BAUD"
    )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise refusal from None
    if parts.scheme not in ("tcp", "ws") or host is None or port is None:
        raise refusal
    return host, port


@contextlib.asynccontextmanager
async def listening(place: Place, queue: Queue, stdin: IO[bytes]) -> AsyncIterator[int]:
    """While inside, what arrives at a place goes into the queue; yields the port, 0 where there is none.

    Raises
    ------
    ConfigError
        If a serial port cannot be opened, or what is needed for the source is not installed.
    OSError
        If the port is taken.
    """
    if place.kind == "tcp":
        server = await asyncio.start_server(_tcp_reader(queue), place.host, place.port)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()  # without waiting for devices to hang up
    elif place.kind == "ws":
        async with _websocket_server(place, queue) as websockets:
            yield next(iter(websockets.sockets)).getsockname()[1]
    else:
        read, name = (_read_stdin(stdin), "stdin") if place.kind == "stdin" else (_open_serial(place), place.device)
        _follow(read, name, queue)
        yield 0


def _follow(read: Callable[[], bytes], name: str, queue: Queue) -> None:
    """Read a blocking source in a thread of its own until it ends."""
    loop = asyncio.get_running_loop()

    def put(arrival: Arrival | None) -> None:
        asyncio.run_coroutine_threadsafe(queue.put(arrival), loop).result()

    def follow() -> None:
        # The loop may have ended while the source was waited for; then nobody listens any more.
        with contextlib.suppress(RuntimeError, asyncio.CancelledError):
            while data := read():
                put(Arrival(name, time.time(), data))
            put(Arrival(name, time.time(), b"", ends=True))
            put(None)

    threading.Thread(target=follow, name=f"bfrb {name}", daemon=True).start()


def _read_stdin(stdin: IO[bytes]) -> Callable[[], bytes]:
    reader: Any = stdin
    return lambda: bytes(reader.read1(_READ_BYTES))


def _open_serial(place: Place) -> Callable[[], bytes]:
    """Blocks until something comes; nothing once the device is gone."""
    try:
        import serial
    except ImportError:
        raise ConfigError("pyserial is not installed", remedy="pip install 'bfrb[stream]'") from None
    try:
        port = serial.Serial(place.device, place.baud)
    except (serial.SerialException, ValueError, OSError) as error:
        raise ConfigError(
            f"cannot open {place.device}: {error}", remedy="check its name, its speed and rights"
        ) from None

    def read() -> bytes:
        try:
            return bytes(port.read(max(1, min(port.in_waiting, _READ_BYTES))))
        except (serial.SerialException, OSError):
            return b""

    return read


def _tcp_reader(queue: Queue) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = _peer(writer.get_extra_info("peername"))
        # Cancelled when the session ends; asyncio would complain if that came out of here.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while data := await reader.read(_READ_BYTES):
                await queue.put(Arrival(name, time.time(), data))
            await queue.put(Arrival(name, time.time(), b"", ends=True))
        writer.close()

    return read


def _websocket_server(place: Place, queue: Queue) -> Any:
    try:
        from websockets.asyncio.server import serve
        from websockets.exceptions import ConnectionClosed
    except ImportError:
        raise ConfigError("websockets is not installed", remedy="pip install 'bfrb[stream]'") from None

    async def read(connection: Any) -> None:
        name = _peer(connection.remote_address)
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                data = message if isinstance(message, bytes) else message.encode()
                await queue.put(Arrival(name, time.time(), data + b"\n"))
        await queue.put(Arrival(name, time.time(), b"", ends=True))

    # A page of another site in a browser on this machine may not send samples.
    return serve(read, place.host, place.port, origins=[None, _LOCAL_PAGES], max_size=LONGEST_LINE)


def _peer(address: Any) -> str:
    return ":".join(map(str, address[:2])) if isinstance(address, tuple) else "connection"
