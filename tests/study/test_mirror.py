"""Recordings of the other wrist, or of a device turned over."""

import numpy as np
import polars as pl
import pytest

from bfrb.features.pipeline import FEATURES
from bfrb.features.rows import RaggedRows
from bfrb.features.sequences import build_sequences
from bfrb.study.device import DEVICES, Device
from bfrb.study.mirror import as_right_handed, is_left_handed, mirror, turn_over
from bfrb.study.recordings import Recordings
from bundles import make_recordings
from made_up import BASELINE_FEATURES


def with_handedness(recordings: Recordings, handedness: list[int | None]) -> Recordings:
    return recordings.with_table(recordings.table.with_columns(handedness=pl.Series(handedness, dtype=pl.Int64)))


@pytest.mark.parametrize("device", DEVICES.values(), ids=list(DEVICES))
@pytest.mark.parametrize("which", [[True, False, True, True, False], [False] * 5, [True] * 5])
def test_only_the_chosen_recordings_change_and_twice_is_none(device: Device, which: list[bool]) -> None:
    recordings, chosen = make_recordings(5, device=device), np.array(which)
    for change in (mirror, turn_over):
        once = change(recordings, chosen)
        twice = change(once, chosen)
        for number, changed in enumerate(which):
            for name, values in recordings[number].sensors.items():
                assert np.array_equal(once[number].sensors[name], values) == (not changed)
                again = twice[number].sensors[name]
                if name == "quaternion":  # the same rotation
                    np.testing.assert_allclose(np.abs((again * values).sum(axis=1)), 1.0, atol=1e-5)
                else:
                    np.testing.assert_array_equal(again, values)


@pytest.mark.parametrize(
    ("change", "name", "sign"),
    [
        (mirror, "linear_acc", [-1, 1, 1]),
        (mirror, "angular_velocity", [1, -1, -1]),
        (mirror, "gravity_direction", [-1, 1, 1]),
        *((turn_over, name, [-1, -1, 1]) for name in ("linear_acc", "angular_velocity", "gravity_direction")),
    ],
)
def test_a_changed_recording_moves_as_in_a_mirror_or_as_seen_from_the_turned_device(
    change: object, name: str, sign: list[int]
) -> None:
    recordings = make_recordings(3)
    changed = change(recordings, np.ones(3, dtype=bool))  # type: ignore[operator]
    before, after = (FEATURES[name].compute(RaggedRows(found)) for found in (recordings, changed))
    np.testing.assert_allclose(after, before * sign, atol=1e-4)


def test_features_of_a_left_hand_are_those_of_its_mirror_image() -> None:
    recordings = make_recordings(4)
    assert not is_left_handed(recordings).any()
    assert as_right_handed(recordings) is recordings
    left = with_handedness(recordings, [0, 1, 0, None])
    assert is_left_handed(left).tolist() == [True, False, True, False]
    asked = build_sequences(left, BASELINE_FEATURES, mirror_left_hand=True)
    by_hand = build_sequences(mirror(left, np.array([True, False, True, False])), BASELINE_FEATURES)
    plain = build_sequences(left, BASELINE_FEATURES)
    for branch, features in asked.branches.items():
        np.testing.assert_array_equal(features.values, by_hand.branches[branch].values)
        assert not np.array_equal(features.values, plain.branches[branch].values, equal_nan=True)
