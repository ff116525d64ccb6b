"""Decisions: probabilities to an answer. Pure functions, none of them part of a predictor."""

from __future__ import annotations

import numpy as np

from bfrb.arrays import Floats, Ints
from bfrb.study.labels import LabelSet


def most_probable(probabilities: Floats) -> Ints:
    """(R,) The most probable class of (R, K) probabilities; the first of several that are equal."""
    chosen: Ints = probabilities.argmax(axis=1)
    return chosen


def target_probability(probabilities: Floats, label_set: LabelSet) -> Floats:
    """(R,) Probability that a recording shows any of the targets, from (R, K) probabilities."""
    summed: Floats = probabilities[:, label_set.is_target].sum(axis=1)
    return summed


def most_probable_beyond(probabilities: Floats, label_set: LabelSet, threshold: float = 0.5) -> Ints:
    """(R,) The most probable target where any target is probable enough, else the most probable non-target.

    A low threshold misses fewer targets, a high one gives fewer false alarms; `most_probable` can answer with a
    non-target although a target is certain, when its probability is spread over several of them.

    Parameters
    ----------
    probabilities
        (R, K) probabilities.
    label_set
        The K classes, targets and others.
    threshold
        Summed probability of the targets from which a target is answered.

    Examples
    --------
    >>> pinch_or_scratch = LabelSet("three", ("pinch", "scratch", "rest"), frozenset({"pinch", "scratch"}))
    >>> spread = np.array([[0.3, 0.31, 0.39]])
    >>> most_probable(spread).tolist(), most_probable_beyond(spread, pinch_or_scratch).tolist()
    ([2], [1])
    """
    is_target = target_probability(probabilities, label_set) >= threshold
    allowed = is_target[:, None] == label_set.is_target
    return most_probable(np.where(allowed, probabilities, -1.0))
