"""Recordings of the other wrist, or of a device turned over."""

import numpy as np
import polars as pl
import pytest

from bfrb.features.pipeline import FEATURES
from bfrb.features.rows import RaggedRows
from bfrb.features.sequences import build_sequences
from bfrb.study.device import DEVICES, Device
from bfrb.study.mirror import as_right_handed, is_left_handed, mirror, turn_over
from bundles import make_recordings
from made_up import BASELINE_FEATURES


@pytest.mark.parametrize("device", DEVICES.values(), ids=list(DEVICES))
def test_only_the_chosen_recordings_change_and_twice_is_none(device: Device) -> None:
    recordings, chosen = make_recordings(3, device=device), np.array([True, False, True])
    for change in (mirror, turn_over):
        assert change(recordings, ~chosen & chosen) is recordings
        once = change(recordings, chosen)
        twice = change(once, chosen)
        for number, changed in enumerate(chosen):
            for name, values in recordings[number].sensors.items():
                assert np.array_equal(once[number].sensors[name], values) == (not changed)
                again = twice[number].sensors[name]
                if name == "quaternion":  # the same rotation
                    np.testing.assert_allclose(np.abs((again * values).sum(axis=1)), 1.0, atol=1e-5)
                else:
                    np.testing.assert_array_equal(again, values)


def test_a_changed_recording_moves_as_in_a_mirror_or_as_seen_from_the_turned_device() -> None:
    recordings = make_recordings(3)
    for name in ("linear_acc", "angular_velocity", "gravity_direction"):
        mirrored = [1, -1, -1] if name == "angular_velocity" else [-1, 1, 1]
        for change, sign in ((mirror, mirrored), (turn_over, [-1, -1, 1])):
            changed = change(recordings, np.ones(3, dtype=bool))
            before, after = (FEATURES[name].compute(RaggedRows(found)) for found in (recordings, changed))
            np.testing.assert_allclose(after, before * sign, atol=1e-4)


def test_features_of_a_left_hand_are_those_of_its_mirror_image() -> None:
    recordings = make_recordings(4)
    assert not is_left_handed(recordings).any()
    assert as_right_handed(recordings) is recordings
    hands = pl.Series([0, 1, 0, None], dtype=pl.Int64)
    left = recordings.with_table(recordings.table.with_columns(handedness=hands))
    assert is_left_handed(left).tolist() == [True, False, True, False]
    asked = build_sequences(left, BASELINE_FEATURES, mirror_left_hand=True)
    by_hand = build_sequences(mirror(left, np.array([True, False, True, False])), BASELINE_FEATURES)
    plain = build_sequences(left, BASELINE_FEATURES)
    for branch, features in asked.branches.items():
        np.testing.assert_array_equal(features.values, by_hand.branches[branch].values)
        assert not np.array_equal(features.values, plain.branches[branch].values, equal_nan=True)
