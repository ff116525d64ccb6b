from __future__ import annotations

import numpy as np
import pytest

from bfrb.errors import ConfigError
from bfrb.simulate.design import MOVES, Person, Plan, draw_people, draw_plan
from bfrb.simulate.spec import StudySpec, read_study_spec
from bfrb.study.labels import CMI_GESTURES
from realism import PUBLISHED


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return draw_people(StudySpec(), np.random.SeedSequence(0), 0)


@pytest.fixture(scope="module")
def plans(people: list[Person]) -> list[Plan]:
    rng = np.random.default_rng(0)
    return [draw_plan(person, StudySpec().timing, rng) for person in people]


def test_the_study_preset_is_the_published_one(people: list[Person], plans: list[Plan]) -> None:
    lengths = sorted(map(len, plans))
    assert (len(plans), sum(lengths), lengths[:5]) == (81, 8151, [51, 54, 96, 97, 101])
    peculiar = [(person.left_handed, person.upside_down, person.no_proximity, person.no_fifth > 0) for person in people]
    assert np.sum(peculiar, axis=0).tolist() == [10, 2, 1, 5]


def test_people_are_built_like_the_published_ones(people: list[Person]) -> None:
    ages, heights = [person.age for person in people], [person.height_m for person in people]
    arms = [person.upper_arm_m + person.forearm_m for person in people]
    assert min(ages) >= 10
    assert max(ages) <= 53
    assert np.mean(ages) == pytest.approx(21.8, abs=3)
    assert np.mean(heights) == pytest.approx(1.68, abs=0.04)
    assert np.mean(arms) == pytest.approx(0.516, abs=0.02)
    assert np.corrcoef(heights, arms)[0, 1] > 0.5


def test_every_gesture_is_done_in_its_postures_once_from_each_start(plans: list[Plan]) -> None:
    plan = next(plan for plan in plans if len(plan) == 102)
    cells = zip(plan.gesture.tolist(), plan.orientation.tolist(), plan.start.tolist(), strict=True)
    assert len(set(cells)) == 102
    assert (plan.start == MOVES).sum() == 51
    names = CMI_GESTURES.decode(plan.gesture)
    assert set(plan.orientation[names == "Write name on leg"]) == {1}
    assert set(plan.orientation[names == "Wave hello"]) == {0, 2, 3}


def test_lengths_follow_the_published_distribution(plans: list[Plan]) -> None:
    rows = np.concatenate([plan.rows.sum(axis=1) for plan in plans])
    assert rows.min() >= PUBLISHED["rows min"]
    assert rows.mean() == pytest.approx(PUBLISHED["rows mean"], rel=0.1)
    for share in (1, 5, 25, 75, 90, 95, 99):
        assert np.percentile(rows, share) == pytest.approx(PUBLISHED[f"rows {share} %"], rel=0.12), share


def test_what_cannot_be_simulated_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown preset"):
        read_study_spec("big")
    with pytest.raises(ConfigError, match="10 rows per second"):
        StudySpec().updated(["row_rate_hz=20"])


def test_widening_scales_spreads_and_nothing_else() -> None:
    spec = StudySpec(randomise=2.0)
    wide = spec.widened()
    assert wide.randomise == 1
    assert wide.body.palm_between == pytest.approx(2 * spec.body.palm_between)
    assert wide.body.strongest_m_s2 == spec.body.strongest_m_s2
    assert wide.sensors.tof_range_m == spec.sensors.tof_range_m
    assert wide.timing == spec.timing


def test_people_of_other_seeds_are_called_differently_and_a_small_study_is_complete() -> None:
    first, second = (draw_people(StudySpec(subjects=4), np.random.SeedSequence(seed), seed) for seed in (1, 2))
    assert not {person.name for person in first} & {person.name for person in second}
    assert {person.missing for person in first} == {0}
