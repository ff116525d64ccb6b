"""`Detections`: what was found in recordings, and the tables that tell of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, fields

import numpy as np

from bfrb.read.tables import Table, make_table
from bfrb.stream.counts import StreamCounts
from bfrb.stream.events import Event, WindowProbabilities
from bfrb.study.stretches import Stretch


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found with some more rows of one recording.

    Parameters
    ----------
    stretch
        The rows, the last of the recording where it ends.
    windows
        What was answered for the windows that were complete with these rows.
    events
        The events that were complete.
    counts
        What became of the recording's samples; None while it goes on.
    """

    stretch: Stretch
    windows: WindowProbabilities
    events: tuple[Event, ...]
    counts: StreamCounts | None

    def window_table(self, classes: tuple[str, ...]) -> Table:
        """One row per window: `recording`, `middle_s`, `known_s`, a probability per class."""
        names = np.full(len(self.windows), self.stretch.id)
        columns = {"recording": names, "middle_s": self.windows.middle_s, "known_s": self.windows.known_s}
        return make_table(columns | dict(zip(classes, self.windows.probabilities.T, strict=True)))


@dataclass
class Summary:
    """What was found in all recordings.

    Parameters
    ----------
    recordings
        Their number.
    events
        (id of the recording, subject, event) in the order in which they were found.
    counts
        What became of the samples.
    """

    recordings: int = 0
    events: list[tuple[str, str, Event]] = field(default_factory=list)
    counts: StreamCounts = field(default_factory=StreamCounts)

    def add(self, found: Detections) -> None:
        """Count in what was found with some more rows."""
        self.events += [(found.stretch.id, found.stretch.subject, event) for event in found.events]
        if found.counts is not None:
            self.recordings += 1
            self.counts.add(found.counts)

    @property
    def labels(self) -> dict[str, int]:
        """Events by label, the most frequent first."""
        return dict(Counter(event.label for _, _, event in self.events).most_common())

    def event_table(self) -> Table:
        """One row per event: `recording`, `subject`, then the fields of an `Event`."""
        names = ("recording", "subject", *(one.name for one in fields(Event)))
        rows = [(recording, subject, *asdict(event).values()) for recording, subject, event in self.events]
        return make_table({name: [row[number] for row in rows] for number, name in enumerate(names)})
