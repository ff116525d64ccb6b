"""Devices as this package computes with them: sensors in the wrist frame, in SI units, at a rate of rows.

A `Device` is plain data: it travels inside stores, training runs and bundles, so that nothing has to know it by name.
How the files of a wearable are read, and brought to this form, is a `Description` (`study.description`).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, model_validator

from bfrb.arrays import Array, Bools, Ints
from bfrb.errors import ConfigError, DataError
from bfrb.spec import Positive, Spec
from bfrb.study.description import Columns, Description, find_description

STANDARD_GRAVITY_M_S2 = 9.80665

Modality = Literal["motion", "proximity"]


class Symmetry(Spec):
    """What a change of wearing does to one reading: the other wrist, or the device turned over."""

    order: tuple[int, ...] = ()
    """Of vectors, for each channel of the result, the channel it is taken from."""
    sign: tuple[int, ...] = ()
    """Of vectors, for each channel of the result, +1 or -1."""
    sites: tuple[int, ...] = ()
    """Of sensors with several parts, for each part of the result the number, from 1, of the part it is taken from."""
    flip: tuple[Literal["none", "rows", "columns", "both"], ...] = ()
    """What becomes of each image of the result: `"rows"` trades its first and last row, `"columns"` its columns."""

    def apply(self, values: Array) -> Array:
        """(N, ...) readings as they would be under the symmetry; same dtype, missing values stay missing."""
        if self.sites:
            images = values[:, [site - 1 for site in self.sites]]
            for site, flip in enumerate(self.flip):
                rows, columns = (slice(None, None, -1 if flip in (one, "both") else 1) for one in ("rows", "columns"))
                images[:, site] = images[:, site, rows, columns].copy()
            return images
        changed = values[:, list(self.order)] if self.order else values.copy()
        return changed * np.array(self.sign, dtype=values.dtype) if self.sign else changed


class Sensor(Spec):
    """One sensor of a device. The motion sensors are known: `Sensor(name="acc")` is an accelerometer."""

    name: str
    """Key of its array in `Recordings.sensors`: `acc`, `gyr` and `quaternion` are motion, others proximity."""
    columns: Columns
    """Names of its channels in tables, in C order of `shape`; `"tof_{1..5}_v{0..63}"` stands for 320 of them."""
    shape: tuple[int, ...]
    """Shape of one reading: `(3,)` for an accelerometer, `(5, 8, 8)` for five time-of-flight images."""
    unit: str
    low: float
    """Least reading that is physically possible; what is outside is a damaged file, not a measurement."""
    high: float
    modality: Modality = "proximity"
    """`"motion"` (inertial) or `"proximity"` (thermopiles, time of flight). Proximity sensors may be missing."""
    left_hand: Symmetry = Symmetry()
    """What a reading turns into on the other wrist."""
    upside_down: Symmetry = Symmetry()
    """What a reading turns into on a device worn turned by 180 degrees about its z axis."""
    no_response_code: int | None = None
    """For integer sensors, the raw code for "measured, but nothing came back"."""
    unit_norm: bool = False
    """Whether every reading is a unit vector."""
    made: bool = False
    """Whether it is computed from other sensors: an orientation from gyroscope and accelerometer, without a heading."""

    @model_validator(mode="before")
    @classmethod
    def _fill_known(cls, values: Any) -> Any:
        known = _MOTION.get(values.get("name"), {}) if isinstance(values, dict) else {}
        return {**known, **values}

    @model_validator(mode="after")
    def _check_columns(self) -> Sensor:
        if len(self.columns) != np.prod(self.shape):
            raise ValueError(f"expected {np.prod(self.shape)} columns of {self.name}, got {len(self.columns)}")
        return self

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """`int16` for sensors with codes, `float32` for the others."""
        return np.dtype(np.float32 if self.no_response_code is None else np.int16)

    @property
    def pieces(self) -> int:
        """Number of parts that measure on their own: five thermopiles, five images; one accelerometer."""
        return self.shape[0] if self.modality == "proximity" else 1

    @property
    def absent(self) -> float | int:
        """The value that stands for "not measured": NaN, or the smallest integer for integer sensors."""
        return np.nan if self.no_response_code is None else int(np.iinfo(np.int16).min)

    def is_absent(self, values: Array) -> Bools:
        """Elementwise: was nothing measured here?"""
        if self.no_response_code is None:
            return np.isnan(values)
        return np.asarray(values == self.absent)

    def empty(self, rows: int) -> Array:
        """(rows, ...) array in which nothing was measured."""
        return np.full((rows, *self.shape), self.absent, dtype=self.dtype)


class Device(Spec):
    """A wearable, as its recordings are kept: in the wrist frame and in SI units.

    >>> watch = Device(name="my watch", sensors=(Sensor(name="acc"), Sensor(name="gyr")), row_rate_hz=50.0)
    >>> watch.sensor("gyr").unit
    'deg/s'
    """

    name: str
    """What it is called; nothing is looked up by it."""
    sensors: tuple[Sensor, ...]
    row_rate_hz: Positive
    """Rows per second of its recordings."""

    @cached_property
    def sensor_names(self) -> tuple[str, ...]:
        """Names of the sensors, in order."""
        return tuple(sensor.name for sensor in self.sensors)

    def with_sensors(self, sensors: Iterable[Sensor]) -> Device:
        """The same device with other sensors."""
        return Device(name=self.name, sensors=tuple(sensors), row_rate_hz=self.row_rate_hz)

    def has(self, name: str) -> bool:
        """Whether the device carries the named sensor."""
        return name in self.sensor_names

    def __repr__(self) -> str:
        return f"<Device: {self.name}, {' '.join(self.sensor_names)} at {self.row_rate_hz:g} Hz>"

    def sensor(self, name: str) -> Sensor:
        """The sensor of that name; a `ConfigError` if the device does not have it."""
        for sensor in self.sensors:
            if sensor.name == name:
                return sensor
        problem = f"the device {self.name!r} has no sensor {name!r}"
        raise ConfigError(problem, remedy=f"choose among its sensors: {', '.join(self.sensor_names)}")

    @property
    def knows_heading(self) -> bool:
        """Whether it has an orientation that was recorded: one that is made knows up and down, but no heading."""
        return self.has("quaternion") and not self.sensor("quaternion").made

    def names_of(self, modality: str) -> tuple[str, ...]:
        """Names of the sensors of one modality."""
        return tuple(sensor.name for sensor in self.sensors if sensor.modality == modality)

    def __hash__(self) -> int:
        return hash((self.name, self.sensor_names, self.row_rate_hz))


@lru_cache(maxsize=64)
def device_of(description: Description, row_rate_hz: float | None = None) -> Device:
    """The device that a description tells of, at a rate or at its usual one; a `ConfigError` if there is none."""
    rate_hz = row_rate_hz or description.time.rate_hz
    if rate_hz is None:
        raise ConfigError(f"{description.name} names no rate", remedy="add rate_hz = ... to its [time]")
    sensors = [_sensor_values(description, name) for name in description.sensors]
    return Device.parse({"name": description.device or description.name, "row_rate_hz": rate_hz, "sensors": sensors})


def _sensor_values(description: Description, name: str) -> dict[str, Any]:
    sensor = description.sensor(name)
    if name not in _MOTION:
        return {"name": name, **sensor.model_dump(include=set(Sensor.model_fields), exclude_none=True)}
    limit = None if sensor.range is None else sensor.range * abs(description.scale(name))
    return {"name": name} if limit is None else {"name": name, "low": -limit, "high": limit}


def find_device(name: str) -> Device:
    """The device that a description of this package tells of, at its usual rate; errors as of `device_of`."""
    return device_of(find_description(name))


def _motion(columns: str, unit: str, high: float, left_hand: tuple[int, ...], **more: Any) -> dict[str, Any]:
    shape, limits = (len(columns.split()),), {"low": -high, "high": high, "left_hand": {"sign": left_hand}}
    return {"columns": columns.split(), "shape": shape, "unit": unit, "modality": "motion", **limits, **more}


_TURNED = {"sign": (-1, -1, 1)}
_TURNED_QUATERNION = {"order": (3, 2, 1, 0), "sign": (-1, 1, -1, 1)}
_MOTION: dict[Any, dict[str, Any]] = {
    "acc": _motion("acc_x acc_y acc_z", "m/s^2", 32 * STANDARD_GRAVITY_M_S2, (-1, 1, 1), upside_down=_TURNED),
    "gyr": _motion("gyr_x gyr_y gyr_z", "deg/s", 4000.0, (1, -1, -1), upside_down=_TURNED),
    "quaternion": _motion("rot_w rot_x rot_y rot_z", "1", 1.001, (1, 1, -1, -1), upside_down=_TURNED_QUATERNION)
    | {"unit_norm": True},
}
"""The motion sensors, which mean the same on every device once they are in the wrist frame."""

HELIOS = find_device("helios")
"""The Child Mind Institute's Helios wristband: `devices/helios.toml`."""

