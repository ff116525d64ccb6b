"""How well a bundle finds episodes in continuous recordings: it listens to them as it would to a stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from bfrb.metrics import EventCounts, Interval, count_events, event_interval
from bfrb.predict.bundle import Bundle
from bfrb.predict.out_of_fold import HeldOutPredictor
from bfrb.read.sources import Source
from bfrb.stream import calibrate as calibration
from bfrb.stream.calibrate import HIT, count_events_of
from bfrb.stream.event_scores import Aim, rules_from_others, sensitivity_curve
from bfrb.stream.events import Answers, Event, EventRule, decide_events
from bfrb.stream.feed import Wearer
from bfrb.stream.stream import Stream
from bfrb.study.labels import LabelSet
from bfrb.study.recordings import Recordings
from bfrb.study.windows import WindowSpec

LABEL = "gesture"
"""Row label with the episodes."""


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
        """What some events found, by the same measure as everywhere: `HIT`."""
        episodes = np.array([(one.start_s, one.end_s) for one in self.episodes], dtype=np.float64).reshape(-1, 2)
        spans = np.array([(one.start_s, one.end_s) for one in events], dtype=np.float64).reshape(-1, 2)
        known_s = np.array([one.known_s for one in events], dtype=np.float64)
        return count_events(episodes, spans, self.seconds / 3600, known_s=known_s, overlap=HIT)

    def beside_truth(self, step_s: float) -> calibration.Heard:
        """The same with the seconds of behaviour that each answer stands for, to choose rules on."""
        spans = np.array([(one.start_s, one.end_s) for one in self.episodes], dtype=np.float64).reshape(-1, 2)
        starts, ends = self.answers.middle_s - step_s / 2, self.answers.middle_s + step_s / 2
        shared_s = np.minimum(ends[:, None], spans[:, 1]) - np.maximum(starts[:, None], spans[:, 0])
        positive_s = np.maximum(shared_s, 0.0).sum(axis=1)
        return calibration.Heard(self.subject, self.answers, positive_s, step_s, spans, self.seconds / 3600)


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
        found: dict[str, list[EventCounts]] = {}
        for one, events in zip(self.heard, self.events, strict=True):
            found.setdefault(one.subject, []).append(one.count(events))
        return {subject: EventCounts.total(parts) for subject, parts in found.items()}

    @property
    def total(self) -> EventCounts:
        """What the bundle's rule found, everybody together."""
        return EventCounts.total(list(self.by_subject.values()))

    @cached_property
    def aim(self) -> Aim:
        """What rules are chosen for: the bundle's rate of false alarms and step, or the usual rate."""
        usual = Aim()
        rate, step_s = self.rule.false_alarms_per_hour, self.rule.spec.step_s
        specs = tuple(spec.model_copy(update={"step_s": step_s}) for spec in usual.specs)
        return Aim(usual.false_alarms_per_hour if rate is None else rate, specs)

    @cached_property
    def _beside_truth(self) -> list[calibration.Heard]:
        return [one.beside_truth(self.rule.spec.step_s) for one in self.heard]

    @cached_property
    def rules(self) -> dict[str, EventRule]:
        """For every person a rule that was calibrated and chosen on the others; empty with one person."""
        if len(self.by_subject) < 2:
            return {}
        return rules_from_others(self._beside_truth, self.label_set, self.aim)

    @cached_property
    def by_others_rules(self) -> dict[str, EventCounts]:
        """What those rules found, by person."""
        found = {name: [one for one in self._beside_truth if one.subject == name] for name in self.rules}
        return {
            name: EventCounts.total([count_events_of(one, self.rules[name], self.label_set) for one in parts])
            for name, parts in found.items()
        }

    @cached_property
    def curve(self) -> list[dict[str, float | None]]:
        """Everybody's scores at one threshold after the other, each person calibrated by the others."""
        return sensitivity_curve(self._beside_truth, self.rules, self.label_set) if self.rules else []


def interval_of(counts: Mapping[str, EventCounts], name: str) -> Interval | None:
    """95 % interval over people of one of `metrics.EVENT_SCORES` of their counts together; None with one person."""
    return event_interval(list(counts.values()), name)


def listen(bundle: Bundle, source: Source) -> Listening | None:
    """Listen to all continuous recordings of a source whose rows are labelled; None if there are none.

    People of the training are listened to by the members that never saw them.

    Raises
    ------
    BundleError
        If a member fails, or the bundle's event rule is damaged.
    """
    rule, predictor = EventRule.of(bundle), HeldOutPredictor(bundle)
    heard = [_hear(recording, predictor, rule) for recording in _continuous(source, bundle.windows)]
    if not any(one.episodes for one in heard):
        return None
    known = sum(one.subject in predictor.fold_of for one in heard)
    return Listening(rule, bundle.label_set, tuple(heard), known)


def _continuous(source: Source, windows: WindowSpec) -> Iterator[Recordings]:
    """Recordings with labelled rows that are long enough for a window, one by one."""
    for batch in source.batches():
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
