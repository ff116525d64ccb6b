"""From recordings to channels without gaps."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bfrb.errors import ConfigError
from bfrb.features.pipeline import FEATURES, compute_features
from bfrb.features.rows import RaggedOrder, RaggedRows, fill, rows_of
from bfrb.study.device import GALAXY_WATCH, HELIOS
from bfrb.study.recordings import Recordings
from made_up import plain_table, random_recordings
from published import published_fill, published_tof


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["linear_ac"], "did you mean 'linear_acc'"),
        (["zzzz"], r"choose among acc, .*tof_statistics"),
        (["acc", "thm"], "'thm', which needs thm"),
        (["acc", "acc"], "named twice"),
        (["made_up:Absent"], "expected a feature at made_up:Absent"),
        (["made_up:plain_table"], "is no feature, but function"),
        (["__main__:MINE"], "lies in the script itself"),
    ],
)
def test_names_that_cannot_be_computed_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compute_features(random_recordings(GALAXY_WATCH, [5], np.random.default_rng(0)), names)


def test_channels_lie_in_the_order_of_the_names_gaps_are_filled_and_marked_and_nothing_is_borrowed() -> None:
    recordings = random_recordings(HELIOS, [9, 4], np.random.default_rng(1), missing=0.0)
    names = ["rotation_angle", "thm", "acc"]
    features = compute_features(recordings, names)
    separate = [FEATURES[name].compute(RaggedRows(recordings)) for name in names]
    np.testing.assert_array_equal(features.values, np.hstack(separate).astype(np.float32))
    assert [channel.name for channel in features.channels][:2] == ["rotation_angle", "thm_1"]
    acc = np.array([[1.0, 1, 1], [np.nan, np.nan, np.nan], [3, 3, 3]])
    features = compute_features(Recordings(HELIOS, {"acc": acc}, np.array([0, 3]), plain_table(1)), ["acc"])
    assert features.values[:, 0].tolist() == [1.0, 1.0, 3.0]
    assert features.valid[:, 0].tolist() == [True, False, True]
    apart = compute_features(Recordings(HELIOS, {"acc": acc}, np.arange(4), plain_table(3)), ["acc"])
    assert np.isnan(apart.values[1]).all()


def test_real_images_are_filled_as_published(sample: pd.DataFrame, real_recordings: Recordings) -> None:
    features = compute_features(real_recordings, ["tof_statistics"])
    measured = published_tof(sample)
    expected = np.concatenate([published_fill(part) for part in np.split(measured, real_recordings.offsets[1:-1])])
    assert np.isnan(measured).any()
    np.testing.assert_allclose(features.values, expected, rtol=1e-6, equal_nan=True)
    np.testing.assert_array_equal(features.valid, ~np.isnan(measured))


@given(seed=st.integers(0, 2**32 - 1))
def test_rows_know_their_recording(seed: int) -> None:
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *rng.integers(1, 13, rng.integers(1, 7))])
    values = rng.choice([np.nan, np.nan, 1.0, -2.0, 3.5, 8.0], (offsets[-1], 2))
    values = np.concatenate([values, values[:, :1] + 1.0], axis=1)  # a channel with the gaps of another
    before = values.copy()
    expected = [pd.DataFrame(values[a:b]).ffill().bfill().to_numpy() for a, b in pairwise(offsets)]
    np.testing.assert_array_equal(fill(values, offsets), np.concatenate(expected))
    np.testing.assert_array_equal(values, before)
    rows = np.arange(offsets[-1])
    is_last = np.isin(rows, offsets[1:] - 1)
    before, after = RaggedOrder(offsets).before(rows), RaggedOrder(offsets).after(rows)
    assert (after[is_last] == rows[is_last]).all()
    assert (before[after[~is_last]] == rows[~is_last]).all()
    assert (before[offsets[:-1]] == offsets[:-1]).all()
    chosen = rng.integers(0, len(offsets) - 1, rng.integers(0, 5))
    taken = [row for number in chosen for row in range(offsets[number], offsets[number + 1])]
    assert rows_of(offsets, chosen).tolist() == taken
