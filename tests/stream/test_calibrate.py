"""Honest probabilities and thresholds, and scores by rules that come from other people."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bfrb.errors import BundleError, DataError
from bfrb.metrics import EventCounts
from bfrb.predict.bundle import CHECKSUMS, SPEC, Bundle, writing_bundle
from bfrb.predict.out_of_fold import HeldOutPredictor
from bfrb.predict.predictor import Predictor
from bfrb.stream.calibrate import (
    Heard,
    count_events_of,
    find_episodes,
    find_spans,
    fit_isotonic,
    fit_rule,
    hear,
    listen_held_out,
    smooth,
    write_with_rule,
)
from bfrb.stream.event_scores import Aim, reliability, rules_from_others, score_events, sensitivity_curve
from bfrb.stream.events import Answers, EventRule, decide_events
from bfrb.stream.spec import EventSpec
from bfrb.stream.stream import Stream
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.labels import SEARLE_BEHAVIORS, LabelSet
from bfrb.study.recordings import UNKNOWN, Annotation, Recordings
from bfrb.study.windows import WindowSpec
from bfrb.train.run import RunSpec
from bundles import make_bundle, make_recordings
from made_up import plain_table

isotonic = pytest.importorskip("sklearn.isotonic")

TWO = LabelSet("two", ("behaviour", "none"), frozenset({"behaviour"}))
QUICK = EventSpec(step_s=1.0, smoothing_s=0.0, merge_s=0.0, minimum_s=1.0)


def someone(subject: str, claimed: np.ndarray, truth: np.ndarray) -> Heard:
    """A second for every window, with a claimed probability and the truth."""
    middle_s = np.arange(len(claimed)) + 0.5
    answers = Answers(middle_s, middle_s + 0.5, np.stack([claimed, 1 - claimed], axis=1), middle_s < 1)
    changes = np.flatnonzero(np.diff(truth.astype(int), prepend=0, append=0)).astype(np.float64)
    return Heard(subject, answers, truth.astype(np.float64), 1.0, changes.reshape(-1, 2), len(claimed) / 3600)


def people(count: int, skill: float, seed: int = 0) -> list[Heard]:
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        truth = np.repeat(rng.random(40) < 0.2, 12)
        claimed = np.clip(0.3 + skill * (truth - 0.3) + rng.normal(0, 0.15, len(truth)), 0, 1)
        found.append(someone(f"s{number}", claimed, truth))
    return found


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 100), st.booleans()), min_size=2, max_size=150, unique_by=lambda row: row[0]))
def test_the_isotonic_map_is_that_of_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    claimed = np.array([value / 100 for value, _ in rows])
    truth = np.array([is_true for _, is_true in rows], dtype=np.float64)
    knots, values = fit_isotonic(claimed, truth)
    assert list(knots) == sorted(set(knots))
    assert list(values) == sorted(values)
    expected = isotonic.IsotonicRegression().fit(claimed, truth)
    blocks = np.unique(expected.predict(np.sort(claimed)))
    if len(blocks) <= 20:
        np.testing.assert_allclose(values, blocks, atol=1e-6)
    EventRule(isotonic_from=knots, isotonic_to=values)


def test_calibrated_probabilities_come_true() -> None:
    rng = np.random.default_rng(1)
    honest = rng.random(20_000)
    truth = rng.random(20_000) < honest
    overconfident = honest**3
    knots, values = fit_isotonic(overconfident, truth.astype(np.float64))
    np.testing.assert_allclose(np.interp(overconfident, knots, values), honest, atol=0.12)


def test_nothing_cannot_be_calibrated_on() -> None:
    with pytest.raises(DataError, match="and some"):
        fit_isotonic(np.zeros(0), np.zeros(0))
    with pytest.raises(DataError, match="choose thresholds on"):
        fit_rule([], TWO, 6.0, [QUICK])
    with pytest.raises(DataError, match="several subjects"):
        rules_from_others(people(1, 0.5), TWO, Aim(6.0, (QUICK,)))


def test_the_threshold_keeps_the_stated_rate() -> None:
    heard = people(4, 0.2)
    loose, strict = (fit_rule(heard, TWO, rate, [QUICK]) for rate in (60.0, 2.0))
    counts = [EventCounts.total([count_events_of(part, rule, TWO) for part in heard]) for rule in (loose, strict)]
    assert counts[0].false_alarms_per_hour <= 60.0
    assert counts[1].false_alarms_per_hour <= 2.0
    assert counts[0].found > counts[1].found > 0
    assert loose.spec.on < strict.spec.on


@settings(max_examples=400, deadline=None)
@example(rows=[(6, 1), (4, 0), (0, 1), (6, 1)], smoothing_s=0.0, merge_s=2.0, minimum_s=0.0)
@given(
    st.lists(st.tuples(st.integers(0, 10), st.integers(0, 9)), min_size=1, max_size=40),
    st.sampled_from([0.0, 1.5]),
    st.sampled_from([0.0, 1.0, 2.0]),
    st.sampled_from([0.0, 2.0, 4.0]),
)
def test_many_thresholds_find_what_a_stream_finds(
    rows: list[tuple[int, int]], smoothing_s: float, merge_s: float, minimum_s: float
) -> None:
    claimed = np.array([value / 10 for value, _ in rows])
    middle_s = np.arange(len(rows)) + 0.5
    fresh = np.array([gap == 0 for _, gap in rows])
    fresh[0] = True
    answers = Answers(middle_s, middle_s + 3.0, np.stack([claimed, 1 - claimed], axis=1), fresh)
    spec = EventSpec(step_s=1.0, smoothing_s=smoothing_s, merge_s=merge_s, minimum_s=minimum_s, on=0.55, off=0.35)
    rule = EventRule(spec=spec)
    events = decide_events(answers, rule, TWO)
    spans, known_s = find_spans(answers, smooth(answers, rule, TWO), spec)
    np.testing.assert_allclose(spans, np.array([(found.start_s, found.end_s) for found in events]).reshape(-1, 2))
    np.testing.assert_allclose(known_s, [found.known_s for found in events])


def test_a_persons_own_recordings_do_not_touch_their_rule() -> None:
    heard = people(3, 0.5)
    changed = [someone("s0", 1.0 - heard[0].answers.probabilities[:, 0], heard[0].positive_s > 0), *heard[1:]]
    before, after = (rules_from_others(some, TWO, Aim(6.0, (QUICK,))) for some in (heard, changed))
    assert before["s0"] == after["s0"]
    assert before["s1"] != after["s1"]


def test_better_answers_score_better_and_perfect_ones_fully() -> None:
    aim = Aim(6.0, (QUICK,))
    poor, good = (
        score_events(some, rules_from_others(some, TWO, aim), TWO) for some in (people(5, 0.1), people(5, 0.5))
    )
    assert good["auc"]["value"] > poor["auc"]["value"] > 0.5
    assert good["sensitivity"]["value"] > poor["sensitivity"]["value"]
    low, high = good["auc"]["interval"]
    assert low <= good["auc"]["value"] <= high
    sure = [someone(part.subject, part.positive_s, part.positive_s > 0) for part in people(3, 1.0)]
    perfect = score_events(sure, rules_from_others(sure, TWO, aim), TWO)
    assert (perfect["sensitivity"]["value"], perfect["precision"]["value"]) == (1.0, 1.0)
    assert (perfect["auc"]["value"], perfect["average_precision"]["value"]) == (1.0, 1.0)
    assert perfect["median_delay_s"]["value"] == 1.0


def test_isotonic_calibration_makes_claims_honest_on_other_people() -> None:
    heard = people(6, 0.5)
    found = reliability(heard, rules_from_others(heard, TWO, Aim(6.0, (QUICK,))), TWO)
    assert found["error"] < 0.5 * found["error_uncalibrated"]
    assert sum(found["table"]["counts"]) == 6 * 480


def test_along_the_curve_fewer_false_alarms_cost_episodes() -> None:
    heard = people(4, 0.4)
    curve = sensitivity_curve(heard, rules_from_others(heard, TWO, Aim(6.0, (QUICK,))), TWO)
    assert curve[0]["sensitivity"] >= curve[-1]["sensitivity"]  # type: ignore[operator]
    assert all(point["false_alarms_per_hour"] >= 0 for point in curve)  # type: ignore[operator]


def continuous(codes: np.ndarray) -> Recordings:
    made = make_recordings(1, device=GALAXY_WATCH, lengths=np.array([len(codes)]))
    label = Annotation(codes.astype(np.int8), SEARLE_BEHAVIORS.classes)
    return Recordings(GALAXY_WATCH, made.sensors, made.offsets, plain_table(1), {"gesture": label})


def test_episodes_are_runs_of_one_behaviour() -> None:
    codes = np.repeat([0, 1, 2, 0, UNKNOWN, 1], [10, 20, 5, 15, 5, 10])
    rate_hz = GALAXY_WATCH.row_rate_hz
    found = find_episodes(continuous(codes), SEARLE_BEHAVIORS) * rate_hz
    np.testing.assert_allclose(found, [[10, 30], [30, 35], [55, 65]])
    assert find_episodes(continuous(np.zeros(9)), SEARLE_BEHAVIORS).shape == (0, 2)
    with pytest.raises(DataError, match="rows are labelled"):
        find_episodes(make_recordings(1, device=GALAXY_WATCH), SEARLE_BEHAVIORS)


def watch(folder: Path) -> Bundle:
    return Bundle.open(make_bundle(folder / "model", device=GALAXY_WATCH, label_set=SEARLE_BEHAVIORS))


def with_context(bundle: Bundle, context_s: float, out: Path) -> Bundle:
    """The bundle, as if its windows had been shown with what came before."""
    windows = WindowSpec(context_s=context_s)
    with writing_bundle(out) as folder:
        shutil.copytree(bundle.path, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(CHECKSUMS))
        (folder / SPEC).write_text(RunSpec(windows=windows).to_toml(), encoding="utf-8")
    return Bundle.open(out)


@pytest.mark.parametrize("context_s", [0.0, 1.3])
def test_offline_answers_are_those_of_the_stream(tmp_path: Path, context_s: float) -> None:
    bundle = with_context(watch(tmp_path), context_s, tmp_path / "shown")
    recording = continuous(np.repeat([0, 1, 0], [100, 60, 140]))
    heard = listen_held_out(bundle, recording)[0]
    answers: list[Answers] = []
    predictor = HeldOutPredictor(bundle)
    stream = Stream(Predictor(bundle), EventRule(), on_answers=answers.append)
    stream.push(dict(recording.sensors))
    stream.finish()
    assert predictor.folds(recording.subjects).tolist() == [-1]
    np.testing.assert_allclose(heard.answers.middle_s, np.concatenate([part.middle_s for part in answers]))
    np.testing.assert_allclose(
        heard.answers.probabilities, np.concatenate([part.probabilities for part in answers]), atol=1e-6
    )
    assert heard.positive_s.sum() == pytest.approx(60 / GALAXY_WATCH.row_rate_hz, abs=1e-6)


def test_a_window_answers_for_the_seconds_in_its_middle(tmp_path: Path) -> None:
    bundle, recording = watch(tmp_path), continuous(np.repeat([0, 1, 0], [20, 10, 50]))
    heard = hear(recording, np.full((4, 9), 1 / 9), bundle, 1.0)
    np.testing.assert_allclose(heard.positive_s * GALAXY_WATCH.row_rate_hz, [10, 0, 0, 0])


def test_a_bundle_keeps_its_rule(tmp_path: Path) -> None:
    bundle, rule = watch(tmp_path), EventRule(spec=QUICK, false_alarms_per_hour=3.0)
    write_with_rule(bundle, rule, tmp_path / "ruled")
    assert EventRule.of(Bundle.open(tmp_path / "ruled")) == rule
    with pytest.raises(BundleError, match="there is a bundle"):
        write_with_rule(bundle, rule, tmp_path / "ruled")
