"""Scores of phases, against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bfrb.errors import DataError
from bfrb.metrics.phases import PhaseScores, phase_scores

UNKNOWN = -1


def scores(truth: list[int], told: list[int], offsets: list[int], row_rate_hz: float = 10.0) -> PhaseScores:
    return phase_scores(np.array(truth), np.array(told), np.array(offsets), row_rate_hz)


def test_known_rows_are_counted_recording_by_recording() -> None:
    found = scores([0, 0, 1, 1, 0, 1, UNKNOWN, 0], [0, 1, 1, 1, 1, 1, 0, UNKNOWN], [0, 4, 8])
    assert (found.rows.tolist(), found.right.tolist()) == ([4, 2], [3, 1])
    assert found.share_right == pytest.approx(4 / 6)
    nothing = scores([UNKNOWN] * 3, [0, 0, 1], [0, 3])
    assert (nothing.share_right, nothing.start_error_s) == (None, None)


def test_starts_are_late_or_early_in_seconds() -> None:
    truth = [0, 0, 0, 1, 1] * 4
    told = [0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    found = scores(truth, told, [0, 5, 10, 15, 20], row_rate_hz=2.0)
    np.testing.assert_allclose(found.start_errors_s, [-0.5, 0.0, 0.5, -1.5])
    assert found.start_error_s == pytest.approx((-0.75, -0.25, 0.125))
    assert found.start_distance_s == pytest.approx((0.375, 0.5, 0.75))


def test_the_start_is_the_first_row_of_the_gesture_in_its_own_recording() -> None:
    assert scores([0, 1, 0, 1], [0, 0, 1, 0], [0, 4]).start_errors_s.tolist() == pytest.approx([0.1])
    found = scores([0, 1, 0, 0, 0, 1], [0, 0, 0, 1, 0, 1], [0, 2, 4, 6])
    assert found.missed == 1
    np.testing.assert_array_equal(found.start_errors_s, [np.nan, np.nan, 0.0])


@pytest.mark.parametrize(
    ("truth", "told", "rate", "complaint"),
    [([0, 1], [0], 10.0, "2 rows"), ([0], [0], 10.0, "2 rows"), ([0, 1], [0, 1], 0.0, "rows per second")],
)
def test_what_cannot_be_scored_is_refused(truth: list[int], told: list[int], rate: float, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        scores(truth, told, [0, 2], rate)
