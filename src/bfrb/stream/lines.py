"""What devices send: lines of JSON or CSV from any number of connections, made into samples of named wearers.

Every line is judged by itself. One that begins with `{` or `[` is JSON: a sample, a list of them, or a phone's batch.
One with names of the device's columns is a header, any other a row of CSV under the last header of its connection.
Columns and keys are a time (`time_s`, `time_ms`, `time_us` or `time_ns`), `wearer`, and the device's sensors or their
raw columns; others are passed over, which is said.
"""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bfrb.errors import DataError
from bfrb.read.stretches import TIMES
from bfrb.stream.phones import PAYLOAD, samples_of
from bfrb.stream.samples import TIME
from bfrb.study.device import Device

log = logging.getLogger(__name__)

WEARER = "wearer"

LONGEST_LINE = 1 << 19
"""Bytes; longer lines are dropped."""

_LONGEST_NAME = 100
_MOST_HEADERS = 2000
_MOST_NOTES = 8

Message = tuple[str, Mapping[str, Any] | DataError | None]
"""A wearer, with samples as `take_sent` reads them, or why a line was refused, or None where the connection ended."""


@dataclass(frozen=True)
class Line:
    """A line from one of many connections.

    Parameters
    ----------
    connection
        Which; it is also the name of a wearer whose lines name none.
    time_s
        When it came.
    text
        What came, without its end; None once the connection has ended.
    """

    connection: str
    time_s: float
    text: bytes | None


class LineSplitter:
    r"""Puts lines together from bytes as they arrive, and keeps no more of a line than shows that it is too long.

    Examples
    --------
    >>> splitter = LineSplitter()
    >>> splitter.push(b"one\ntw"), splitter.push(b"o\nthree"), splitter.finish()
    ([b'one'], [b'two'], [b'three'])
    """

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
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


class LineReader:
    """Reads the lines of many connections, each with its own header.

    Parameters
    ----------
    device
        The device whose sensors are named.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._places = {
            name: (sensor.name, place) for sensor in device.sensors for place, name in enumerate(sensor.columns)
        }
        self._known = {*self._places, *device.sensor_names, *TIMES, WEARER}
        self._headers: dict[str, list[str]] = {}
        self._unused: set[str] = set()

    def read(self, line: Line) -> Iterator[Message]:
        """What a line says, nothing if it is blank or a header; it never fails."""
        if line.text is None:
            self._headers.pop(line.connection, None)
            yield line.connection, None
            return
        try:
            samples = self._samples(line.connection, _text(line.text))
        except DataError as error:
            yield line.connection, error
            return
        for values in samples:
            try:
                yield self._message(line.connection, values)
            except DataError as error:
                yield line.connection, error

    def _samples(self, connection: str, text: str) -> list[Any]:
        if not text:
            return []
        return self._from_json(text) if text[0] in "{[" else self._from_csv(connection, text)

    def _from_json(self, text: str) -> list[Any]:
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise _unreadable("JSON", text) from None
        if isinstance(found, list):
            return found
        return samples_of(found, self._device) if PAYLOAD in found else [found]

    def _from_csv(self, connection: str, text: str) -> list[Any]:
        try:
            fields = [field.strip() for field in next(csv.reader([text]), [])]
        except csv.Error:
            raise _unreadable("one row of CSV", text) from None
        if not self._places.keys().isdisjoint(fields):
            self._keep_header(connection, fields)
            return []
        header = self._headers.get(connection)
        if header is None:
            raise _unreadable(f"JSON, or a header with columns such as {next(iter(self._places))}", text)
        if len(fields) != len(header):
            raise _unreadable(f"{len(header)} fields as in the header", text)
        return [{name: field or None for name, field in zip(header, fields, strict=True)}]

    def _keep_header(self, connection: str, names: list[str]) -> None:
        """Remember a header, but not half of one: its rows would be taken for others."""
        for sensor in self._device.sensors:
            lacking = set(sensor.columns) - set(names)
            if sensor.pieces == 1 and 0 < len(lacking) < len(sensor.columns):
                raise _unreadable(f"a header with all columns of {sensor.name} or none", ", ".join(names))
        if len(set(names)) < len(names):
            raise _unreadable("a header with every name once", ", ".join(names))
        if len(self._headers) >= _MOST_HEADERS:
            del self._headers[next(iter(self._headers))]
        self._headers[connection] = names

    def _message(self, connection: str, values: Any) -> Message:
        if not isinstance(values, dict):
            raise _unreadable("JSON objects", str(values))
        self._note_unused(values)
        taken = self._gather_columns(values)
        taken |= {name: values[name] for name in self._device.sensor_names if name in values}
        if not taken:
            raise _unreadable(f"readings such as {self._device.sensor_names[0]}", ", ".join(map(str, values)))
        for name, unit_s in TIMES.items():
            if name in values:
                taken[TIME] = _scaled(values[name], unit_s)
        wearer = connection if values.get(WEARER) is None else str(values[WEARER])
        if not 0 < len(wearer) <= _LONGEST_NAME:
            raise _unreadable(f"a wearer's name of at most {_LONGEST_NAME} letters", wearer)
        return wearer, taken

    def _gather_columns(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Readings that come column by column, as in raw files."""
        taken: dict[str, Any] = {}
        for name in self._places.keys() & values.keys():
            sensor, place = self._places[name]
            readings = taken.setdefault(sensor, [None] * len(self._device.sensor(sensor).columns))
            readings[place] = _number(values[name])
        return taken

    def _note_unused(self, values: Mapping[str, Any]) -> None:
        unused = ", ".join(str(name) for name in values if name not in self._known)[:200]
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


def _number(field: Any) -> Any:
    """A number; a text as it is where that is none, so that it is refused later."""
    try:
        return float(field) if isinstance(field, str) else field
    except ValueError:
        return field


def _scaled(time: Any, unit_s: float) -> Any:
    """Times in seconds; NaN, a time that is counted as garbage, for what is no time."""
    try:
        return np.asarray(time, dtype=np.float64) * unit_s
    except (TypeError, ValueError, OverflowError):
        return np.nan


def _unreadable(expected: str, found: str | bytes) -> DataError:
    shown = found if isinstance(found, str) else found.decode("utf-8", errors="replace")
    return DataError(f"expected {expected}, got {shown[:80]!r}", remedy="send one JSON object or CSV row a line")
