"""From samples with times of their own to rows: jitter, gaps, other clocks, duplicates, disorder and garbage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfrb.errors import ConfigError, DataError
from bfrb.stream.resampling import Counts, Rows, Sampler
from bfrb.stream.samples import Samples, check_units, take_samples
from bfrb.stream.spec import StreamSpec
from bfrb.study.device import GALAXY_WATCH, HELIOS, Device

WATCH = Device(name="watch", sensors=GALAXY_WATCH.sensors, row_rate_hz=10.0)


def marked(time_s: Sequence[float], start: int = 0) -> Samples:
    """Samples whose acceleration says which they are: 0.001, 0.002, ... on x."""
    number = (start + 1 + np.arange(len(time_s))) / 1000
    acc = np.stack([number, np.zeros_like(number), np.full_like(number, 9.8)], axis=1)
    return take_samples({"time_s": list(time_s), "acc": acc.astype(np.float32)}, WATCH, {})


def resample(samples: Samples, chunk: int | None = None, spec: StreamSpec | None = None) -> tuple[list[Rows], Counts]:
    counts = Counts()
    sampler = Sampler(WATCH, spec or StreamSpec(), counts)
    rows: list[Rows] = []
    for start in range(0, len(samples), chunk or max(1, len(samples))):
        rows += sampler.push(samples.take(slice(start, start + (chunk or len(samples)))))
    return [*rows, *sampler.finish()], counts


def marks(rows: Sequence[Rows]) -> list[list[int | None]]:
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


def test_rows_at_the_devices_rate_come_out_as_they_went_in() -> None:
    rows, counts = resample(marked(np.arange(25) / 10 + 1.6e9))
    assert marks(rows) == [list(range(1, 26))]
    assert rows[0].origin_s == 1.6e9
    assert (counts.samples, counts.rows, counts.surplus) == (25, 25, 0)


@settings(deadline=None)
@given(st.lists(st.floats(-0.049, 0.049), min_size=2, max_size=60))
def test_jitter_of_less_than_half_a_row_changes_nothing(jitter: list[float]) -> None:
    time_s = np.arange(len(jitter)) / 10 + np.array([0.0, *jitter[1:]])
    rows, counts = resample(marked(time_s))
    assert marks(rows) == [list(range(1, len(jitter) + 1))]
    assert counts.gaps == counts.late == counts.strange == 0


def test_of_several_samples_in_a_row_the_nearest_is_taken() -> None:
    rows, counts = resample(marked([0.0, 0.08, 0.11, 0.13, 0.2]))
    assert marks(rows) == [[1, 3, 5]]
    assert counts.surplus == 2


def test_duplicates_change_nothing() -> None:
    rows, counts = resample(marked([0.0, 0.1, 0.1, 0.1, 0.2, 0.2]))
    assert marks(rows) == [[1, 2, 5]]
    assert counts.surplus == 3


def test_samples_in_disorder_find_their_place_if_they_come_soon_enough() -> None:
    rows, counts = resample(marked([0.0, 0.2, 0.1, 0.3, 0.4, 0.5, 0.6, 0.25]))
    assert marks(rows) == [[1, 3, 2, 4, 5, 6, 7]]
    assert (counts.reordered, counts.late) == (1, 1)


def test_short_silences_leave_rows_empty_and_long_ones_begin_anew() -> None:
    rows, counts = resample(marked([0.0, 0.1, 0.9, 1.0, 60.03, 60.13, 60.23, 60.33, 60.43]))
    assert marks(rows) == [[1, 2, *[None] * 7, 3, 4], [5, 6, 7, 8, 9]]
    assert counts.gaps == 1
    assert [part.origin_s for part in rows if part.first == 0] == [0.0, 60.03]


def test_a_clock_that_was_set_back_begins_anew() -> None:
    rows, counts = resample(marked([*(1000 + np.arange(8) / 10), *(np.arange(7) / 10)]))
    assert marks(rows) == [list(range(1, 9)), list(range(9, 16))]
    assert counts.clock_resets == 1


@pytest.mark.parametrize("wrong", [1e9, -1e9, 30.0, np.nan, np.inf])
def test_a_single_wrong_time_costs_a_single_sample(wrong: float) -> None:
    time_s = np.arange(30) / 10
    time_s[12] = wrong
    rows, counts = resample(marked(time_s))
    assert marks(rows) == [[None if n == 13 else n for n in range(1, 31)]]
    assert counts.strange + counts.garbage == 1


def test_samples_without_a_measurement_are_no_samples() -> None:
    nothing = {"time_s": np.arange(30) / 10, "acc": np.full((30, 3), np.nan)}
    rows, counts = resample(take_samples(nothing, WATCH, {}))
    assert rows == []
    assert counts.empty == 30


def test_sensors_may_come_one_by_one() -> None:
    acc = take_samples({"time_s": np.arange(5) / 10, "acc": np.full((5, 3), 5.0)}, WATCH, {})
    gyr = take_samples({"time_s": np.arange(5) / 10 + 0.003, "gyr": np.full((5, 3), 7.0)}, WATCH, {})
    (rows,), counts = resample(
        Samples.concat([acc, gyr]).take([0, 5, 1, 6, 2, 7, 3, 8, 4, 9]), spec=StreamSpec(reorder_s=9)
    )
    assert (rows.sensors["acc"] == 5).all()
    assert (rows.sensors["gyr"] == 7).all()
    assert counts.surplus == 0


def test_a_clock_that_stands_still_does_not_fill_the_memory() -> None:
    counts = Counts()
    sampler = Sampler(WATCH, StreamSpec(), counts)
    for _ in range(20):
        assert list(sampler.push(marked(np.full(1000, 3.0)))) == []
    assert sampler._waiting < 5000
    (rows,) = sampler.finish()
    assert counts.surplus == 19_999
    assert marks([rows]) == [[1]]


nasty_time = st.one_of(
    st.floats(-0.3, 0.3).map(lambda value: ("step", round(value, 3))),
    st.sampled_from([0.1] * 20).map(lambda value: ("step", value)),
    st.sampled_from([0.0, 0.05, 0.9, 1.1, 5.0, -1.0, -50.0, 1e6]).map(lambda value: ("step", value)),
    st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -5.0]).map(lambda value: ("wrong", value)),
)


@settings(deadline=None)
@given(st.lists(nasty_time, min_size=1, max_size=120), st.integers(1, 40), st.sampled_from([0.0, 0.2, 0.5]))
def test_rows_do_not_depend_on_the_chunks(steps: list[tuple[str, float]], chunk: int, reorder_s: float) -> None:
    now_s, time_s = 0.0, []
    for kind, value in steps:
        now_s += value if kind == "step" else 0.1
        time_s.append(now_s if kind == "step" else value)
    spec = StreamSpec(reorder_s=reorder_s)
    whole, counts = resample(marked(time_s), spec=spec)
    parts, counts_of_parts = resample(marked(time_s), chunk, spec)
    assert marks(parts) == marks(whole)
    assert [part.origin_s for part in parts if part.first == 0] == [part.origin_s for part in whole if part.first == 0]
    assert counts_of_parts == counts
    used = sum(mark is not None for segment in marks(whole) for mark in segment)
    assert counts.samples == used + counts.garbage + counts.late + counts.strange + counts.surplus


@settings(deadline=None)
@given(st.permutations(range(1, 12)))
def test_disorder_within_the_allowance_changes_nothing(order: list[int]) -> None:
    time_s = np.array([0, *order, *range(12, 40)]) / 10
    straight, _ = resample(marked(np.sort(time_s)))
    samples = marked(np.sort(time_s)).take(np.argsort(np.argsort(time_s)))
    mixed, counts = resample(samples, spec=StreamSpec(reorder_s=1.2, gap_s=2.0))
    assert marks(mixed) == marks(straight)
    assert counts.late == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (lambda: {"time_s": 0, "acc": [1, 2]}, "expected acc of shape"),
        (lambda: {"time_s": 0, "rotation": [1, 2]}, "has no sensor rotation"),
        (lambda: {"time_s": [0, 1], "acc": [[1, 2, 3]]}, "as many readings as times"),
        (lambda: {"time_s": 0, "acc": ["fast", 2, 3]}, "expected numbers for acc"),
        (lambda: {"time_s": [[0]], "acc": [1, 2, 3]}, "expected one time"),
    ],
)
def test_what_fits_no_device_is_refused(values: Callable[[], dict[str, Any]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        take_samples(values(), WATCH, {})


def test_readings_that_no_sensor_gives_count_as_not_measured() -> None:
    values = {
        "time_s": [0, 1, 2],
        "acc": [[0, 0, 9.8], [0, 0, 1000], [0, 0, None]],
        "quaternion": [[1, 0, 0, 0], [1, 1, 0, 0], [0.5, 0.5, 0.5, None]],
        "tof": np.full((3, 320), [[-1], [254], [999]]),
    }
    samples = take_samples(values, HELIOS, {})
    assert samples.impossible.tolist() == [False, True, True]
    assert np.isnan(samples.sensors["acc"]).tolist() == [[False] * 3, [False, False, True], [False, False, True]]
    assert np.isnan(samples.sensors["quaternion"]).any(axis=1).tolist() == [False, True, True]
    assert samples.sensors["tof"][:, 0, 0, 0].tolist() == [-1, 254, HELIOS.sensor("tof").absent]
    assert samples.measured.tolist() == [
        [True, True, False, True],
        [True, False, False, True],
        [True, False, False, False],
    ]


def test_units_are_converted_and_unknown_ones_refused() -> None:
    factors = check_units({"acc": "mg", "gyr": "rad/s"}, GALAXY_WATCH)
    samples = take_samples({"time_s": 0, "acc": [0, 0, 1000], "gyr": [np.pi, 0, 0]}, GALAXY_WATCH, factors)
    assert samples.sensors["acc"][0, 2] == pytest.approx(9.80665)
    assert samples.sensors["gyr"][0, 0] == pytest.approx(180)
    with pytest.raises(ConfigError, match="no unit 'stone'"):
        check_units({"acc": "stone"}, GALAXY_WATCH)
