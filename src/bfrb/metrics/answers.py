"""Scores of predictions: the competition's, per class, per subject, of probabilities, and their uncertainty.

Pure functions on labels and numbers. The competition score is the mean of two F1 scores: targets against the rest,
and the macro F1 over the targets and one class that all non-targets are merged into.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Bools, Floats, Ints
from bfrb.errors import DataError
from bfrb.study.labels import CMI_GESTURES, LabelSet

BOOTSTRAP_LEVEL = 0.95
"""Share of the bootstrap's scores that an interval holds."""


@dataclass(frozen=True)
class Scores:
    """The competition score and its halves, each from 0 to 1."""

    score: float
    binary_f1: float
    macro_f1: float


@dataclass(frozen=True)
class ClassScores:
    """How well one class is told from all others, each from 0 to 1; `support` is the number of its recordings."""

    precision: float
    recall: float
    f1: float
    support: int


def competition_score(truth: npt.ArrayLike, prediction: npt.ArrayLike, label_set: LabelSet = CMI_GESTURES) -> Scores:
    """The competition's score of (R,) predicted class names against the (R,) true ones.

    The macro F1 averages over the classes that occur in truth or prediction; an F1 without anything to find or
    found is 0. So truth without any target, perfectly predicted, scores 0.5. Confusing non-targets costs nothing.

    Raises
    ------
    DataError
        If there are no labels, their numbers differ, or one is missing or no class of the label set.

    Examples
    --------
    >>> competition_score(["Neck - scratch", "Wave hello"], ["Neck - scratch", "Text on phone"])
    Scores(score=1.0, binary_f1=1.0, macro_f1=1.0)
    >>> competition_score(["Text on phone", "Wave hello"], ["Wave hello", "Wave hello"]).score
    0.5
    """
    return scores_of(confusion_matrix(truth, prediction, label_set), label_set)


def confusion_matrix(truth: npt.ArrayLike, prediction: npt.ArrayLike, label_set: LabelSet = CMI_GESTURES) -> Ints:
    """(K, K) numbers of recordings by true class (row) and predicted class (column).

    Raises
    ------
    DataError
        If there are no labels, their numbers differ, or one is missing or no class of the label set.
    """
    rows, columns = label_set.encode(truth), label_set.encode(prediction)
    if len(rows) != len(columns) or not len(rows):
        raise DataError(
            f"expected as many predictions as labels, and at least one, got {len(columns)} for {len(rows)}",
            remedy="give one prediction for every label, in the same order",
        )
    return _count(rows, columns, len(label_set))


def scores_of(confusion: Ints, label_set: LabelSet = CMI_GESTURES) -> Scores:
    """The competition's scores from a (K, K) confusion matrix."""
    binary, macro = _f1_pair(confusion.astype(np.float64), label_set)
    return Scores(float(binary + macro) / 2, float(binary), float(macro))


def class_scores(confusion: Ints, label_set: LabelSet = CMI_GESTURES) -> dict[str, ClassScores]:
    """Precision, recall, F1 and support of every class from a (K, K) confusion matrix; 0 where undefined."""
    hits, support, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    columns = (_divide(hits, predicted), _divide(hits, support), _divide(2 * hits, support + predicted), support)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {name: ClassScores(*row) for name, row in zip(label_set.classes, rows, strict=True)}


def subject_scores(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, subjects: npt.ArrayLike, label_set: LabelSet = CMI_GESTURES
) -> dict[str, Scores]:
    """The competition's scores of every subject's recordings, in the order of the subjects' names.

    Raises
    ------
    DataError
        As `confusion_matrix`.
    """
    names, confusions = _confusion_by_subject(truth, prediction, subjects, label_set)
    return {name: scores_of(confusion, label_set) for name, confusion in zip(names, confusions, strict=True)}


def bootstrap_interval(
    truth: npt.ArrayLike,
    prediction: npt.ArrayLike,
    subjects: npt.ArrayLike,
    generator: np.random.Generator,
    label_set: LabelSet = CMI_GESTURES,
    repeats: int = 1000,
) -> tuple[float, float]:
    """Percentile interval of the competition score over resampled subjects, not recordings.

    Recordings of one subject are alike, so resampling them would make the interval too narrow.

    Parameters
    ----------
    truth, prediction, subjects
        (R,) class names and subjects.
    generator
        Source of the draws.
    label_set
        The classes.
    repeats
        Number of resamples.

    Raises
    ------
    DataError
        As `confusion_matrix`.
    """
    return _percentile_interval(bootstrap_scores(truth, prediction, subjects, generator, label_set, repeats))


