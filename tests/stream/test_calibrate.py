"""Honest probabilities and thresholds, and scores by rules that come from other people."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from annotated import TWO, people, second_by_second
from bfrb.errors import DataError
from bfrb.metrics.events import EventCounts
from bfrb.stream.calibrate import count_by_subject, fit_isotonic, fit_rule, reliability, rules_from_others, score_events
from bfrb.stream.events import EventRule
from bfrb.stream.listen import AnnotatedRecording
from bfrb.stream.spec import EventSpec

isotonic = pytest.importorskip("sklearn.isotonic")

QUICK = EventSpec(step_s=1.0, smoothing_s=0.0, merge_s=0.0, minimum_s=1.0)


def count_found(recordings: list[AnnotatedRecording], rule: EventRule) -> EventCounts:
    found = count_by_subject(recordings, {one.subject: rule for one in recordings}, TWO)
    return EventCounts.total(list(found.values()))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 100), st.booleans()), min_size=2, max_size=150, unique_by=lambda row: row[0]))
def test_the_isotonic_map_is_that_of_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    claimed = np.array([value / 100 for value, _ in rows])
    truth = np.array([is_true for _, is_true in rows], dtype=np.float64)
    knots, values = fit_isotonic(claimed, truth)
    expected = isotonic.IsotonicRegression().fit(claimed, truth)
    blocks = np.unique(expected.predict(np.sort(claimed)))
    if len(blocks) <= 20:
        np.testing.assert_allclose(values, blocks, atol=1e-6)
    EventRule(isotonic_from=knots, isotonic_to=values)


@example(about=1e-300, spread=0.0, windows=124, seed=0)
@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([0.0, 1e-300, 1e-12, 5e-7, 0.5, 1 - 1e-12, 1.0]),
    st.sampled_from([0.0, 1e-300, 1e-15, 1e-9, 1e-3]),
    st.integers(1, 3000),
    st.integers(0, 5),
)
def test_networks_may_be_as_sure_as_they_like(about: float, spread: float, windows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    claimed = np.abs(about - spread * rng.random(windows))
    claimed[0] += 2e-16  # sums of probabilities may be a little more than 1
    truth = rng.random(windows) < 0.5
    rule = fit_rule([second_by_second("s", claimed, truth)], TWO, 6.0, QUICK)
    assert EventRule.parse(json.loads(rule.model_dump_json())) == rule
    assert len(rule.isotonic_from) <= 20
    calibrated = rule.calibrate(claimed)
    assert ((calibrated >= 0) & (calibrated <= 1)).all()


def test_nothing_cannot_be_calibrated_on() -> None:
    with pytest.raises(DataError, match="and some"):
        fit_isotonic(np.zeros(0), np.zeros(0))
    with pytest.raises(DataError, match="choose thresholds on"):
        fit_rule([], TWO)
    with pytest.raises(DataError, match="several subjects"):
        rules_from_others(people(1, 0.5), TWO)


def test_the_threshold_keeps_the_stated_rate() -> None:
    heard = people(4, 0.2)
    loose, strict = (fit_rule(heard, TWO, rate, QUICK) for rate in (60.0, 2.0))
    counts = [count_found(heard, rule) for rule in (loose, strict)]
    assert counts[0].false_alarms_per_hour <= 60.0
    assert counts[1].false_alarms_per_hour <= 2.0
    assert counts[0].found > counts[1].found > 0
    assert loose.spec.on < strict.spec.on
    assert "at most 2 false alarms an hour" in strict.note


def test_of_thresholds_that_find_as_much_the_one_that_tells_soonest_is_taken() -> None:
    truth = np.arange(600) % 60 >= 30
    surer = np.minimum(1.0, 0.1 + (np.arange(600) % 60 - 30) / 20)  # from second to second
    claimed = np.where(truth, surer, 0.0)
    rule = fit_rule([second_by_second("s", claimed, truth)], TWO, 1.0, EventSpec(smoothing_s=5.0))
    found = count_found([second_by_second("s", claimed, truth)], rule)
    assert (found.found, found.false_alarms_per_hour) == (10, 0.0)
    later = rule.model_copy(update={"spec": rule.spec.model_copy(update={"on": 0.97, "off": 0.58})})
    late = count_found([second_by_second("s", claimed, truth)], later)
    assert late.found == 10
    assert found.median_delay_s + 3.0 < late.median_delay_s


def test_where_no_threshold_keeps_the_rate_the_given_settings_stay_and_nothing_is_promised() -> None:
    truth = np.arange(4000) >= 400
    claimed = np.where(truth | (np.arange(4000) % 40 < 8), 1.0, 0.0)  # ten false alarms, as sure as what is true
    settings_ = EventSpec(smoothing_s=2.0, merge_s=1.0, minimum_s=3.0, on=0.4, off=0.3)
    rule = fit_rule([second_by_second("s", claimed, truth)], TWO, 1.0, settings_)
    assert rule.spec == settings_
    assert rule.false_alarms_per_hour is None
    assert "no threshold kept to at most 1 false alarms an hour" in rule.note
    assert fit_rule([second_by_second("s", claimed, truth)], TWO, 20.0, settings_).false_alarms_per_hour == 20.0


def test_a_persons_own_recordings_do_not_touch_their_rule() -> None:
    heard = people(3, 0.5)
    claimed = heard[0].windows.claimed(TWO)
    changed = [second_by_second("s0", 1 - claimed, heard[0].positive_share > 0), *heard[1:]]
    before, after = (rules_from_others(some, TWO, 6.0, QUICK) for some in (heard, changed))
    assert before["s0"] == after["s0"]
    assert before["s1"] != after["s1"]


def test_better_answers_score_better_and_perfect_ones_fully() -> None:
    poor, good = (
        score_events(some, rules_from_others(some, TWO, 6.0, QUICK), TWO) for some in (people(3, 0.1), people(3, 0.5))
    )
    assert good["auc"]["value"] > poor["auc"]["value"] > 0.5
    assert good["sensitivity"]["value"] > poor["sensitivity"]["value"]
    low, high = good["auc"]["interval"]
    assert low <= good["auc"]["value"] <= high
    sure = [second_by_second(one.subject, one.positive_share, one.positive_share > 0) for one in people(3, 1.0)]
    perfect = score_events(sure, rules_from_others(sure, TWO, 6.0, QUICK), TWO)
    assert (perfect["sensitivity"]["value"], perfect["precision"]["value"]) == (1.0, 1.0)
    assert (perfect["auc"]["value"], perfect["average_precision"]["value"]) == (1.0, 1.0)
    assert perfect["median_delay_s"]["value"] == 1.0


def test_isotonic_calibration_makes_claims_honest_on_other_people() -> None:
    heard = people(4, 0.5)
    found = reliability(heard, rules_from_others(heard, TWO, 6.0, QUICK), TWO)
    assert found["error"] < 0.5 * found["error_uncalibrated"]
    assert sum(found["table"]["counts"]) == 4 * 480
