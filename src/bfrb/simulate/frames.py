"""Directions, rotations and smooth curves: the few formulas that body, motion and sensors share.

Rotation matrices are stacks (..., 3, 3) whose columns are the axes of the turned frame.
"""

from __future__ import annotations

import numpy as np

from bfrb.arrays import Floats, Ints


def normalised(vectors: Floats) -> Floats:
    """(..., 3) unit vectors; a zero vector stays zero."""
    result: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return result


def dot(left: Floats, right: Floats) -> Floats:
    """(...) scalar products of (..., 3) vectors."""
    products: Floats = np.einsum("...i,...i->...", left, right)
    return products


def rotated(rotation: Floats, vectors: Floats) -> Floats:
    """(..., 3) vectors under (..., 3, 3) rotations."""
    result: Floats = np.einsum("...ij,...j->...i", rotation, vectors)
    return result


def across(vectors: Floats, axis: Floats) -> Floats:
    """(..., 3) unit vectors: the part of `vectors` that is perpendicular to the unit vectors `axis`."""
    along = dot(vectors, axis)[..., None]
    return normalised(vectors - along * axis)


def turned(vectors: Floats, axis: Floats, angle_rad: Floats) -> Floats:
    """(..., 3) vectors turned about unit axes (Rodrigues)."""
    cosine, sine = np.cos(angle_rad)[..., None], np.sin(angle_rad)[..., None]
    along = dot(vectors, axis)[..., None]
    result: Floats = vectors * cosine + np.cross(axis, vectors) * sine + axis * along * (1 - cosine)
    return result


def about(axis: int, angle_rad: Floats | float) -> Floats:
    """(..., 3, 3) rotations about the coordinate axis 0, 1 or 2."""
    angle = np.asarray(angle_rad, dtype=np.float64)
    cosine, sine = np.cos(angle), np.sin(angle)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((*angle.shape, 3, 3))
    matrix[..., axis, axis] = 1
    matrix[..., first, first] = matrix[..., second, second] = cosine
    matrix[..., first, second] = -sine
    matrix[..., second, first] = sine
    return matrix


def frame_of(y: Floats, z: Floats) -> Floats:
    """(..., 3, 3) right-handed frames from their unit y axes and the directions nearest to which z shall lie."""
    z = across(z, y)
    return np.stack([np.cross(y, z), y, z], axis=-1)


def quaternion_of(rotation: Floats) -> Floats:
    """(N, 4) unit quaternions (w, x, y, z) with w >= 0 of (N, 3, 3) rotations."""
    m = rotation
    trace = m[:, 0, 0] + m[:, 1, 1] + m[:, 2, 2]
    diagonal = np.stack([trace, m[:, 0, 0], m[:, 1, 1], m[:, 2, 2]], axis=1)
    squares = np.maximum(1 + 2 * diagonal - trace[:, None], 0)
    squares[:, 0] = np.maximum(1 + trace, 0)
    size = np.sqrt(squares) / 2
    best = np.argmax(size, axis=1)
    # For each choice of the largest component, the products that give the signs of the others.
    wx, wy, wz = m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]
    xy, xz, yz = m[:, 1, 0] + m[:, 0, 1], m[:, 0, 2] + m[:, 2, 0], m[:, 2, 1] + m[:, 1, 2]
    one = np.ones_like(wx)
    rows = np.stack(
        [np.stack(row, axis=1) for row in ((one, wx, wy, wz), (wx, one, xy, xz), (wy, xy, one, yz), (wz, xz, yz, one))],
        axis=1,
    )
    chosen = rows[np.arange(len(m)), best]
    signs = np.where(chosen < 0, -1.0, 1.0)
    quaternion = size * signs
    quaternion *= np.where(quaternion[:, :1] < 0, -1.0, 1.0)
    result: Floats = quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)
    return result


def smoothed(values: Floats, sequence: Ints, half_width: int) -> Floats:
    """(N, C) centred moving means over `2 * half_width + 1` steps, fewer at the ends of a sequence.

    Parameters
    ----------
    sequence
        (N,) ascending numbers; nothing is mixed between different ones.
    """
    steps = np.arange(len(values))
    first = np.maximum(steps - half_width, np.searchsorted(sequence, sequence, side="left"))
    last = np.minimum(steps + half_width + 1, np.searchsorted(sequence, sequence, side="right"))
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    result: Floats = (total[last] - total[first]) / (last - first)[:, None]
    return result


def minimum_jerk(progress: Floats) -> Floats:
    """Smoothest way from 0 to 1 while `progress` goes from 0 to 1 (Flash and Hogan 1985); constant outside.

    Examples
    --------
    >>> minimum_jerk(np.array([-1.0, 0.0, 0.5, 1.0, 2.0])).tolist()
    [0.0, 0.0, 0.5, 1.0, 1.0]
    """
    p = np.clip(progress, 0, 1)
    return p * p * p * (10 - 15 * p + 6 * p * p)
