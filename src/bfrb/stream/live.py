"""`Live`: lines from any number of devices in, events out, for one process that serves them all."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from bfrb.errors import DataError
from bfrb.stream.events import Event
from bfrb.stream.layouts import Layout
from bfrb.stream.lines import Line, LineReader
from bfrb.stream.samples import TIME
from bfrb.stream.stream import Ready, StreamHub

log = logging.getLogger(__name__)

Output = dict[str, Any]


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
    layout
        What stands in the lines under which name; by default as the bundle's device has it.
    """

    def __init__(
        self, hub: StreamHub, *, stamp: bool = False, idle_s: float = 60.0, layout: Layout | None = None
    ) -> None:
        self.hub = hub
        self.refused = 0
        self._stamp = stamp
        self._idle_s = idle_s
        self._reader = LineReader(layout or Layout.of_device(hub.predictor.device))
        self._came_s: dict[str, float] = {}
        self._announced: dict[str, float] = {}

    def take(self, lines: Iterable[Line]) -> list[Output]:
        """What happens with these lines.

        Raises
        ------
        BundleError
            If a network fails.
        """
        ready: list[Ready] = []
        outputs: list[Output] = []
        for line in lines:
            for wearer, values in self._reader.read(line):
                if values is not None:
                    ready += self._take(line, wearer, values)
                    continue
                outputs += self._answer(ready) + self.end(wearer)
                ready = []
        return outputs + self._answer(ready)

    def end(self, wearer: str) -> list[Output]:
        """What is known at the end of a wearer's stream."""
        self._came_s.pop(wearer, None)
        events = self.hub.finish(wearer)[wearer] if wearer in self.hub.streams else []
        return self._ended(wearer, events)

    def end_idle(self, now_s: float) -> list[Output]:
        """End the streams of those who have been silent for too long."""
        idle = [name for name, came_s in self._came_s.items() if now_s - came_s > self._idle_s]
        return [output for name in idle for output in self.end(name)]

    def finish(self) -> list[Output]:
        """End all streams."""
        return [output for name in list(self.hub.streams) for output in self.end(name)]

    def status(self) -> dict[str, Any]:
        """How many wearers there are, lines that could not be read, and what became of all samples."""
        return {"wearers": len(self.hub.streams), "refused_lines": self.refused} | self.hub.counts.to_dict()

    def _take(self, line: Line, wearer: str, values: Mapping[str, Any] | DataError) -> list[Ready]:
        """The windows that are complete with some samples; lines that cannot be used are counted."""
        try:
            if isinstance(values, DataError):
                raise values
            ready = self.hub.take(wearer, {**values, **({TIME: line.time_s} if self._stamp else {})})
        except DataError as error:
            self.refused += 1
            if self.refused & (self.refused - 1) == 0:  # 1, 2, 4, 8 ...: a broken source does not fill the screen
                log.warning("refused lines: %d, the last from %s: %s", self.refused, line.connection, error.problem)
            return []
        self._came_s[wearer] = line.time_s
        return ready

    def _answer(self, ready: list[Ready]) -> list[Output]:
        outputs: list[Output] = []
        for wearer, events in self.hub.answer(ready).items():
            outputs += self._ended(wearer, events) if events else []
            ongoing = self.hub.streams[wearer].ongoing
            if ongoing is not None and self._announced.get(wearer) != ongoing.start_s:
                self._announced[wearer] = ongoing.start_s
                outputs.append({"event": "begins", "wearer": wearer, **asdict(ongoing)})
        return outputs

    def _ended(self, wearer: str, events: list[Event]) -> list[Output]:
        self._announced.pop(wearer, None)
        return [{"event": "ends", "wearer": wearer, **asdict(event)} for event in events]
