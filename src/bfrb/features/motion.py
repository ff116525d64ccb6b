"""Features of the inertial sensors: acceleration with and without gravity, orientation and turning.

Vectors are in the wrist frame. Rates are per second: the time step is the device's, `1 / row_rate_hz`.
"""

import math

from bfrb.arrays import namespace_of
from bfrb.features.feature import change, read_sensor, vector_feature
from bfrb.features.rotations import canonical, conjugate, magnitude, relative, rotate, rotation_vector, up_in_wrist
from bfrb.features.rows import Order, Quantity, Rows, Values
from bfrb.study.device import STANDARD_GRAVITY_M_S2


def rotation_angle(quaternion: Values) -> Values:
    """(..., 1) Angle in rad between each orientation and the world's axes, `2 arccos(w)`."""
    xp = namespace_of(quaternion)
    return 2.0 * xp.acos(xp.clip(quaternion[..., :1], -1.0, 1.0))


def turn_to_next(rows: Rows) -> Values:
    """(..., 3) Rotation vector in rad from each row to the next; 0 in a recording's last row."""
    quaternion = rows.sensor("quaternion")
    return rotation_vector(relative(quaternion, rows.after(quaternion)))


def make_continuous(quaternion: Values, order: Order) -> Values:
    """(..., 4) Orientations with signs such that none jumps: each is nearer to the row before than its negative.

    A recording's first known quaternion is `canonical`. Missing rows stay missing and are stepped over.
    """
    xp = namespace_of(quaternion)
    known = canonical(order.fill(quaternion))
    flips = order.running_count(xp.sum(known * order.before(known), axis=-1) < 0.0)
    signed = xp.where((flips % 2 == 1)[..., None], -known, known)
    return xp.where(xp.isnan(quaternion), quaternion, signed)


def _quaternion_continuous(rows: Rows) -> Values:
    return make_continuous(rows.sensor("quaternion"), rows)


def _linear_acc(rows: Rows) -> Values:
    """(..., 3) Acceleration without gravity: at rest an accelerometer reads its reaction, g upwards."""
    return rows.sensor("acc") - STANDARD_GRAVITY_M_S2 * up_in_wrist(rows.sensor("quaternion"))


def _angular_velocity(rows: Rows) -> Values:
    return rows.shared(turn_to_next) * rows.device.row_rate_hz


def _magnitude(vector: Quantity) -> Quantity:
    return lambda rows: magnitude(rows.shared(vector))


def _per_second(quantity: Quantity) -> Quantity:
    """Change from the row before, per second; 0 in a recording's first row."""
    return lambda rows: change(quantity)(rows) * rows.device.row_rate_hz


def heading_in_wrist(quaternion: Values) -> Values:
    """(..., 3) The world's x axis in the wrist frame."""
    back = conjugate(quaternion)
    xp = namespace_of(back)
    ahead = xp.zeros_like(back[..., 1:])
    return rotate(back, xp.concat([ahead[..., :1] + 1.0, ahead[..., 1:]], axis=-1))


def _linear_acc_world(rows: Rows) -> Values:
    return rotate(rows.sensor("quaternion"), rows.shared(_linear_acc))


_ACC = ("acc",)
_ORIENTATION = ("quaternion",)
_BOTH = ("acc", "quaternion")
_GYR = ("gyr",)
_acc, _quaternion = read_sensor("acc"), read_sensor("quaternion")
_angle = read_sensor("quaternion", rotation_angle)
_up, _heading = read_sensor("quaternion", up_in_wrist), read_sensor("quaternion", heading_in_wrist)
_gyr = read_sensor("gyr", lambda readings: readings * (math.pi / 180.0))
_acc_magnitude, _linear_acc_magnitude = _magnitude(_acc), _magnitude(_linear_acc)

MOTION_FEATURES = (
    vector_feature("acc", "m/s^2", "xyz", _ACC, _acc),
    vector_feature("acc_magnitude", "m/s^2", "", _ACC, _acc_magnitude),
    vector_feature("acc_magnitude_jerk", "m/s^3", "", _ACC, _per_second(_acc_magnitude)),
    vector_feature("quaternion", "1", "wxyz", _ORIENTATION, _quaternion, uses_heading=True),
    vector_feature("quaternion_continuous", "1", "wxyz", _ORIENTATION, _quaternion_continuous, uses_heading=True),
    vector_feature("gravity_direction", "1", "xyz", _ORIENTATION, _up),
    vector_feature("heading_direction", "1", "xyz", _ORIENTATION, _heading, uses_heading=True),
    vector_feature("rotation_angle", "rad", "", _ORIENTATION, _angle, uses_heading=True),
    vector_feature("rotation_angle_velocity", "rad/s", "", _ORIENTATION, _per_second(_angle), uses_heading=True),
    vector_feature("angular_velocity", "rad/s", "xyz", _ORIENTATION, _angular_velocity),
    vector_feature("angular_distance", "rad", "", _ORIENTATION, _magnitude(turn_to_next)),
    vector_feature("linear_acc", "m/s^2", "xyz", _BOTH, lambda rows: rows.shared(_linear_acc)),
    vector_feature("linear_acc_magnitude", "m/s^2", "", _BOTH, _linear_acc_magnitude),
    vector_feature("linear_acc_magnitude_jerk", "m/s^3", "", _BOTH, _per_second(_linear_acc_magnitude)),
    vector_feature("linear_acc_world", "m/s^2", "xyz", _BOTH, _linear_acc_world, uses_heading=True),
    vector_feature("gyr", "rad/s", "xyz", _GYR, _gyr),
    vector_feature("gyr_magnitude", "rad/s", "", _GYR, _magnitude(_gyr)),
)
"""Every feature of the inertial sensors.

`gravity_direction` (upwards, in the wrist frame), `angular_velocity`, `angular_distance` and everything of
`linear_acc` do not depend on the compass direction the wearer faces; the quaternion, the rotation angle,
`heading_direction` (the world's x axis, in the wrist frame) and `linear_acc_world` do.
"""
