"""How well a bundle finds episodes in continuous recordings: it listens to them as it would to a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from bfrb.config import WindowSpec
from bfrb.data.recordings import Recordings
from bfrb.data.sources import Source
from bfrb.gestures import LabelSet
from bfrb.inference.bundle import Bundle
from bfrb.inference.evaluation import BOOTSTRAP_SEED
from bfrb.inference.events import Answers, Event, EventRule, decide_events
from bfrb.inference.feed import Wearer
from bfrb.inference.held_out import HeldOutPredictor
from bfrb.inference.stream import Stream
from bfrb.metrics.events import EventCounts, bootstrap_events, count_events
from bfrb.reports.context import BATCH_ROWS

Floats = npt.NDArray[np.float64]

LABEL = "gesture"
"""Row label with the episodes."""

THRESHOLDS = tuple(float(value) for value in np.round(np.arange(0.05, 1.0, 0.05), 2))
"""Values of `on` at which the trade between found episodes and false alarms is shown."""


@dataclass(frozen=True)
class Episode:
    """A behaviour that is looked for, as it was labelled: begin and end in seconds from the first row, and its name."""

    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True, eq=False)
class Heard:
    """One continuous recording: what was labelled, what was answered.

    Parameters
    ----------
    id, subject
        Of the recording.
    seconds
        Its length.
    episodes
        What was labelled.
    answers
        Answers for its windows, in the order of time.
    """

    id: str
    subject: str
    seconds: float
    episodes: tuple[Episode, ...]
    answers: Answers

    def decide(self, rule: EventRule, label_set: LabelSet) -> list[Event]:
        """The events that a rule makes of the answers."""
        return decide_events(self.answers, rule, label_set)

    def count(self, events: Sequence[Event]) -> EventCounts:
        """What some events found; any overlap is a hit."""
        episodes = np.array([(one.start_s, one.end_s) for one in self.episodes], dtype=np.float64).reshape(-1, 2)
        spans = np.array([(one.start_s, one.end_s) for one in events], dtype=np.float64).reshape(-1, 2)
        known_s = np.array([one.known_s for one in events], dtype=np.float64)
        return count_events(episodes, spans, self.seconds / 3600, known_s=known_s)


@dataclass(frozen=True, eq=False)
class Listening:
    """What was heard in all continuous recordings of a source.

    Parameters
    ----------
    rule
        The bundle's event rule.
    label_set
        The classes.
    heard
        By recording.
    known
        Number of recordings of people of the training; the members that never saw them listened.
    """

    rule: EventRule
    label_set: LabelSet
    heard: tuple[Heard, ...]
    known: int

    @cached_property
    def events(self) -> tuple[list[Event], ...]:
        """By recording, the events of the bundle's rule."""
        return tuple(one.decide(self.rule, self.label_set) for one in self.heard)

    @cached_property
    def by_subject(self) -> dict[str, EventCounts]:
        """What the bundle's rule found, by person."""
        return self._count(self.rule)

    def _count(self, rule: EventRule) -> dict[str, EventCounts]:
        found: dict[str, list[EventCounts]] = {}
        for one in self.heard:
            found.setdefault(one.subject, []).append(one.count(one.decide(rule, self.label_set)))
        return {subject: EventCounts.total(parts) for subject, parts in found.items()}

    @property
    def total(self) -> EventCounts:
        """What the bundle's rule found, everybody together."""
        return EventCounts.total(list(self.by_subject.values()))

    @cached_property
    def sensitivity_interval(self) -> tuple[float, float] | None:
        """95 % interval of the share of episodes found, over resampled people; None with one person."""
        return self._interval("sensitivity")

    @cached_property
    def false_alarm_interval(self) -> tuple[float, float] | None:
        """95 % interval of the false alarms per hour, over resampled people; None with one person."""
        return self._interval("false_alarms_per_hour")

    def _interval(self, name: str) -> tuple[float, float] | None:
        parts = list(self.by_subject.values())
        if len(parts) < 2:
            return None
        return bootstrap_events(parts, lambda counts: getattr(counts, name), np.random.default_rng(BOOTSTRAP_SEED))

    @cached_property
    def curve(self) -> list[tuple[float, EventCounts]]:
        """Everybody's counts at other values of `on`; `off` keeps its share of `on`."""
        spec = self.rule.spec
        share = spec.off / spec.on if spec.on else 0.0
        counted = []
        for on in THRESHOLDS:
            changed = self.rule.model_copy(update={"spec": spec.model_copy(update={"on": on, "off": on * share})})
            counted.append((on, EventCounts.total(list(self._count(changed).values()))))
        return counted


def listen(bundle: Bundle, source: Source) -> Listening | None:
    """Listen to all continuous recordings of a source whose rows are labelled; None if there are none.

    People of the training are listened to by the members that never saw them.

    Raises
    ------
    BundleError
        If a member fails, or the bundle's event rule is damaged.
    """
    rule, predictor = EventRule.of(bundle), HeldOutPredictor(bundle)
    heard = [_hear(recording, predictor, rule) for recording in _continuous(source, bundle.spec.windows)]
    if not any(one.episodes for one in heard):
        return None
    known = sum(one.subject in predictor.fold_of for one in heard)
    return Listening(rule, bundle.label_set, tuple(heard), known)


def _continuous(source: Source, windows: WindowSpec) -> Iterator[Recordings]:
    """Recordings with labelled rows that are long enough for a window, one by one."""
    for batch in source.batches(BATCH_ROWS):
        if batch.gestures is None and LABEL in batch.annotations:
            long = batch.lengths >= round(windows.length_s * batch.device.row_rate_hz)
            yield from (batch[int(number)] for number in np.flatnonzero(long))


def _hear(recording: Recordings, predictor: HeldOutPredictor, rule: EventRule) -> Heard:
    subject = str(recording.subjects[0])
    parts: list[Answers] = []
    hand = recording.table["handedness"].to_list()[0] if "handedness" in recording.table.columns else None
    stream = Stream(predictor.of(subject), rule, wearer=Wearer(handedness=hand), on_answers=parts.append)
    stream.push(dict(recording.sensors))
    stream.finish()
    seconds = recording.n_rows / recording.device.row_rate_hz
    return Heard(
        recording.ids[0],
        subject,
        seconds,
        find_episodes(recording, predictor.bundle.label_set),
        _join(parts, predictor),
    )


def _join(parts: Sequence[Answers], predictor: HeldOutPredictor) -> Answers:
    if not parts:
        nothing = np.zeros(0)
        return Answers(nothing, nothing, np.zeros((0, len(predictor.bundle.label_set))), np.zeros(0, dtype=bool))
    return Answers(
        np.concatenate([part.middle_s for part in parts]),
        np.concatenate([part.known_s for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.fresh for part in parts]),
    )


def find_episodes(recording: Recordings, label_set: LabelSet) -> tuple[Episode, ...]:
    """Runs of rows of one recording that are labelled with the same behaviour that is looked for."""
    labels, rate_hz = recording.annotations[LABEL], recording.device.row_rate_hz
    edges = np.concatenate([[0], np.flatnonzero(np.diff(labels.codes)) + 1, [len(labels.codes)]])
    runs = ((int(start), int(stop), int(labels.codes[start])) for start, stop in pairwise(edges))
    return tuple(
        Episode(start / rate_hz, stop / rate_hz, labels.names[code])
        for start, stop, code in runs
        if code >= 0 and labels.names[code] in label_set.targets
    )
