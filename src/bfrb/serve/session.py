"""One run of `bfrb stream`: a source is followed until it ends, or somebody stops it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from bfrb.serve.live_sources import WAITING, Place, Queue, listening
from bfrb.stream.live import Arrival, Live, Output

_TICK_S = 0.5


@dataclass(frozen=True)
class Session:
    """What happens to what.

    Parameters
    ----------
    live
        Reads what arrives.
    tell
        Told every output at once.
    show_status
        Called at SIGUSR1, every `status_s` seconds, and at the end.
    status_s
        0: only when asked.
    ready
        Told the port once it is listened on, 0 if there is none.
    """

    live: Live
    tell: Callable[[Output], None]
    show_status: Callable[[], None]
    status_s: float = 0.0
    ready: Callable[[int], None] = lambda _: None

    def run(self, place: Place, stdin: IO[bytes]) -> None:
        """Follow a source until it ends, or SIGINT or SIGTERM comes; all events are told then.

        Raises
        ------
        ConfigError
            If a source cannot be opened.
        BundleError
            If a network fails.
        """
        asyncio.run(self._run(place, stdin))

    async def _run(self, place: Place, stdin: IO[bytes]) -> None:
        queue: Queue = asyncio.Queue(WAITING)
        stop = asyncio.Event()
        _on_signals(stop.set, self.show_status)
        async with listening(place, queue, stdin) as port:
            self.ready(port)
            await self._follow(queue, stop)
            # Senders that wait for a place in the queue could not end otherwise.
            draining = asyncio.create_task(_drain(queue))
        draining.cancel()
        self._tell(self.live.finish())
        self.show_status()

    async def _follow(self, queue: Queue, stop: asyncio.Event) -> None:
        stopped = asyncio.create_task(stop.wait())
        next_status_s = time.monotonic() + self.status_s
        more = True
        while more and not stop.is_set():
            arrivals, more = await _next_arrivals(queue, stopped)
            self._tell(self.live.take(arrivals))
            self._tell(self.live.end_idle(time.time()))
            if self.status_s and time.monotonic() >= next_status_s:
                next_status_s += self.status_s
                self.show_status()
        stopped.cancel()
        while not queue.empty():
            item = queue.get_nowait()
            self._tell(self.live.take([item] if item is not None else []))

    def _tell(self, outputs: list[Output]) -> None:
        for output in outputs:
            self.tell(output)


async def _drain(queue: Queue) -> None:
    while True:
        await queue.get()


async def _next_arrivals(queue: Queue, stopped: asyncio.Task[bool]) -> tuple[list[Arrival], bool]:
    """All that has arrived, after a moment at the latest, and whether more can come."""
    getting = asyncio.create_task(queue.get())
    await asyncio.wait([getting, stopped], timeout=_TICK_S, return_when=asyncio.FIRST_COMPLETED)
    if not getting.done():
        getting.cancel()
        return [], not stopped.done()
    arrivals: list[Arrival] = []
    item: Arrival | None = getting.result()
    while item is not None:
        arrivals.append(item)
        if queue.empty():
            return arrivals, True
        item = queue.get_nowait()
    return arrivals, False


def _on_signals(stop: Callable[[], None], status: Callable[[], None]) -> None:
    """SIGINT and SIGTERM stop, SIGUSR1 shows the status; where the platform has no such signals, Ctrl-C still ends."""
    loop = asyncio.get_running_loop()
    wanted = {"SIGINT": stop, "SIGTERM": stop, "SIGUSR1": status}
    # Only the main thread can take signals, and not every platform has all of them.
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        for name, action in wanted.items():
            if hasattr(signal, name):
                loop.add_signal_handler(getattr(signal, name), action)
