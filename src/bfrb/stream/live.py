"""`Live`: lines from any number of devices in, events out, for one process that serves them all."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from bfrb.errors import DataError
from bfrb.stream.events import Event
from bfrb.stream.layouts import Layout, OwnLayout
from bfrb.stream.lines import Line, LineReader
from bfrb.stream.samples import TIME, RawSamples
from bfrb.stream.stream import StreamHub

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
        self._reader = LineReader(layout or OwnLayout(hub.predictor.source_device))
        self._came_s: dict[str, float] = {}
        self._announced: dict[str, float] = {}

    def take(self, lines: Iterable[Line]) -> list[Output]:
        """What happens with these lines.

        Raises
        ------
        BundleError
            If a network fails.
        """
        sent: dict[str, list[RawSamples]] = {}
        outputs: list[Output] = []
        for line in lines:
            for wearer, values in self._reader.read(line):
                if values is not None:
                    self._keep(line, wearer, values, sent)
                    continue
                outputs += self._push(sent) + self.end(wearer)
                sent = {}
        return outputs + self._push(sent)

    def end(self, wearer: str) -> list[Output]:
        """What is known at the end of a wearer's stream."""
        self._came_s.pop(wearer, None)
        if wearer not in self.hub.streams:
            return []
        events = self.hub.finish(wearer)[wearer]
        outputs = [_output("ends", wearer, event) for event in events]
        self._announced.pop(wearer, None)
        return outputs

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

    def _keep(
        self, line: Line, wearer: str, values: Mapping[str, Any] | DataError, sent: dict[str, list[RawSamples]]
    ) -> None:
        """Keep samples for the next push; lines that cannot be used are counted."""
        try:
            if isinstance(values, DataError):
                raise values
            stamped = {TIME: line.time_s} if self._stamp else {}
            sent.setdefault(wearer, []).append(self.hub.take(wearer, {**values, **stamped}))
            self._came_s[wearer] = line.time_s
        except DataError as error:
            self.refused += 1
            if self.refused & (self.refused - 1) == 0:  # 1, 2, 4, 8 ...: a broken source does not fill the screen
                log.warning("refused lines: %d, the last from %s: %s", self.refused, line.connection, error.problem)

    def _push(self, sent: dict[str, list[RawSamples]]) -> list[Output]:
        events = self.hub.push_raw(sent)
        return [output for name, found in events.items() for output in self._describe(name, found)]

    def _describe(self, wearer: str, events: list[Event]) -> list[Output]:
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
