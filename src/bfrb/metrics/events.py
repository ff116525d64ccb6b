"""Scores of events in continuous recordings: which episodes were found, what was a false alarm, how soon.

Episodes and events are (E, 2) arrays of begins and ends in seconds, half-open and without overlap among themselves.
They meet by intersection, as in the polyphonic sound detection score (Bilen et al. 2020, arXiv 1910.08440; see also
Mesaros, Heittola and Virtanen 2016, Applied Sciences 6(6):162): an event is right if enough of it lies in episodes, an
episode is found if a right event touches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import inf
from typing import Any

import numpy as np

from bfrb.arrays import Bools, Floats, Ints
from bfrb.errors import DataError
from bfrb.metrics.intervals import RATE, SHARE, Interval, interval_over_people
from bfrb.metrics.standard import average_precision, roc_auc


@dataclass(frozen=True)
class EventCounts:
    """What was found in some hours of one or more people's recordings."""

    episodes: int  # episodes there were
    found: int  # how many of them were found
    events: int  # events reported
    right: int  # how many of them were right; the others are false alarms
    hours: float  # hours recorded
    delays_s: tuple[float, ...] = ()  # of each episode found, seconds until an event in it was known; may be below 0

    @property
    def sensitivity(self) -> float | None:
        """Share of the episodes that were found; None without any."""
        return self.found / self.episodes if self.episodes else None

    @property
    def precision(self) -> float | None:
        """Share of the events that were right; None without any."""
        return self.right / self.events if self.events else None

    @property
    def false_alarms_per_hour(self) -> float:
        """Events that were not right, per hour recorded."""
        return (self.events - self.right) / self.hours

    @property
    def median_delay_s(self) -> float | None:
        """Median delay of the episodes found; None without any."""
        return float(np.median(self.delays_s)) if self.delays_s else None

    @staticmethod
    def total(parts: Sequence[EventCounts]) -> EventCounts:
        """Everything together."""
        names = ("episodes", "found", "events", "right", "hours")
        numbers = {name: sum(getattr(part, name) for part in parts) for name in names}
        return EventCounts(**numbers, delays_s=tuple(chain.from_iterable(part.delays_s for part in parts)))


def count_events(
    episodes: Floats, events: Floats, hours: float, *, known_s: Floats | None = None, of_event: float = 0.0
) -> EventCounts:
    """What (F, 2) reported events found of (E, 2) episodes in one recording, begins and ends in seconds.

    `known_s`: (F,) when each event was known, for the delays, its begin by default; `of_event`: an event is right if
    more than this share of it lies in episodes. Raises `DataError` if an end is not after its begin, spans of one kind
    overlap, or nothing was recorded.

    >>> counts = count_events(np.array([[10.0, 20.0], [50.0, 55.0]]), np.array([[12.0, 30.0], [70.0, 71.0]]), hours=0.5)
    >>> counts.found, counts.sensitivity, counts.precision, counts.false_alarms_per_hour, counts.median_delay_s
    (1, 0.5, 0.5, 2.0, 2.0)
    """
    if not hours > 0:
        raise DataError(f"expected some hours of recording, got {hours:g}", remedy="give the time that was listened to")
    begins = np.maximum(_checked(episodes)[:, None, 0], _checked(events)[None, :, 0])
    shared = np.maximum(np.minimum(episodes[:, None, 1], events[None, :, 1]) - begins, 0.0)  # (E, F) seconds
    right = shared.sum(axis=0) > of_event * (events[:, 1] - events[:, 0])
    found = shared[:, right].sum(axis=1) > 0
    when_s = events[:, 0] if known_s is None else known_s
    first_s = np.where((shared > 0) & right, when_s, np.inf).min(axis=1, initial=np.inf)
    delays_s = tuple((first_s - episodes[:, 0])[found].tolist())
    return EventCounts(len(episodes), int(found.sum()), len(events), int(right.sum()), hours, delays_s)


def time_roc_auc(positive_s: Floats, negative_s: Floats, values: Floats) -> float | None:
    """Chance that a random moment of behaviour gets a larger value than a random other moment; ties count half.

    For each of (W,) values there are so many seconds with and without the behaviour; None where there is only one kind.
    """
    return roc_auc(*_moments(positive_s, negative_s, values))


def time_average_precision(positive_s: Floats, negative_s: Floats, values: Floats) -> float | None:
    """Mean precision in time over the steps of recall in time, taking the largest values for behaviour first.

    Parameters as of `time_roc_auc`; None without any behaviour.
    """
    return average_precision(*_moments(positive_s, negative_s, values))


def _moments(positive_s: Floats, negative_s: Floats, values: Floats) -> tuple[Bools, Floats, Floats]:
    """(2 W,) Whether there is behaviour, the value, and for how long; stretches of no length are left out."""
    if not len(positive_s) == len(negative_s) == len(values):
        raise DataError("expected one value for every stretch of time", remedy="give arrays of the same length")
    lasted_s = np.concatenate([positive_s, negative_s])
    kept = lasted_s > 0
    truth = np.repeat([True, False], len(values))
    return truth[kept], np.concatenate([values, values])[kept], lasted_s[kept]


EVENT_SCORES: dict[str, Interval] = {
    "sensitivity": SHARE,
    "precision": SHARE,
    "false_alarms_per_hour": RATE,
    "median_delay_s": (-inf, inf),
}
"""Scores of `EventCounts`, with their least and largest possible value."""


def event_interval(parts: Sequence[EventCounts], name: str) -> Interval | None:
    """95 % interval over people of one of `EVENT_SCORES`, of the (S,) people's counts together."""

    def score(chosen: Ints) -> Any:
        return getattr(EventCounts.total([parts[number] for number in chosen]), name)

    return interval_over_people(score, len(parts), EVENT_SCORES[name])


def _checked(spans: Floats) -> Floats:
    if spans.ndim != 2 or spans.shape[1] != 2:
        raise DataError(f"expected begins and ends, (E, 2), got shape {spans.shape}", remedy="give one row per span")
    if not (spans[:, 1] > spans[:, 0]).all():
        raise DataError("expected every end after its begin", remedy="leave out spans that last no time")
    ordered = spans[np.argsort(spans[:, 0], kind="stable")]
    if (ordered[1:, 0] < ordered[:-1, 1]).any():
        raise DataError("expected spans that do not overlap", remedy="join those that do")
    return spans
