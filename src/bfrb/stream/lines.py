"""What devices send: lines of JSON or CSV, made into samples of named wearers.

A connection's first line says what it is: `{` begins JSON, anything else is the header of a CSV table. Columns and keys
are a time (`time_s`, `time_ms`, `time_us` or `time_ns`), `wearer`, and the device's sensors or their raw columns;
others are passed over.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from bfrb.errors import DataError
from bfrb.read.stretches import TIMES
from bfrb.stream.samples import TIME
from bfrb.study.device import Device

WEARER = "wearer"

LONGEST_LINE = 1 << 20
"""Bytes; longer lines are dropped."""

_LONGEST_NAME = 100


class LineSplitter:
    """Puts lines together from bytes as they arrive; keeps no line that is too long."""

    def __init__(self) -> None:
        self._rest = b""
        self._dropping = False

    def push(self, data: bytes) -> list[bytes]:
        """The lines that are complete; a line that was too long comes as an empty one after a `{`: it is garbage."""
        *lines, rest = (self._rest + data).split(b"\n")
        if lines and self._dropping:
            lines[0], self._dropping = b"{", False
        if len(rest) > LONGEST_LINE:
            rest, self._dropping = b"", True
        self._rest = b"" if self._dropping else rest
        return lines

    def finish(self) -> list[bytes]:
        """The last line, if it had no end."""
        rest, self._rest = self._rest, b""
        return [rest] if rest.strip() else []


@dataclass(frozen=True)
class Message:
    """One line: whose samples, and what `parse_samples` reads."""

    wearer: str | None
    values: dict[str, Any]


class LineParser:
    """Reads the lines of one connection.

    Parameters
    ----------
    device
        The device whose sensors are named.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._header: list[str] | None = None
        self._is_json: bool | None = None
        self._places = _column_places(device)

    def parse(self, line: bytes) -> Message | None:
        """What a line says; nothing if it is blank or the header.

        Raises
        ------
        DataError
            If it cannot be read.
        """
        try:
            text = line.decode("utf-8").strip()
        except UnicodeDecodeError:
            raise _unreadable("text in UTF-8", line) from None
        if not text:
            return None
        if self._is_json is None:
            self._is_json = text.startswith("{")
        return self._from_json(text) if self._is_json else self._from_csv(text)

    def _from_json(self, text: str) -> Message:
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise _unreadable("a JSON object", text)
        return self._message(values)

    def _from_csv(self, text: str) -> Message | None:
        if self._header is None:
            header = [name.strip() for name in next(csv.reader([text]))]
            if not any(name in self._places or self._device.has(name) for name in header):
                raise _unreadable(f"JSON, or a header with columns such as {next(iter(self._places))}", text)
            self._header = header
            return None
        fields = next(csv.reader([text]))
        if len(fields) != len(self._header):
            raise _unreadable(f"{len(self._header)} fields as in the header", text)
        return self._message({name: _number(field) for name, field in zip(self._header, fields, strict=True)})

    def _message(self, values: dict[str, Any]) -> Message:
        taken: dict[str, Any] = {name: values[name] for name in self._device.sensor_names if name in values}
        self._gather_columns(values, taken)
        if not taken:
            raise _unreadable(f"readings such as {self._device.sensor_names[0]}", ", ".join(map(str, values)))
        for name, unit_s in TIMES.items():
            if name in values:
                taken[TIME] = _scaled(values[name], unit_s)
        wearer = values.get(WEARER)
        return Message(None if wearer is None else str(wearer)[:_LONGEST_NAME], taken)

    def _gather_columns(self, values: dict[str, Any], taken: dict[str, Any]) -> None:
        """Readings that come column by column, as in raw files."""
        for name in self._places.keys() & values.keys():
            sensor, place = self._places[name]
            if sensor not in taken:
                taken[sensor] = [None] * len(self._device.sensor(sensor).columns)
            taken[sensor][place] = _number(values[name])


def _column_places(device: Device) -> dict[str, tuple[str, int]]:
    return {name: (sensor.name, place) for sensor in device.sensors for place, name in enumerate(sensor.columns)}


def _number(field: Any) -> Any:
    """A number; a text as it is where that is none, so that it is refused later."""
    if not isinstance(field, str):
        return field
    try:
        return float(field) if field.strip() else None
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
