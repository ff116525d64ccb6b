"""Recordings of the other wrist, or of a device turned over."""

from itertools import product

import numpy as np
import polars as pl
import pytest

from bfrb.features.sequences import build_sequences
from bfrb.study.device import DEVICES, Device
from bfrb.study.mirror import as_right_handed, is_left_handed, mirror
from bundles import make_recordings
from made_up import BASELINE_FEATURES


@pytest.mark.parametrize("device", DEVICES.values(), ids=list(DEVICES))
def test_only_the_chosen_recordings_change(device: Device) -> None:
    recordings, chosen = make_recordings(3, device=device), np.array([True, False, True])
    assert mirror(recordings, ~chosen & chosen) is recordings
    changed = mirror(recordings, chosen)
    for number, sensor in product(range(3), device.sensors):
        values = recordings[number].sensors[sensor.name]
        expected = sensor.left_hand.apply(values) if chosen[number] else values
        np.testing.assert_array_equal(changed[number].sensors[sensor.name], expected)
        assert np.array_equal(changed[number].sensors[sensor.name], values) == (not chosen[number])


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
