"""`Samples`: readings with times of their own, of whatever a source sends; `StreamCounts`: what became of them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any

import numpy as np

from bfrb.arrays import Array, Bools, Floats
from bfrb.errors import ConfigError, DataError
from bfrb.study.description import ACC_UNITS_M_S2, GYR_UNITS_DEG_S
from bfrb.study.device import NORM_TOLERANCE, Device, Sensor, measured_rows


def _count(meaning: str) -> int:
    found: int = field(default=0, metadata={"meaning": meaning})
    return found


@dataclass
class StreamCounts:
    """What became of the samples of a stream, and of the windows that were made of them.

    >>> counts = StreamCounts(samples=7, too_late=2)
    >>> counts.explained()
    [('samples received', 7), ('samples dropped: they came too late', 2)]
    """

    samples: int = _count("samples received")
    without_time: int = _count("samples dropped: no time that can be read")
    without_reading: int = _count("samples dropped: no sensor measured anything")
    too_late: int = _count("samples dropped: they came too late")
    wrong_time: int = _count("samples dropped: a time that fits neither those before nor those after")
    unused: int = _count("samples not used: others were nearer to the time of the row")
    out_of_order: int = _count("samples put in order: they came after later ones, but soon enough")
    impossible: int = _count("samples with a reading that no such sensor gives, taken as not measured")
    oriented: int = _count("samples whose orientation was made from gyroscope and accelerometer")
    gaps: int = _count("gaps: silences over which nothing was assumed")
    clock_resets: int = _count("times at which the source's clock was set back")
    rows: int = _count("rows made of the samples, at the bundle's rate")
    windows: int = _count("windows answered")
    windows_incomplete: int = _count("windows not answered: too few of their rows were measured")
    windows_implausible: int = _count("windows not answered: no worn device gives such accelerations (another unit?)")
    windows_too_slow: int = _count("windows not answered: samples come more slowly than the bundle's rows")
    windows_contradictory: int = _count("windows that physics speaks against: another unit, sign, axes or order?")
    windows_doubtful: int = _count("windows that lack what every network needs: their answers are doubtful")
    events: int = _count("events reported")

    def to_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)

    def explained(self) -> list[tuple[str, int]]:
        """What each count that is not 0 is of, in words, and the count."""
        found = [(str(one.metadata["meaning"]), int(getattr(self, one.name))) for one in fields(self)]
        return [(meaning, count) for meaning, count in found if count]

    def add(self, other: StreamCounts) -> None:
        """Add the counts of another stream."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


TIME = "time_s"  # key of the samples' times

UNITS = MappingProxyType({"acc": ACC_UNITS_M_S2, "gyr": GYR_UNITS_DEG_S})
"""Units that a source may use, by sensor, with the factor to the device's own."""


@dataclass(frozen=True, eq=False)
class Samples:
    """`n` samples of one device in the order in which they came."""

    time_s: Floats  # (n,) times by the source's clock; NaN where the source gave none that can be read
    # For every sensor of the device (n, *shape) readings in its unit and dtype, with its code for "not measured".
    sensors: Mapping[str, Array]
    measured: Bools  # (n, S) whether each sensor measured anything, in the order of the device's sensors
    impossible: Bools  # (n,) whether a reading was taken away because the sensor cannot have given it

    def __len__(self) -> int:
        return len(self.time_s)

    def take(self, rows: Any) -> Samples:
        """Some of the samples, by a slice, an index array or a mask."""
        sensors = {name: values[rows] for name, values in self.sensors.items()}
        return Samples(self.time_s[rows], sensors, self.measured[rows], self.impossible[rows])

    @staticmethod
    def concat(parts: Sequence[Samples]) -> Samples:
        """Several, one after the other."""
        return Samples(
            np.concatenate([part.time_s for part in parts]),
            {name: np.concatenate([part.sensors[name] for part in parts]) for name in parts[0].sensors},
            np.concatenate([part.measured for part in parts]),
            np.concatenate([part.impossible for part in parts]),
        )


def check_units(units: Mapping[str, str], device: Device) -> dict[str, float]:
    """Factors to the device's own units, by sensor. ConfigError if a sensor has no choice of units, or not this one."""
    for sensor, unit in units.items():
        if not device.has(sensor) or unit not in UNITS.get(sensor, {}):
            known = "; ".join(f"{name}: {', '.join(found)}" for name, found in UNITS.items() if device.has(name))
            raise ConfigError(f"no unit {unit!r} for the sensor {sensor!r}", remedy=f"choose among {known}")
    return {sensor: UNITS[sensor][unit] for sensor, unit in units.items()}


