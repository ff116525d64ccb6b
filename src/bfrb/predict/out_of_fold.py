"""`HeldOutPredictor`: a bundle that judges the people it was trained on, by the members that never saw them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bfrb.arrays import Ints, Names
from bfrb.errors import BundleError
from bfrb.predict.bundle import FOLDS, Bundle
from bfrb.predict.predictions import Predictions
from bfrb.predict.predictor import Predictor
from bfrb.read.tables import read_table
from bfrb.study.folds import Folds
from bfrb.study.recordings import Recordings

EVERYBODY = -1
"""Stands for the fold of people that no member has seen: all members answer."""


class HeldOutPredictor:
    """Answers as honest as those a bundle keeps from its training, for any recordings and sensors.

    A recording of a person of the training is answered by the members whose fold held that person out; other people's
    by all members.

    Parameters
    ----------
    bundle
        The bundle.

    Raises
    ------
    DataError
        If its folds cannot be read.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.fold_of = read_fold_of(bundle)
        self._folds: dict[int, Predictor] = {}

    def folds(self, subjects: Names) -> Ints:
        """(R,) the fold that held out each recording's subject, `EVERYBODY` where none did."""
        return np.array([self.fold_of.get(str(name), EVERYBODY) for name in subjects], dtype=np.int64)

    def predict(self, recordings: Recordings) -> Predictions:
        """Probabilities of every class for every recording, in the order of the recordings.

        Raises
        ------
        DataError
            If the recordings are of another device.
        BundleError
            If a member cannot be loaded or fails, or no member held a person out.
        """
        folds = self.folds(recordings.subjects)
        probabilities = np.zeros((len(recordings), len(self.bundle.label_set)))
        for fold in np.unique(folds).tolist():
            chosen = folds == fold
            some = recordings if chosen.all() else recordings[chosen]
            probabilities[chosen] = self._fold(fold).predict(some).probabilities
        return Predictions(tuple(recordings.ids), probabilities, self.bundle.label_set)

    def of(self, subject: str) -> Predictor:
        """What answers for one person.

        Raises
        ------
        BundleError
            If a member cannot be loaded, or none held the person out.
        """
        return self._fold(self.fold_of.get(subject, EVERYBODY))

    def _fold(self, fold: int) -> Predictor:
        """The members that held out a fold; for `EVERYBODY` all."""
        if fold not in self._folds:
            chosen = tuple(one for one in self.bundle.manifest.members if fold in (one.fold, EVERYBODY))
            if not chosen:
                raise BundleError(
                    f"no member of the bundle {self.bundle.path} held out fold {fold}, so none can judge its people "
                    "honestly",
                    remedy="judge the bundle on recordings of other people",
                )
            manifest = self.bundle.manifest.model_copy(update={"members": chosen})
            self._folds[fold] = Predictor(replace(self.bundle, manifest=manifest))
        return self._folds[fold]


def read_fold_of(bundle: Bundle) -> Mapping[str, int]:
    """The fold that held out each subject of a bundle's training; empty for a bundle that was not trained here."""
    path = bundle.file(FOLDS)
    return Folds.read(path).fold_of if read_table(path).height else {}
