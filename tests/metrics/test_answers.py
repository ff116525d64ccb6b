"""Scores, judged against scikit-learn."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfrb.errors import DataError
from bfrb.metrics import (
    average_precision,
    bootstrap_difference,
    bootstrap_interval,
    calibration,
    class_scores,
    competition_score,
    confusion_matrix,
    mean_over_subjects,
    roc_auc,
    subject_scores,
)
from bfrb.study.labels import CMI_GESTURES, LABEL_SETS, OTHER_GESTURES, SEARLE_BEHAVIORS, TARGET_GESTURES, LabelSet

metrics = pytest.importorskip("sklearn.metrics")


@st.composite
def answers(draw: st.DrawFn) -> tuple[LabelSet, np.ndarray, np.ndarray]:
    """Truth and prediction that agree more or less often, over all or a few classes."""
    label_set = draw(st.sampled_from(list(LABEL_SETS.values())))
    few = draw(st.lists(st.sampled_from(label_set.classes), min_size=1, max_size=4))
    names = draw(st.sampled_from([list(label_set.classes), few]))
    count = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    truth = rng.choice(names, count).astype(object)
    right = rng.random(count) < draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))
    return label_set, truth, np.where(right, truth, rng.choice(names, count))


def reference_score(label_set: LabelSet, truth: np.ndarray, prediction: np.ndarray) -> tuple[float, float]:
    """Binary and macro F1 as the competition's rules put them."""
    true_target, predicted_target = (
        np.isin(truth, list(label_set.targets)),
        np.isin(prediction, list(label_set.targets)),
    )
    binary = metrics.f1_score(true_target, predicted_target, pos_label=True, average="binary", zero_division=0)
    merged = np.where(true_target, truth, "non_target"), np.where(predicted_target, prediction, "non_target")
    return binary, metrics.f1_score(*(part.astype(str) for part in merged), average="macro", zero_division=0)


@settings(max_examples=150, deadline=None)
@given(answers())
def test_the_competition_score_is_that_of_scikit_learn(case: tuple[LabelSet, np.ndarray, np.ndarray]) -> None:
    label_set, truth, prediction = case
    scores = competition_score(truth, prediction, label_set)
    expected = reference_score(label_set, truth, prediction)
    assert (scores.binary_f1, scores.macro_f1) == pytest.approx(expected, abs=1e-12)
    assert scores.score == pytest.approx(sum(expected) / 2, abs=1e-12)


def test_non_targets_alone_perfectly_predicted_score_a_half() -> None:
    assert competition_score(OTHER_GESTURES, OTHER_GESTURES).score == 0.5


def test_confusing_non_targets_is_free() -> None:
    truth = [*TARGET_GESTURES, *OTHER_GESTURES]
    assert competition_score(truth, [*TARGET_GESTURES, *OTHER_GESTURES[::-1]]).score == 1.0


def test_confusing_targets_costs_macro_only() -> None:
    scores = competition_score([*TARGET_GESTURES, *OTHER_GESTURES], [*TARGET_GESTURES[::-1], *OTHER_GESTURES])
    assert scores.binary_f1 == 1.0
    assert scores.macro_f1 == pytest.approx(1 / 9)


def test_a_class_that_is_only_predicted_counts_in_the_mean() -> None:
    truth, prediction = ["Neck - scratch", "Neck - scratch"], ["Neck - scratch", "Neck - pinch skin"]
    assert competition_score(truth, prediction).macro_f1 == pytest.approx((2 / 3 + 0) / 2)


def test_in_searle_2021_only_none_is_no_target() -> None:
    scores = competition_score(["none", "nail biting"], ["fidgeting", "none"], SEARLE_BEHAVIORS)
    assert scores.score == 0.0
    assert competition_score(["none"], ["none"], SEARLE_BEHAVIORS).score == 0.5


