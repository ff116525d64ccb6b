"""Which recordings a bundle was trained on: told by what was measured, for ids and people's names may coincide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Self

import numpy as np

from bfrb.arrays import Bools
from bfrb.predict.bundle import OUT_OF_FOLD, Bundle
from bfrb.read.tables import Table, read_table
from bfrb.study.content import CONTENT, hash_content
from bfrb.study.recordings import Recordings


class TrainingOverlap:
    """What some recordings have in common with those a bundle was trained on.

    A bundle keeps a hash of every recording. One that was written before there were hashes knows names only:
    `by_content` is false, and recordings of the same id and person are taken for the same.

    Parameters
    ----------
    kept
        A table with id, subject and content of the recordings, such as a bundle's `out_of_fold.parquet`.

    Attributes
    ----------
    by_content
        Whether recordings are told by their content.
    changed
        Ids and people of recordings that bear an id of the training and hold something else.
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
