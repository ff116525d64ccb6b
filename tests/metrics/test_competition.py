"""The competition's score, judged against scikit-learn."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfrb.errors import DataError
from bfrb.metrics import competition_score, confusion_by_subject, confusion_matrix, scores_of
from bfrb.study.labels import LABEL_SETS, OTHER_GESTURES, SEARLE_BEHAVIORS, TARGET_GESTURES, LabelSet

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
    found = confusion_by_subject(truth, prediction, subjects, label_set)
    assert list(found) == sorted(set(subjects))
    for name, confusion in found.items():
        own = subjects == name
        assert scores_of(confusion, label_set) == competition_score(truth[own], prediction[own], label_set)


def test_subjects_must_be_as_many_as_labels() -> None:
    with pytest.raises(DataError, match="expected 1 subjects, got 2"):
        confusion_by_subject(["Wave hello"], ["Wave hello"], ["a", "b"])


@pytest.mark.parametrize(
    ("column", "expected"), [("pred_all", (0.855, 0.989, 0.721)), ("pred_imu", (0.810, 0.984, 0.636))]
)
def test_the_winners_published_predictions_score_as_published(
    real_data, column: str, expected: tuple[float, float, float]
) -> None:
    table = pl.read_csv(real_data / "cmi" / "first_place_oof_compare.csv")
    scores = competition_score(table["gesture"].to_list(), table[column].to_list())
    assert (scores.score, scores.binary_f1, scores.macro_f1) == pytest.approx(expected, abs=5e-4)
