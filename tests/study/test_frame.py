"""Thought experiments: what a wrist reads does not depend on how the device on it counts its axes."""

from itertools import permutations, product

import numpy as np
import pytest
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


def right_handed(words: dict[str, tuple[int, int, int]]) -> list[tuple[str, str, str]]:
    return [axes for axes in permutations(words, 3) if round(np.linalg.det([words[word] for word in axes])) == 1]


@pytest.mark.parametrize(("wrist", "hand"), [("left", "3h"), ("right", "9h")])
def test_a_watch_that_can_be_read_points_its_hours_at_the_hand(wrist: str, hand: str) -> None:
    matrix = device_to_wrist(("3h", "12h", "out"), wrist)
    for watch, arm in ((hand, "hand"), ("12h", "little"), ("out", "back")):
        np.testing.assert_array_equal(matrix @ WATCH_WORDS[watch], ARM_WORDS[arm])


@pytest.mark.parametrize("wrist", WRISTS)
@pytest.mark.parametrize("words", [ARM_WORDS, WATCH_WORDS], ids=["arm", "watch"])
def test_gravity_and_turning_agree_with_the_orientation_after_as_before(
    wrist: str, words: dict[str, tuple[int, int, int]]
) -> None:
    rng, ways = np.random.default_rng(0), right_handed(words)
    assert len(ways) == 24
    for axes, crown in product(ways, ("as_read", "turned")):
        matrix = device_to_wrist(axes, wrist, crown=crown)
        assert round(np.linalg.det(matrix)) == (1 if wrist == "right" else -1)  # only a left wrist mirrors
        rate, start = rng.normal(size=3), Rotation.random(rng=rng)
        after = start * Rotation.from_rotvec(0.01 * rate)
        turns = np.stack([turn.as_quat(scalar_first=True) for turn in (start, after)])
        first, second = (Rotation.from_quat(one, scalar_first=True) for one in orientations_to_wrist(turns, matrix))
        expected = turns_to_wrist(rate[None], matrix)[0]
        np.testing.assert_allclose((first.inv() * second).as_rotvec() / 0.01, expected, atol=1e-6)
        at_rest = vectors_to_wrist(start.inv().apply([[0.0, 0.0, 9.81]]), matrix)
        np.testing.assert_allclose(first.apply(at_rest), [[0, 0, 9.81]], atol=1e-9)


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
