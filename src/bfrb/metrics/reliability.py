"""Calibration: whether probabilities mean what they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bfrb.arrays import Bools, Floats, Ints
from bfrb.errors import DataError


@dataclass(frozen=True, eq=False)
class Calibration:
    """How often answers are right that claim to be right with a certain probability, in bins of that probability."""

    edges: Floats  # (B + 1,) limits of the bins, from 0 to 1
    counts: Ints  # (B,) answers in every bin
    confidence: Floats  # (B,) mean claimed probability; NaN in empty bins
    accuracy: Floats  # (B,) share of right answers; NaN in empty bins

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of claim and truth over the answers, from 0 (honest) to 1."""
        gaps = np.abs(np.nan_to_num(self.confidence - self.accuracy))
        return float((gaps * self.counts).sum() / self.counts.sum())


def calibration(claimed: Floats, right: Bools, bins: int = 10) -> Calibration:
    """Calibration of (R,) claimed probabilities, given whether each of the (R,) answers was right.

    Raises
    ------
    DataError
        If there are no answers, or their numbers differ.

    Examples
    --------
    >>> found = calibration(np.array([0.9, 0.9, 0.3]), np.array([True, False, False]))
    >>> found.counts.tolist(), round(found.error, 3)
    ([0, 0, 1, 0, 0, 0, 0, 0, 2, 0], 0.367)
    """
    if len(claimed) != len(right) or not len(right):
        raise DataError(
            f"expected as many probabilities as answers, and at least one, got {len(claimed)} for {len(right)}",
            remedy="give one probability for every answer",
        )
    edges = np.linspace(0, 1, bins + 1)
    # A bin holds its upper edge; rounding keeps 0.9 in the bin that ends there.
    place = np.clip(np.searchsorted(edges, np.round(claimed, 12), side="left") - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(place, weights=claimed, minlength=bins) / counts
        accuracy = np.bincount(place, weights=right, minlength=bins) / counts
    return Calibration(edges, counts.astype(np.int64), confidence, accuracy)
