"""The published notebook's features, where its conventions are not ours.

They exist to run networks that were trained on them. Against ours: a change is per row, not per second; angular
velocity is per 1/200 s, as if the device gave 200 rows a second; gravity is 9.81; and where a sample is missing there
is 0, or acceleration with gravity in place of acceleration without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from bfrb.arrays import namespace_of
from bfrb.features.feature import Feature, vector_feature
from bfrb.features.motion import rotation_angle, turn_to_next
from bfrb.features.rotations import magnitude, up_in_wrist
from bfrb.features.rows import Quantity, Rows, Values
from bfrb.study.device import Device

GRAVITY_M_S2 = 9.81
ROW_RATE_HZ = 200.0
"""The notebook's gravity and row rate. The true rate is near 10 Hz."""


def _linear_acc(rows: Rows) -> Values:
    gravity = GRAVITY_M_S2 * up_in_wrist(rows.sensor("quaternion"))
    return rows.sensor("acc") - _zero_filled(gravity)


def _linear_acc_mag(rows: Rows) -> Values:
    return magnitude(_linear_acc(rows))


def _acc_mag(rows: Rows) -> Values:
    return magnitude(rows.sensor("acc"))


def _angle(rows: Rows) -> Values:
    return rotation_angle(rows.sensor("quaternion"))


def _turn(rows: Rows) -> Values:
    """(..., 3) Rotation vector in rad from each row to the next; 0 in a recording's last row, and around gaps."""
    return _zero_filled(turn_to_next(rows))


def _per_row(quantity: Quantity) -> Quantity:
    """Change from the row before; 0 in a recording's first row, and around gaps."""

    def change(rows: Rows) -> Values:
        values = quantity(rows)
        return _zero_filled(values - rows.before(values))

    return change


def _zero_filled(values: Values) -> Values:
    xp = namespace_of(values)
    return xp.where(xp.isnan(values), xp.zeros_like(values), values)


def _feature(name: str, unit: str, axes: str, needs: tuple[str, ...], compute: Quantity) -> Feature:
    return replace(vector_feature(f"notebook_{name}", unit, axes, needs, compute), fills_gaps=True)


_BOTH = ("acc", "quaternion")
_ORIENTATION = ("quaternion",)

NOTEBOOK_FEATURES = (
    _feature("acc_mag_jerk", "m/s^2", "", ("acc",), _per_row(_acc_mag)),
    _feature("rot_angle_vel", "rad", "", _ORIENTATION, _per_row(_angle)),
    _feature("linear_acc", "m/s^2", "xyz", _BOTH, _linear_acc),
    _feature("linear_acc_mag", "m/s^2", "", _BOTH, _linear_acc_mag),
    _feature("linear_acc_mag_jerk", "m/s^2", "", _BOTH, _per_row(_linear_acc_mag)),
    _feature("angular_vel", "rad/s", "xyz", _ORIENTATION, lambda rows: _turn(rows) * ROW_RATE_HZ),
    _feature("angular_distance", "rad", "", _ORIENTATION, lambda rows: magnitude(_turn(rows))),
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
