"""The competition's score, judged against scikit-learn."""

import sys
from dataclasses import astuple
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from bfrb.errors import ConfigError, DataError
from bfrb.metrics.competition import competition_score, confusion_by_subject, confusion_matrix
from bfrb.metrics.standard import average_precision, calibration, class_scores, roc_auc
from bfrb.study.labels import CMI_GESTURES, LABEL_SETS, TARGET_GESTURES, LabelSet


@pytest.mark.parametrize("label_set", LABEL_SETS.values(), ids=list(LABEL_SETS))
@given(seed=st.integers(0, 10**6))
def test_the_competition_score_and_the_confusion_are_those_of_scikit_learn(seed: int, label_set: LabelSet) -> None:
    rng = np.random.default_rng(seed)
    names = rng.choice(label_set.classes, rng.integers(1, 5)) if seed % 2 else np.array(label_set.classes)
    truth = rng.choice(names, rng.integers(1, 61)).astype(object)
    prediction = np.where(rng.random(len(truth)) < rng.choice([0, 0.5, 1]), truth, rng.choice(names, len(truth)))
    both = (truth, prediction)
    is_target = [np.isin(names, list(label_set.targets)) for names in both]
    merged = [np.where(yes, names, "other").astype(str) for yes, names in zip(is_target, both, strict=True)]
    binary = metrics.f1_score(*is_target, pos_label=True, average="binary", zero_division=0)
    macro = metrics.f1_score(*merged, average="macro", zero_division=0)
    scores = competition_score(truth, prediction, label_set)
    assert (scores.binary_f1, scores.macro_f1) == pytest.approx((binary, macro), abs=1e-12)
    assert scores.score == pytest.approx((binary + macro) / 2, abs=1e-12)
    expected = metrics.confusion_matrix(truth.astype(str), prediction.astype(str), labels=list(label_set.classes))
    np.testing.assert_array_equal(confusion_matrix(truth, prediction, label_set), expected)


OTHER_GESTURES = [name for name in CMI_GESTURES.classes if name not in TARGET_GESTURES]
EVERYTHING = [*TARGET_GESTURES, *OTHER_GESTURES]
ONE_NECK = ["Neck - scratch", "Neck - pinch skin"]


@pytest.mark.parametrize(
    ("truth", "prediction", "binary_f1", "macro_f1"),
    [
        pytest.param(OTHER_GESTURES, OTHER_GESTURES, 0, 1, id="non-targets alone, all right"),
        pytest.param(EVERYTHING, [*TARGET_GESTURES, *OTHER_GESTURES[::-1]], 1, 1, id="confusing non-targets is free"),
        pytest.param(EVERYTHING, [*TARGET_GESTURES[::-1], *OTHER_GESTURES], 1, 1 / 9, id="confusing targets is not"),
        pytest.param(["Neck - scratch"] * 2, ONE_NECK, 1, 1 / 3, id="only predicted counts too"),
    ],
)
def test_cases_worked_out_by_hand(truth: list[str], prediction: list[str], binary_f1: float, macro_f1: float) -> None:
    scores = competition_score(truth, prediction)
    assert (scores.binary_f1, scores.macro_f1) == pytest.approx((binary_f1, macro_f1))


@pytest.mark.parametrize(
    ("truth", "prediction", "complaint"),
    [([float("nan")], ["Wave hello"], "found nan"), (["Wave hello"], ["Wave hello"] * 2, "got 2 for 1")],
)
def test_labels_that_cannot_be_scored_are_refused(truth: list[str], prediction: list[str], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        competition_score(truth, prediction)
    with pytest.raises(DataError):
        confusion_by_subject(truth, prediction, ["a"] * 3)


def test_the_winners_predictions_score_as_published(real_data: Path) -> None:
    table = pl.read_csv(real_data / "cmi" / "first_place_oof_compare.csv")
    for column, expected in (("pred_all", (0.989, 0.721)), ("pred_imu", (0.984, 0.636))):
        scores = competition_score(table["gesture"].to_list(), table[column].to_list(), CMI_GESTURES)
        assert (scores.binary_f1, scores.macro_f1) == pytest.approx(expected, abs=5e-4)


THREE = LabelSet("three", ("pull", "rest", "wave"), frozenset({"pull"}))


def test_every_class_is_scored_and_areas_are_not_defined_without_both_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    found = class_scores(["pull", "pull", "rest"], ["pull", "rest", "rest"], THREE)
    expected = {"pull": (1.0, 0.5, 2 / 3, 2), "rest": (0.5, 1.0, 2 / 3, 1), "wave": (0.0, 0.0, 0.0, 0)}
    assert tuple(found) == THREE.classes
    for name, scores in expected.items():
        assert astuple(found[name]) == pytest.approx(scores)
    nothing, everything, values = np.zeros(3, dtype=bool), np.ones(3, dtype=bool), np.arange(3.0)
    assert [roc_auc(truth, values) for truth in (nothing, everything)] == [None, None]
    assert [average_precision(truth, values) for truth in (nothing, everything)] == [None, 1.0]
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ConfigError, match=r"scikit-learn(.|\n)*bfrb\[report\]"):
        class_scores(["pull"], ["pull"], THREE)


def test_honest_probabilities_have_no_calibration_error_and_certainty_that_is_wrong_the_largest() -> None:
    right = np.array([True, False, False, False, True, True, True, False])
    found = calibration(np.repeat([0.25, 0.75], 4), right)
    assert found.error == pytest.approx(0)
    assert found.counts.sum() == 8
    assert np.isnan(found.accuracy[found.counts == 0]).all()
    assert calibration(np.ones(3), np.zeros(3, bool)).error == 1.0
    with pytest.raises(DataError, match="at least one"):
        calibration(np.zeros(0), np.zeros(0, bool))
