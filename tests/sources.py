"""Recordings in memory, as a source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bfrb.read.sources import HeldSource
from bfrb.study.recordings import Recordings


@dataclass(frozen=True)
class SourceOf(HeldSource):
    """A source of given recordings, in batches of about 200 rows."""

    origin: str = "the recordings of a test"

    def batches(self, max_rows: int = 200, progress: object = None) -> Iterator[Recordings]:
        yield from self.recordings.batches(200)
