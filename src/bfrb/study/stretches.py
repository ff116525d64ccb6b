"""Stretches: recordings of any length, some rows at a time."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bfrb.arrays import Array, Floats
from bfrb.study.recordings import BATCH_ROWS, Annotation, Progress, Recordings

STRETCH_ROWS = 20_000
"""Most rows of a stretch, where no other number is asked for."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """Consecutive rows of one recording."""

    about: Mapping[str, Any]
    """What is known of the recording: `id` and `subject`, and any of `handedness` (1 right, 0 left), `age` ..."""
    begins: bool
    """Whether these are its first rows."""
    time_s: Floats | None
    """(n,) times of the rows, NaN where there is none; None if they come at the device's rate."""
    sensors: Mapping[str, Array]
    """(n, *shape) readings by sensor. Those of a sample table have not been checked."""
    annotations: Mapping[str, Annotation] = field(default_factory=dict)
    """Labels of the rows."""
    simulated: bool = False
    begin_s: float = 0.0
    """When the recording began, by the clock of `time_s`: what is answered counts from then."""

    @property
    def id(self) -> str:
        """Id of the recording."""
        return str(self.about["id"])

    @property
    def subject(self) -> str:
        """Who wore the device."""
        return str(self.about["subject"])


def cut_stretches(batches: Iterable[Recordings], max_rows: int = STRETCH_ROWS) -> Iterator[Stretch]:
    """The rows of all recordings, one recording after the other, at most `max_rows` at once."""
    for batch in batches:
        for recording in batch.batches(1):
            about = recording.table.row(0, named=True)
            for start in range(0, recording.n_rows, max_rows):
                rows = slice(start, start + max_rows)
                sensors = {name: values[rows] for name, values in recording.sensors.items()}
                annotations = {name: label.take(rows) for name, label in recording.annotations.items()}
                yield Stretch(about, start == 0, None, sensors, annotations, recording.simulated)


class BatchSource(ABC):
    """Recordings that come in batches can be read whole too, and some rows at a time."""

    @abstractmethod
    def batches(self, max_rows: int = BATCH_ROWS, progress: Progress | None = None) -> Iterator[Recordings]:
        """The recordings in batches of at most `max_rows` rows (or of one longer recording)."""

    def read(self) -> Recordings:
        """All recordings."""
        return Recordings.concat(list(self.batches()))

    def stretches(self, max_rows: int = STRETCH_ROWS, progress: Progress | None = None) -> Iterator[Stretch]:
        """All rows, one recording after the other; one recording at least is in memory."""
        return cut_stretches(self.batches(progress=progress), max_rows)
