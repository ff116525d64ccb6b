"""Directions, rotations and smooth curves: the few formulas that body, motion and sensors share.

Rotation matrices are stacks (..., 3, 3) whose columns are the axes of the turned frame.
"""

import numpy as np

from bfrb.arrays import Floats, Ints


def normalised(vectors: Floats) -> Floats:
    """(..., C) unit vectors; a zero vector stays zero."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))


def dot(left: Floats, right: Floats) -> Floats:
    """(...) scalar products of (..., 3) vectors."""
    return np.asarray(np.einsum("...i,...i->...", left, right))


def rotated(rotation: Floats, vectors: Floats) -> Floats:
    """(..., 3) vectors under (..., 3, 3) rotations."""
    return np.asarray(np.einsum("...ij,...j->...i", rotation, vectors))


def across(vectors: Floats, axis: Floats) -> Floats:
    """(..., 3) unit vectors: the part of `vectors` that is perpendicular to the unit vectors `axis`."""
    along = dot(vectors, axis)[..., None]
    return normalised(vectors - along * axis)


def turned(vectors: Floats, axis: Floats, angle_rad: Floats) -> Floats:
    """(..., 3) vectors turned about unit axes (Rodrigues)."""
    cosine, sine = np.cos(angle_rad)[..., None], np.sin(angle_rad)[..., None]
    along = dot(vectors, axis)[..., None]
    return np.asarray(vectors * cosine + np.cross(axis, vectors) * sine + axis * along * (1 - cosine))


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


def smoothed(values: Floats, sequence: Ints, half_width: int) -> Floats:
    """(N, C) centred moving means over `2 * half_width + 1` steps, fewer at the ends of a sequence.

    Sequences are (N,) ascending numbers; nothing is mixed between different ones.
    """
    steps = np.arange(len(values))
    first = np.maximum(steps - half_width, np.searchsorted(sequence, sequence, side="left"))
    last = np.minimum(steps + half_width + 1, np.searchsorted(sequence, sequence, side="right"))
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    return np.asarray((total[last] - total[first]) / (last - first)[:, None])


def minimum_jerk(progress: Floats) -> Floats:
    """Smoothest way from 0 to 1 while `progress` goes from 0 to 1 (Flash and Hogan 1985); constant outside.

    >>> minimum_jerk(np.array([-1.0, 0.0, 0.5, 1.0, 2.0])).tolist()
    [0.0, 0.0, 0.5, 1.0, 1.0]
    """
    p = np.clip(progress, 0, 1)
    return p * p * p * (10 - 15 * p + 6 * p * p)
