"""Simulated days: continuous, labelled, possible, and readable by what trains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bfrb.features.rotations import magnitude, relative, rotation_vector
from bfrb.read.store import Store, write_store
from bfrb.simulate.day import ACTIVITIES, DaySpec, simulate_days
from bfrb.simulate.spec import StudySpec
from bfrb.study.labels import DAY_GESTURES
from bfrb.study.recordings import Recordings
from bfrb.study.windows import WindowSpec, cut_continuous

DAY = DaySpec(hours=0.2, block_s=120)


@pytest.fixture(scope="module")
def days() -> list[Recordings]:
    return list(simulate_days(StudySpec(subjects=2), DAY, seed=5))


def test_the_same_seed_gives_the_same_day_and_another_seed_another(days: list[Recordings]) -> None:
    again = next(simulate_days(StudySpec(subjects=2), DAY, seed=5))
    other = next(simulate_days(StudySpec(subjects=1), DaySpec(hours=0.05), seed=6))
    for name in ("acc", "quaternion", "thm", "tof"):
        assert np.array_equal(again.sensors[name], days[0].sensors[name], equal_nan=True)
    assert not np.array_equal(other.sensors["acc"][:100], days[0].sensors["acc"][:100])


def test_gestures_are_rare_and_the_rest_of_the_day_is_labelled_too(days: list[Recordings]) -> None:
    for recording in days:
        assert recording.simulated
        assert recording.n_rows >= 0.2 * 36_000
        gesture, activity = (recording.annotations[name].codes for name in ("gesture", "activity"))
        assert 0.02 < (gesture > 0).mean() < 0.4
        named = np.array(ACTIVITIES, dtype=object)[activity[gesture > 0]]
        assert (named == np.array(DAY_GESTURES.classes, dtype=object)[gesture[gesture > 0]]).all()


def test_the_arm_does_not_jump_from_one_bout_to_the_next(days: list[Recordings]) -> None:
    for recording in days:
        quaternion = recording.sensors["quaternion"].astype(np.float64)
        turns = magnitude(rotation_vector(relative(quaternion[:-1], quaternion[1:])))[:, 0]
        does = recording.annotations["activity"].codes > 0
        ends = np.flatnonzero(does[:-1] & ~does[1:])
        joins = ends[:-1, None] + np.arange(14, 28)  # the hand needs 20 rows back to rest
        assert turns[joins].max() < 0.6
        assert np.linalg.norm(recording.sensors["acc"][joins], axis=-1).max() < 40


def test_days_are_cut_into_labelled_windows_from_a_store(days: list[Recordings], tmp_path: Path) -> None:
    write_store(days, tmp_path / "days", source="a test")
    windows = cut_continuous(Store.open(tmp_path / "days").read(), WindowSpec())
    assert windows.simulated
    assert set(windows.gestures or ()) <= set(DAY_GESTURES.classes)
    assert "none" in (windows.gestures or ())