def parse_samples(values: Mapping[str, Any], device: Device) -> dict[str, Array]:
    """What a source sent, (n,) times and (n, *shape) readings, not yet checked: that costs less for many together.

    Given are `time_s` and the device's sensors by name, one sample or `n` of them: times of shape () or (n,), or none;
    readings of shape `shape` or (n, *shape), flat or not, in the source's units, None or NaN where nothing was
    measured. DataError if a name is no sensor, shapes do not fit together, or something is no number.
    """
    raw: dict[str, Array] = {}
    for name, value in values.items():
        if name != TIME and not device.has(name):
            problem = f"the device {device.name!r} has no sensor {name}"
            raise DataError(problem, remedy=f"send {TIME} and any of {', '.join(device.sensor_names)}")
        raw[name] = _times(value) if name == TIME else _readings(device.sensor(name), value)
        if len(raw[name]) != count_rows(raw):
            problem = f"expected as many readings as times, got {len(raw[name])} of {name} and {count_rows(raw)} before"
            raise DataError(problem, remedy="send one reading of every sensor for every time")
    return raw


def count_rows(raw: Mapping[str, Array]) -> int:
    """The number of samples in what `parse_samples` gave."""
    return len(next(iter(raw.values()), ()))


def check_samples(raw: Sequence[Mapping[str, Array]], device: Device, factors: Mapping[str, float]) -> Samples:
    """Samples that were sent one after the other, in the device's units; neighbours with the same sensors go together.

    What a sensor cannot have measured (outside its range, a quaternion that is no rotation) counts as not measured.
    """
    groups = itertools.groupby(raw, key=lambda part: [(name, values.dtype) for name, values in part.items()])
    parts = []
    for _, alike in groups:
        first, *others = alike
        given = {name: np.concatenate([first[name], *(part[name] for part in others)]) for name in first}
        parts.append(_checked(given, device, factors))
    return Samples.concat(parts)


def _checked(given: Mapping[str, Array], device: Device, factors: Mapping[str, float]) -> Samples:
    rows = count_rows(given)
    sensors, measured = {}, np.zeros((rows, len(device.sensors)), dtype=bool)
    impossible = np.zeros(rows, dtype=bool)
    for number, sensor in enumerate(device.sensors):
        sent = given.get(sensor.name, sensor.empty(rows))
        readings, wrong = _possible(sensor, sent, factors.get(sensor.name, 1.0))
        sensors[sensor.name] = readings
        impossible |= wrong
        measured[:, number] = measured_rows(sensor, readings).any(axis=1)
    return Samples(given.get(TIME, np.full(rows, np.nan)), sensors, measured, impossible)


def _times(value: Any) -> Floats:
    times = np.atleast_1d(_numbers(TIME, value))
    if times.ndim != 1:
        raise DataError(f"expected one time for every sample, got times of shape {times.shape}", remedy="send a list")
    return times.astype(np.float64)


def _readings(sensor: Sensor, value: Any) -> Array:
    """(n, *shape) readings as they were sent; flat lists of a sensor's channels will do."""
    array = _numbers(sensor.name, value)
    shapes = (sensor.shape, (len(sensor.columns),))
    if array.shape in shapes:
        array = array[np.newaxis]
    if array.shape[1:] in shapes:
        return array.reshape(-1, *sensor.shape)
    problem = f"expected {sensor.name} of shape {sensor.shape}, or n of them, got {array.shape}"
    raise DataError(problem, remedy="send every channel of the sensor, null where nothing was measured")


def _numbers(name: str, value: Any) -> Array:
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
        return value
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        problem = f"expected numbers for {name}, got {str(value)[:60]!r}"
        raise DataError(problem, remedy="send numbers or null") from None


def _possible(sensor: Sensor, values: Array, factor: float) -> tuple[Array, Bools]:
    """(n, *shape) readings in the sensor's dtype, impossible ones taken away, and (n,) whether there were any."""
    if values.dtype == sensor.dtype and factor == 1.0:
        missing = sensor.is_absent(values)
    else:
        with np.errstate(invalid="ignore", over="ignore"):
            values = values.astype(np.float64) * factor
        missing = np.isnan(values)
    wrong: Bools = ~missing & ~((values >= sensor.low) & (values <= sensor.high))
    readings = np.where(missing | wrong, sensor.absent, values).astype(sensor.dtype)
    if sensor.unit_norm:
        norm = np.sqrt(np.square(readings.astype(np.float64)).sum(axis=1, keepdims=True))
        off = ~(np.abs(norm - 1.0) <= NORM_TOLERANCE)  # also where a part is not known
        wrong |= off & ~missing.any(axis=1, keepdims=True)
        readings = np.where(off, sensor.absent, readings).astype(sensor.dtype)
    return readings, np.asarray(wrong.reshape(len(wrong), -1).any(axis=1))