GALAXY_WATCH = find_device("galaxy_watch")
"""The Samsung Galaxy watch of Searle et al. 2021: `devices/galaxy_watch.toml`."""

DEVICES = {device.name: device for device in (HELIOS, GALAXY_WATCH)}


def _by_name(value: Any) -> Any:
    """A device that is told by its name alone, as version 0.1 did."""
    if not isinstance(value, str):
        return value
    try:
        return find_device(value)
    except ConfigError as error:
        raise ValueError(str(error)) from None


KnownDevice = Annotated[Device, BeforeValidator(_by_name)]
"""A device, or the name of one that this package describes."""

NORM_TOLERANCE = 0.01
"""Largest deviation from norm 1 of a reading that has to be a unit vector."""


def checked_readings(sensor: Sensor, values: Array | None, rows: int) -> Array:
    """(rows, *shape) read-only readings in the sensor's dtype; without values, nothing was measured.

    Unit quaternions are kept with w >= 0: q and -q are the same orientation, and no answer may depend on which of them
    a file has.

    Raises `DataError` if the shape is another one, or a reading is not possible.
    """
    array = sensor.empty(rows) if values is None else np.ascontiguousarray(values, dtype=sensor.dtype).view()
    if array.shape != (rows, *sensor.shape):
        problem = f"expected {sensor.name} of shape {(rows, *sensor.shape)}, got {array.shape}"
        raise DataError(problem, remedy="give one reading per row")
    if array.size and not _within(sensor, array):
        where = np.argwhere(~sensor.is_absent(array) & ((array < sensor.low) | (array > sensor.high)))
        expected = f"{sensor.name} between {sensor.low:g} and {sensor.high:g} {sensor.unit}".removesuffix(" 1")
        raise _damaged(expected, f"{array[tuple(where[0])]:g}", where[:, 0])
    if sensor.unit_norm:
        norms = np.linalg.norm(array, axis=1)
        wrong = np.flatnonzero(np.abs(norms - 1.0) > NORM_TOLERANCE)
        if len(wrong):
            raise _damaged(f"{sensor.name} of norm 1", f"norm {norms[wrong[0]]:g}", wrong)
        array = with_one_sign(array)
    array.setflags(write=False)
    return array


