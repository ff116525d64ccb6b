"""Folds: which subjects are held out together, stratified by gesture, saved as a file and reused from it.

The algorithm is the project's own. scikit-learn changed what `StratifiedGroupKFold(shuffle=True)` returns for a given
seed between releases, and folds that change with a library cannot be compared; a saved file never changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl

from bfrb.arrays import Floats, Ints, Names
from bfrb.errors import DataError
from bfrb.files import writing_file


@dataclass(frozen=True)
class Folds:
    """A fold for every subject; no subject is in two. A `DataError` with fewer than two folds, or one without subjects.

    >>> folds = Folds({"ann": 0, "ben": 1, "cleo": 0})
    >>> training, held_out = folds.split(0, ["ann", "ben", "ben", "cleo"])
    >>> training.tolist(), held_out.tolist()
    ([1, 2], [0, 3])
    """

    fold_of: Mapping[str, int]
    """Fold number, from 0, by subject. Every number up to the largest is used."""

    def __post_init__(self) -> None:
        numbers = sorted(set(self.fold_of.values()))
        if len(numbers) < 2 or numbers != list(range(len(numbers))):
            problem = f"expected at least two folds, numbered 0, 1, 2, ..., got the numbers {numbers[:5]}"
            raise DataError(problem, remedy="give every fold at least one subject")
        object.__setattr__(self, "fold_of", MappingProxyType(dict(self.fold_of)))

    def __len__(self) -> int:
        return max(self.fold_of.values()) + 1

    def split(self, fold: int, subjects: Sequence[str] | Names) -> tuple[Ints, Ints]:
        """Positions of the recordings to train on, and of those held out in a fold; `subjects`: (R,) whose each is.

        Raises `DataError` if there is no such fold, a subject has none, or one side would be empty.
        """
        if not 0 <= fold < len(self):
            raise DataError(f"expected a fold from 0 to {len(self) - 1}, got {fold}", remedy="choose one of these")
        held_out = self.numbers(subjects) == fold
        training, validation = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        if not len(training) or not len(validation):
            problem = f"fold {fold} leaves {len(training)} recordings to train on, {len(validation)} to validate with"
            raise DataError(problem, remedy="make new folds for these recordings")
        return training, validation

    def numbers(self, subjects: Sequence[str] | Names) -> Ints:
        """(R,) fold of every recording, by its subject; a `DataError` if one has none."""
        missing = sorted({subject for subject in subjects if subject not in self.fold_of})
        if missing:
            problem = f"expected a fold for every subject, {len(missing)} have none: {', '.join(missing[:5])}"
            raise DataError(problem, remedy="add them to the fold file, or make new folds")
        return np.fromiter((self.fold_of[subject] for subject in subjects), np.int64, len(subjects))

    def write(self, path: Path | str) -> None:
        """Write a CSV with the columns `subject` and `fold`, sorted; whole or not at all."""
        rows = sorted(self.fold_of.items(), key=lambda item: (item[1], item[0]))
        table = pl.DataFrame({"subject": [name for name, _ in rows], "fold": [fold for _, fold in rows]})
        with writing_file(Path(path)) as unfinished:
            table.write_csv(unfinished)

    @classmethod
    def read(cls, path: Path | str) -> Folds:
        """Read what `write` wrote; a `DataError` if it is no such file, or names a subject twice."""
        if not Path(path).is_file():
            raise DataError(f"{path}: no such file", remedy="check the path of the fold file")
        try:
            table = pl.read_csv(path, schema_overrides={"subject": pl.String, "fold": pl.Int64}, infer_schema=False)
            table = table.select("subject", "fold")
            if table.null_count().sum_horizontal()[0]:
                raise pl.exceptions.SchemaError("not every line has a subject and a fold")
        except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
            problem = f"{path}: expected a CSV with the columns subject and fold, but {str(error).splitlines()[0]}"
            raise DataError(problem, remedy="write one line per subject, such as SUBJ_000206,0") from None
        twice = table["subject"].filter(table["subject"].is_duplicated())
        if len(twice):
            raise DataError(f"{path}: the subject {twice[0]!r} comes twice", remedy="keep one line per subject")
        return cls(dict(zip(table["subject"], table["fold"], strict=True)))


def make_folds(recordings: pl.DataFrame, n_folds: int, seed: int) -> Folds:
    """Folds with about the same number of recordings of every gesture, no subject divided.

    Subjects are dealt out one by one, those with the most recordings first, each to the fold that it brings nearest to
    its share of every gesture. Equal subjects are taken in an order drawn from `seed`. The table has `subject`, and
    `gesture` where known. Raises `DataError` if there are not as many subjects as folds, or fewer than two folds.
    """
    subjects, counts = _count_by_subject(recordings)
    if not 2 <= n_folds <= len(subjects):
        problem = f"expected at least 2 folds and as many subjects, got {n_folds} folds for {len(subjects)} subjects"
        raise DataError(problem, remedy="choose fewer folds, or record more people: a subject is never divided")
    drawn = np.random.default_rng(seed).permutation(len(subjects))
    order = drawn[np.argsort(-counts[drawn].sum(axis=1), kind="stable")]
    share = counts.sum(axis=0) / n_folds
    folds = np.zeros((n_folds, counts.shape[1]))
    sizes = np.zeros(n_folds, dtype=np.int64)
    fold_of = {}
    for position, subject in enumerate(order):
        must_fill = len(order) - position <= int((sizes == 0).sum())
        cost = (counts[subject] * (2 * (folds - share) + counts[subject]) / share).sum(axis=1)
        fold = int(np.argmin(np.where(must_fill & (sizes > 0), np.inf, cost)))
        folds[fold] += counts[subject]
        sizes[fold] += 1
        fold_of[subjects[subject]] = fold
    return Folds(fold_of)


def _count_by_subject(recordings: pl.DataFrame) -> tuple[list[str], Floats]:
    """Subjects, sorted, and their (subjects, gestures) numbers of recordings."""
    known = "gesture" in recordings.columns
    told = recordings["gesture"].cast(pl.String).fill_null("").to_list() if known else [""] * recordings.height
    subjects, row = np.unique(recordings["subject"].to_list(), return_inverse=True)
    gestures, column = np.unique(told, return_inverse=True)
    counts = np.zeros((len(subjects), len(gestures)))
    np.add.at(counts, (row, column), 1)
    return subjects.tolist(), counts


def leave_one_subject_out(recordings: pl.DataFrame) -> Folds:
    """A fold of its own for every subject, in sorted order; a `DataError` if there is only one."""
    subjects = recordings["subject"].unique().sort().to_list()
    if len(subjects) < 2:
        problem = "expected several subjects to leave one out, got one"
        raise DataError(problem, remedy="record more people, or use its data to predict")
    return Folds({subject: fold for fold, subject in enumerate(subjects)})
