"""A bundle and the people it was trained on: answers by members that never saw them, and which recordings those were.

Recordings are known by what was measured, for ids and people's names may coincide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Self

import numpy as np

from bfrb.arrays import Bools, Ints, Names
from bfrb.errors import BundleError
from bfrb.predict.bundle import FOLDS, OUT_OF_FOLD, Bundle
from bfrb.predict.predictions import Predictions
from bfrb.predict.predictor import Predictor
from bfrb.read.tables import Table, read_table
from bfrb.study.content import CONTENT, hash_content
from bfrb.study.folds import Folds
from bfrb.study.recordings import Recordings

EVERYBODY = -1
"""Stands for the fold of people that no member has seen: all members answer."""


class HeldOutPredictor:
    """Answers as honest as those a bundle keeps from its training, for any recordings and sensors.

    A recording of a person of the training is answered by the members whose fold held that person out; other people's
    by all members. DataError if the folds cannot be read.
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

        DataError if the recordings are of another device; BundleError if a member cannot be loaded or fails, or no
        member held a person out.
        """
        folds = self.folds(recordings.subjects)
        probabilities = np.zeros((len(recordings), len(self.bundle.label_set)))
        for fold in np.unique(folds).tolist():
            chosen = folds == fold
            some = recordings if chosen.all() else recordings[chosen]
            probabilities[chosen] = self._fold(fold).predict(some).probabilities
        manifest = self.bundle.manifest
        return Predictions(tuple(recordings.ids), probabilities, manifest.label_set, manifest.target_threshold)

    def of(self, subject: str) -> Predictor:
        """What answers for one person. BundleError if a member cannot be loaded, or none held the person out."""
        return self._fold(self.fold_of.get(subject, EVERYBODY))

    def _fold(self, fold: int) -> Predictor:
        """The members that held out a fold; for `EVERYBODY` all."""
        if fold not in self._folds:
            chosen = tuple(one for one in self.bundle.manifest.members if fold in (one.fold, EVERYBODY))
            if not chosen:
                problem = f"no member of {self.bundle.path} held out fold {fold}, so none can judge its people honestly"
                raise BundleError(problem, remedy="judge the bundle on recordings of other people")
            manifest = self.bundle.manifest.model_copy(update={"members": chosen})
            self._folds[fold] = Predictor(replace(self.bundle, manifest=manifest))
        return self._folds[fold]


def read_fold_of(bundle: Bundle) -> Mapping[str, int]:
    """The fold that held out each subject of a bundle's training; empty for a bundle that was not trained here."""
    path = bundle.file(FOLDS)
    return Folds.read(path).fold_of if read_table(path).height else {}


class TrainingOverlap:
    """What recordings have in common with those a bundle was trained on, as its `out_of_fold.parquet` tells them.

    A bundle keeps a hash of every recording. One that was written before there were hashes knows names only:
    `by_content` is false, and recordings of the same id and person are taken for the same. `changed` has ids and people
    of recordings that bear an id of the training and hold something else.
    """

    def __init__(self, kept: Table) -> None:
        self.by_content = CONTENT in kept.columns
        column = CONTENT if self.by_content else "subject"
        self._kept = dict(zip(kept["id"].to_list(), kept[column].to_list(), strict=True))
        self._values = set(self._kept.values())
        self._names = set(kept["subject"].to_list())
        self._met: set[str] = set()
        self._seen: set[str] = set()
        self.changed: dict[str, str] = {}

    @classmethod
    def of(cls, bundle: Bundle) -> Self:
        """With the recordings of a bundle's training."""
        return cls(read_table(bundle.file(OUT_OF_FOLD)))

    def match(self, recordings: Recordings) -> Bools:
        """(R,) Whether each is, by id and content, one the bundle was trained on; whose they are is noted."""
        people = [str(name) for name in recordings.subjects]
        values = hash_content(recordings) if self.by_content else people
        same = [self._kept.get(name) == value for name, value in zip(recordings.ids, values, strict=True)]
        self._met |= set(people)
        self._seen |= {who for who, value in zip(people, values, strict=True) if value in self._values}
        self.changed |= {
            name: who
            for name, who, found in zip(recordings.ids, people, same, strict=True)
            if not found and name in self._kept
        }
        return np.array(same, dtype=bool)

    def watch(self, batches: Iterable[Recordings]) -> Iterator[Recordings]:
        """The same batches; whose they are is noted as they pass."""
        for batch in batches:
            self.match(batch)
            yield batch

    def add(self, other: TrainingOverlap) -> None:
        """Note what was met elsewhere, in other recordings."""
        self._met |= other._met
        self._seen |= other._seen

    @property
    def seen(self) -> list[str]:
        """People of whom a recording was met that the bundle was trained on, under whatever id."""
        return sorted(self._seen)

    @property
    def namesakes(self) -> list[str]:
        """People who are called like someone of the training, but of whom only other recordings were met."""
        return sorted((self._met & self._names) - self._seen)
