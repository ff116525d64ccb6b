"""Quaternion arithmetic against scipy, and against what a wrist would feel."""

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.transform import Rotation

from bfrb.features.motion import make_continuous
from bfrb.features.rotations import canonical, multiply, relative, rotation_vector, up_in_wrist
from bfrb.features.rows import RaggedOrder

Float = npt.NDArray[np.float64]

RANDOM = np.random.default_rng(0).normal(size=(500, 4))
RANDOM /= np.linalg.norm(RANDOM, axis=1, keepdims=True)
OTHER = np.roll(RANDOM, 1, axis=0)


def scipy_rotation(quaternion: Float) -> Rotation:
    return Rotation.from_quat(quaternion[:, [1, 2, 3, 0]])


def about(axis: Float, angle_rad: npt.ArrayLike) -> Float:
    """(n, 4) Quaternions of turns about one axis."""
    half = np.atleast_1d(angle_rad)[:, None] / 2
    return np.hstack([np.cos(half), np.sin(half) * axis / np.linalg.norm(axis)])


def test_rotations_are_scipys() -> None:
    first, second = scipy_rotation(RANDOM), scipy_rotation(OTHER)
    for found, expected in ((multiply(RANDOM, OTHER), first * second), (relative(RANDOM, OTHER), first.inv() * second)):
        np.testing.assert_allclose(scipy_rotation(found).as_matrix(), expected.as_matrix(), atol=1e-14)
    np.testing.assert_allclose(up_in_wrist(RANDOM), first.apply([0.0, 0.0, 1.0], inverse=True), atol=1e-14)
    np.testing.assert_allclose(up_in_wrist(1.01 * RANDOM), up_in_wrist(RANDOM), atol=1e-14)
    np.testing.assert_allclose(rotation_vector(RANDOM), first.as_rotvec(), atol=1e-13)


@pytest.mark.parametrize("angle_rad", [0.0, 1e-300, 1e-15, 1e-12, 1e-11, 1e-6, 1.0, 3.1415])
def test_tiny_and_large_turns_keep_their_angle(angle_rad: float) -> None:
    axis = np.array([1.0, -2.0, 2.0]) / 3
    np.testing.assert_allclose(rotation_vector(about(axis, angle_rad))[0], axis * angle_rad, rtol=1e-12, atol=0)


def test_a_quaternion_and_its_negative_are_the_same_rotation() -> None:
    some = np.array([one for one in product([-1.0, -0.5, 0.0, 1.0], repeat=4) if any(one)])
    for function in (canonical, rotation_vector, up_in_wrist):
        np.testing.assert_array_equal(function(-some), function(some))
    halves = np.array([[0.0, 0.0, -1.0, 0.5], [0.0, 0.0, 1.0, -0.5], [-1.0, 9.0, 9.0, 9.0]])
    np.testing.assert_array_equal(canonical(halves), [[0, 0, 1, -0.5], [0, 0, 1, -0.5], [1, -9, -9, -9]])


def test_continuity_takes_the_sign_jumps_out_whatever_the_signs_were_and_steps_over_missing_rows() -> None:
    turn = about(np.array([1.0, 2.0, -1.0]), np.linspace(0.1, 0.1 + 2 * np.pi, 41))
    jumping = turn * np.sign(turn[:, :1])  # as a device reports it: w is never negative
    smooth = make_continuous(jumping, RaggedOrder(np.array([0, 41])))
    assert np.abs(np.diff(jumping, axis=0)).max() > 1.0
    assert np.abs(np.diff(smooth, axis=0)).max() < 0.2
    np.testing.assert_array_equal(np.abs(smooth), np.abs(jumping))
    order, signs = RaggedOrder(np.array([0, 25, 41])), np.random.default_rng(0).choice([-1.0, 1.0], (41, 1))
    apart = make_continuous(jumping, order)
    np.testing.assert_array_equal(make_continuous(jumping * signs, order), apart)
    assert (apart[[0, 25], 0] > 0).all()
    jumping[[0, 1, 20, 21]] = np.nan
    smooth = make_continuous(jumping, RaggedOrder(np.array([0, 41])))
    np.testing.assert_array_equal(np.isnan(smooth), np.isnan(jumping))
    known = smooth[~np.isnan(smooth).any(axis=1)]
    assert ((known[1:] * known[:-1]).sum(axis=1) > 0).all()