@pytest.mark.parametrize(
    ("truth", "prediction", "complaint"),
    [
        (["Wave hello"], ["Waves hello"], "'Waves hello'"),
        (["Wave hello"], [None], "found None"),
        ([float("nan")], ["Wave hello"], "found nan"),
        (["Wave hello"], ["Wave hello"] * 2, "got 2 for 1"),
        ([], [], "at least one"),
    ],
)
def test_labels_that_cannot_be_scored_are_refused(truth: list[str], prediction: list[str], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        competition_score(truth, prediction)


@settings(deadline=None)
@given(answers())
def test_scores_by_class_are_those_of_scikit_learn(case: tuple[LabelSet, np.ndarray, np.ndarray]) -> None:
    label_set, truth, prediction = case
    found = class_scores(confusion_matrix(truth, prediction, label_set), label_set)
    expected = metrics.precision_recall_fscore_support(
        truth.astype(str), prediction.astype(str), labels=list(label_set.classes), zero_division=0
    )
    assert list(found) == list(label_set.classes)
    for name, *values in zip(label_set.classes, *expected, strict=True):
        scores = found[name]
        assert (scores.precision, scores.recall, scores.f1, scores.support) == pytest.approx(tuple(values))


@given(answers())
def test_the_confusion_matrix_is_that_of_scikit_learn(case: tuple[LabelSet, np.ndarray, np.ndarray]) -> None:
    label_set, truth, prediction = case
    expected = metrics.confusion_matrix(truth.astype(str), prediction.astype(str), labels=list(label_set.classes))
    np.testing.assert_array_equal(confusion_matrix(truth, prediction, label_set), expected)


@given(answers(), st.integers(0, 1000))
def test_a_subjects_scores_are_those_of_its_recordings(
    case: tuple[LabelSet, np.ndarray, np.ndarray], seed: int
) -> None:
    label_set, truth, prediction = case
    subjects = np.random.default_rng(seed).choice(["b", "a", "c"], len(truth))
    found = subject_scores(truth, prediction, subjects, label_set)
    assert list(found) == sorted(set(subjects))
    for name, scores in found.items():
        assert scores == competition_score(truth[subjects == name], prediction[subjects == name], label_set)


@st.composite
def findings(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Truth and values that find it, with many ties."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    count, levels = draw(st.integers(2, 80)), draw(st.sampled_from([1, 2, 5, 10**6]))
    return rng.random(count) < draw(st.sampled_from([0.1, 0.5, 0.9])), rng.integers(0, levels, count) / levels


@given(findings())
def test_areas_are_those_of_scikit_learn(case: tuple[np.ndarray, np.ndarray]) -> None:
    truth, values = case
    if truth.any() and not truth.all():
        assert roc_auc(truth, values) == pytest.approx(metrics.roc_auc_score(truth, values), abs=1e-12)
    if truth.any():
        expected = metrics.average_precision_score(truth, values)
        assert average_precision(truth, values) == pytest.approx(expected, abs=1e-12)


def test_areas_are_not_defined_without_both_kinds() -> None:
    nothing, everything, values = np.zeros(3, dtype=bool), np.ones(3, dtype=bool), np.arange(3.0)
    assert roc_auc(nothing, values) is None
    assert roc_auc(everything, values) is None
    assert average_precision(nothing, values) is None
    assert average_precision(everything, values) == 1.0


def test_the_mean_over_subjects_leaves_out_subjects_without_both_kinds() -> None:
    truth = np.array([True, False, True, False, True, True])
    values = np.array([0.9, 0.1, 0.1, 0.9, 0.5, 0.5])
    subjects = ["right", "right", "wrong", "wrong", "undefined", "undefined"]
    assert mean_over_subjects(roc_auc, truth, values, subjects) == 0.5
    assert mean_over_subjects(roc_auc, truth[4:], values[4:], subjects[4:]) is None


def study(subjects: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, prediction and subjects; some subjects are much harder than others."""
    names = np.repeat([f"s{number}" for number in range(subjects)], 40)
    truth = np.tile(np.array(CMI_GESTURES.classes, dtype=object), 40 * subjects)[: 40 * subjects]
    right = rng.random(40 * subjects) < np.repeat(rng.uniform(0.2, 1, subjects), 40)
    return truth, np.where(right, truth, rng.permutation(truth)), names


def test_the_interval_is_that_of_a_plain_bootstrap_over_subjects() -> None:
    truth, prediction, subjects = study(8, np.random.default_rng(0))
    rows = {name: np.flatnonzero(subjects == name) for name in np.unique(subjects)}
    rng = np.random.default_rng(1)
    draws = [np.concatenate([rows[name] for name in rng.choice(list(rows), len(rows))]) for _ in range(600)]
    expected = np.quantile([competition_score(truth[draw], prediction[draw]).score for draw in draws], [0.025, 0.975])
    found = bootstrap_interval(truth, prediction, subjects, np.random.default_rng(2), repeats=4000)
    np.testing.assert_allclose(found, expected, atol=0.02)
    assert found[0] < competition_score(truth, prediction).score < found[1]


def test_the_interval_is_repeated_by_the_same_generator() -> None:
    truth, prediction, subjects = study(5, np.random.default_rng(0))
    first, again, other = (
        bootstrap_interval(truth, prediction, subjects, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_one_subject_has_no_spread() -> None:
    truth, prediction, subjects = study(1, np.random.default_rng(0))
    low, high = bootstrap_interval(truth, prediction, subjects, np.random.default_rng(0))
    assert low == high == pytest.approx(competition_score(truth, prediction).score)


def test_subjects_must_be_as_many_as_labels() -> None:
    with pytest.raises(DataError, match="expected 1 subjects, got 2"):
        subject_scores(["Wave hello"], ["Wave hello"], ["a", "b"])


@pytest.mark.parametrize(
    ("column", "expected"), [("pred_all", (0.855, 0.989, 0.721)), ("pred_imu", (0.810, 0.984, 0.636))]
)
def test_the_winners_published_predictions_score_as_published(
    real_data, column: str, expected: tuple[float, float, float]
) -> None:
    table = pl.read_csv(real_data / "cmi" / "first_place_oof_compare.csv")
    scores = competition_score(table["gesture"].to_list(), table[column].to_list())
    assert (scores.score, scores.binary_f1, scores.macro_f1) == pytest.approx(expected, abs=5e-4)


def test_honest_probabilities_have_no_calibration_error() -> None:
    claimed = np.repeat([0.25, 0.75], 4)
    right = np.array([True, False, False, False, True, True, True, False])
    found = calibration(claimed, right)
    assert found.error == pytest.approx(0)
    assert found.counts.sum() == 8
    assert np.isnan(found.accuracy[found.counts == 0]).all()


def test_certainty_that_is_always_wrong_has_the_largest_calibration_error() -> None:
    assert calibration(np.ones(3), np.zeros(3, bool)).error == 1.0


@pytest.mark.parametrize("claimed", [0.0, 0.1, 0.3, 0.9, 1.0])
def test_every_probability_falls_in_one_bin_that_holds_it(claimed: float) -> None:
    found = calibration(np.array([claimed]), np.array([True]))
    [place] = np.flatnonzero(found.counts)
    assert found.edges[place] - 1e-9 <= claimed <= found.edges[place + 1] + 1e-9


def test_calibration_of_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="at least one"):
        calibration(np.zeros(0), np.zeros(0, bool))


def test_predictions_do_not_gain_over_themselves() -> None:
    rng = np.random.default_rng(0)
    truth, given = rng.choice(CMI_GESTURES.classes, 60), rng.choice(CMI_GESTURES.classes, 60)
    subjects = [f"S{number % 5}" for number in range(60)]
    assert bootstrap_difference(truth, (given, given), subjects, np.random.default_rng(1)) == (0.0, 0.0)


def test_a_gain_of_every_subject_is_certain_and_its_reverse_is_its_negative() -> None:
    rng = np.random.default_rng(0)
    truth, guessed = rng.choice(CMI_GESTURES.classes, 90), rng.choice(CMI_GESTURES.classes, 90)
    subjects = [f"S{number % 5}" for number in range(90)]
    low, high = bootstrap_difference(truth, (truth, guessed), subjects, np.random.default_rng(1))
    assert 0 < low < high <= 1
    back = bootstrap_difference(truth, (guessed, truth), subjects, np.random.default_rng(1))
    assert back == pytest.approx((-high, -low))
