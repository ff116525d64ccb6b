"""What devices send: lines of JSON or CSV from any number of connections, made into samples of named wearers.

Every line is judged by itself. One that begins with `{` or `[` is JSON: a sample, a list of them, or a phone's batch.
One with names of the device's columns is a header, any other a row of CSV under the last header of its connection.
Columns that are not known are passed over, which is said.
"""

import csv
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bfrb.errors import DataError
from bfrb.stream.events import Event
from bfrb.stream.layouts import Layout
from bfrb.stream.samples import TIME
from bfrb.stream.stream import Ready, StreamHub

log = logging.getLogger(__name__)

WEARER = "wearer"
PAYLOAD = "payload"  # the key by which a batch is known
LONGEST_LINE = 1 << 19  # bytes; longer lines are dropped

_LONGEST_NAME = 100
_LONGEST_SET = 4  # columns of a sensor that make no sense apart
_MOST_HEADERS = 2000
_MOST_NOTES = 8

Message = tuple[str, Mapping[str, Any] | DataError | None]
"""A wearer, with samples as `parse_samples` reads them, why a line was refused, or None where the connection ended."""


@dataclass(frozen=True)
class Line:
    """A line from one of many connections."""

    connection: str  # which; it is also the name of a wearer whose lines name none
    time_s: float
    text: bytes | None  # what came, without its end; None once the connection has ended


class LineSplitter:
    """Puts lines together from bytes as they arrive, and keeps no more of a line than shows that it is too long."""

    def __init__(self) -> None:
        self._rest = b""

    def push(self, data: bytes) -> list[bytes]:
        """The lines that are complete."""
        first, *others = data.split(b"\n")
        lines = [self._rest + first[: LONGEST_LINE + 1 - len(self._rest)], *others]
        self._rest = lines.pop()[: LONGEST_LINE + 1]
        return lines

    def finish(self) -> list[bytes]:
        """The last line, if it had no end."""
        return [self._rest] if self._rest else []


