"""Standard scores: by scikit-learn precision, recall and F1 of every class, ROC AUC, average precision; calibration.

Only scoring needs scikit-learn, and importing it takes seconds: it is loaded where a score is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Bools, Floats, Ints
from bfrb.errors import ConfigError, DataError
from bfrb.study.labels import LabelSet


@dataclass(frozen=True)
class ClassScores:
    """How well one class is told from all others, each from 0 to 1; `support` is the number of its recordings."""

    precision: float
    recall: float
    f1: float
    support: int


def load_scikit_learn() -> ModuleType:
    """`sklearn.metrics`. ConfigError if scikit-learn is not installed."""
    try:
        from sklearn import metrics
    except ModuleNotFoundError as error:
        remedy = 'install it with: pip install "bfrb[report]", or "bfrb[train]"'
        raise ConfigError(f"scores need scikit-learn ({error.name} is missing)", remedy=remedy) from None
    module: ModuleType = metrics
    return module


def class_scores(truth: npt.ArrayLike, prediction: npt.ArrayLike, label_set: LabelSet) -> dict[str, ClassScores]:
    """Precision, recall, F1 and support of every class from (R,) true and predicted class names; 0 where undefined.

    ConfigError if scikit-learn is not installed.
    """
    columns = load_scikit_learn().precision_recall_fscore_support(
        label_set.encode(truth), label_set.encode(prediction), labels=range(len(label_set)), zero_division=0
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {name: ClassScores(*row) for name, row in zip(label_set.classes, rows, strict=True)}


def roc_auc(truth: Bools, values: Floats, weights: Floats | None = None) -> float | None:
    """Area under the ROC curve of (R,) values for finding (R,) truth, each weighted; None where truth is all one thing.

    >>> roc_auc(np.array([False, True, True]), np.array([0.1, 0.1, 0.9]))
    0.75
    """
    if truth.all() or not truth.any():
        return None
    return float(load_scikit_learn().roc_auc_score(truth, values, sample_weight=weights))


def average_precision(truth: Bools, values: Floats, weights: Floats | None = None) -> float | None:
    """Mean precision over the steps of recall as (R,) values find (R,) truth, each weighted; None without any truth.

    >>> average_precision(np.array([False, True, True]), np.array([0.5, 0.1, 0.9])).__round__(3)
    0.833
    """
    if not truth.any():
        return None
    return float(load_scikit_learn().average_precision_score(truth, values, sample_weight=weights))


def best_f1(truth: Bools, values: Floats) -> float | None:
    """The largest F1 with which any threshold on (R,) values finds (R,) truth; None without any truth.

    >>> best_f1(np.array([False, True, True]), np.array([0.5, 0.1, 0.9])).__round__(3)
    0.8
    """
    if not truth.any():
        return None
    precision, recall, _ = load_scikit_learn().precision_recall_curve(truth, values)
    return float((2 * precision * recall / np.maximum(precision + recall, 1e-9)).max())


def mean_over_subjects(
    metric: Callable[[Bools, Floats], float | None], truth: Bools, values: Floats, subjects: npt.ArrayLike
) -> float | None:
    """Mean of a metric such as `roc_auc` over the subjects of (R,) values for whom it is defined; None without any."""
    names, place = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    found = [metric(truth[place == subject], values[place == subject]) for subject in range(len(names))]
    defined = [value for value in found if value is not None]
    return float(np.mean(defined)) if defined else None


@dataclass(frozen=True, eq=False)
class Calibration:
    """How often answers are right that claim to be right with a certain probability, in bins of that probability."""

    edges: Floats  # (B + 1,) limits of the bins, from 0 to 1
    counts: Ints  # (B,) answers in every bin
    confidence: Floats  # (B,) mean claimed probability; NaN in empty bins
    accuracy: Floats  # (B,) share of right answers; NaN in empty bins

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of claim and truth over the answers, from 0 (honest) to 1."""
        gaps = np.abs(np.nan_to_num(self.confidence - self.accuracy))
        return float((gaps * self.counts).sum() / self.counts.sum())


def calibration(claimed: Floats, right: Bools, bins: int = 10) -> Calibration:
    """Calibration of (R,) claimed probabilities, given whether each of the (R,) answers was right.

    DataError if there are no answers, or their numbers differ.

    >>> found = calibration(np.array([0.9, 0.9, 0.3]), np.array([True, False, False]))
    >>> found.counts.tolist(), round(found.error, 3)
    ([0, 0, 1, 0, 0, 0, 0, 0, 2, 0], 0.367)
    """
    if len(claimed) != len(right) or not len(right):
        problem = f"expected as many probabilities as answers, at least one, got {len(claimed)} for {len(right)}"
        raise DataError(problem, remedy="give one probability for every answer")
    edges = np.linspace(0, 1, bins + 1)
    # A bin holds its upper edge; rounding keeps 0.9 in the bin that ends there.
    place = np.clip(np.searchsorted(edges, np.round(claimed, 12), side="left") - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(place, weights=claimed, minlength=bins) / counts
        accuracy = np.bincount(place, weights=right, minlength=bins) / counts
    return Calibration(edges, counts.astype(np.int64), confidence, accuracy)
