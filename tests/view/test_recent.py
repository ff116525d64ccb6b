"""The last minutes of a stream."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bfrb.stream.samples import check_samples, parse_samples
from bfrb.stream.spec import StreamSpec
from bfrb.study.device import GALAXY_WATCH
from bfrb.view.recent import RecentRows

RATE_HZ = GALAXY_WATCH.row_rate_hz


def make(keep_s: float = 60.0) -> RecentRows:
    return RecentRows(GALAXY_WATCH, keep_s, StreamSpec())


def push(recent: RecentRows, times: Any, x: Any) -> bool:
    """Readings of the x axis, with times or without."""
    acc = np.stack([np.asarray(x, dtype=np.float64), np.zeros(len(x)), np.zeros(len(x))], axis=1)
    timed = {} if times is None else {"time_s": np.asarray(times)}
    return recent.push(check_samples([parse_samples({"acc": acc} | timed, GALAXY_WATCH)], GALAXY_WATCH, {}))


def shown(recent: RecentRows, rows: int) -> list[float]:
    """The last readings of the x axis; NaN where there is none."""
    found = recent.last(rows / RATE_HZ)
    assert found is not None
    return found[0].sensors["acc"][:, 0].tolist()


@given(chunks=st.lists(st.integers(1, 300), min_size=1, max_size=8), keep_s=st.sampled_from([1.0, 7.0, 60.0]))
def test_the_last_rows_are_those_that_came_however_they_were_cut(chunks: list[int], keep_s: float) -> None:
    recent, total = make(keep_s), sum(chunks)
    values = np.arange(total) % 100
    for stop, count in zip(np.cumsum(chunks), chunks, strict=True):
        rows = np.arange(stop - count, stop)
        push(recent, rows / RATE_HZ + 1e6, values[rows])
    recent.finish()
    count = min(total, recent.size)
    assert shown(recent, recent.size)[-count:] == values[-count:].tolist()
    found = recent.last(1 / RATE_HZ)
    assert found is not None
    assert found[1] == pytest.approx(1e6 + (total - 1) / RATE_HZ)


def test_samples_without_times_follow_one_another() -> None:
    recent = make()
    assert recent.last(10) is None
    push(recent, None, [1, 2])
    push(recent, None, [3])
    recent.finish()
    assert shown(recent, 3) == [1, 2, 3]


def test_a_gap_stays_empty_even_one_that_is_as_long_as_what_is_kept() -> None:
    for gap_s in (2.0, 61.0, 1e9):
        recent = make()
        push(recent, np.arange(20) / RATE_HZ, np.full(20, 1))
        assert not push(recent, 2 + gap_s + np.arange(20) / RATE_HZ, np.full(20, 2))
        recent.finish()
        assert shown(recent, 20) == [2] * 20
        assert np.isnan(shown(recent, recent.size)[-30:-20]).all()


def test_a_clock_that_was_set_back_begins_anew_and_one_strange_time_does_not() -> None:
    recent = make()
    push(recent, 1000 + np.arange(20) / RATE_HZ, np.ones(20))
    assert not push(recent, [-500.0], [99])
    assert push(recent, np.arange(20) / RATE_HZ, np.arange(20))
    recent.finish()
    assert shown(recent, 20) == list(range(20))
    assert np.isnan(shown(recent, recent.size)[:-20]).all()


def test_absurd_times_do_no_harm() -> None:
    recent = make()
    for origin_s in (0.0, 1e300, -1e300):
        push(recent, np.full(20, origin_s), np.ones(20))
        recent.finish()
        assert shown(recent, 1) == [1]
