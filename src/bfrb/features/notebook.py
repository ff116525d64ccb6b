"""The published notebook's features, in its conventions, for networks that were trained on them.

Against ours: a change is per row, not per second; angular velocity is per 1/200 s, as if the device gave 200 rows a
second; gravity is 9.81; where an orientation is missing there is acceleration with gravity in place of that without;
and there are no gaps: they are filled forwards, then backwards, and with 0 where a sensor measures nothing throughout.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bfrb.arrays import Floats, Floats32
from bfrb.features.feature import Channel, Feature, read_sensor
from bfrb.features.motion import rotation_angle
from bfrb.features.proximity import PROXIMITY_FEATURES
from bfrb.features.ragged import differences, fill, next_rows
from bfrb.features.rotations import magnitude, relative, rotation_vector, up_in_device
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings

GRAVITY_M_S2 = 9.81
ROW_RATE_HZ = 200.0
"""The notebook's gravity and row rate. The true rate is near 10 Hz."""

Compute = Callable[[Recordings], Floats | Floats32]

_PREFIX = "notebook_"

_acc = read_sensor("acc")
_quaternion = read_sensor("quaternion")


def _acc_mag(recordings: Recordings) -> Floats:
    return magnitude(_acc(recordings))


def _rot_angle(recordings: Recordings) -> Floats:
    return rotation_angle(_quaternion(recordings))


def _linear_acc(recordings: Recordings) -> Floats:
    gravity = GRAVITY_M_S2 * up_in_device(_quaternion(recordings))
    return _acc(recordings) - np.nan_to_num(gravity, nan=0.0)


def _linear_acc_mag(recordings: Recordings) -> Floats:
    return magnitude(_linear_acc(recordings))


def _turn(recordings: Recordings) -> Floats:
    """(N, 3) Rotation vector in rad from each row to the next; 0 in a recording's last row, and around gaps."""
    quaternion = _quaternion(recordings)
    turn = rotation_vector(relative(quaternion, quaternion[next_rows(recordings.offsets)]))
    return np.nan_to_num(turn, nan=0.0)


def _per_row(quantity: Callable[[Recordings], Floats]) -> Compute:
    """Change from the row before; 0 in a recording's first row, and around gaps."""
    return lambda recordings: np.nan_to_num(differences(quantity(recordings), recordings.offsets), nan=0.0)


def _feature(name: str, unit: str, axes: str, needs: tuple[str, ...], compute: Compute) -> Feature:
    channels = tuple(Channel(f"{name}_{axis}", unit) for axis in axes) or (Channel(name, unit),)
    return _without_gaps(Feature(name, needs, lambda _: channels, compute))


def _without_gaps(feature: Feature) -> Feature:
    def of_device(device: Device) -> tuple[Channel, ...]:
        return tuple(Channel(f"{_PREFIX}{channel.name}", channel.unit) for channel in feature.channels(device))

    def compute(recordings: Recordings) -> Floats:
        return np.nan_to_num(fill(feature.compute(recordings), recordings.offsets), nan=0.0)

    return Feature(f"{_PREFIX}{feature.name}", feature.needs, of_device, compute, fills_gaps=True)


_ACC, _ORIENTATION, _BOTH = ("acc",), ("quaternion",), ("acc", "quaternion")

NOTEBOOK_FEATURES = (
    _feature("acc", "m/s^2", "xyz", _ACC, _acc),
    _feature("rot", "1", "wxyz", _ORIENTATION, _quaternion),
    _feature("acc_mag", "m/s^2", "", _ACC, _acc_mag),
    _feature("rot_angle", "rad", "", _ORIENTATION, _rot_angle),
    _feature("acc_mag_jerk", "m/s^2", "", _ACC, _per_row(_acc_mag)),
    _feature("rot_angle_vel", "rad", "", _ORIENTATION, _per_row(_rot_angle)),
    _feature("linear_acc", "m/s^2", "xyz", _BOTH, _linear_acc),
    _feature("linear_acc_mag", "m/s^2", "", _BOTH, _linear_acc_mag),
    _feature("linear_acc_mag_jerk", "m/s^2", "", _BOTH, _per_row(_linear_acc_mag)),
    _feature("angular_vel", "rad/s", "xyz", _ORIENTATION, lambda recordings: _turn(recordings) * ROW_RATE_HZ),
    _feature("angular_distance", "rad", "", _ORIENTATION, lambda recordings: magnitude(_turn(recordings))),
    *(_without_gaps(feature) for feature in PROXIMITY_FEATURES if feature.name in ("thm", "tof_statistics")),
)
"""All features of the notebook."""


def find_columns(device: Device) -> dict[str, tuple[Feature, int]]:
    """For every feature column of the notebook, the feature that gives it and the number of its channel there."""
    return {
        channel.name.removeprefix(_PREFIX): (feature, number)
        for feature in NOTEBOOK_FEATURES
        for number, channel in enumerate(feature.channels(device))
    }
