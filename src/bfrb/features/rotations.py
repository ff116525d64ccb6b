"""Quaternions `(w, x, y, z)` that turn device vectors into world vectors (z up), in float64.

A quaternion and its negative are the same rotation. Every function here but `make_continuous` and `multiply` gives
the same result for both, and none needs the norm to be exactly 1. A NaN in a quaternion gives NaN.
"""

from __future__ import annotations

import numpy as np

from bfrb.arrays import Floats, Ints
from bfrb.features.ragged import fill, previous_rows

_FIRST_NONZERO = np.array([8.0, 4.0, 2.0, 1.0])  # each weight outweighs all that follow


def multiply(first: Floats, second: Floats) -> Floats:
    """(N, 4) Hamilton product of (N, 4) quaternions: first the rotation `second`, then `first`."""
    aw, ax, ay, az = first.T
    bw, bx, by, bz = second.T
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by + ay * bw + az * bx - ax * bz,
            aw * bz + az * bw + ax * by - ay * bx,
        ],
        axis=1,
    )


def conjugate(quaternion: Floats) -> Floats:
    """(N, 4) The inverse rotations of (N, 4) unit quaternions."""
    inverse: Floats = quaternion * np.array([1.0, -1.0, -1.0, -1.0])
    return inverse


def rotate(quaternion: Floats, vector: Floats) -> Floats:
    """(N, 3) Vectors turned by the rotations: device to world for an orientation.

    Examples
    --------
    >>> quarter_turn = np.array([[0.5**0.5, 0.0, 0.0, 0.5**0.5]])
    >>> np.allclose(rotate(quarter_turn, np.array([[1.0, 0.0, 0.0]])), [[0.0, 1.0, 0.0]])
    True
    """
    w, axis = quaternion[:, :1], quaternion[:, 1:]
    aside = 2.0 * np.cross(axis, vector)
    turned: Floats = vector + w * aside + np.cross(axis, aside)
    return turned


def up_in_device(quaternion: Floats) -> Floats:
    """(N, 3) The world's upward unit vector as seen in the device frame.

    Examples
    --------
    >>> up_in_device(np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])).tolist()
    [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]
    """
    w, x, y, z = quaternion.T
    up = np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z], axis=1)
    scaled: Floats = up / (w * w + x * x + y * y + z * z)[:, None]
    return scaled


def canonical(quaternion: Floats) -> Floats:
    """(N, 4) Of each quaternion and its negative the one whose first component that is not 0 is positive."""
    sign = np.sign(np.sign(quaternion) @ _FIRST_NONZERO)
    chosen: Floats = quaternion * sign[:, None]
    return chosen


def rotation_vector(quaternion: Floats) -> Floats:
    """(N, 3) Axis times angle in rad, the short way round: its length is at most pi.

    Examples
    --------
    >>> quarter_turn = np.array([[0.5**0.5, 0.0, 0.0, 0.5**0.5]])
    >>> (rotation_vector(-quarter_turn) / np.pi).round(12).tolist()
    [[0.0, 0.0, 0.5]]
    """
    short = canonical(quaternion)
    sine = magnitude(short[:, 1:])
    angle = 2.0 * np.arctan2(sine, short[:, :1])
    # Below this size the angle is twice the sine to the last bit; division would meet 0/0.
    small = sine < 1e-12
    scaled: Floats = short[:, 1:] * np.where(small, 2.0, angle / np.where(small, 1.0, sine))
    return scaled


def relative(start: Floats, end: Floats) -> Floats:
    """(N, 4) The rotations from `start` to `end`, in the device frame of `start`."""
    return multiply(conjugate(start), end)


def make_continuous(quaternion: Floats, offsets: Ints) -> Floats:
    """(N, 4) The same rotations with signs such that none jumps: each is nearer to the row before than its negative.

    A recording's first known quaternion is `canonical`. Missing rows stay missing and are stepped over.
    """
    known = canonical(fill(quaternion, offsets))
    before = known[previous_rows(offsets)]
    flips = np.cumsum((known * before).sum(axis=1) < 0.0)
    flips -= np.repeat(flips[offsets[:-1]], np.diff(offsets))
    signed = known * np.where(flips % 2, -1.0, 1.0)[:, None]
    return np.where(np.isnan(quaternion), np.nan, signed)


def magnitude(vector: Floats) -> Floats:
    """(N, 1) Lengths of (N, C) vectors."""
    length: Floats = np.sqrt(np.square(vector).sum(axis=1, keepdims=True))
    return length
