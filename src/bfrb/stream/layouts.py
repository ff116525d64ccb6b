"""What stands in a device's lines under which name: as the bundle's device has it, or as a description says."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

import numpy as np

from bfrb.arrays import Array
from bfrb.errors import ConfigError, DataError
from bfrb.read.csv_blocks import terms_of
from bfrb.read.series import ways_to_wrist
from bfrb.read.stretches import TIMES
from bfrb.stream.samples import TIME
from bfrb.study.description import TIME_UNITS_S, Description
from bfrb.study.device import Device
from bfrb.study.frame import Wrist

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Layout:
    """Makes samples of named values: `of_device` and `of_description` give one.

    A sensor's channels are columns, or sums such as `gravityX + accelerationX`; times are columns with the seconds that
    1 stands for, or None for ISO 8601, in a zone where they say none. The ways bring (n, C) readings to the wrist
    frame; a sensor without one may also stand under its own name, and columns of it may lack.
    """

    def __init__(
        self,
        columns: Mapping[str, tuple[str, ...]],
        times: Mapping[str, float | None],
        ways: Mapping[str, Callable[[Array], Array]],
        zone: str | None = None,
    ) -> None:
        self._terms = {name: [_terms(column) for column in columns[name]] for name in columns}
        self._times, self._ways, self._zone = times, ways, zone
        self.readings = [{part for terms in sensor for _, part in terms} for sensor in self._terms.values()]
        """Names of the columns of every sensor."""
        self.others = {*times, *(columns.keys() - ways.keys())}
        """What else is read."""

    @classmethod
    def of_device(cls, device: Device) -> Self:
        """The sensors of a device by their names or column by column, with times such as `time_s` or `time_ms`."""
        return cls({sensor.name: sensor.columns for sensor in device.sensors}, TIMES, {})

    @classmethod
    def of_description(cls, description: Description, device: Device, wrist: Wrist | None = None) -> Self:
        """The columns that a description names of a device's sensors, brought to the wrist frame and to SI units.

        The wrist is that on which it is worn, where the description does not say. ConfigError if the description has
        none of the sensors; DataError if the wrist has to be known, and is not.
        """
        described = [name for name in description.sensors if device.has(name)]
        if not described:
            problem = f"{description.name} describes {', '.join(description.sensors)}, none of them of {device.name!r}"
            raise ConfigError(problem, remedy="use the description of the device that sends")
        columns = {name: description.sensor(name).columns for name in described}
        time = description.time
        times = {time.column: TIME_UNITS_S.get(time.unit)} if time.column else {}
        ways = dict.fromkeys(described, np.asarray) | ways_to_wrist(description, wrist)
        return cls(columns, times, {name: ways[name] for name in described}, time.zone)

    def samples(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Readings by sensor and their time, as `parse_samples` takes them; nothing for what is not there.

        DataError if a reading is no number.
        """
        found: dict[str, Any] = {}
        for (name, sensor), columns in zip(self._terms.items(), self.readings, strict=True):
            way = self._ways.get(name)
            if way is None and name in values:
                found[name] = values[name]
            elif columns <= values.keys() if way is not None else not columns.isdisjoint(values):
                reading = [sum((sign * _number(values.get(part)) for sign, part in terms), -0.0) for terms in sensor]
                found[name] = reading if way is None else way(np.array([reading]))[0]
        for name, unit_s in self._times.items():
            if name in values:
                found[TIME] = _seconds(values[name], unit_s, self._zone)
        return found


def _terms(column: str) -> list[tuple[int, str]]:
    """Signs and names of what is added up; a name may have signs in it, but none with blanks around."""
    return terms_of(column, () if re.search(r"\s[+-]\s", column) else (column,))


def _number(value: Any) -> float:
    try:
        return np.nan if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"expected a number, got {str(value)[:60]!r}", remedy="send numbers or null") from None


def _seconds(time: Any, unit_s: float | None, zone: str | None) -> Any:
    """Times in seconds; NaN, a time that is counted as garbage, for what is no time."""
    try:
        if unit_s is not None:
            return np.asarray(time, dtype=np.float64) * unit_s
        moment = datetime.fromisoformat(time)
        known = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone or "UTC"))
        return (known - _EPOCH) // timedelta(microseconds=1) * 1e-6  # as files are read
    except (TypeError, ValueError, OverflowError):
        return np.nan
