"""A simulated study and simulated days: as published, repeatable, possible, and readable by what trains."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bfrb.errors import ConfigError
from bfrb.features.rotations import magnitude, relative, rotation_vector
from bfrb.read.cmi_write import write_cmi
from bfrb.read.sources import read
from bfrb.simulate import parts
from bfrb.simulate.day import ACTIVITIES, DaySpec, simulate_days
from bfrb.simulate.design import MOVES, Person, Plan, draw_people, draw_plan
from bfrb.simulate.spec import StudySpec, mark_of
from bfrb.simulate.study import simulate_study, simulate_test
from bfrb.study.labels import CMI_GESTURES, DAY_GESTURES
from bfrb.study.recordings import Recordings
from cmi_files import assert_same
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


@pytest.fixture(scope="module")
def study() -> Recordings:
    return simulate_study(StudySpec(subjects=2), seed=5)


def test_a_subject_does_every_gesture_as_often_as_published(study: Recordings) -> None:
    counts = Counter(study[:102].gestures)
    assert len(study) == 204
    names = ("Neck - scratch", "Text on phone", "Wave hello", "Glasses on/off")
    assert [counts[name] for name in names] == [8, 8, 6, 2]


def test_parts_that_are_made_one_by_one_are_the_same_and_not_made_again(
    study: Recordings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = StudySpec(subjects=2)
    monkeypatch.setattr(parts, "PEOPLE", 1)
    jobs = parts.plan_parts(tmp_path, spec, 5, test=1)
    for job in reversed(jobs.values()):
        job()
    written = [place.stat().st_mtime_ns for place in jobs]
    for job in parts.plan_parts(tmp_path, spec, 5, test=1).values():
        job()
    assert written == [place.stat().st_mtime_ns for place in jobs]
    assert_same(Recordings.concat(list(parts.read_parts(tmp_path))), study)
    test = Recordings.concat(list(parts.read_parts(tmp_path, "test")))
    assert_same(test, Recordings.concat(list(simulate_test(spec, 5, subjects=1))))
    assert set(test.subjects) == {"SIM_5_000003"}
    rows = min(study.n_rows, test.n_rows)
    assert (study.sensors["acc"][:rows] != test.sensors["acc"][:rows]).any(axis=1).mean() > 0.99
    with pytest.raises(ConfigError, match="parts of another study"):
        parts.plan_parts(tmp_path, spec, 6, test=1)


def test_a_written_study_reads_back_the_same(study: Recordings, tmp_path: Path) -> None:
    mark = mark_of(StudySpec(subjects=2), 5)
    back = read(write_cmi([study], tmp_path / "study", file_format="csv", mark=mark))
    assert back.simulated
    assert_same(back, study)


DAY = DaySpec(hours=0.1, block_s=120)


@pytest.fixture(scope="module")
def days() -> list[Recordings]:
    return list(simulate_days(StudySpec(subjects=2), DAY, seed=5))


def test_the_same_seed_gives_the_same_day_and_another_seed_another(days: list[Recordings]) -> None:
    again = next(simulate_days(StudySpec(subjects=2), DAY, seed=5))
    other = next(simulate_days(StudySpec(subjects=1), DaySpec(hours=0.05), seed=6))
    for name in ("acc", "quaternion", "thm", "tof"):
        assert np.array_equal(again.sensors[name], days[0].sensors[name], equal_nan=True)
    assert not np.array_equal(other.sensors["acc"][:100], days[0].sensors["acc"][:100])


def test_gestures_are_rare_and_the_rest_of_the_day_is_labelled_too(days: list[Recordings]) -> None:
    for recording in days:
        assert recording.simulated
        assert recording.n_rows >= 0.1 * 36_000
        gesture, activity = (recording.annotations[name].codes for name in ("gesture", "activity"))
        assert 0.02 < (gesture > 0).mean() < 0.4
        named = np.array(ACTIVITIES, dtype=object)[activity[gesture > 0]]
        assert (named == np.array(DAY_GESTURES.classes, dtype=object)[gesture[gesture > 0]]).all()


def test_the_arm_does_not_jump_from_one_bout_to_the_next(days: list[Recordings]) -> None:
    for recording in days:
        quaternion = recording.sensors["quaternion"].astype(np.float64)
        turns = magnitude(rotation_vector(relative(quaternion[:-1], quaternion[1:])))[:, 0]
        does = recording.annotations["activity"].codes > 0
        ends = np.flatnonzero(does[:-1] & ~does[1:])
        joins = ends[:-1, None] + np.arange(14, 28)  # the hand needs 20 rows back to rest
        assert turns[joins].max() < 0.6
        assert np.linalg.norm(recording.sensors["acc"][joins], axis=-1).max() < 40