class LineReader:
    """Reads the lines of many connections, each with its own header, as a layout says."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._readings = set().union(*layout.readings)
        self._known = {*self._readings, *layout.others, WEARER}
        self._headers: dict[str, list[str]] = {}
        self._unused: set[str] = set()

    def read(self, line: Line) -> Iterator[Message]:
        """What a line says, nothing if it is blank or a header; it never fails."""
        if line.text is None:
            self._headers.pop(line.connection, None)
            yield line.connection, None
            return
        try:
            samples = self._parse(line.connection, _text(line.text))
        except DataError as error:
            yield line.connection, error
            return
        for values in samples:
            try:
                yield self._message(line.connection, values)
            except DataError as error:
                yield line.connection, error

    def _parse(self, connection: str, text: str) -> list[Any]:
        if text[:1] not in ("{", "["):
            return self._from_csv(connection, text) if text else []
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise _unreadable("JSON", text) from None
        if isinstance(found, dict):
            return self._from_batch(found) if PAYLOAD in found else [found]
        return list(found)

    def _from_batch(self, batch: Mapping[str, Any]) -> list[Any]:
        """Samples as Sensor Logger pushes them: `{"deviceId": ..., "payload": [{"name", "time", "values"}, ...]}`.

        Values go by their names, and by that of their sensor as well: `x` is also `gyroscope_x`.
        """
        found = []
        try:
            for entry in batch[PAYLOAD]:
                name, values = entry["name"].replace(" ", "").lower(), entry.get("values", entry)
                named = {**values, **{f"{name}_{key}": value for key, value in values.items()}, "time": entry["time"]}
                if not self._readings.isdisjoint(named):
                    known = {key: named[key] for key in self._known & named.keys()}
                    found.append((int(entry["time"]), known | {WEARER: batch.get("deviceId")}))
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
            found = []
        if not found:
            raise _unreadable(f"a batch with {min(self._readings)}", str(batch[PAYLOAD]))
        return [sample for _, sample in sorted(found, key=lambda each: each[0])]

    def _from_csv(self, connection: str, text: str) -> list[Any]:
        try:
            fields = [field.strip() for field in next(csv.reader([text]), [])]
        except csv.Error:
            raise _unreadable("one row of CSV", text) from None
        if not self._readings.isdisjoint(fields):
            self._check_header(fields)
            if len(self._headers) >= _MOST_HEADERS:
                del self._headers[next(iter(self._headers))]
            self._headers[connection] = fields
            return []
        header = self._headers.get(connection)
        if header is None:
            raise _unreadable(f"JSON, or a header with commas between columns such as {min(self._readings)}", text)
        if len(fields) != len(header):
            raise _unreadable(f"{len(header)} fields, commas between, as in the header", text)
        return [{name: field or None for name, field in zip(header, fields, strict=True)}]

    def _check_header(self, names: list[str]) -> None:
        """Refuse half a header: its rows would be taken for others."""
        for columns in self._layout.readings:
            lacking = columns.difference(names)
            if len(columns) <= _LONGEST_SET and 0 < len(lacking) < len(columns):
                raise _unreadable(f"a header with all of {', '.join(sorted(columns))}", ", ".join(names))
        if len(set(names)) < len(names):
            raise _unreadable("a header with every name once", ", ".join(names))

    def _message(self, connection: str, values: Any) -> Message:
        if not isinstance(values, dict):
            raise _unreadable("a JSON object", str(values))
        self._note_unused(values)
        samples = self._layout.samples(values)
        if not samples.keys() - {TIME}:
            raise _unreadable(f"readings such as {min(self._readings)}", ", ".join(values))
        wearer = connection if values.get(WEARER) is None else str(values[WEARER])
        if not 0 < len(wearer) <= _LONGEST_NAME:
            raise _unreadable(f"a wearer's name of at most {_LONGEST_NAME} letters", wearer)
        return wearer, samples

    def _note_unused(self, values: Mapping[str, Any]) -> None:
        unused = ", ".join(name for name in values if name not in self._known)[:200]
        if unused and unused not in self._unused and len(self._unused) < _MOST_NOTES:
            self._unused.add(unused)
            log.warning("note: columns that are not used: %r", unused)


def _text(line: bytes) -> str:
    if len(line) > LONGEST_LINE:
        raise _unreadable(f"a line of at most {LONGEST_LINE:,} bytes", line[:40])
    try:
        return line.decode("utf-8").strip().removeprefix("\ufeff").strip()
    except UnicodeDecodeError:
        raise _unreadable("text in UTF-8", line) from None


def _unreadable(expected: str, found: str | bytes) -> DataError:
    shown = found if isinstance(found, str) else found.decode("utf-8", errors="replace")
    return DataError(f"expected {expected}, got {shown[:80]!r}", remedy="send one JSON object or CSV row a line")


Output = dict[str, Any]


class Live:
    """Reads what arrives, pushes it into a hub, and says what happens.

    Every output is an object with `event` (`begins` or `ends`), `wearer` and the fields of an `Event`; that an event
    begins is said as soon as it is known, if it has not ended by then. With `stamp`, samples get the time of their
    arrival; who is silent for `idle_s` has ended; the layout is by default that of the bundle's device.
    """

    def __init__(
        self, hub: StreamHub, *, stamp: bool = False, idle_s: float = 60.0, layout: Layout | None = None
    ) -> None:
        self.hub = hub
        self.refused = 0
        self._stamp = stamp
        self._idle_s = idle_s
        self._reader = LineReader(layout or Layout.of_device(hub.predictor.source_device))
        self._came_s: dict[str, float] = {}
        self._announced: dict[str, float] = {}

    def take(self, lines: Iterable[Line]) -> list[Output]:
        """What happens with these lines. BundleError if a network fails."""
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
                log.warning("refused lines: %d, the last from %s: %s", self.refused, line.connection, error)
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
