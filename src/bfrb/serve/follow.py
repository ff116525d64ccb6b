"""What a live source sends, message by message, for those who only want to read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from bfrb.errors import DataError
from bfrb.serve.live_sources import WAITING, Place, Queue, listening
from bfrb.stream.lines import LineParser, LineSplitter
from bfrb.stream.live import Arrival
from bfrb.study.device import Device

Sent = Mapping[str, Any] | DataError | None
"""Samples as `parse_samples` takes them, or why a line could not be read, or that the connection of the
wearer ended."""


def follow(place: Place, device: Device, stdin: IO[bytes]) -> Iterator[tuple[str, Sent]]:
    """What comes from a place, with the name of the wearer, until nothing more can come.

    Lines that name no wearer get the name of their connection. A connection that comes after another has ended takes
    over its name: a device that lost touch and is back is still the same.

    Raises
    ------
    ConfigError
        If the source cannot be opened.
    OSError
        If the port is taken.
    """
    queue: Queue = asyncio.Queue(WAITING)
    reader = _Reader(device)
    with asyncio.Runner() as runner:
        opened = listening(place, queue, stdin)
        runner.run(opened.__aenter__())
        try:
            while (arrival := runner.run(_next(queue))) is not None:
                yield from reader.read(arrival)
        finally:
            runner.run(opened.__aexit__(None, None, None))


async def _next(queue: Queue) -> Arrival | None:
    return await queue.get()


@dataclass
class _Connection:
    """One connection: what its unnamed wearer is called, and who else it spoke of."""

    name: str
    splitter: LineSplitter
    parser: LineParser
    wearers: set[str] = field(default_factory=set)


class _Reader:
    """Lines of several connections, each with its own header."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._open: dict[str, _Connection] = {}
        self._free: list[str] = []

    def read(self, arrival: Arrival) -> Iterator[tuple[str, Sent]]:
        if arrival.connection not in self._open:
            name = self._free.pop() if self._free else arrival.connection
            self._open[arrival.connection] = _Connection(name, LineSplitter(), LineParser(self._device))
        found = self._open[arrival.connection]
        for line in found.splitter.push(arrival.data) + (found.splitter.finish() if arrival.ends else []):
            yield from _parse(found, line)
        if arrival.ends:
            del self._open[arrival.connection]
            self._free.append(found.name)
            yield from ((wearer, None) for wearer in sorted(found.wearers))


def _parse(connection: _Connection, line: bytes) -> Iterator[tuple[str, Sent]]:
    try:
        message = connection.parser.parse(line)
    except DataError as error:
        yield connection.name, error
        return
    if message is not None:
        wearer = message.wearer or connection.name
        connection.wearers.add(wearer)
        yield wearer, message.values
