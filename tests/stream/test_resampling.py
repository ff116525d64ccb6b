"""From samples with times of their own to rows: jitter, gaps, other clocks, other rates, disorder and garbage."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfrb.errors import ConfigError, DataError
from bfrb.stream.resampling import Resampler, SegmentRows
from bfrb.stream.samples import Samples, StreamCounts, check_samples, check_units, parse_samples
from bfrb.stream.spec import StreamSpec
from bfrb.study.device import GALAXY_WATCH, HELIOS, Device
from bfrb.study.rows import Aggregation

WATCH = Device(name="watch", sensors=GALAXY_WATCH.sensors, row_rate_hz=10.0)
Found = tuple[list[SegmentRows], StreamCounts]


def to_samples(values: dict[str, Any], device: Device = WATCH, units: dict[str, str] | None = None) -> Samples:
    return check_samples([parse_samples(values, device)], device, check_units(units or {}, device))


def marked(time_s: Sequence[float]) -> Samples:
    """Samples whose acceleration says which they are: 0.001, 0.002, ... on x."""
    number = (1 + np.arange(len(time_s))) / 1000
    acc = np.stack([number, np.zeros_like(number), np.full_like(number, 9.8)], axis=1)
    return to_samples({"time_s": list(time_s), "acc": acc.astype(np.float32)})


def resample(
    samples: Samples, chunk: int | None = None, spec: StreamSpec | None = None, how: Aggregation = "nearest"
) -> Found:
    counts = StreamCounts()
    resampler = Resampler(WATCH, spec or StreamSpec(), counts, how)
    size = chunk or max(1, len(samples))
    parts = [samples.take(slice(start, start + size)) for start in range(0, len(samples), size)]
    return [*(rows for part in parts for rows in resampler.push(part)), *resampler.finish()], counts


def marks(rows: Sequence[SegmentRows]) -> list[list[int | None]]:
    """Which sample each row holds, segment by segment, counted from 1; None where there is none."""
    segments: list[list[int | None]] = []
    for part in rows:
        values = part.sensors["acc"][:, 0]
        found = [None if np.isnan(value) else round(1000 * float(value)) for value in values]
        if part.first == 0:
            segments.append([])
        assert len(segments[-1]) == part.first
        segments[-1] += found
    return segments


def readings(rows: Sequence[SegmentRows], sensor: str = "acc") -> np.ndarray:
    return np.concatenate([part.sensors[sensor] for part in rows])


@pytest.mark.parametrize("how", ["nearest", "mean"])
def test_rows_at_the_devices_rate_come_out_as_they_went_in(how: Aggregation) -> None:
    samples = marked(np.arange(25) / 10 + 1.6e9)
    rows, counts = resample(samples, how=how)
    assert marks(rows) == [list(range(1, 26))]
    assert np.array_equal(readings(rows), samples.sensors["acc"])
    assert rows[0].origin_s == 1.6e9
    assert (counts.samples, counts.rows, counts.unused) == (25, 25, 0)


@pytest.mark.parametrize(
    ("time_s", "expected", "counted"),
    [
        ([0.0, 0.08, 0.11, 0.13, 0.2], [[1, 3, 5]], {"unused": 2}),  # the nearest
        ([0.0, 0.1, 0.1, 0.1, 0.2, 0.2], [[1, 2, 5]], {"unused": 3}),  # of equals the first
        ([0.0, 0.2, 0.1, 0.3, 0.4, 0.5, 0.6, 0.25], [[1, 3, 2, 4, 5, 6, 7]], {"out_of_order": 1, "too_late": 1}),
        ([0.0, 0.1, 0.9, 1.0, *(60.03 + np.arange(5) / 10)], [[1, 2, *[None] * 7, 3, 4], [5, 6, 7, 8, 9]], {"gaps": 1}),
        ([*(1e3 + np.arange(8) / 10), *(np.arange(7) / 10)], [[*range(1, 9)], [*range(9, 16)]], {"clock_resets": 1}),
    ],
)
def test_every_sample_finds_its_row(time_s: list[float], expected: list[list[int]], counted: dict[str, int]) -> None:
    rows, counts = resample(marked(time_s))
    assert marks(rows) == expected
    assert {name: getattr(counts, name) for name in counted} == counted
    assert [part.origin_s for part in rows if part.first == 0] == [time_s[segment[0] - 1] for segment in expected]


def test_a_row_is_the_mean_of_the_samples_that_are_nearest_to_it() -> None:
    rows, counts = resample(marked([0.0, 0.04, 0.06, 0.08, 0.1, 0.149, 0.16, 0.2, 0.31]), how="mean")
    np.testing.assert_allclose(1000 * readings(rows)[:, 0], [1.5, 4.5, 7.5, 9], rtol=1e-5)
    assert counts.unused == 0


@pytest.mark.parametrize("wrong", [1e9, -1e9, 30.0, np.nan, np.inf])
def test_a_single_wrong_time_costs_a_single_sample(wrong: float) -> None:
    time_s = np.arange(30) / 10
    time_s[12] = wrong
    rows, counts = resample(marked(time_s))
    assert marks(rows) == [[None if n == 13 else n for n in range(1, 31)]]
    assert counts.wrong_time + counts.without_time == 1


@pytest.mark.parametrize("how", ["nearest", "mean"])
def test_sensors_may_come_one_by_one(how: Aggregation) -> None:
    acc = to_samples({"time_s": np.arange(5) / 10, "acc": np.full((5, 3), 5.0)})
    gyr = to_samples({"time_s": np.arange(5) / 10 + 0.003, "gyr": np.full((5, 3), 7.0)})
    mixed = Samples.concat([acc, gyr]).take([0, 5, 1, 6, 2, 7, 3, 8, 4, 9])
    (rows,), counts = resample(mixed, spec=StreamSpec(reorder_s=9), how=how)
    assert (rows.sensors["acc"] == 5).all()
    assert (rows.sensors["gyr"] == 7).all()
    assert counts.unused == 0


@pytest.mark.parametrize("how", ["nearest", "mean"])
def test_a_clock_that_stands_still_does_not_fill_the_memory(how: Aggregation) -> None:
    resampler = Resampler(WATCH, StreamSpec(), StreamCounts(), how)
    for _ in range(20):
        assert list(resampler.push(marked(np.full(1000, 3.0)))) == []
    assert len(resampler._open) == 1
    (rows,) = resampler.finish()
    assert len(rows.sensors["acc"]) == 1


nasty_time = st.one_of(
    st.floats(-0.3, 0.3).map(lambda value: ("step", round(value, 3))),
    st.sampled_from([0.1] * 20).map(lambda value: ("step", value)),
    st.sampled_from([0.0, 0.05, 0.9, 1.1, 5.0, -1.0, -50.0, 1e6]).map(lambda value: ("step", value)),
    st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -5.0]).map(lambda value: ("wrong", value)),
)


@settings(deadline=None)
@given(
    st.lists(nasty_time, min_size=1, max_size=120),
    st.integers(1, 40),
    st.sampled_from([0.0, 0.2, 0.5]),
    st.sampled_from(["nearest", "mean"]),
)
def test_rows_do_not_depend_on_the_chunks(
    steps: list[tuple[str, float]], chunk: int, reorder_s: float, how: Aggregation
) -> None:
    now_s, time_s = 0.0, []
    for kind, value in steps:
        now_s += value if kind == "step" else 0.1
        time_s.append(now_s if kind == "step" else value)
    spec = StreamSpec(reorder_s=reorder_s)
    whole, counts = resample(marked(time_s), spec=spec, how=how)
    parts, counts_of_parts = resample(marked(time_s), chunk, spec, how)  # as many rows at once as it likes
    assert counts_of_parts == counts
    assert marks(parts) == marks(whole)
    assert [part.origin_s for part in parts if not part.first] == [part.origin_s for part in whole if not part.first]
    for values in (readings, lambda rows: np.concatenate([part.interval_s for part in rows])):
        assert not whole or np.array_equal(values(parts), values(whole), equal_nan=True)
    if how == "nearest":
        used = sum(mark is not None for segment in marks(whole) for mark in segment)
        assert counts.samples == used + counts.without_time + counts.too_late + counts.wrong_time + counts.unused


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"time_s": 0, "acc": [1, 2]}, "expected acc of shape"),
        ({"time_s": 0, "rotation": [1, 2]}, "has no sensor rotation"),
        ({"time_s": [0, 1], "acc": [[1, 2, 3]]}, "as many readings as times"),
        ({"time_s": 0, "acc": ["fast", 2, 3]}, "expected numbers for acc"),
        ({"time_s": [[0]], "acc": [1, 2, 3]}, "expected one time"),
    ],
)
def test_what_fits_no_device_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        to_samples(values)


def test_readings_that_no_sensor_gives_count_as_not_measured() -> None:
    values = {
        "time_s": [0, 1, 2],
        "acc": [[0, 0, 9.8], [0, 0, 1000], [0, 0, None]],
        "quaternion": [[1, 0, 0, 0], [1, 1, 0, 0], [0.5, 0.5, 0.5, None]],
        "tof": np.full((3, 320), [[-1], [254], [999]]),
    }
    samples = to_samples(values, HELIOS)
    assert samples.impossible.tolist() == [False, True, True]
    assert np.isnan(samples.sensors["acc"]).tolist() == [[False] * 3, [False, False, True], [False, False, True]]
    assert np.isnan(samples.sensors["quaternion"]).any(axis=1).tolist() == [False, True, True]
    assert samples.sensors["tof"][:, 0, 0, 0].tolist() == [-1, 254, HELIOS.sensor("tof").absent]
    assert samples.measured.astype(int).tolist() == [[1, 1, 0, 1], [1, 0, 0, 1], [1, 0, 0, 0]]


def test_units_are_converted_and_unknown_ones_refused() -> None:
    values, units = {"time_s": 0, "acc": [0, 0, 1000], "gyr": [np.pi, 0, 0]}, {"acc": "mg", "gyr": "rad/s"}
    samples = to_samples(values, GALAXY_WATCH, units)
    assert samples.sensors["acc"][0, 2] == pytest.approx(9.80665)
    assert samples.sensors["gyr"][0, 0] == pytest.approx(180)
    with pytest.raises(ConfigError, match="no unit 'stone'"):
        check_units({"acc": "stone"}, GALAXY_WATCH)
