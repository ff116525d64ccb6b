"""The competition's score of class names: for all recordings, by subject, and with intervals over people.

It is the mean of two F1 scores: targets against the rest, and the macro F1 over the targets and one class that all
non-targets are merged into.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Floats, Ints
from bfrb.errors import DataError
from bfrb.metrics.intervals import DIFFERENCE, Interval, interval_over_people
from bfrb.study.labels import CMI_GESTURES, LabelSet


@dataclass(frozen=True)
class Scores:
    """The competition score and its halves, each from 0 to 1."""

    score: float
    binary_f1: float
    macro_f1: float


def competition_score(truth: npt.ArrayLike, prediction: npt.ArrayLike, label_set: LabelSet = CMI_GESTURES) -> Scores:
    """The competition's score of (R,) predicted class names against the (R,) true ones.

    The macro F1 averages over the classes that occur in truth or prediction; an F1 without anything to find or
    found is 0. So truth without any target, perfectly predicted, scores 0.5. Confusing non-targets costs nothing.
    Raises `DataError` if there are no labels, their numbers differ, or one is missing or no class of the label set.

    >>> competition_score(["Neck - scratch", "Wave hello"], ["Neck - scratch", "Text on phone"])
    Scores(score=1.0, binary_f1=1.0, macro_f1=1.0)
    >>> competition_score(["Text on phone", "Wave hello"], ["Wave hello", "Wave hello"]).score
    0.5
    """
    return scores_of(confusion_matrix(truth, prediction, label_set), label_set)


def confusion_matrix(truth: npt.ArrayLike, prediction: npt.ArrayLike, label_set: LabelSet = CMI_GESTURES) -> Ints:
    """(K, K) numbers of recordings by true class (row) and predicted class (column); errors as `competition_score`."""
    rows, columns = label_set.encode(truth), label_set.encode(prediction)
    if len(rows) != len(columns) or not len(rows):
        problem = f"expected as many predictions as labels, and at least one, got {len(columns)} for {len(rows)}"
        raise DataError(problem, remedy="give one prediction for every label, in the same order")
    classes = len(label_set)
    return np.bincount(rows * classes + columns, minlength=classes**2).reshape(classes, classes).astype(np.int64)


def scores_of(confusion: Ints, label_set: LabelSet = CMI_GESTURES) -> Scores:
    """The competition's scores from a (K, K) confusion matrix."""
    targets = label_set.is_target
    # Which group each class belongs to: every target its own, all others the last.
    group = np.where(targets, np.cumsum(targets) - 1, targets.sum())
    macro = float(np.nanmean(_f1(_merge(confusion, group))))
    binary = float(np.nan_to_num(_f1(_merge(confusion, (~targets).astype(int)))[0]))
    return Scores((binary + macro) / 2, binary, macro)


def confusion_by_subject(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, subjects: npt.ArrayLike, label_set: LabelSet = CMI_GESTURES
) -> dict[str, Ints]:
    """(K, K) confusion matrix of every subject, in the order of their names; errors as `competition_score`."""
    truth, prediction, names = (np.asarray(values, dtype=object) for values in (truth, prediction, subjects))
    if len(names) != len(truth):
        raise DataError(f"expected {len(truth)} subjects, got {len(names)}", remedy="give one subject for every label")
    confusion_matrix(truth, prediction, label_set)
    chosen = {str(name): names.astype(str) == name for name in np.unique(names.astype(str))}
    return {name: confusion_matrix(truth[own], prediction[own], label_set) for name, own in chosen.items()}


def score_interval(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, subjects: npt.ArrayLike, label_set: LabelSet = CMI_GESTURES
) -> Interval | None:
    """95 % interval of the competition score over subjects; None with one. Errors as `competition_score`."""
    score, people = _score_of_some(truth, prediction, subjects, label_set)
    return interval_over_people(score, people)


def difference_interval(
    truth: npt.ArrayLike,
    predictions: tuple[npt.ArrayLike, npt.ArrayLike],
    subjects: npt.ArrayLike,
    label_set: LabelSet = CMI_GESTURES,
) -> Interval | None:
    """95 % interval of how much the first of two predictions scores above the second, over subjects; None with one.

    Both are scored on the same subjects, so what makes a subject easy for both cancels. Errors as `competition_score`.
    """
    (first, people), (second, _) = (_score_of_some(truth, given, subjects, label_set) for given in predictions)
    return interval_over_people(lambda chosen: first(chosen) - second(chosen), people, DIFFERENCE)


def _score_of_some(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, subjects: npt.ArrayLike, label_set: LabelSet
) -> tuple[Callable[[Ints], float], int]:
    """The score of the subjects with the given numbers, and how many there are."""
    parts = np.stack(list(confusion_by_subject(truth, prediction, subjects, label_set).values()))
    return lambda chosen: scores_of(parts[chosen].sum(axis=0), label_set).score, len(parts)


def _merge(confusion: Ints, group: Ints) -> Floats:
    """(G, G) the matrix of groups of classes."""
    member = np.eye(int(group.max()) + 1)[group]
    return np.asarray(member.T @ confusion @ member)


def _f1(confusion: Floats) -> Floats:
    """(G,) F1 of every class; NaN where it is neither in truth nor in prediction."""
    sizes = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    f1: Floats = np.divide(2 * np.diagonal(confusion), sizes, out=np.full(len(sizes), np.nan), where=sizes > 0)
    return f1
