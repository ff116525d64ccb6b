"""Quaternions `(w, x, y, z)` that turn vectors of the wrist frame into world vectors (z up).

Arrays are of any namespace and of any leading shape; the last axis holds the components. A quaternion and its negative
are the same rotation: every function here but `multiply` gives the same result for both, and none needs the norm to be
exactly 1. A NaN in a quaternion gives NaN.
"""

from typing import Any

from bfrb.arrays import namespace_of

Values = Any


def multiply(first: Values, second: Values) -> Values:
    """(..., 4) Hamilton product: first the rotation `second`, then `first`."""
    aw, ax, ay, az = _components(first)
    bw, bx, by, bz = _components(second)
    return _stacked(
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by + ay * bw + az * bx - ax * bz,
        aw * bz + az * bw + ax * by - ay * bx,
    )


def conjugate(quaternion: Values) -> Values:
    """(..., 4) The inverse rotations of unit quaternions."""
    w, x, y, z = _components(quaternion)
    return _stacked(w, -x, -y, -z)


def rotate(quaternion: Values, vector: Values) -> Values:
    """(..., 3) Vectors turned by the rotations: from wrist to world for an orientation.

    >>> import numpy as np
    >>> quarter_turn = np.array([[0.5**0.5, 0.0, 0.0, 0.5**0.5]])
    >>> np.allclose(rotate(quarter_turn, np.array([[1.0, 0.0, 0.0]])), [[0.0, 1.0, 0.0]])
    True
    """
    w, axis = quaternion[..., :1], quaternion[..., 1:]
    aside = 2.0 * _cross(axis, vector)
    return vector + w * aside + _cross(axis, aside)


def up_in_wrist(quaternion: Values) -> Values:
    """(..., 3) The world's upward unit vector as seen in the wrist frame.

    >>> import numpy as np
    >>> up_in_wrist(np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])).tolist()
    [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]
    """
    w, x, y, z = _components(quaternion)
    up = _stacked(2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z)
    return up / (w * w + x * x + y * y + z * z)[..., None]


def canonical(quaternion: Values) -> Values:
    """(..., 4) Of each quaternion and its negative the one whose first component that is not 0 is positive."""
    xp = namespace_of(quaternion)

    def sign(values: Values) -> Values:
        """1, -1 or 0, as plain steps that every runtime knows."""
        one = xp.ones_like(values)
        return xp.where(values > 0, one, xp.where(values < 0, -one, values))

    w, x, y, z = map(sign, _components(quaternion))
    # Each weight outweighs all that follow.
    return quaternion * sign(8.0 * w + 4.0 * x + 2.0 * y + z)[..., None]


def rotation_vector(quaternion: Values) -> Values:
    """(..., 3) Axis times angle in rad, the short way round: its length is at most pi.

    >>> import numpy as np
    >>> quarter_turn = np.array([[0.5**0.5, 0.0, 0.0, 0.5**0.5]])
    >>> (rotation_vector(-quarter_turn) / np.pi).round(12).tolist()
    [[0.0, 0.0, 0.5]]
    """
    xp = namespace_of(quaternion)
    short = canonical(quaternion)
    sine = magnitude(short[..., 1:])
    angle = 2.0 * xp.atan2(sine, short[..., :1])
    # Below this size the angle is twice the sine to the last bit; division would meet 0/0.
    small = sine < 1e-12
    scale = xp.where(small, 2.0 * xp.ones_like(sine), angle / xp.where(small, xp.ones_like(sine), sine))
    return short[..., 1:] * scale


def relative(start: Values, end: Values) -> Values:
    """(..., 4) The rotations from `start` to `end`, in the wrist frame of `start`."""
    return multiply(conjugate(start), end)


def magnitude(vector: Values) -> Values:
    """(..., 1) Lengths of (..., C) vectors."""
    xp = namespace_of(vector)
    return xp.sqrt(xp.sum(vector * vector, axis=-1, keepdims=True))


def _components(values: Values) -> tuple[Values, ...]:
    return tuple(values[..., component] for component in range(values.shape[-1]))


def _stacked(*components: Values) -> Values:
    return namespace_of(components[0]).stack(components, axis=-1)


def _cross(first: Values, second: Values) -> Values:
    ax, ay, az = _components(first)
    bx, by, bz = _components(second)
    return _stacked(ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)
