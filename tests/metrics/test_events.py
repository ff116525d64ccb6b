"""Event scores: cases made by hand, and laws that always hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bfrb.errors import DataError
from bfrb.metrics.events import count_events, time_average_precision, time_roc_auc
from bfrb.metrics.standard import average_precision, roc_auc

NOTHING = np.zeros((0, 2))


def spans(*pairs: tuple[float, float]) -> np.ndarray:
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


MARKS = st.sets(st.integers(0, 60), max_size=16).map(sorted)
SPANS = MARKS.map(lambda marks: spans(*zip(marks[::2], marks[1::2], strict=False)))
"""Spans that do not overlap, at whole seconds; some touch."""


def covered(of: np.ndarray) -> np.ndarray:
    """(60,) Which whole seconds the spans cover: the independent way to compute overlaps."""
    seconds = np.arange(60) + 0.5
    return ((seconds[:, None] > of[:, 0]) & (seconds[:, None] < of[:, 1])).any(axis=1)


def test_the_delay_is_that_of_the_first_event_known_and_without_events_some_scores_are_none() -> None:
    counts = count_events(spans((10, 30)), spans((8, 12), (20, 25)), 1.0, known_s=np.array([13.0, 24.0]))
    assert counts.delays_s == (3.0,)
    assert count_events(spans((10, 30)), spans((8, 12)), 1.0).median_delay_s == -2.0
    none = count_events(NOTHING, NOTHING, 1.0)
    assert (none.sensitivity, none.precision, none.median_delay_s, none.false_alarms_per_hour) == (None, None, None, 0)
    assert count_events(spans((0, 1)), NOTHING, 1.0).sensitivity == 0.0


@pytest.mark.parametrize(
    ("bad", "message"),
    [(spans((3, 3)), "after its begin"), (spans((0, 5), (4, 6)), "do not overlap"), (np.zeros(4), "begins and ends")],
)
def test_what_cannot_be_counted_is_refused(bad: np.ndarray, message: str) -> None:
    for episodes, events in ((NOTHING, bad), (bad, NOTHING)):
        with pytest.raises(DataError, match=message):
            count_events(episodes, events, 1.0)
    with pytest.raises(DataError, match="some hours"):
        count_events(NOTHING, NOTHING, 0.0)
    with pytest.raises(DataError, match="one value"):
        time_roc_auc(np.ones(3), np.ones(3), np.ones(2))


@given(SPANS, SPANS, st.sampled_from([0.0, 0.25, 0.5, 0.9]))
def test_counts_agree_with_counting_seconds(episodes: np.ndarray, events: np.ndarray, share: float) -> None:
    counts = count_events(episodes, events, 1.0, of_event=share)
    truth = covered(episodes)
    right = [int(truth[int(a) : int(b)].sum()) > share * (b - a) for a, b in events]
    told = covered(events[np.array(right, dtype=bool)]) if len(events) else np.zeros(60, dtype=bool)
    found = [int(told[int(a) : int(b)].sum()) > 0 for a, b in episodes]
    assert (counts.right, counts.found) == (sum(right), sum(found))
    assert len(counts.delays_s) == counts.found


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=40))
def test_time_scores_are_those_of_single_seconds(rows: list[tuple[int, int, int]]) -> None:
    positive, negative, values = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    lasted = np.concatenate([positive, negative]).astype(int)
    truth = np.repeat(np.repeat([True, False], len(rows)), lasted)
    claimed = np.repeat(np.concatenate([values, values]), lasted)
    assert time_roc_auc(positive, negative, values) == pytest.approx(roc_auc(truth, claimed))
    assert time_average_precision(positive, negative, values) == pytest.approx(average_precision(truth, claimed))
