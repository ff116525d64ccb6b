"""Decisions: probabilities to an answer."""

from __future__ import annotations

from bfrb.arrays import Floats
from bfrb.study.labels import LabelSet


def target_probability(probabilities: Floats, label_set: LabelSet) -> Floats:
    """(R,) Probability that a recording shows any of the targets, from (R, K) probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> three = LabelSet("three", ("pinch", "scratch", "rest"), frozenset({"pinch", "scratch"}))
    >>> target_probability(np.array([[0.25, 0.25, 0.5]]), three).tolist()
    [0.5]
    """
    summed: Floats = probabilities[:, label_set.is_target].sum(axis=1)
    return summed
