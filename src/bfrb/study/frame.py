"""The wrist frame, in which everything is that this package computes with, and the way into it from any device.

The frame is anatomical, that of a right wrist: **x** to the thumb, **y** along the forearm to the hand, **z** out of
the palm side. Accelerometers read their reaction to gravity, +9.8 m/s^2 on the axis that points up at rest; angular
velocity turns by the right-hand rule; a quaternion `(w, x, y, z)` turns vectors of the wrist frame into a world, z up.

A left wrist is the mirror image of a right one: its thumb, hand and palm make a left-handed frame. What was
measured on it is brought to what the right wrist of the mirrored wearer would have given: vectors keep their components
along thumb, hand and palm, turns change their sense, and the heading is mirrored with them.

Directions are said in words: of the arm (`thumb`, `little`, `hand`, `elbow`, `palm`, `back`), or of a watch (`3h`,
`6h`, `9h`, `12h`, `out`, `in`), which is worn so that it can be read: its 3 o'clock points to the hand on a left wrist,
to the elbow on a right one, and 12 o'clock to the little finger on both.
"""

from typing import Literal

import numpy as np

from bfrb.arrays import Array, Floats
from bfrb.errors import ConfigError

Wrist = Literal["left", "right"]
Crown = Literal["as_read", "turned"]

_AXES = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))

ARM_WORDS = dict(zip(("thumb", "little", "hand", "elbow", "palm", "back"), _AXES, strict=True))
"""Directions of the arm in the wrist frame."""

WATCH_WORDS = dict(zip(("3h", "9h", "12h", "6h", "out", "in"), _AXES, strict=True))
"""Directions of a watch in its own frame: x to 3 o'clock, y to 12 o'clock, z out of the glass."""

_ON_RIGHT_WRIST = np.array([[0, -1, 0], [-1, 0, 0], [0, 0, -1]])
"""From a watch that can be read on a right wrist to the wrist frame."""
_MIRROR = np.diag([-1, 1, 1])
_HALF_TURN = np.diag([-1, -1, 1])


def device_to_wrist(axes: tuple[str, str, str], wrist: Wrist, *, crown: Crown = "as_read") -> Array:
    """(3, 3) Signed permutation from a device's axes to the wrist frame; on a left wrist it mirrors, determinant -1.

    `axes`: where the device's x, y and z point, in words; those of the arm may be told of a right or of a left wrist:
    which, the handedness of the three says. `crown`: `"turned"` for a device that is worn turned by 180 degrees about
    the axis out of its face. Raises `ConfigError` if a word is unknown, words of arm and watch are mixed, or the three
    make no right-handed device.

    >>> device_to_wrist(("3h", "12h", "out"), "right").tolist()
    [[0, -1, 0], [-1, 0, 0], [0, 0, -1]]
    """
    told = _columns(axes)
    if crown == "turned":
        told = _HALF_TURN @ told
    if set(axes) <= set(WATCH_WORDS):
        if round(float(np.linalg.det(told))) != 1:
            problem = f"the axes {', '.join(axes)} are left-handed, and devices measure in right-handed ones"
            raise ConfigError(problem, remedy="turn one of the three round, such as 3h for 9h")
        # Read on the other wrist, a watch is turned by 180 degrees against the arm, and seen in the mirror.
        of_wrist = _ON_RIGHT_WRIST if wrist == "right" else _MIRROR @ _ON_RIGHT_WRIST @ _HALF_TURN
        return of_wrist @ told
    told_of: Wrist = "right" if round(float(np.linalg.det(told))) == 1 else "left"
    return told if told_of == wrist else _MIRROR @ told


def _columns(axes: tuple[str, str, str]) -> Array:
    for words in (ARM_WORDS, WATCH_WORDS):
        if set(axes) <= set(words):
            matrix = np.array([words[word] for word in axes]).T
            if round(abs(float(np.linalg.det(matrix)))) != 1:
                problem = f"the axes {', '.join(axes)} name one direction twice"
                raise ConfigError(problem, remedy="name three directions across each other")
            return matrix
    unknown, told = sorted(set(axes) - set(ARM_WORDS) - set(WATCH_WORDS)), ", ".join(axes)
    problem = f"no direction {unknown[0]!r}" if unknown else f"the axes {told} mix words of the arm and of a watch"
    raise ConfigError(problem, remedy=f"use three of {', '.join(ARM_WORDS)}, or three of {', '.join(WATCH_WORDS)}")


def vectors_to_wrist(vectors: Array, matrix: Array) -> Array:
    """(N, 3) Accelerations of a device in the wrist frame; same type, NaN stays."""
    order = np.abs(matrix).argmax(axis=1)
    sign = np.take_along_axis(matrix, order[:, None], axis=1)[:, 0]
    return np.ascontiguousarray(vectors[:, order] * sign.astype(vectors.dtype))


def turns_to_wrist(rates: Array, matrix: Array) -> Array:
    """(N, 3) Angular velocities of a device in the wrist frame: like vectors, but a mirror changes their sense."""
    return vectors_to_wrist(rates, matrix * round(float(np.linalg.det(matrix))))


def orientations_to_wrist(quaternion: Floats, matrix: Array) -> Floats:
    """(N, 4) Orientations of the wrist frame, of (N, 4) quaternions that turn a device's vectors into a world, z up.

    Under a mirror the world is mirrored as well, across the plane of its y and z.
    """
    mirrors = np.linalg.det(matrix) < 0
    proper = _MIRROR @ matrix if mirrors else matrix
    # A mirror across x = 0 on both sides keeps w and x and turns the others round.
    sense = np.array([1.0, 1.0, -1.0, -1.0] if mirrors else [1.0, 1.0, 1.0, 1.0])
    back = quaternion_of(proper[None])[0] * np.array([1.0, -1.0, -1.0, -1.0])
    return np.asarray(_times(quaternion, back) * sense)


def quaternion_of(rotation: Array) -> Floats:
    """(N, 4) unit quaternions (w, x, y, z) with w >= 0 of (N, 3, 3) rotations."""
    m = rotation
    x, y, z = m[:, 0, 0], m[:, 1, 1], m[:, 2, 2]
    diagonal = np.array([1 + x + y + z, 1 + x - y - z, 1 - x + y - z, 1 - x - y + z])
    ww, xx, yy, zz = diagonal
    wx, wy, wz = m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]
    xy, xz, yz = m[:, 1, 0] + m[:, 0, 1], m[:, 0, 2] + m[:, 2, 0], m[:, 2, 1] + m[:, 1, 2]
    # Four times the products of a quaternion's components: each row is the quaternion, times a component.
    products = np.array([[ww, wx, wy, wz], [wx, xx, xy, xz], [wy, xy, yy, yz], [wz, xz, yz, zz]])
    quaternion = products[np.argmax(diagonal, axis=0), :, np.arange(len(m))]
    quaternion = quaternion * np.where(quaternion[:, :1] < 0, -1.0, 1.0)
    return np.asarray(quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True))


def _times(first: Floats, second: Floats) -> Floats:
    """(N, 4) Hamilton products of (N, 4) quaternions with one (4,) quaternion."""
    w, x, y, z = second
    right = np.array([[w, x, y, z], [-x, w, -z, y], [-y, z, w, -x], [-z, -y, x, w]])
    # Summed in one order, however many there are: a product of matrices would round otherwise for one than for many.
    return np.asarray((first[:, :, None] * right).sum(axis=1))
