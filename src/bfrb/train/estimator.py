"""`Classifier`: training and prediction as an estimator of scikit-learn, for its cross-validation and searches."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from bfrb.arrays import Array, Floats, Names
from bfrb.errors import DataError
from bfrb.metrics.competition import competition_score
from bfrb.read.sources import HeldSource
from bfrb.read.tables import make_table
from bfrb.study.labels import LabelSet
from bfrb.study.recordings import Recordings
from bfrb.train.in_python import Settings, find_labels, train_source
from bfrb.train.run import RunSpec


class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Trains an ensemble on recordings and predicts others; also called as `bfrb.Classifier`.

    Recordings are given as `Recordings`, and are what scikit-learn cuts into folds; labels are those of their table
    where none are given. Each training has folds of its own (`settings={"folds": 2}`), whose members are averaged.

    Parameters
    ----------
    preset, settings, targets
        As for `bfrb.train`.
    out
        Where the bundle shall be kept; an earlier one is replaced. By default it lies in a temporary folder, and goes
        with the estimator.
    workers
        Networks trained at a time; 0: as many as there is room for.

    Attributes
    ----------
    classes_
        (K,) the classes, sorted.
    predictor_
        The `bfrb.Predictor` of the bundle.

    Examples
    --------
    >>> from sklearn.base import clone
    >>> classifier = Classifier(settings={"folds": 2})
    >>> clone(classifier).get_params()["settings"]
    {'folds': 2}

    With cross-validation that keeps subjects apart, where `recordings` are labelled:

    >>> from sklearn.model_selection import GroupKFold, cross_val_score
    >>> def score(recordings):
    ...     return cross_val_score(classifier, recordings, groups=classifier.groups(recordings), cv=GroupKFold(4))
    """

    classes_: Array
    predictor_: Any

    def __init__(
        self,
        preset: str | RunSpec = "quick",
        settings: Settings = (),
        targets: Sequence[str] | None = None,
        out: str | os.PathLike[str] | None = None,
        workers: int = 0,
    ) -> None:
        self.preset = preset
        self.settings = settings
        self.targets = targets
        self.out = out
        self.workers = workers

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on `Recordings`, or a sequence of them.

        `y` are (R,) labels, of any type that can be sorted; by default the gestures of the recordings. DataError and
        ConfigError as of `bfrb.train`.
        """
        recordings = _joined(X)
        labels = _labels_of(recordings) if y is None else np.asarray(y)
        if len(labels) != len(recordings):
            problem = f"expected a label for each of {len(recordings)} recordings, got {len(labels)}"
            raise DataError(problem, remedy="give one for each")
        self.classes_ = np.unique(labels)
        gestures = make_table({"gesture": [str(label) for label in labels]})
        named = recordings.with_table(recordings.table.with_columns(gestures["gesture"]))
        source = HeldSource(named, "recordings in memory", label_set=self._label_set(named))
        options = {"workers": self.workers, "overwrite": True}
        self.predictor_ = train_source(source, self._place(), self.preset, self.settings, **options)
        return self

    def _label_set(self, recordings: Recordings) -> LabelSet:
        """`classes_` in their order, and which of them are targets; some may be missing among some recordings."""
        classes = tuple(str(name) for name in self.classes_)
        targets = None if self.targets is None else [name for name in self.targets if name in classes]
        found = find_labels(recordings, targets)
        return LabelSet(found.name, classes, found.targets & set(classes))

    def _place(self) -> Path:
        """Where the bundle shall be; a temporary folder ends with the estimator."""
        if self.out is not None:
            return Path(self.out)
        folder = Path(tempfile.mkdtemp(prefix="bfrb-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder / "model"

    def predict_proba(self, X: Any) -> Floats:
        """(R, K) probabilities of `classes_` for each of the recordings."""
        check_is_fitted(self)
        found: Floats = self.predictor_.predict(_joined(X)).probabilities
        return found

    def predict(self, X: Any) -> Array:
        """(R,) the class of each of the recordings, as the bundle answers (`RunSpec.answer`)."""
        probabilities, predictor = self.predict_proba(X), self.predictor_
        chosen = predictor.label_set.choose(probabilities, predictor.bundle.manifest.target_threshold)
        classes: Array = self.classes_[chosen]
        return classes

    def score(self, X: Any, y: Any = None) -> float:
        """The competition score (`bfrb.competition_score`), from 0 to 1."""
        truth = [str(label) for label in (_labels_of(_joined(X)) if y is None else y)]
        label_set = self.predictor_.label_set
        classes = (*label_set.classes, *sorted(set(truth) - set(label_set.classes)))
        told = [str(label) for label in self.predict(X)]
        return competition_score(truth, told, LabelSet(label_set.name, classes, label_set.targets)).score

    @staticmethod
    def groups(recordings: Recordings) -> Names:
        """(R,) whose each of the recordings is, for `cross_val_score(..., groups=...)`."""
        return recordings.subjects


def _joined(recordings: Any) -> Recordings:
    """Recordings as one batch; scikit-learn takes some of them one by one."""
    if isinstance(recordings, Recordings):
        return recordings
    parts = list(recordings) if isinstance(recordings, Sequence) else [recordings]
    strange = [type(part).__name__ for part in parts if not isinstance(part, Recordings)]
    if strange:
        raise DataError(f"expected recordings, got {strange[0]}", remedy="read them with bfrb.read")
    return Recordings.concat(parts)


def _labels_of(recordings: Recordings) -> Names:
    gestures = recordings.gestures
    if gestures is None or None in gestures:
        raise DataError(
            "expected a gesture for every recording",
            remedy="give labels as y, leave unlabelled recordings out, or cut continuous ones into windows with "
            "bfrb.study.windows.cut_continuous",
        )
    return np.array(gestures, dtype=object)
