"""Thought experiments: what a wrist reads does not depend on how the device on it counts its axes."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bfrb.errors import ConfigError
from bfrb.study.frame import (
    ARM_WORDS,
    WATCH_WORDS,
    device_to_wrist,
    orientations_to_wrist,
    turns_to_wrist,
    vectors_to_wrist,
)

WRISTS = ("left", "right")


def right_handed(words: dict[str, tuple[int, int, int]], sign: int = 1) -> list[tuple[str, str, str]]:
    found = []
    for axes in permutations(words, 3):
        matrix = np.array([words[word] for word in axes])
        if round(np.linalg.det(matrix)) == sign:
            found.append(axes)
    return found


def test_there_are_24_ways_to_mount_a_device() -> None:
    assert len(right_handed(ARM_WORDS)) == len(right_handed(WATCH_WORDS)) == 24


@pytest.mark.parametrize(("wrist", "hand"), [("left", "3h"), ("right", "9h")])
def test_a_watch_that_can_be_read_points_its_hours_at_the_hand(wrist: str, hand: str) -> None:
    matrix = device_to_wrist(("3h", "12h", "out"), wrist)
    np.testing.assert_array_equal(matrix @ WATCH_WORDS[hand], ARM_WORDS["hand"])
    np.testing.assert_array_equal(matrix @ WATCH_WORDS["12h"], ARM_WORDS["little"])
    np.testing.assert_array_equal(matrix @ WATCH_WORDS["out"], ARM_WORDS["back"])


def test_a_watch_worn_turned_round_points_the_other_hours_at_the_hand() -> None:
    for wrist, hand in (("left", "9h"), ("right", "3h")):
        matrix = device_to_wrist(("3h", "12h", "out"), wrist, crown="turned")
        np.testing.assert_array_equal(matrix @ WATCH_WORDS[hand], ARM_WORDS["hand"])
        np.testing.assert_array_equal(matrix @ WATCH_WORDS["12h"], ARM_WORDS["thumb"])


@pytest.mark.parametrize("wrist", WRISTS)
def test_words_of_the_arm_told_of_one_wrist_hold_for_the_other(wrist: str) -> None:
    of_right = device_to_wrist(("thumb", "hand", "palm"), wrist)
    of_left = device_to_wrist(("little", "hand", "palm"), wrist)
    np.testing.assert_array_equal(of_right, of_left)


@given(st.sampled_from(WRISTS), st.sampled_from(["as_read", "turned"]), st.integers(0, 23), st.booleans())
def test_only_a_left_wrist_mirrors(wrist: str, crown: str, way: int, arm: bool) -> None:
    axes = right_handed(ARM_WORDS if arm else WATCH_WORDS)[way]
    assert round(np.linalg.det(device_to_wrist(axes, wrist, crown=crown))) == (1 if wrist == "right" else -1)


@given(st.sampled_from(WRISTS), st.integers(0, 23), st.integers(0, 10**6))
def test_gravity_is_where_the_orientation_says_after_as_before(wrist: str, way: int, seed: int) -> None:
    matrix = device_to_wrist(right_handed(WATCH_WORDS)[way], wrist)
    orientation = Rotation.random(20, rng=np.random.default_rng(seed))
    at_rest = orientation.inv().apply([0.0, 0.0, 9.81])
    acc = vectors_to_wrist(at_rest, matrix)
    there = orientations_to_wrist(orientation.as_quat(scalar_first=True), matrix)
    np.testing.assert_allclose(
        Rotation.from_quat(there, scalar_first=True).apply(acc), np.tile([0, 0, 9.81], (20, 1)), atol=1e-9
    )


@given(st.sampled_from(WRISTS), st.integers(0, 23), st.integers(0, 10**6))
def test_turning_agrees_with_the_orientation_after_as_before(wrist: str, way: int, seed: int) -> None:
    matrix = device_to_wrist(right_handed(WATCH_WORDS)[way], wrist)
    rng = np.random.default_rng(seed)
    rate = rng.normal(size=3)
    start = Rotation.random(rng=rng)
    after = start * Rotation.from_rotvec(0.01 * rate)
    found = orientations_to_wrist(np.stack([turn.as_quat(scalar_first=True) for turn in (start, after)]), matrix)
    first, second = (Rotation.from_quat(quaternion, scalar_first=True) for quaternion in found)
    expected = turns_to_wrist(rate[None], matrix)[0]
    np.testing.assert_allclose((first.inv() * second).as_rotvec() / 0.01, expected, atol=1e-6)


def test_a_left_wrist_reads_what_the_mirrored_right_one_does() -> None:
    """The same arm in the mirror: readings along thumb, hand and palm stay, turns change their sense."""
    for axes in (("thumb", "hand", "palm"), ("3h", "12h", "out")):
        left, right = (device_to_wrist(axes, wrist) for wrist in WRISTS)
        device_right = np.array([[0.3, -1.2, 9.0]])
        in_wrist = vectors_to_wrist(device_right, right)
        device_left = in_wrist @ left  # what a device on the mirrored left arm measures
        np.testing.assert_allclose(vectors_to_wrist(device_left, left), in_wrist)
        turn = np.array([[1.0, 2.0, 3.0]])
        anatomical = turns_to_wrist(turn, right)
        np.testing.assert_allclose(turns_to_wrist(-(anatomical @ left), left), anatomical)


@pytest.mark.parametrize(
    ("axes", "complaint"),
    [
        (("3h", "12h", "in"), "left-handed"),
        (("3h", "12h", "back"), "mix words"),
        (("3h", "9h", "out"), "one direction twice"),
        (("3h", "noon", "out"), "no direction 'noon'"),
    ],
)
def test_impossible_axes_are_refused(axes: tuple[str, str, str], complaint: str) -> None:
    for wrist in WRISTS:
        with pytest.raises(ConfigError, match=complaint):
            device_to_wrist(axes, wrist)


def test_every_mounting_is_a_signed_permutation() -> None:
    for axes, wrist in product(right_handed(ARM_WORDS) + right_handed(ARM_WORDS, -1), WRISTS):
        matrix = device_to_wrist(axes, wrist)
        np.testing.assert_array_equal(matrix @ matrix.T, np.eye(3))
