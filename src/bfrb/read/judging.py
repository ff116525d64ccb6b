"""Sources that physics is asked about: what cannot be as it is said to be is refused before it is used."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bfrb.errors import DataError
from bfrb.read.quality import Suspicion, find_suspicions
from bfrb.read.sources import Source
from bfrb.study.device import Device
from bfrb.study.labels import LabelSet
from bfrb.study.recordings import BATCH_ROWS, Progress, Recordings
from bfrb.study.stretches import BatchSource

log = logging.getLogger(__name__)

ANYWAY = "or go on all the same with --anyway (in Python: anyway=True)"
"""What to do about a refusal, beside mending what it is about."""


def refuse_suspicions(source: str, suspicions: Iterable[Suspicion]) -> None:
    """Raise a `DataError` if one of the suspicions is fatal."""
    fatal = [suspicion for suspicion in suspicions if suspicion.fatal]
    if fatal:
        more = f" (and {len(fatal) - 1} more: `bfrb check` lists them)" if len(fatal) > 1 else ""
        raise DataError(f"{source}: {fatal[0].problem}{more}", remedy=f"{fatal[0].remedy}; {ANYWAY}")


@dataclass(frozen=True)
class JudgedSource(BatchSource):
    """The recordings of a source; those that physics speaks against are refused (a `DataError`), or `anyway` warned of.

    Every batch is judged by itself, so that one person's device worn wrongly is not hidden by all others'.
    """

    source: Source
    anyway: bool = False
    _told: set[str] = field(default_factory=set)

    @property
    def device(self) -> Device:
        """The device they are of."""
        return self.source.device

    @property
    def label_set(self) -> LabelSet | None:
        """The classes of their labels."""
        return self.source.label_set

    @property
    def simulated(self) -> bool:
        """Whether they come from a simulator."""
        return self.source.simulated

    @property
    def paths(self) -> tuple[Path, ...]:
        """What is read."""
        return self.source.paths

    def describe(self) -> str:
        """What is read, in one line."""
        return self.source.describe()

    def read(self) -> Recordings:
        """All recordings."""
        recordings = self.source.read()
        for batch in recordings.batches():
            self.judge(batch)
        return recordings

    def batches(self, max_rows: int = BATCH_ROWS, progress: Progress | None = None) -> Iterator[Recordings]:
        """The recordings in batches."""
        for batch in self.source.batches(max_rows, progress):
            self.judge(batch)
            yield batch

    def judge(self, batch: Recordings) -> None:
        """Ask physics about one batch."""
        suspicions = find_suspicions(batch)
        if not self.anyway:
            refuse_suspicions(str(self.source.describe()), suspicions)
        for suspicion in suspicions:
            if suspicion.kind not in self._told:
                self._told.add(suspicion.kind)
                log.warning("warning: %s: %s", suspicion.problem, suspicion.remedy)
