"""What stands in a device's lines under which name: as the bundle's device has it, or as a description says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import numpy as np

from bfrb.errors import ConfigError, DataError
from bfrb.read.series import bring_to_wrist
from bfrb.read.stretches import TIMES
from bfrb.read.text_tables import terms_of
from bfrb.stream.samples import TIME
from bfrb.study.description import TIME_UNITS_S, Description, TimeSpec
from bfrb.study.device import Device
from bfrb.study.frame import Wrist


class Layout(Protocol):
    """Makes samples of named values."""

    readings: list[set[str]]
    """Names of the columns of every sensor."""
    others: set[str]
    """What else is read."""

    def samples(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Readings by sensor and their time, as `take_sent` takes them; nothing for what is not there."""


class OwnLayout:
    """The sensors of a device by their names or column by column, with times such as `time_s` or `time_ms`."""

    def __init__(self, device: Device) -> None:
        self._sensors = {sensor.name: sensor.columns for sensor in device.sensors}
        self.readings = [set(columns) for columns in self._sensors.values()]
        self.others = {*self._sensors, *TIMES}

    def samples(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The samples; what is no number is left to be refused."""
        found: dict[str, Any] = {}
        for name, columns in self._sensors.items():
            if name in values:
                found[name] = values[name]
            elif not values.keys().isdisjoint(columns):
                found[name] = [_plain(values.get(column)) for column in columns]
        for name, unit_s in TIMES.items():
            if name in values:
                found[TIME] = _scaled(values[name], unit_s)
        return found


class DescribedLayout:
    """The columns that a description names, brought to the wrist frame and to SI units.

    Parameters
    ----------
    description
        What the columns are called and mean.
    device
        The device whose sensors are wanted.
    wrist
        The wrist that it is worn on, where the description does not say.

    Raises
    ------
    ConfigError
        If the description has none of the device's sensors.
    DataError
        If the wrist has to be known, and is not.

    Examples
    --------
    >>> from bfrb.study.description import find_description
    >>> from bfrb.study.device import GALAXY_WATCH
    >>> still = dict.fromkeys(["gravityX", "gravityY", "accelerationX", "accelerationY", "accelerationZ"], 0)
    >>> apple = DescribedLayout(find_description("apple_watch_sensorlogger"), GALAXY_WATCH, "right")
    >>> sample = apple.samples({"time": "1500000000", "gravityZ": -1, **still})
    >>> float(sample["time_s"]), sample["acc"].round(2).tolist()
    (1.5, [0.0, 0.0, -9.81])
    """

    def __init__(self, description: Description, device: Device, wrist: Wrist | None = None) -> None:
        columns = {name: description.sensor(name).columns for name in description.sensors if device.has(name)}
        if not columns:
            problem = f"{description.name} describes {', '.join(description.sensors)}, none of them of {device.name!r}"
            raise ConfigError(problem, remedy="use the description of the device that sends")
        self._time = description.time
        self._terms = {name: [_terms(column) for column in columns[name]] for name in columns}
        # Bringing to the wrist is linear: what it makes of unit readings says what it makes of all.
        self._matrices = bring_to_wrist({name: np.eye(len(columns[name])) for name in columns}, description, wrist)
        self.readings = [{part for terms in sensor for _, part in terms} for sensor in self._terms.values()]
        self.others = {self._time.column} if self._time.column else set()

    def samples(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The samples, of sensors whose columns are all there.

        Raises
        ------
        DataError
            If a reading is no number.
        """
        found: dict[str, Any] = {}
        for (name, sensor), needed in zip(self._terms.items(), self.readings, strict=True):
            if needed <= values.keys():
                reading = [sum(sign * _number(values[part]) for sign, part in terms) for terms in sensor]
                found[name] = np.array(reading) @ self._matrices[name]
        if self._time.column and self._time.column in values:
            found[TIME] = _seconds(values[self._time.column], self._time)
        return found


def _terms(column: str) -> list[tuple[int, str]]:
    """Signs and names of what is added up; a name may have signs in it, but none with blanks around."""
    return terms_of(column, () if re.search(r"\s[+-]\s", column) else (column,))


def _plain(field: Any) -> Any:
    """A number where a text is one."""
    try:
        return float(field) if isinstance(field, str) else field
    except ValueError:
        return field


def _number(value: Any) -> float:
    try:
        return np.nan if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"expected a number, got {str(value)[:60]!r}", remedy="send numbers or null") from None


def _scaled(time: Any, unit_s: float) -> Any:
    """Times in seconds; NaN, a time that is counted as garbage, for what is no time."""
    try:
        return np.asarray(time, dtype=np.float64) * unit_s
    except (TypeError, ValueError, OverflowError):
        return np.nan


def _seconds(time: Any, spec: TimeSpec) -> Any:
    if spec.unit != "iso8601":
        return _scaled(time, TIME_UNITS_S[spec.unit])
    try:
        moment = datetime.fromisoformat(time)
    except (TypeError, ValueError):
        return np.nan
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(spec.zone or "UTC"))).timestamp()
