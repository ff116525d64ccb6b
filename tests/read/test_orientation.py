"""Orientation made from gyroscope and accelerometer: arms whose turning is known, and a watch that gives its own."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bfrb.arrays import Array, Floats
from bfrb.features.pipeline import FEATURES, available, compute_features
from bfrb.features.rotations import magnitude, multiply, relative, rotation_vector, up_in_wrist
from bfrb.read.described_source import DescribedSource
from bfrb.read.orientation import OrientationFilter, add_orientation, with_gyroscope, with_made_orientation
from bfrb.read.series import RecordedSamples, make_rows
from bfrb.stream.resampling import Orienting, Resampler
from bfrb.stream.samples import StreamCounts, check_samples, parse_samples
from bfrb.stream.spec import StreamSpec
from bfrb.study.description import Description
from bfrb.study.device import HELIOS
from bfrb.study.recordings import Recordings
from bundles import make_recordings
from made_up import plain_table
from orientation import BAR_DEG, errors_deg, read_patterns

G = 9.80665


def turning(time_s: Floats, axis: int, rate_deg_s: float) -> tuple[Array, Array]:
    """What an arm measures that turns steadily about one of its axes, which lies level; z points up at first."""
    angle = np.deg2rad(rate_deg_s) * time_s
    up = np.zeros((len(time_s), 3))
    up[:, 2], up[:, 1 - axis] = np.cos(angle), np.sin(angle) * (1 if axis == 0 else -1)
    gyr = np.zeros_like(up)
    gyr[:, axis] = rate_deg_s
    return (G * up).astype(np.float32), gyr.astype(np.float32)


def moved(count: int, rate_hz: float, seed: int, jitter: float = 0.2) -> tuple[Floats, Array, Array]:
    """Times and readings of an arm that is moved about."""
    rng = np.random.default_rng(seed)
    time_s = (np.arange(count) + rng.uniform(0, jitter, count)) / rate_hz
    walk = np.cumsum(rng.normal(0, 0.2, (count, 6)), axis=0)
    acc = walk[:, :3] + [0, 0, G]
    return time_s, acc.astype(np.float32), (20 * walk[:, 3:]).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [20, 100, 400])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_steady_turn_is_followed_whatever_the_rate(rate_hz: float, axis: int) -> None:
    time_s = np.arange(int(6 * rate_hz)) / rate_hz
    acc, gyr = turning(time_s, axis, 90.0)
    made = OrientationFilter().push(time_s, acc, gyr).astype(np.float64)
    known = np.flatnonzero(~np.isnan(made[:, 0]))
    assert len(known) >= min(len(made), 0.4 * len(made) * 200 / rate_hz)
    cosine = (up_in_wrist(made[known]) * acc[known] / G).sum(axis=1)
    assert np.rad2deg(np.arccos(np.clip(cosine, -1, 1))).max() < 1.0
    turn = rotation_vector(relative(made[known[:-1]], made[known[1:]])) / np.diff(time_s[known])[:, None]
    expected = np.zeros(3)
    expected[axis] = np.pi / 2
    np.testing.assert_allclose(turn, np.tile(expected, (len(turn), 1)), atol=0.02)


@pytest.mark.parametrize("up", [(0, -1, 0), (0.6, 0, -0.8)])
def test_an_arm_at_rest_knows_up_at_once_and_the_drift_of_its_gyroscope_is_learnt(up: tuple[float, ...]) -> None:
    time_s, acc = np.arange(6000) / 50, np.tile(np.float32(up) * np.float32(G), (6000, 1))
    made = OrientationFilter().push(time_s, acc, np.zeros_like(acc)).astype(np.float64)
    np.testing.assert_allclose(up_in_wrist(made), np.tile(up, (6000, 1)), atol=1e-3)
    assert magnitude(rotation_vector(relative(made[:1], made))).max() < 1e-3
    made = OrientationFilter().push(time_s, acc, np.full_like(acc, 1.0)).astype(np.float64)
    turned = np.rad2deg(magnitude(rotation_vector(relative(made[-501:-1], made[-500:])))) * 50
    assert turned.max() < 0.1


def test_after_a_gap_the_filter_begins_anew_and_lost_samples_are_bridged() -> None:
    time_s, acc, gyr = moved(400, 50, seed=1)
    for jump_s in (1.5, -20.0):
        late = time_s + jump_s * (np.arange(400) >= 200)
        made = OrientationFilter().push(late, acc, gyr)
        for part in (slice(0, 200), slice(200, 400)):
            np.testing.assert_array_equal(made[part], OrientationFilter().push(late[part], acc[part], gyr[part]))
    time_s = np.arange(500) / 100
    acc, gyr = turning(time_s, 0, 90.0)
    kept = np.delete(np.arange(500), np.arange(200, 240))
    made = OrientationFilter().push(time_s[kept], acc[kept], gyr[kept]).astype(np.float64)
    cosine = (up_in_wrist(made) * acc[kept] / G).sum(axis=1)
    assert np.rad2deg(np.arccos(np.clip(cosine, -1, 1))).max() < 1.0
    acc[20], gyr[30:33] = np.nan, np.nan  # what lacks one of the two has no orientation
    made = OrientationFilter().push(time_s, acc, gyr)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(made).any(axis=1)), [20, 30, 31, 32])


@pytest.mark.parametrize("gap_s", [0, 2])
@pytest.mark.parametrize(("rate_hz", "cuts"), [(20, [150]), (50, [1, 2, 40, 42, 299]), (256, [7, 7, 151])])
def test_an_orientation_does_not_depend_on_how_the_samples_were_cut(rate_hz: int, cuts: list[int], gap_s: int) -> None:
    time_s, acc, gyr = moved(300, rate_hz, gap_s, jitter=0.9)
    time_s[150:] += gap_s
    time_s[40:43] = time_s[40]
    whole, parts = OrientationFilter().push(time_s, acc, gyr), OrientationFilter()
    some = zip(*(np.split(each, cuts) for each in (time_s, acc, gyr)), strict=True)
    np.testing.assert_array_equal(np.concatenate([parts.push(*each) for each in some]), whole)


@pytest.mark.parametrize("rate_hz", [20, 100])
def test_a_stream_in_disorder_makes_the_rows_that_a_file_makes(rate_hz: float) -> None:
    time_s, acc, gyr = moved(int(8 * rate_hz), rate_hz, seed=3)
    whole = RecordedSamples(plain_table(1), np.array([0, len(time_s)]), time_s, {"acc": acc, "gyr": gyr})
    device = with_made_orientation(HELIOS)
    motion = device.model_copy(update={"sensors": device.sensors[:2]})
    expected, _, _ = make_rows(add_orientation(whole, HELIOS), motion, "mean")
    order = np.argsort(np.arange(len(time_s)) + np.random.default_rng(4).uniform(0, 0.15 * rate_hz, len(time_s)))
    order = np.concatenate([[0], order[order != 0]])
    counts, source = StreamCounts(), with_gyroscope(HELIOS)
    resampler = Resampler(HELIOS, StreamSpec(), counts, "mean", Orienting(HELIOS, counts))
    rows = []
    for some in np.array_split(order, 40):
        raw = parse_samples({"time_s": time_s[some], "acc": acc[some], "gyr": gyr[some]}, source)
        rows += list(resampler.push(check_samples([raw], source, {})))
    rows += list(resampler.finish())
    for name in ("acc", "quaternion"):
        np.testing.assert_array_equal(np.concatenate([part.sensors[name] for part in rows]), expected[name])
    assert counts.oriented == len(time_s)
    assert counts.out_of_order > 0


def test_described_recordings_say_that_their_orientation_was_made(tmp_path: Path) -> None:
    time_s, acc, gyr = moved(250, 50, seed=6)
    columns = zip(("t", "ax", "ay", "az", "gx", "gy", "gz"), (time_s, *acc.T, *gyr.T), strict=True)
    pl.DataFrame(dict(columns)).write_csv(tmp_path / "walk.csv")

    def described(**more: object) -> Recordings:
        told = {"columns": ["ax", "ay", "az"], "unit": "m/s^2"}
        values = {"name": "mine", "time": {"column": "t", "rate_hz": 50}, "acc": told}
        return DescribedSource(tmp_path, Description.parse(values | more)).read()

    turns = {"columns": ["gx", "gy", "gz"], "unit": "deg/s"}
    recordings = described(gyr=turns)
    assert recordings.device.sensor_names == ("acc", "gyr", "quaternion")
    assert recordings.measured("quaternion").all()
    assert (recordings.device.sensor("quaternion").made, recordings.device.knows_heading) == (True, False)
    assert described().device.sensor_names == ("acc",)
    assert described(gyr=turns, orientation="none").device.sensor_names == ("acc", "gyr")


def test_only_what_does_not_depend_on_the_heading_uses_it() -> None:
    recordings = make_recordings()
    about_up = np.array([np.cos(0.4), 0, 0, np.sin(0.4)])
    turned = multiply(about_up, recordings.sensors["quaternion"].astype(np.float64)).astype(np.float32)
    elsewhere = recordings.with_sensors(quaternion=turned)
    names = available(FEATURES, HELIOS)
    for name in names:
        values, others = (compute_features(each, [name]).values for each in (recordings, elsewhere))
        differ = not np.allclose(values, others, atol=2e-3, equal_nan=True)
        assert FEATURES[name].uses_heading == differ, name
    made = available(FEATURES, with_made_orientation(HELIOS))
    assert set(names) - set(made) == {name for name in names if FEATURES[name].uses_heading}


def test_it_turns_as_a_watch_says_it_does(real_data: Path) -> None:
    patterns = read_patterns(real_data / "covid_away" / "patterns.parquet")
    for step in (1, 2, 4):
        turn, tilt = errors_deg([one.thinned(step) for one in patterns])
        assert np.median(turn) < BAR_DEG
        assert np.median(tilt) < 3.0
