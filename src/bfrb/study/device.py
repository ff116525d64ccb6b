"""Wearable devices, each described once: sensors, columns, units, rates, codes and symmetries.

Everything the rest of the package needs to know about raw data is here: which columns hold a sensor, what values
are possible, which codes mean "nothing measured", and what a reading turns into when the device is worn on the
other wrist or the wrong way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bfrb.arrays import Array, Bools
from bfrb.errors import ConfigError

STANDARD_GRAVITY_M_S2 = 9.80665


@dataclass(frozen=True)
class Symmetry:
    """A signed permutation of a sensor's channels: what a change of wearing does to one reading.

    Parameters
    ----------
    order
        For each channel of the result (flattened, C order), the channel it is taken from.
    sign
        For each channel of the result, +1 or -1.
    """

    order: tuple[int, ...]
    sign: tuple[int, ...]

    def apply(self, values: Array) -> Array:
        """(N, ...) readings as they would be under the symmetry; same dtype, missing values stay missing."""
        flat = values.reshape(len(values), -1)[:, list(self.order)]
        if -1 in self.sign:
            flat = flat * np.array(self.sign, dtype=values.dtype)
        return flat.reshape(values.shape)


def _signs(*sign: int) -> Symmetry:
    return Symmetry(tuple(range(len(sign))), sign)


def _reorder(order: Array) -> Symmetry:
    flat = tuple(int(index) for index in order.ravel())
    return Symmetry(flat, (1,) * len(flat))


@dataclass(frozen=True)
class Sensor:
    """One sensor of a device.

    Parameters
    ----------
    name
        Key of its array in `Recordings.sensors`.
    columns
        Raw column names, one per channel, in C order of `shape`.
    shape
        Shape of one reading: `(3,)` for an accelerometer, `(5, 8, 8)` for five time-of-flight images.
    unit
        Unit of a reading as stored.
    low, high
        Physically possible readings, both ends included. Anything outside is a damaged file, not a measurement.
    modality
        `"motion"` (inertial) or `"proximity"` (thermopiles, time of flight). Proximity sensors may be missing.
    left_hand, upside_down
        What a reading turns into on the other wrist, and on a device worn turned by 180 degrees about its z axis.
    no_response_code
        For integer sensors, the raw code for "measured, but nothing came back".
    unit_norm
        Whether every reading is a unit vector.
    """

    name: str
    columns: tuple[str, ...]
    shape: tuple[int, ...]
    unit: str
    low: float
    high: float
    modality: str
    left_hand: Symmetry
    upside_down: Symmetry
    no_response_code: int | None = None
    unit_norm: bool = False

    @property
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


@dataclass(frozen=True)
class Device:
    """A wearable.

    Parameters
    ----------
    name
        Name under which it is registered and stored.
    sensors
        Its sensors.
    row_rate_hz
        Rows per second of its recordings.
    """

    name: str
    sensors: tuple[Sensor, ...]
    row_rate_hz: float

    @property
    def sensor_names(self) -> tuple[str, ...]:
        """Names of the sensors, in order."""
        return tuple(sensor.name for sensor in self.sensors)

    def has(self, name: str) -> bool:
        """Whether the device carries the named sensor."""
        return name in self.sensor_names

    def sensor(self, name: str) -> Sensor:
        """The sensor of that name.

        Raises
        ------
        ConfigError
            If the device does not have it.
        """
        for sensor in self.sensors:
            if sensor.name == name:
                return sensor
        raise ConfigError(
            f"the device {self.name!r} has no sensor {name!r}",
            remedy=f"choose among its sensors: {', '.join(self.sensor_names)}",
        )

    def names_of(self, modality: str) -> tuple[str, ...]:
        """Names of the sensors of one modality."""
        return tuple(sensor.name for sensor in self.sensors if sensor.modality == modality)


_TOF_PIXELS = np.arange(5 * 8 * 8).reshape(5, 8, 8)
_MIRRORED_SITES = [0, 1, 4, 3, 2]  # sensors 3 and 5 trade places
# Sensors 3 and 5 are mounted a quarter turn on: their rows, not their columns, run across the forearm. The published
# rule flips all images left to right; see docs/simulation.md for how real recordings show the mounting.
_MIRRORED_TOF = np.stack(
    [_TOF_PIXELS[site, ::-1] if site in (2, 4) else _TOF_PIXELS[site, :, ::-1] for site in _MIRRORED_SITES]
)
_TURNED_SITES = [0, 3, 4, 1, 2]  # sensors 2 and 4, 3 and 5 trade places

_ACCELEROMETER = Sensor(
    name="acc",
    columns=("acc_x", "acc_y", "acc_z"),
    shape=(3,),
    unit="m/s^2",
    low=-16 * STANDARD_GRAVITY_M_S2,
    high=16 * STANDARD_GRAVITY_M_S2,
    modality="motion",
    left_hand=_signs(-1, 1, 1),
    upside_down=_signs(-1, -1, 1),
)

HELIOS = Device(
    name="helios",
    sensors=(
        _ACCELEROMETER,
        Sensor(
            name="quaternion",
            columns=("rot_w", "rot_x", "rot_y", "rot_z"),
            shape=(4,),
            unit="1",
            low=-1.001,
            high=1.001,
            modality="motion",
            left_hand=_signs(1, 1, -1, -1),
            upside_down=Symmetry((3, 2, 1, 0), (-1, 1, -1, 1)),
            unit_norm=True,
        ),
        Sensor(
            name="thm",
            columns=tuple(f"thm_{site}" for site in range(1, 6)),
            shape=(5,),
            unit="degC",
            low=-40.0,
            high=125.0,
            modality="proximity",
            left_hand=_reorder(np.array(_MIRRORED_SITES)),
            upside_down=_reorder(np.array(_TURNED_SITES)),
        ),
        Sensor(
            name="tof",
            columns=tuple(f"tof_{site}_v{pixel}" for site in range(1, 6) for pixel in range(64)),
            shape=(5, 8, 8),
            unit="sensor step",
            low=-1,
            high=255,
            modality="proximity",
            left_hand=_reorder(_MIRRORED_TOF),
            upside_down=_reorder(_TOF_PIXELS[_TURNED_SITES, ::-1, ::-1]),
            no_response_code=-1,
        ),
    ),
    row_rate_hz=10.0,
)
"""The Child Mind Institute's Helios wristband.

Accelerometer (gravity included), orientation quaternion `(w, x, y, z)` from device to world (z up), five
thermopiles and five 8x8 time-of-flight images (row-wise, -1 where nothing reflects). The row rate was never
published; each row carries a new 8x8 image and that sensor stops at 15 frames per second, so it is near 10 Hz.
"""

GALAXY_WATCH = Device(
    name="galaxy_watch",
    sensors=(
        _ACCELEROMETER,
        Sensor(
            name="gyr",
            columns=("gyr_x", "gyr_y", "gyr_z"),
            shape=(3,),
            unit="deg/s",
            low=-2000.0,
            high=2000.0,
            modality="motion",
            left_hand=_signs(1, -1, -1),
            upside_down=_signs(-1, -1, 1),
        ),
    ),
    row_rate_hz=9.99,
)
"""The Samsung Galaxy watch of Searle et al. 2021: accelerometer (gravity included) and gyroscope, at 9.99 Hz."""

DEVICES = {device.name: device for device in (HELIOS, GALAXY_WATCH)}