def _damaged(expected: str, found: str, rows: Ints) -> DataError:
    problem = f"expected {expected}, found {found} in row {rows[0]} (and {len(rows) - 1} more)"
    return DataError(problem, remedy="repair it, or mark it as missing; if most are like this, convert their unit")


def _within(sensor: Sensor, values: Array) -> bool:
    # Minimum and maximum ignore "not measured" for both kinds, and need no mask the size of the data.
    if sensor.no_response_code is None:
        return not (np.fmin.reduce(values, axis=None) < sensor.low or np.fmax.reduce(values, axis=None) > sensor.high)
    low = values.min() >= sensor.low
    low = low or np.count_nonzero(values < sensor.low) == np.count_nonzero(values == sensor.absent)
    return bool(low and values.max() <= sensor.high)


def with_one_sign(quaternions: Array) -> Array:
    """(N, 4) quaternions, each turned into its negative where its first component that is not 0 is negative.

    >>> with_one_sign(np.array([[-1.0, 0, 0, 0], [0, 0, -1, 0], [0.6, -0.8, 0, 0]])).tolist()
    [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.6, -0.8, 0.0, 0.0]]
    """
    negative = quaternions[np.arange(len(quaternions)), (quaternions != 0).argmax(axis=1)] < 0
    if not negative.any() and not (np.signbit(quaternions) & (quaternions == 0)).any():
        return quaternions  # as they are: they may lie in a file that is shared
    zero = np.zeros((), quaternions.dtype)  # which makes 0 of -0
    signed: Array = np.where(negative[:, None], -quaternions, quaternions) + zero
    return signed


def measured_rows(sensor: Sensor, values: Array) -> Bools:
    """(N, pieces) Whether each piece of a sensor measured anything in each of (N, *shape) readings."""
    size = len(sensor.columns) // sensor.pieces
    return np.asarray(~sensor.is_absent(values).reshape(len(values), sensor.pieces, size).all(axis=2))
