"""Recordings in memory as sources, a tiny study and a tiny run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bfrb.read.sources import HeldSource
from bfrb.study.recordings import Recordings
from bfrb.train.presets import PRESETS
from bundles import make_recordings


@dataclass(frozen=True)
class SourceOf(HeldSource):
    """A source of given recordings, in batches of about 200 rows."""

    origin: str = "the recordings of a test"

    def batches(self, max_rows: int = 200, progress: object = None) -> Iterator[Recordings]:
        yield from self.recordings.batches(200)


TINY = PRESETS["quick"].updated(
    [
        "folds=2",
        "networks=['gated_two_branch']",
        "training.epochs=3",
        "training.batch_size=8",
        "gated_two_branch.widths=[8, 8]",
        "gated_two_branch.recurrent_units=4",
        "gated_two_branch.head_units=[8]",
        "gated_two_branch.head_dropouts=[0.1]",
    ]
)


@dataclass(frozen=True)
class InMemory(HeldSource):
    """A source of recordings that are there already."""

    origin: str = "made up"


def make_study(count: int = 24, subjects: int = 6) -> InMemory:
    return InMemory(make_recordings(count, subjects=subjects))
