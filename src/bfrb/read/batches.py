"""`ReadInBatches`: what every source does alike that is read batch by batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from bfrb.read.csv_blocks import Progress
from bfrb.study.recordings import BATCH_ROWS, Recordings
from bfrb.study.stretches import STRETCH_ROWS, Stretch, cut_stretches


class ReadInBatches(ABC):
    """A source of which only the batches are its own."""

    @abstractmethod
    def batches(self, max_rows: int = BATCH_ROWS, progress: Progress | None = None) -> Iterator[Recordings]:
        """The recordings in batches, in bounded memory."""

    def read(self) -> Recordings:
        """All recordings.

        Raises
        ------
        DataError
            If files are missing or damaged.
        """
        return Recordings.concat(list(self.batches()))

    def stretches(self, max_rows: int = STRETCH_ROWS, progress: Progress | None = None) -> Iterator[Stretch]:
        """The rows of all recordings, a stretch at a time; one recording at least is in memory."""
        return cut_stretches(self.batches(progress=progress), max_rows)
