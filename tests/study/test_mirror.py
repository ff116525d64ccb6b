from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bfrb.features.pipeline import FEATURES
from bfrb.features.rows import RaggedRows
from bfrb.features.sequences import build_sequences
from bfrb.study.device import DEVICES, Device
from bfrb.study.mirror import as_right_handed, is_left_handed, mirror, turn_over
from bfrb.study.recordings import Recordings
from bundles import make_recordings
from made_up import BASELINE_FEATURES

every_device = pytest.mark.parametrize("device", DEVICES.values(), ids=list(DEVICES))


def with_handedness(recordings: Recordings, handedness: list[int | None]) -> Recordings:
    return recordings.with_table(recordings.table.with_columns(handedness=pl.Series(handedness, dtype=pl.Int64)))


def same_rotation(first: np.ndarray, second: np.ndarray) -> bool:
    return bool(np.allclose(np.abs((first * second).sum(axis=1)), 1.0, atol=1e-5))


@every_device
@given(which=st.lists(st.booleans(), min_size=5, max_size=5))
def test_only_the_chosen_recordings_change_and_twice_is_none(device: Device, which: list[bool]) -> None:
    recordings = make_recordings(5, device=device)
    chosen = np.array(which)
    for change in (mirror, turn_over):
        once = change(recordings, chosen)
        twice = change(once, chosen)
        for number, changed in enumerate(which):
            for name, values in recordings[number].sensors.items():
                assert np.array_equal(once[number].sensors[name], values) == (not changed)
                if name == "quaternion":
                    assert same_rotation(twice[number].sensors[name], values)
                else:
                    assert np.array_equal(twice[number].sensors[name], values)


def test_a_mirrored_recording_moves_as_in_a_mirror() -> None:
    recordings = make_recordings(3)
    mirrored = mirror(recordings, np.ones(3, dtype=bool))
    for name, sign in (
        ("linear_acc", [-1, 1, 1]),
        ("angular_velocity", [1, -1, -1]),
        ("gravity_direction", [-1, 1, 1]),
    ):
        before, after = (FEATURES[name].compute(RaggedRows(found)) for found in (recordings, mirrored))
        np.testing.assert_allclose(after, before * sign, atol=1e-4)


def test_a_turned_over_recording_moves_as_seen_from_the_turned_device() -> None:
    recordings = make_recordings(3)
    turned = turn_over(recordings, np.ones(3, dtype=bool))
    for name in ("linear_acc", "angular_velocity", "gravity_direction"):
        before, after = (FEATURES[name].compute(RaggedRows(found)) for found in (recordings, turned))
        np.testing.assert_allclose(after, before * [-1, -1, 1], atol=1e-4)


def test_unknown_handedness_counts_as_right() -> None:
    recordings = make_recordings(3)
    assert not is_left_handed(recordings).any()
    assert is_left_handed(with_handedness(recordings, [0, 1, None])).tolist() == [True, False, False]
    assert as_right_handed(recordings) is recordings


def test_features_of_a_left_hand_are_those_of_its_mirror_image() -> None:
    left = with_handedness(make_recordings(4), [0, 1, 0, 1])
    asked = build_sequences(left, BASELINE_FEATURES, mirror_left_hand=True)
    by_hand = build_sequences(mirror(left, np.array([True, False, True, False])), BASELINE_FEATURES)
    plain = build_sequences(left, BASELINE_FEATURES)
    for branch, features in asked.branches.items():
        np.testing.assert_array_equal(features.values, by_hand.branches[branch].values)
        assert not np.array_equal(features.values, plain.branches[branch].values, equal_nan=True)
