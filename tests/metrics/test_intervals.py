"""Intervals over people: against scipy, and by how often they hold a truth that is known."""

import numpy as np
import pytest
from scipy import stats

from bfrb.metrics.competition import difference_interval
from bfrb.metrics.events import EventCounts, event_interval
from bfrb.metrics.intervals import RATE, interval_over_people, interval_without_one
from bfrb.study.labels import CMI_GESTURES

ANYTHING = (-np.inf, np.inf)


def test_the_interval_of_a_symmetric_mean_is_students_and_that_of_a_skewed_one_reaches_further_to_the_tail() -> None:
    def interval(values: np.ndarray) -> tuple[float, float]:
        return interval_over_people(lambda chosen: float(values[chosen].mean()), len(values), ANYTHING) or (0.0, 0.0)

    even = np.array([0.1, 0.3, 0.4, 0.5, 0.7])
    expected = stats.t.interval(0.95, 4, even.mean(), stats.sem(even))
    assert interval(even) == pytest.approx(expected, abs=1e-3)
    tailed = np.array([0.1, 0.7, 0.75, 0.8, 0.8, 0.85, 0.9])
    low, high = stats.t.interval(0.95, 6, tailed.mean(), stats.sem(tailed))
    assert interval(tailed)[0] < low - 0.05
    assert interval(tailed)[1] == pytest.approx(high, abs=1e-3)
    assert interval(-tailed) == pytest.approx((-interval(tailed)[1], -interval(tailed)[0]))


@pytest.mark.parametrize("draw", ["normal", "exponential"])
def test_intervals_hold_the_truth_as_often_as_they_say(draw: str) -> None:
    rng, people = np.random.default_rng(8), 8
    truth = 0.0 if draw == "normal" else 1.0
    held = 0
    for _ in range(1500):
        values = getattr(rng, f"standard_{draw}")(people)
        without = (values.sum() - values) / (people - 1)
        low, high = interval_without_one(float(values.mean()), without, ANYTHING) or (0.0, 0.0)
        held += low <= truth <= high
    assert held / 1500 > 0.935


def test_limits_are_possible_values_and_there_are_none_for_one_person_or_what_hangs_on_one() -> None:
    assert interval_over_people(lambda chosen: float((chosen > 0).mean()), 3) == (0.0, 1.0)
    low, high = interval_over_people(lambda chosen: float((chosen == 0).sum()), 3, RATE) or (1.0, 0.0)
    assert (low, high > 1.0) == (0.0, True)
    assert interval_over_people(lambda _: 0.5, 1) is None
    assert interval_over_people(lambda chosen: 0.5 if 0 in chosen else None, 5) is None


def test_a_gain_of_every_person_is_certain_and_its_reverse_is_its_negative() -> None:
    rng, people = np.random.default_rng(1), [f"s{number // 40}" for number in range(320)]
    truth = np.resize(np.array(CMI_GESTURES.classes, dtype=object), 320)
    right = rng.random(320) < np.repeat(rng.uniform(0.2, 1, 8), 40)  # some are much harder than others
    guessed = np.where(right, truth, rng.permutation(truth))
    assert difference_interval(truth, (guessed, guessed), people) == (0.0, 0.0)
    low, high = difference_interval(truth, (truth, guessed), people) or (0.0, 0.0)
    assert 0 < low < high <= 1
    assert difference_interval(truth, (guessed, truth), people) == pytest.approx((-high, -low))


def test_events_of_equal_people_have_no_spread_and_those_of_unequal_ones_do() -> None:
    assert event_interval([EventCounts(10, 4, 8, 4, 1.0)] * 5, "sensitivity") == pytest.approx((0.4, 0.4))
    mixed = [EventCounts(10, found, 10, found, 1.0) for found in (0, 2, 4, 6, 8, 10)]
    low, high = event_interval(mixed, "false_alarms_per_hour") or (9.0, 0.0)
    assert low < EventCounts.total(mixed).false_alarms_per_hour < high
    assert event_interval([EventCounts(0, 0, 0, 0, 1.0)] * 3, "precision") is None
