"""Events in whole recordings, by the same stream that listens to a device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from bfrb.predict.predictor import Predictor
from bfrb.read.tables import Table, make_table
from bfrb.stream.events import Answers, Event, EventRule
from bfrb.stream.feed import Wearer
from bfrb.stream.resampling import Counts
from bfrb.stream.samples import TIME
from bfrb.stream.stream import Stream
from bfrb.study.stretches import Stretch


@dataclass(frozen=True)
class Heard:
    """What was heard in some rows of one recording.

    Parameters
    ----------
    id, subject
        Of the recording.
    answers
        The answers for the windows that were complete with these rows.
    events
        The events that were complete.
    counts
        What became of the recording's samples; None while it goes on.
    """

    id: str
    subject: str
    answers: tuple[Answers, ...]
    events: tuple[Event, ...]
    counts: Counts | None


def listen(predictor: Predictor, stretches: Iterable[Stretch], rule: EventRule, wearer: Wearer) -> Iterator[Heard]:
    """What is heard in one stretch of rows after the other; bounded memory, however long the recordings are.

    Parameters
    ----------
    stretches
        The rows of all recordings, see `iter_stretches`.
    rule
        How events are decided.
    wearer
        Units and clock, for all recordings; the hand is that of the recording where it is known.

    Raises
    ------
    BundleError
        If a network fails.
    """
    listener: _Listener | None = None
    for stretch in stretches:
        if stretch.begins:
            if listener is not None:
                yield listener.finish()
            listener = _Listener(predictor, stretch, rule, wearer)
        if listener is not None:
            yield listener.push(stretch)
    if listener is not None:
        yield listener.finish()


class _Listener:
    """The stream of one recording, and what it answers."""

    def __init__(self, predictor: Predictor, first: Stretch, rule: EventRule, wearer: Wearer) -> None:
        known = wearer if first.handedness is None else replace(wearer, handedness=first.handedness)
        self._about = first
        self._answers: list[Answers] = []
        self._stream = Stream(predictor, rule, wearer=known, on_answers=self._answers.append)

    def push(self, stretch: Stretch) -> Heard:
        times = {} if stretch.time_s is None else {TIME: stretch.time_s}
        return self._heard(self._stream.push({**stretch.sensors, **times}), None)

    def finish(self) -> Heard:
        return self._heard(self._stream.finish(), self._stream.counts)

    def _heard(self, events: list[Event], counts: Counts | None) -> Heard:
        heard = Heard(self._about.id, self._about.subject, tuple(self._answers), tuple(events), counts)
        self._answers.clear()
        return heard


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
    counts: Counts = field(default_factory=Counts)

    def add(self, heard: Heard) -> None:
        """Take in what was heard."""
        self.events += [(heard.id, heard.subject, event) for event in heard.events]
        if heard.counts is not None:
            self.recordings += 1
            self.counts.add(heard.counts)

    @property
    def labels(self) -> dict[str, int]:
        """Events by label, the most frequent first."""
        names = [event.label for _, _, event in self.events]
        return dict(sorted({name: names.count(name) for name in names}.items(), key=lambda item: -item[1]))

    def to_frame(self) -> Table:
        """One row per event: `recording`, `subject`, then the fields of an `Event`."""
        columns = {
            "recording": [name for name, _, _ in self.events],
            "subject": [subject for _, subject, _ in self.events],
        }
        fields = ("start_s", "end_s", "label", "confidence", "known_s")
        return make_table(columns | {name: [getattr(event, name) for _, _, event in self.events] for name in fields})


def answer_table(heard: Heard, classes: tuple[str, ...]) -> Table | None:
    """One row per answered window: `recording`, `middle_s`, `known_s`, a probability per class; None without any."""
    if not heard.answers:
        return None
    probabilities = np.concatenate([answers.probabilities for answers in heard.answers])
    columns = {
        "recording": [heard.id] * len(probabilities),
        "middle_s": np.concatenate([answers.middle_s for answers in heard.answers]),
        "known_s": np.concatenate([answers.known_s for answers in heard.answers]),
    }
    return make_table(columns | dict(zip(classes, probabilities.T, strict=True)))