def bootstrap_difference(
    truth: npt.ArrayLike,
    predictions: tuple[npt.ArrayLike, npt.ArrayLike],
    subjects: npt.ArrayLike,
    generator: np.random.Generator,
    label_set: LabelSet = CMI_GESTURES,
    repeats: int = 1000,
) -> tuple[float, float]:
    """Percentile interval of how much the first predictions score above the second, over resampled subjects.

    Every resample scores both predictions on the same subjects, so what makes a subject easy for both cancels.

    Parameters
    ----------
    truth, subjects
        (R,) class names and subjects.
    predictions
        Two times (R,) class names.
    generator
        Source of the draws.
    label_set
        The classes.
    repeats
        Number of resamples.

    Raises
    ------
    DataError
        As `confusion_matrix`.
    """
    parts = [_confusion_by_subject(truth, prediction, subjects, label_set)[1] for prediction in predictions]
    draws = _draw_subjects(len(parts[0]), generator, repeats)
    first, second = (_resampled_scores(confusions, draws, label_set) for confusions in parts)
    return _percentile_interval(first - second)


def bootstrap_scores(
    truth: npt.ArrayLike,
    prediction: npt.ArrayLike,
    subjects: npt.ArrayLike,
    generator: np.random.Generator,
    label_set: LabelSet = CMI_GESTURES,
    repeats: int = 1000,
) -> Floats:
    """(repeats,) competition scores of resamples of the subjects.

    Generators of the same seed draw the same subjects, so scores of several predictions for the same recordings may
    be added and subtracted resample by resample. Parameters and errors are those of `bootstrap_interval`.
    """
    names, confusions = _confusion_by_subject(truth, prediction, subjects, label_set)
    return _resampled_scores(confusions, _draw_subjects(len(names), generator, repeats), label_set)


