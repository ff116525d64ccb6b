"""The published notebook's features, in its conventions, for networks that were trained on them.

Against ours: a change is per row, not per second; angular velocity is per 1/200 s, as if the device gave 200 rows a
second; gravity is 9.81; where an orientation is missing there is acceleration with gravity in place of that without;
and there are no gaps: they are filled forwards, then backwards, and with 0 where a sensor measures nothing throughout.
"""

from dataclasses import replace

from bfrb.arrays import namespace_of
from bfrb.features.feature import Channel, Feature, change, read_sensor, vector_feature
from bfrb.features.motion import rotation_angle, turn_to_next
from bfrb.features.proximity import PROXIMITY_FEATURES
from bfrb.features.rotations import magnitude, up_in_wrist
from bfrb.features.rows import Quantity, Rows, Values
from bfrb.study.device import Device

GRAVITY_M_S2 = 9.81
ROW_RATE_HZ = 200.0
"""The notebook's gravity and row rate. The true rate is near 10 Hz."""

_PREFIX = "notebook_"

_acc, _quaternion = read_sensor("acc"), read_sensor("quaternion")
_acc_mag, _rot_angle = read_sensor("acc", magnitude), read_sensor("quaternion", rotation_angle)


def _linear_acc(rows: Rows) -> Values:
    return _acc(rows) - _zero_filled(GRAVITY_M_S2 * up_in_wrist(_quaternion(rows)))


def _linear_acc_mag(rows: Rows) -> Values:
    return magnitude(_linear_acc(rows))


def _turn(rows: Rows) -> Values:
    """(..., 3) Rotation vector in rad from each row to the next; 0 in a recording's last row, and around gaps."""
    return _zero_filled(rows.shared(turn_to_next))


def _per_row(quantity: Quantity) -> Quantity:
    """Change from the row before; 0 in a recording's first row, and around gaps."""
    return lambda rows: _zero_filled(change(quantity)(rows))


def _zero_filled(values: Values) -> Values:
    xp = namespace_of(values)
    return xp.where(xp.isnan(values), xp.zeros_like(values), values)


def _without_gaps(feature: Feature) -> Feature:
    def of_device(device: Device) -> tuple[Channel, ...]:
        return tuple(Channel(f"{_PREFIX}{channel.name}", channel.unit) for channel in feature.channels(device))

    def compute(rows: Rows) -> Values:
        return _zero_filled(rows.fill(feature.compute(rows)))

    return replace(feature, name=f"{_PREFIX}{feature.name}", channels=of_device, compute=compute, fills_gaps=True)


_ACC, _ORIENTATION, _BOTH = ("acc",), ("quaternion",), ("acc", "quaternion")

_WITH_GAPS = (
    vector_feature("acc", "m/s^2", "xyz", _ACC, _acc),
    vector_feature("rot", "1", "wxyz", _ORIENTATION, _quaternion, uses_heading=True),
    vector_feature("acc_mag", "m/s^2", "", _ACC, _acc_mag),
    vector_feature("rot_angle", "rad", "", _ORIENTATION, _rot_angle, uses_heading=True),
    vector_feature("acc_mag_jerk", "m/s^2", "", _ACC, _per_row(_acc_mag)),
    vector_feature("rot_angle_vel", "rad", "", _ORIENTATION, _per_row(_rot_angle), uses_heading=True),
    vector_feature("linear_acc", "m/s^2", "xyz", _BOTH, _linear_acc),
    vector_feature("linear_acc_mag", "m/s^2", "", _BOTH, _linear_acc_mag),
    vector_feature("linear_acc_mag_jerk", "m/s^2", "", _BOTH, _per_row(_linear_acc_mag)),
    vector_feature("angular_vel", "rad/s", "xyz", _ORIENTATION, lambda rows: _turn(rows) * ROW_RATE_HZ),
    vector_feature("angular_distance", "rad", "", _ORIENTATION, lambda rows: magnitude(_turn(rows))),
    *(feature for feature in PROXIMITY_FEATURES if feature.name in ("thm", "tof_statistics")),
)

NOTEBOOK_FEATURES = tuple(map(_without_gaps, _WITH_GAPS))
"""All features of the notebook."""


def find_columns(device: Device) -> dict[str, tuple[Feature, int]]:
    """For every feature column of the notebook, the feature that gives it and the number of its channel there."""
    found = [(channel, (one, n)) for one in NOTEBOOK_FEATURES for n, channel in enumerate(one.channels(device))]
    return {channel.name.removeprefix(_PREFIX): place for channel, place in found}
