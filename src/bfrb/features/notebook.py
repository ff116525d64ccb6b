"""The published notebook's features, where its conventions are not ours.

They exist to run networks that were trained on them. Against ours: a change is per row, not per second; angular
velocity is per 1/200 s, as if the device gave 200 rows a second; gravity is 9.81; and where a sample is missing there
is 0, or acceleration with gravity in place of acceleration without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from bfrb.arrays import Floats
from bfrb.features.feature import Channel, Feature, read_sensor
from bfrb.features.motion import rotation_angle
from bfrb.features.ragged import differences, next_rows
from bfrb.features.rotations import magnitude, relative, rotation_vector, up_in_device
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings

GRAVITY_M_S2 = 9.81
ROW_RATE_HZ = 200.0
"""The notebook's gravity and row rate. The true rate is near 10 Hz."""

Compute = Callable[[Recordings], Floats]

_acc = read_sensor("acc")
_quaternion = read_sensor("quaternion")


def _linear_acc(recordings: Recordings) -> Floats:
    acc = _acc(recordings)
    gravity = GRAVITY_M_S2 * up_in_device(_quaternion(recordings))
    return acc - np.nan_to_num(gravity, nan=0.0)


def _linear_acc_mag(recordings: Recordings) -> Floats:
    return magnitude(_linear_acc(recordings))


def _turn(recordings: Recordings) -> Floats:
    """(N, 3) Rotation vector in rad from each row to the next; 0 in a recording's last row, and around gaps."""
    quaternion = _quaternion(recordings)
    turn = rotation_vector(relative(quaternion, quaternion[next_rows(recordings.offsets)]))
    return np.nan_to_num(turn, nan=0.0)


def _per_row(quantity: Compute) -> Compute:
    """Change from the row before; 0 in a recording's first row, and around gaps."""
    return lambda recordings: np.nan_to_num(differences(quantity(recordings), recordings.offsets), nan=0.0)


def _feature(name: str, unit: str, axes: str, needs: tuple[str, ...], compute: Compute) -> Feature:
    channels = tuple(Channel(f"notebook_{name}_{axis}", unit) for axis in axes) or (Channel(f"notebook_{name}", unit),)

    def of_device(_: Device) -> tuple[Channel, ...]:
        return channels

    return Feature(f"notebook_{name}", needs, of_device, compute, fills_gaps=True)


_BOTH = ("acc", "quaternion")
_ORIENTATION = ("quaternion",)

NOTEBOOK_FEATURES = (
    _feature("acc_mag_jerk", "m/s^2", "", ("acc",), _per_row(lambda recordings: magnitude(_acc(recordings)))),
    _feature("rot_angle_vel", "rad", "", _ORIENTATION, _per_row(lambda found: rotation_angle(_quaternion(found)))),
    _feature("linear_acc", "m/s^2", "xyz", _BOTH, _linear_acc),
    _feature("linear_acc_mag", "m/s^2", "", _BOTH, _linear_acc_mag),
    _feature("linear_acc_mag_jerk", "m/s^2", "", _BOTH, _per_row(_linear_acc_mag)),
    _feature("angular_vel", "rad/s", "xyz", _ORIENTATION, lambda recordings: _turn(recordings) * ROW_RATE_HZ),
    _feature("angular_distance", "rad", "", _ORIENTATION, lambda recordings: magnitude(_turn(recordings))),
)
"""The features that the notebook computes in its own way; the others are ours under another name."""

_SAME: Mapping[str, str] = MappingProxyType({"acc_mag": "acc_magnitude", "rot_angle": "rotation_angle"})
_SHARED = ("acc_magnitude", "rotation_angle", "thm", "tof_statistics")


def notebook_columns(device: Device, features: Mapping[str, Feature]) -> dict[str, tuple[str, int]]:
    """For every feature column of the notebook, the feature that gives it and the number of its channel there.

    Parameters
    ----------
    device
        The device.
    features
        The table of features.
    """
    columns = {column: ("acc", number) for number, column in enumerate(device.sensor("acc").columns)}
    columns |= {column: ("quaternion", number) for number, column in enumerate(device.sensor("quaternion").columns)}
    for name in (*_SHARED, *(feature.name for feature in NOTEBOOK_FEATURES)):
        for number, channel in enumerate(features[name].channels(device)):
            columns[channel.name.removeprefix("notebook_")] = (name, number)
    return columns | {theirs: columns[ours] for theirs, ours in _SAME.items()}
