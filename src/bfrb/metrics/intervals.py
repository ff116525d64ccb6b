"""95 % intervals of scores over people, from the scores of all but one of them.

Recordings of one person are alike, so people are the sample. Scores are seldom means over people (an F1, a rate of
false alarms), so each person's share in a score is told by leaving them out (the jackknife; Efron and Tibshirani 1993,
chapter 11). Student's interval of these shares is right for symmetric ones; that of Hall (1992, Journal of the Royal
Statistical Society B 54:221) allows for skewness, which people who are much worse than the others cause. The wider
limit of the two counts on each side: `benchmarks/interval_coverage.py` tells how often that holds the truth, beside
the percentiles of a bootstrap, which hold it too seldom for few people.
"""

from collections.abc import Callable

import numpy as np

from bfrb.arrays import Floats, Ints
from bfrb.metrics.standard import load_scikit_learn

Interval = tuple[float, float]
"""Lower and upper limit."""

LEVEL = 0.95
"""Share of the intervals that hold the truth."""

ENOUGH_PEOPLE = 10
"""With fewer people, nothing is called sure."""

SHARE, DIFFERENCE, RATE = (0.0, 1.0), (-1.0, 1.0), (0.0, float("inf"))
"""Possible values of a score from 0 to 1, of the difference of two, and of a rate."""


def interval_over_people(
    score: Callable[[Ints], float | None], people: int, possible: Interval = SHARE
) -> Interval | None:
    """95 % interval of a score over people; None with fewer than two, or where it hangs on one of them.

    `score`: that of the people with the given numbers, from 0, None where it is not defined; `possible`: its least and
    largest possible value.

    >>> heights_m = np.array([1.62, 1.71, 1.75, 1.80, 1.69, 1.77])
    >>> low, high = interval_over_people(lambda chosen: heights_m[chosen].mean(), 6, (0.0, 3.0))
    >>> round(low, 2), round(high, 2)
    (1.63, 1.79)
    """
    if people < 2:
        return None
    everybody = np.arange(people)
    values = [score(everybody), *(score(np.delete(everybody, person)) for person in range(people))]
    known = np.array([np.nan if value is None else value for value in values])
    return interval_without_one(known[0], known[1:], possible)


def interval_without_one(whole: float, without: Floats, possible: Interval = SHARE) -> Interval | None:
    """The same, from the score of everybody and the (S,) scores without each person; NaN where one is not defined."""
    count = len(without)
    if count < 2 or not np.isfinite([whole, *without]).all():
        return None
    shares = count * whole - (count - 1) * without
    error = float(shares.std(ddof=1)) / np.sqrt(count)
    load_scikit_learn()  # which brings scipy, or is asked for
    from scipy.special import stdtrit

    quantile = float(stdtrit(count - 1, (1 + LEVEL) / 2))
    low, high = _skewed_quantiles(shares, quantile)
    limits = whole - error * max(high, quantile), whole - error * min(low, -quantile)
    return float(np.clip(limits[0], *possible)), float(np.clip(limits[1], *possible))


def excludes_zero(interval: Interval | None) -> bool:
    """Whether a difference with this interval is beyond chance."""
    return interval is not None and (interval[0] > 0 or interval[1] < 0)


def _skewed_quantiles(values: Floats, quantile: float) -> tuple[float, float]:
    """What stands for -t and t where the mean of values as skewed as these is studentised (Hall 1992, equation 2.1)."""
    count, spread = len(values), float(values.std())
    if count < 3 or spread == 0:
        return -quantile, quantile
    bend = float(((values - values.mean()) ** 3).mean()) / spread**3 * np.sqrt(count - 1) / (count - 2)
    if abs(bend) < 1e-6:
        return -quantile, quantile
    low, high = (3 / bend * (np.cbrt(1 + bend * (value - bend / 6)) - 1) for value in (-quantile, quantile))
    return float(low), float(high)
