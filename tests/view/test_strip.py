"""The last minutes of a stream."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bfrb.stream.samples import Samples, check_samples, parse_samples
from bfrb.stream.spec import StreamSpec
from bfrb.study.device import GALAXY_WATCH
from bfrb.view.strip import Strip

RATE_HZ = GALAXY_WATCH.row_rate_hz


def samples(times: Any, x: Any) -> Samples:
    acc = np.stack([np.asarray(x, dtype=np.float64), np.zeros(len(x)), np.zeros(len(x))], axis=1)
    values = {"acc": acc} | ({} if times is None else {"time_s": np.asarray(times)})
    return check_samples([parse_samples(values, GALAXY_WATCH)], GALAXY_WATCH, {})


def make(keep_s: float = 60.0) -> Strip:
    return Strip(GALAXY_WATCH, keep_s, StreamSpec())


def shown(strip: Strip, span_s: float) -> list[float]:
    """Readings of the last seconds on the x axis; NaN where there is none."""
    excerpt = strip.excerpt(span_s)
    assert excerpt is not None
    return excerpt.recording.sensors["acc"][:, 0].tolist()


def test_nothing_is_shown_before_anything_came() -> None:
    assert make().excerpt(10) is None
    assert make().latest_s is None


@given(chunks=st.lists(st.integers(1, 300), min_size=1, max_size=8), keep_s=st.sampled_from([1.0, 7.0, 60.0]))
def test_the_last_rows_are_those_that_came_however_they_were_cut(chunks: list[int], keep_s: float) -> None:
    strip, total = make(keep_s), sum(chunks)
    values = np.arange(total) % 100
    start = 0
    for count in chunks:
        rows = np.arange(start, start + count)
        strip.push(samples(rows / RATE_HZ + 1e6, values[rows]))
        start += count
    count = min(total, strip.size)
    assert shown(strip, keep_s)[-count:] == values[-count:].tolist()
    assert strip.latest_s == pytest.approx(1e6 + (total - 1) / RATE_HZ)


def test_samples_without_times_follow_one_another() -> None:
    strip = make()
    strip.push(samples(None, [1, 2]))
    strip.push(samples(None, [3]))
    assert shown(strip, 3 / RATE_HZ) == [1, 2, 3]


def test_a_gap_stays_empty_and_late_samples_fill_it() -> None:
    strip = make()
    strip.push(samples(np.array([0, 5]) / RATE_HZ, [1, 6]))
    assert np.isnan(shown(strip, 6 / RATE_HZ)).tolist() == [False, True, True, True, True, False]
    strip.push(samples(np.array([3]) / RATE_HZ, [4]))
    assert shown(strip, 6 / RATE_HZ)[3] == 4


def test_a_single_strange_time_is_not_shown() -> None:
    strip = make()
    strip.push(samples(np.array([0, 1]) / RATE_HZ, [1, 2]))
    for time_s in (9e9, -500.0):
        strip.push(samples([time_s], [99]))
    strip.push(samples(np.array([2]) / RATE_HZ, [3]))
    assert shown(strip, 3 / RATE_HZ) == [1, 2, 3]
    assert strip.beginnings == 1


def test_a_clock_that_was_set_back_begins_anew() -> None:
    strip = make()
    strip.push(samples(1000 + np.arange(20) / RATE_HZ, np.ones(20)))
    strip.push(samples(np.arange(20) / RATE_HZ, np.arange(20)))
    assert strip.beginnings == 2
    assert strip.latest_s == pytest.approx(19 / RATE_HZ)
    assert np.isnan(shown(strip, 60)[:-20]).all()


def test_after_a_long_silence_time_goes_on() -> None:
    strip = make()
    strip.push(samples(np.arange(20) / RATE_HZ, np.ones(20)))
    strip.push(samples(30 + np.arange(10) / RATE_HZ, np.full(10, 2)))
    assert strip.beginnings == 1
    assert shown(strip, 60)[-10:] == [2] * 10
    assert 1 in shown(strip, 60)


def test_memory_does_not_grow() -> None:
    strip = make(5)
    before = {name: values.nbytes for name, values in strip._sensors.items()}
    for start in range(0, 100_000, 1000):
        strip.push(samples(np.arange(start, start + 1000) / RATE_HZ, np.zeros(1000)))
    assert {name: values.nbytes for name, values in strip._sensors.items()} == before
    assert len(shown(strip, 1e9)) == strip.size
