"""`Live`: lines from any number of devices in, events out, for one process that serves them all."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from bfrb.errors import DataError
from bfrb.stream.events import Event
from bfrb.stream.lines import LineParser, LineSplitter
from bfrb.stream.samples import TIME, RawSamples
from bfrb.stream.stream import StreamHub

log = logging.getLogger(__name__)

Output = dict[str, Any]


@dataclass(frozen=True)
class Arrival:
    """Bytes from one connection.

    Parameters
    ----------
    connection
        Which; it is also the name of a wearer whose lines name none.
    time_s
        When they came.
    data
        The bytes.
    ends
        Whether the connection ended with them.
    """

    connection: str
    time_s: float
    data: bytes
    ends: bool = False


class Live:
    """Reads what arrives, pushes it into a hub, and says what happens.

    Every output is an object with `event` (`begins` or `ends`), `wearer` and the fields of an `Event`; that an event
    begins is said as soon as it is known, if it has not ended by then.

    Parameters
    ----------
    hub
        The streams.
    stamp
        Whether samples get the time of their arrival.
    idle_s
        The stream of a wearer of whom nothing has come for so long ends.
    """

    def __init__(self, hub: StreamHub, *, stamp: bool = False, idle_s: float = 60.0) -> None:
        self.hub = hub
        self.refused = 0
        self._stamp = stamp
        self._idle_s = idle_s
        self._connections: dict[str, tuple[LineSplitter, LineParser]] = {}
        self._heard_s: dict[str, float] = {}
        self._announced: dict[str, float] = {}

    def take(self, arrivals: Iterable[Arrival]) -> list[Output]:
        """What happens with these bytes.

        Raises
        ------
        BundleError
            If a network fails.
        """
        sent: dict[str, list[RawSamples]] = {}
        ended = []
        for arrival in arrivals:
            for line in self._lines(arrival):
                self._read(arrival, line, sent)
            if arrival.ends:
                self._connections.pop(arrival.connection, None)
                ended.append(arrival.connection)
        events = self.hub.push_raw(sent)
        outputs = [output for name, found in events.items() for output in self._tell(name, found)]
        return outputs + [output for name in ended for output in self.end(name)]

    def end(self, wearer: str) -> list[Output]:
        """What is known at the end of a wearer's stream."""
        self._heard_s.pop(wearer, None)
        if wearer not in self.hub.streams:
            return []
        events = self.hub.finish(wearer)[wearer]
        outputs = [_output("ends", wearer, event) for event in events]
        self._announced.pop(wearer, None)
        return outputs

    def end_idle(self, now_s: float) -> list[Output]:
        """End the streams of those who have been silent for too long."""
        idle = [name for name, heard_s in self._heard_s.items() if now_s - heard_s > self._idle_s]
        return [output for name in idle for output in self.end(name)]

    def finish(self) -> list[Output]:
        """End all streams."""
        return [output for name in list(self.hub.streams) for output in self.end(name)]

    def status(self) -> dict[str, Any]:
        """How many wearers there are, lines that could not be read, and what became of all samples."""
        return {"wearers": len(self.hub.streams), "refused_lines": self.refused} | self.hub.counts.to_dict()

    def _lines(self, arrival: Arrival) -> list[bytes]:
        if arrival.connection not in self._connections:
            self._connections[arrival.connection] = LineSplitter(), LineParser(self.hub.predictor.device)
        splitter, _ = self._connections[arrival.connection]
        return splitter.push(arrival.data) + (splitter.finish() if arrival.ends else [])

    def _read(self, arrival: Arrival, line: bytes, sent: dict[str, list[RawSamples]]) -> None:
        _, parser = self._connections[arrival.connection]
        try:
            message = parser.parse(line)
            if message is None:
                return
            wearer = message.wearer or arrival.connection
            stamped = {TIME: arrival.time_s} if self._stamp else {}
            sent.setdefault(wearer, []).append(self.hub.take(wearer, message.values | stamped))
            self._heard_s[wearer] = arrival.time_s
        except DataError as error:
            self.refused += 1
            if self.refused & (self.refused - 1) == 0:  # 1, 2, 4, 8 ...: a broken source does not fill the screen
                log.warning("refused %d lines, the last from %s: %s", self.refused, arrival.connection, error.problem)

    def _tell(self, wearer: str, events: list[Event]) -> list[Output]:
        outputs = [_output("ends", wearer, event) for event in events]
        if events:
            self._announced.pop(wearer, None)
        ongoing = self.hub.streams[wearer].ongoing
        if ongoing is not None and self._announced.get(wearer) != ongoing.start_s:
            self._announced[wearer] = ongoing.start_s
            outputs.append(_output("begins", wearer, ongoing))
        return outputs


def _output(kind: str, wearer: str, event: Event) -> Output:
    return {"event": kind, "wearer": wearer, **asdict(event)}
