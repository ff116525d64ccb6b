"""Scores of phases: how many rows are told right, and how far the begin of the gesture is off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Bools, Floats, Ints
from bfrb.errors import DataError
from bfrb.study.labels import PHASES

Codes = npt.NDArray[np.integer]
Quartiles = tuple[float, float, float]

_GESTURE = PHASES.index("Gesture")


@dataclass(frozen=True, eq=False)
class PhaseScores:
    """How well phases are told, recording by recording."""

    rows: Ints  # (R,) rows of which the phase is known and told
    right: Ints  # (R,) how many of them are right
    start_errors_s: Floats  # (R,) by which gestures are told too late, below 0 too early; NaN without one, or one told
    missed: int  # recordings that have a gesture, of which none was told

    @property
    def share_right(self) -> float | None:
        """Share of the rows, from 0 to 1; None without any."""
        return float(self.right.sum() / self.rows.sum()) if self.rows.any() else None

    @property
    def start_error_s(self) -> Quartiles | None:
        """Lower quartile, median and upper quartile of the seconds by which starts are too late; None without any."""
        return _quartiles(self.start_errors_s)

    @property
    def start_distance_s(self) -> Quartiles | None:
        """The same of the seconds by which starts are off, whether too early or too late."""
        return _quartiles(np.abs(self.start_errors_s))


def phase_scores(truth: Codes, told: Codes, offsets: Ints, row_rate_hz: float) -> PhaseScores:
    """Scores of (N,) told phases against the (N,) true ones.

    A gesture starts at the first row of its phase.

    Parameters
    ----------
    truth, told
        Codes into `gestures.PHASES`, below 0 where unknown.
    offsets
        (R + 1,) first row of every recording, and N.
    row_rate_hz
        Rows per second.

    Raises
    ------
    DataError
        If the numbers of rows differ, or the rate is not above 0.

    Examples
    --------
    >>> scores = phase_scores(np.array([0, 0, 0, 1, 1]), np.array([0, 1, 1, 1, 1]), np.array([0, 5]), row_rate_hz=10.0)
    >>> scores.share_right, scores.start_error_s
    (0.6, (-0.2, -0.2, -0.2))
    """
    if not truth.shape == told.shape == (offsets[-1],):
        problem = f"expected phases of {offsets[-1]} rows, got {truth.shape} true ones and {told.shape} told"
        raise DataError(problem, remedy="give one code per row to both")
    if not row_rate_hz > 0:
        raise DataError(f"expected some rows per second, got {row_rate_hz:g}", remedy="give the rate of the device")
    known = (truth >= 0) & (told >= 0)
    true_starts, told_starts = _first_rows(truth == _GESTURE, offsets), _first_rows(told == _GESTURE, offsets)
    return PhaseScores(
        rows=_count(known, offsets),
        right=_count(known & (truth == told), offsets),
        start_errors_s=(told_starts - true_starts) / row_rate_hz,
        missed=int((np.isnan(told_starts) & ~np.isnan(true_starts)).sum()),
    )


def _count(marked: Bools, offsets: Ints) -> Ints:
    """(R,) Marked rows of every recording."""
    return np.diff(np.concatenate([[0], marked.cumsum()])[offsets])


def _first_rows(marked: Bools, offsets: Ints) -> Floats:
    """(R,) The first marked row of every recording, counted from its beginning; NaN without any."""
    places = np.concatenate([np.flatnonzero(marked), [offsets[-1]]])
    first = places[np.searchsorted(places, offsets[:-1])]
    return np.where(first < offsets[1:], first - offsets[:-1], np.nan)


def _quartiles(values: Floats) -> Quartiles | None:
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    lower, median, upper = np.quantile(known, [0.25, 0.5, 0.75])
    return float(lower), float(median), float(upper)
