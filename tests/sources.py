"""Recordings in memory, as a source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bfrb.data.device import Device
from bfrb.data.recordings import Recordings


@dataclass(frozen=True)
class SourceOf:
    """A source of given recordings, in batches of about 200 rows."""

    recordings: Recordings

    @property
    def device(self) -> Device:
        return self.recordings.device

    @property
    def simulated(self) -> bool:
        return self.recordings.simulated

    def describe(self) -> str:
        return "the recordings of a test"

    def read(self) -> Recordings:
        return self.recordings

    def batches(self, max_rows: int = 200, progress: object = None) -> Iterator[Recordings]:
        yield from self.recordings.batches(200)