def roc_auc(truth: Bools, values: Floats) -> float | None:
    """Area under the ROC curve of (R,) values for finding (R,) truth; None where truth is all one thing.

    Examples
    --------
    >>> roc_auc(np.array([False, True, True]), np.array([0.1, 0.1, 0.9]))
    0.75
    """
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return None
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_rank = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((mean_rank[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(truth: Bools, values: Floats) -> float | None:
    """Mean precision over the steps of recall as (R,) values find (R,) truth; None without anything to find.

    Examples
    --------
    >>> average_precision(np.array([False, True, True]), np.array([0.5, 0.1, 0.9])).__round__(3)
    0.833
    """
    if not truth.any():
        return None
    distinct, place = np.unique(-values, return_inverse=True)
    found = np.bincount(place, weights=truth, minlength=len(distinct))
    answered = np.cumsum(np.bincount(place, minlength=len(distinct)))
    return float(np.sum(found * np.cumsum(found) / answered) / truth.sum())


def mean_over_subjects(
    metric: Callable[[Bools, Floats], float | None],
    truth: Bools,
    values: Floats,
    subjects: npt.ArrayLike,
) -> float | None:
    """Mean of a metric over the subjects for whom it is defined; None where there are none.

    Parameters
    ----------
    metric
        `roc_auc` or `average_precision`.
    truth, values, subjects
        (R,) what is to be found, the values that find it, and the subjects.
    """
    names, place = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    found = [metric(truth[place == subject], values[place == subject]) for subject in range(len(names))]
    defined = [value for value in found if value is not None]
    return float(np.mean(defined)) if defined else None


@dataclass(frozen=True, eq=False)
class Calibration:
    """How often answers are right that claim to be right with a certain probability, in bins of that probability.

    Parameters
    ----------
    edges
        (B + 1,) limits of the bins, from 0 to 1.
    counts
        (B,) answers in every bin.
    confidence, accuracy
        (B,) mean claimed probability, and share of right answers; NaN in empty bins.
    """

    edges: Floats
    counts: Ints
    confidence: Floats
    accuracy: Floats

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of claim and truth over the answers, from 0 (honest) to 1."""
        gaps = np.abs(np.nan_to_num(self.confidence - self.accuracy))
        return float((gaps * self.counts).sum() / self.counts.sum())


def calibration(claimed: Floats, right: Bools, bins: int = 10) -> Calibration:
    """Calibration of (R,) claimed probabilities, given whether each of the (R,) answers was right.

    Raises
    ------
    DataError
        If there are no answers, or their numbers differ.

    Examples
    --------
    >>> found = calibration(np.array([0.9, 0.9, 0.3]), np.array([True, False, False]))
    >>> found.counts.tolist(), round(found.error, 3)
    ([0, 0, 1, 0, 0, 0, 0, 0, 2, 0], 0.367)
    """
    if len(claimed) != len(right) or not len(right):
        raise DataError(
            f"expected as many probabilities as answers, and at least one, got {len(claimed)} for {len(right)}",
            remedy="give one probability for every answer",
        )
    edges = np.linspace(0, 1, bins + 1)
    # A bin holds its upper edge; rounding keeps 0.9 in the bin that ends there.
    place = np.clip(np.searchsorted(edges, np.round(claimed, 12), side="left") - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(place, weights=claimed, minlength=bins) / counts
        accuracy = np.bincount(place, weights=right, minlength=bins) / counts
    return Calibration(edges, counts.astype(np.int64), confidence, accuracy)


def _draw_subjects(subjects: int, generator: np.random.Generator, repeats: int) -> Floats:
    """(repeats, S) How often every subject is in every resample."""
    return generator.multinomial(subjects, np.full(subjects, 1 / subjects), size=repeats).astype(np.float64)


def _resampled_scores(confusions: Ints, draws: Floats, label_set: LabelSet) -> Floats:
    """(repeats,) Scores of the resamples of subjects with (S, K, K) confusion matrices."""
    totals = draws @ confusions.reshape(len(confusions), -1).astype(np.float64)
    binary, macro = _f1_pair(totals.reshape(len(draws), len(label_set), len(label_set)), label_set)
    resampled: Floats = (binary + macro) / 2
    return resampled


def _percentile_interval(values: Floats) -> tuple[float, float]:
    tail = (1 - BOOTSTRAP_LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _count(rows: Ints, columns: Ints, classes: int) -> Ints:
    return np.bincount(rows * classes + columns, minlength=classes**2).reshape(classes, classes).astype(np.int64)


def _confusion_by_subject(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, subjects: npt.ArrayLike, label_set: LabelSet
) -> tuple[list[str], Ints]:
    """(S,) sorted subjects and their (S, K, K) confusion matrices."""
    confusion_matrix(truth, prediction, label_set)
    names, place = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    rows, columns = label_set.encode(truth), label_set.encode(prediction)
    if len(place) != len(rows):
        raise DataError(f"expected {len(rows)} subjects, got {len(place)}", remedy="give one subject for every label")
    parts = [_count(rows[place == subject], columns[place == subject], len(label_set)) for subject in range(len(names))]
    return names.tolist(), np.stack(parts)


def _f1_pair(confusion: Floats, label_set: LabelSet) -> tuple[Floats, Floats]:
    """(...) binary and macro F1 of (..., K, K) confusion matrices."""
    targets = label_set.is_target
    merged = _merge(confusion, _groups(targets))
    binary = _merge(confusion, np.stack([targets, ~targets], axis=1).astype(np.float64))
    sizes = _sizes(merged)
    macro = _f1(merged).sum(axis=-1) / (sizes > 0).sum(axis=-1)
    return _f1(binary)[..., 0], macro


def _groups(targets: Bools) -> Floats:
    """(K, G) Which group each class belongs to: every target its own, all others the last."""
    group = np.where(targets, np.cumsum(targets) - 1, targets.sum())
    return np.eye(int(targets.sum()) + 1)[group]


def _merge(confusion: Floats, groups: Floats) -> Floats:
    merged: Floats = groups.T @ confusion @ groups
    return merged


def _sizes(confusion: Floats) -> Floats:
    """(..., K) How often each class occurs in truth and prediction together."""
    sizes: Floats = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    return sizes


def _f1(confusion: Floats) -> Floats:
    return _divide(2 * np.diagonal(confusion, axis1=-2, axis2=-1), _sizes(confusion))


def _divide(part: npt.ArrayLike, whole: npt.ArrayLike) -> Floats:
    """Quotient, 0 where there is nothing to divide by."""
    over = np.asarray(whole, dtype=np.float64)
    return np.divide(part, over, out=np.zeros_like(over), where=over > 0)
