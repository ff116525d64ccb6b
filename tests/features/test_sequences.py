"""The one path from recordings to network input."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bfrb.errors import DataError
from bfrb.features.sequences import ChannelStatistics, Sequences, build_sequences, channel_statistics, save_sequences
from bfrb.study.device import GALAXY_WATCH, HELIOS
from bfrb.study.recordings import Recordings
from cmi_files import cut
from made_up import BASELINE_FEATURES, plain_table, random_recordings

LENGTHS = [3, 8, 1, 5]
RECORDINGS, WATCHED = (random_recordings(one, LENGTHS, np.random.default_rng(0)) for one in (HELIOS, GALAXY_WATCH))


@pytest.fixture(scope="module")
def sequences() -> Sequences:
    return build_sequences(RECORDINGS, BASELINE_FEATURES)


def of_acc(acc: list[float], offsets: list[int]) -> Sequences:
    """Sequences with one branch and, in all three channels, the given values."""
    values = np.repeat(np.array(acc)[:, None], 3, axis=1)
    recordings = Recordings(HELIOS, {"acc": values}, np.array(offsets), plain_table(len(offsets) - 1))
    return build_sequences(recordings, {"imu": ["acc"]})


def test_each_branch_has_its_channels_and_one_the_device_cannot_feed_none(sequences: Sequences, tmp_path: Path) -> None:
    assert {name: len(channels) for name, channels in sequences.channels.items()} == {"imu": 20, "proximity": 25}
    assert (len(sequences), sequences.lengths.tolist()) == (4, LENGTHS)
    watch = build_sequences(WATCHED, BASELINE_FEATURES)
    batch = watch.batch([0, 1], 100)
    assert batch.inputs["imu"].shape == (2, 8, 9)
    assert batch.inputs["proximity"].shape == (2, 8, 0)
    found = channel_statistics(watch, [0, 1])["proximity"]
    assert found.standardise(np.empty((2, 8, 0), dtype=np.float32)).shape == (2, 8, 0)
    save_sequences(WATCHED, BASELINE_FEATURES, tmp_path / "s")
    assert Sequences.load(tmp_path / "s").branches["proximity"].values.shape == (17, 0)


def test_long_recordings_lose_their_beginning_or_end_and_what_is_not_known_is_nan() -> None:
    for keep, expected in (("last", [[4, 5], [np.nan, 0]]), ("first", [[3, 4], [np.nan, 0]])):
        batch = of_acc([np.nan, 2, 3, 4, 5], [0, 1, 2, 5]).batch([2, 0], 2, keep)
        np.testing.assert_array_equal(batch.inputs["imu"][:, :, 0], expected)


@pytest.mark.parametrize(("index", "max_length"), [([2], 1), ([0, 1, 2, 3], 10), ([3, 3, 1, 0, 1], 4), ([1, 2], 8)])
def test_a_batch_is_the_ends_of_its_recordings(sequences: Sequences, index: list[int], max_length: int) -> None:
    batch = sequences.batch(index, max_length)
    assert batch.lengths.tolist() == [min(LENGTHS[number], max_length) for number in index]
    for name, features in sequences.branches.items():
        inputs = batch.inputs[name]
        assert inputs.shape == (len(index), batch.lengths.max(), len(features.channels))
        assert inputs.dtype == np.float32
        for values, length, number in zip(inputs, batch.lengths, index, strict=True):
            stop = sequences.offsets[number + 1]
            np.testing.assert_array_equal(values[:length], features.values[stop - length : stop])
            assert (values[length:] == 0.0).all()


@pytest.mark.parametrize("file", ["sequences.json", "offsets.npy", "imu.values.npy"])
@pytest.mark.parametrize("damage", [cut, lambda path: path.write_bytes(b""), Path.unlink])
def test_saved_sequences_come_back_and_damaged_ones_are_refused(
    sequences: Sequences, tmp_path: Path, file: str, damage: Callable[[Path], object]
) -> None:
    save_sequences(RECORDINGS, BASELINE_FEATURES, tmp_path / "s")
    loaded = Sequences.load(tmp_path / "s")
    np.testing.assert_array_equal(loaded.offsets, sequences.offsets)
    assert loaded.channels == sequences.channels
    for name, features in sequences.branches.items():
        np.testing.assert_array_equal(loaded.branches[name].values, features.values)
        np.testing.assert_array_equal(loaded.branches[name].valid, features.valid)
    damage(tmp_path / "s" / file)
    with pytest.raises(DataError, match="delete the folder"):
        Sequences.load(tmp_path / "s")
    save_sequences(RECORDINGS, BASELINE_FEATURES, tmp_path / "s")
    np.save(tmp_path / "s" / "imu.valid.npy", np.ones((3, 20), dtype=bool))
    with pytest.raises(DataError, match="'imu' are not of shape"):
        Sequences.load(tmp_path / "s")


def test_statistics_are_those_of_what_was_measured_and_silent_channels_get_a_unit_scale(
    sequences: Sequences,
) -> None:
    features = sequences.branches["imu"]
    measured = np.where(features.valid, features.values, np.nan).astype(np.float64)[np.r_[3:11, 12:17]]
    found = channel_statistics(sequences, [3, 1])["imu"]
    np.testing.assert_allclose(found.mean, np.nanmean(measured, axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.sd, np.nanstd(measured, axis=0), rtol=1e-12)
    constant = channel_statistics(of_acc([27.1] * 11, [0, 11]), [0])["imu"]
    np.testing.assert_allclose(constant.mean, 27.1, rtol=1e-6)
    assert constant.sd.tolist() == [1.0, 1.0, 1.0]
    unseen = channel_statistics(of_acc([np.nan, 1.0], [0, 1, 2]), [0])["imu"]
    assert (unseen.mean.tolist(), unseen.sd.tolist()) == ([0.0] * 3, [1.0] * 3)


def test_nothing_known_becomes_the_mean_and_images_are_not_scaled_pixel_by_pixel() -> None:
    statistics = ChannelStatistics(np.array([10.0, 0.0]), np.array([2.0, 1.0]))
    scaled = statistics.standardise(np.array([[[14.0, np.nan], [np.nan, 3.0]]], dtype=np.float32))
    assert (scaled.tolist(), scaled.dtype) == ([[[2.0, 0.0], [0.0, 3.0]]], np.float32)
    recordings = random_recordings(HELIOS, [20, 30, 10], np.random.default_rng(0))
    built = build_sequences(recordings, {"tof": ("tof_nearness",), "thm": ("thm",)})
    found = channel_statistics(built, [0, 1, 2])
    np.testing.assert_array_equal([found["tof"].mean, found["tof"].sd], [[0.0] * 320, [1.0] * 320])
    assert (found["thm"].mean > 20).all()
