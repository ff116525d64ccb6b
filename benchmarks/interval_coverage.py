"""How often 95 % intervals over people hold the truth: `python benchmarks/interval_coverage.py [TRIALS]`.

Studies of 8 to 81 people are drawn again and again from populations whose true score is known, and the share of the
intervals that hold it is counted: for `interval_over_people`, and for the percentiles of a bootstrap over people. The
people's own scores are normal or skewed (some people are far worse than most), and the score is their mean, or one of
everybody's counts together, as an F1 is, or the difference of two such, or a median of all delays.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from bfrb.metrics.intervals import interval_over_people

Parts = npt.NDArray[Any]
Score = Callable[[Parts], float]

PEOPLE = (8, 10, 12, 20, 81)
RESAMPLES = 400
POPULATION = 100_000
ANYTHING = (-np.inf, np.inf)


def mean(parts: Parts) -> float:
    """Mean of the people's own values."""
    return float(parts.mean())


def ratio(parts: Parts) -> float:
    """Sum of the first column over that of the second: a sensitivity, or a rate."""
    part, whole = parts.sum(axis=0)
    return float(part / whole)


def f1(parts: Parts) -> float:
    """F1 of hits, misses and false alarms."""
    hits, misses, alarms = parts.sum(axis=0)[:3]
    return float(2 * hits / (2 * hits + misses + alarms))


def gain(parts: Parts) -> float:
    """Difference of two F1 scores of the same people."""
    return f1(parts[:, 3:]) - f1(parts)


def median(parts: Parts) -> float:
    """Median of all delays, each person with as many."""
    return float(np.median(parts))


def skewed(rng: np.random.Generator, people: int) -> Parts:
    """Mean 0, standard deviation 1, and a long tail of people who are far worse."""
    return 1 - rng.exponential(size=people)


def counts(rng: np.random.Generator, sensitivity: Parts) -> Parts:
    """Hits, misses and false alarms of people with these sensitivities, in 40 recordings of two kinds each."""
    hits = rng.binomial(40, np.clip(sensitivity, 0.02, 0.98))
    return np.stack([hits, 40 - hits, rng.binomial(40, np.clip(1 - sensitivity, 0.02, 0.98))], axis=1)


def two_counts(rng: np.random.Generator, people: int) -> Parts:
    """The counts of two methods, the second a little better."""
    base = 0.78 + 0.12 * skewed(rng, people)
    return np.concatenate([counts(rng, base + add + rng.normal(0, 0.03, people)) for add in (0.0, 0.02)], axis=1)


def found(rng: np.random.Generator, people: int) -> Parts:
    """Episodes found, and episodes; some people have many."""
    episodes = 1 + rng.poisson(rng.gamma(1.5, 8.0, people))
    return np.stack([rng.binomial(episodes, rng.beta(3, 2, people)), episodes], axis=1)


def alarms(rng: np.random.Generator, people: int) -> Parts:
    """False alarms, and hours."""
    hours = rng.uniform(0.4, 0.8, people)
    return np.stack([rng.poisson(hours * rng.gamma(1.0, 4.0, people)), hours], axis=1)


STUDIES: dict[str, tuple[Callable[[np.random.Generator, int], Parts], Score]] = {
    "mean, normal": (lambda rng, people: rng.normal(0.7, 0.1, people), mean),
    "mean, skewed": (lambda rng, people: 0.8 + 0.1 * skewed(rng, people), mean),
    "F1 of all, normal": (lambda rng, people: counts(rng, rng.normal(0.78, 0.1, people)), f1),
    "F1 of all, skewed": (lambda rng, people: counts(rng, 0.78 + 0.12 * skewed(rng, people)), f1),
    "difference of two F1": (two_counts, gain),
    "sensitivity": (found, ratio),
    "false alarms an hour": (alarms, ratio),
    "median delay": (lambda rng, people: rng.normal(20, 8, (people, 1)) + rng.gamma(2, 5, (people, 25)), median),
}


def own(parts: Parts, score: Score) -> tuple[float, float]:
    """What the package gives."""
    return interval_over_people(lambda chosen: score(parts[chosen]), len(parts), ANYTHING) or (np.nan, np.nan)


def percentiles(parts: Parts, score: Score, rng: np.random.Generator) -> tuple[float, float]:
    """What a plain bootstrap gives."""
    drawn = [score(parts[chosen]) for chosen in rng.integers(0, len(parts), (RESAMPLES, len(parts)))]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def coverage(limits: list[tuple[float, float]], truth: float) -> str:
    """Share of the intervals that hold the truth, in percent, and their median width."""
    low, high = np.array(limits).T
    return f"{100 * np.mean((low <= truth) & (truth <= high)):.1f} | {np.median(high - low):.3f}"


def main() -> None:
    """Print a table in Markdown."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    print("| score | people | holds the truth, % | width | percentiles hold it, % | width |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, (draw, score) in STUDIES.items():
        rng = np.random.default_rng(0)
        truth = score(draw(rng, POPULATION))
        for people in PEOPLE:
            studies = [draw(rng, people) for _ in range(trials)]
            kinds = [own(parts, score) for parts in studies], [percentiles(parts, score, rng) for parts in studies]
            print(f"| {name} | {people} |", " | ".join(coverage(limits, truth) for limits in kinds), "|", flush=True)


if __name__ == "__main__":
    main()
