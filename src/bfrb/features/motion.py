"""Features of the inertial sensors: acceleration with and without gravity, orientation and turning.

Vectors are in the device frame. Rates are per second: the time step is the device's, `1 / row_rate_hz`.
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

import numpy as np

from bfrb.arrays import Floats
from bfrb.features.feature import Channel, Feature, read_sensor
from bfrb.features.ragged import differences, next_rows
from bfrb.features.rotations import (
    conjugate,
    magnitude,
    make_continuous,
    relative,
    rotate,
    rotation_vector,
    up_in_device,
)
from bfrb.study.device import STANDARD_GRAVITY_M_S2, Device
from bfrb.study.recordings import Recordings

Compute = Callable[[Recordings], Floats]

_FEW_ROWS = 4096
"""Of so many rows, what several features have in common is kept as long as the recordings are."""


def _computed_once(quantity: Compute) -> Compute:
    """The same quantity, computed once where several features ask for it."""
    known: WeakKeyDictionary[Recordings, Floats] = WeakKeyDictionary()

    def compute(recordings: Recordings) -> Floats:
        if recordings.n_rows > _FEW_ROWS:
            return quantity(recordings)
        values = known.get(recordings)
        if values is None:
            values = known[recordings] = quantity(recordings)
            values.setflags(write=False)
        return values

    return compute


_acc = read_sensor("acc")
_quaternion = read_sensor("quaternion")


def linear_acceleration(acc: Floats, quaternion: Floats) -> Floats:
    """(N, 3) Acceleration in m/s^2 without gravity, of (N, 3) acceleration with it and (N, 4) orientation.

    At rest an accelerometer reads gravity's reaction, g upwards; that is what is taken away.
    """
    return acc - STANDARD_GRAVITY_M_S2 * up_in_device(quaternion)


def rotation_angle(quaternion: Floats) -> Floats:
    """(N, 1) Angle in rad between each orientation and the world's axes, `2 arccos(w)`."""
    angle: Floats = 2.0 * np.arccos(np.clip(quaternion[:, :1], -1.0, 1.0))
    return angle


@_computed_once
def _turn(recordings: Recordings) -> Floats:
    """(N, 3) Rotation vector in rad from each row to the next; 0 in a recording's last row."""
    quaternion = _quaternion(recordings)
    return rotation_vector(relative(quaternion, quaternion[next_rows(recordings.offsets)]))


def _angular_velocity(recordings: Recordings) -> Floats:
    return _turn(recordings) * recordings.device.row_rate_hz


@_computed_once
def _linear_acc(recordings: Recordings) -> Floats:
    return linear_acceleration(_acc(recordings), _quaternion(recordings))


def _gyr(recordings: Recordings) -> Floats:
    return np.deg2rad(read_sensor("gyr")(recordings))


def _quaternion_continuous(recordings: Recordings) -> Floats:
    return make_continuous(_quaternion(recordings), recordings.offsets)


def _magnitude(vector: Compute) -> Compute:
    return lambda recordings: magnitude(vector(recordings))


def _per_second(quantity: Compute) -> Compute:
    """Change from the row before, per second; 0 in a recording's first row."""
    return lambda recordings: differences(quantity(recordings), recordings.offsets) * recordings.device.row_rate_hz


def _angle(recordings: Recordings) -> Floats:
    return rotation_angle(_quaternion(recordings))


def _up(recordings: Recordings) -> Floats:
    return up_in_device(_quaternion(recordings))


def _heading(recordings: Recordings) -> Floats:
    ahead = np.broadcast_to(np.array([1.0, 0.0, 0.0]), (recordings.n_rows, 3))
    return rotate(conjugate(_quaternion(recordings)), ahead)


def _linear_acc_world(recordings: Recordings) -> Floats:
    return rotate(_quaternion(recordings), _linear_acc(recordings))


def _feature(name: str, unit: str, axes: str, needs: tuple[str, ...], compute: Compute) -> Feature:
    """A feature with one channel per letter of `axes`, or a single one of its own name."""
    channels = tuple(Channel(f"{name}_{axis}", unit) for axis in axes) or (Channel(name, unit),)

    def of_device(_: Device) -> tuple[Channel, ...]:
        return channels

    return Feature(name, needs, of_device, compute)


_ACC = ("acc",)
_ORIENTATION = ("quaternion",)
_BOTH = ("acc", "quaternion")
_GYR = ("gyr",)

MOTION_FEATURES = (
    _feature("acc", "m/s^2", "xyz", _ACC, _acc),
    _feature("acc_magnitude", "m/s^2", "", _ACC, _magnitude(_acc)),
    _feature("acc_magnitude_jerk", "m/s^3", "", _ACC, _per_second(_magnitude(_acc))),
    _feature("quaternion", "1", "wxyz", _ORIENTATION, _quaternion),
    _feature("quaternion_continuous", "1", "wxyz", _ORIENTATION, _quaternion_continuous),
    _feature("gravity_direction", "1", "xyz", _ORIENTATION, _up),
    _feature("heading_direction", "1", "xyz", _ORIENTATION, _heading),
    _feature("rotation_angle", "rad", "", _ORIENTATION, _angle),
    _feature("rotation_angle_velocity", "rad/s", "", _ORIENTATION, _per_second(_angle)),
    _feature("angular_velocity", "rad/s", "xyz", _ORIENTATION, _angular_velocity),
    _feature("angular_distance", "rad", "", _ORIENTATION, _magnitude(_turn)),
    _feature("linear_acc", "m/s^2", "xyz", _BOTH, _linear_acc),
    _feature("linear_acc_magnitude", "m/s^2", "", _BOTH, _magnitude(_linear_acc)),
    _feature("linear_acc_magnitude_jerk", "m/s^3", "", _BOTH, _per_second(_magnitude(_linear_acc))),
    _feature("linear_acc_world", "m/s^2", "xyz", _BOTH, _linear_acc_world),
    _feature("gyr", "rad/s", "xyz", _GYR, _gyr),
    _feature("gyr_magnitude", "rad/s", "", _GYR, _magnitude(_gyr)),
)
"""Every feature of the inertial sensors.

`gravity_direction` (upwards, in the device frame), `angular_velocity`, `angular_distance` and everything of
`linear_acc` do not depend on the compass direction the wearer faces; the quaternion, the rotation angle,
`heading_direction` (the world's x axis, in the device frame) and `linear_acc_world` do.
"""
