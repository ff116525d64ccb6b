"""Listening to whole recordings, by the same stream that listens to a device: in memory that does not grow with them.

Whatever answers whole recordings does it here: `bfrb detect`, `calibrate`, `personalize`, `report` and the viewer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bfrb.arrays import Array, Floats
from bfrb.predict.bundle import Bundle
from bfrb.predict.out_of_fold import HeldOutPredictor
from bfrb.predict.predictor import Predictor
from bfrb.stream.counts import StreamCounts
from bfrb.stream.detections import Detections
from bfrb.stream.events import Event, EventRule, WindowProbabilities
from bfrb.stream.feed import Wearer
from bfrb.stream.samples import TIME
from bfrb.stream.stream import OnWindows, Stream
from bfrb.stream.windowing import Windows
from bfrb.study.labels import LabelSet
from bfrb.study.recordings import UNKNOWN, Annotation
from bfrb.study.stretches import Stretch

LABEL = "gesture"
"""The annotation of rows in which the episodes are."""


@dataclass(frozen=True)
class Episode:
    """A behaviour that is looked for, as it was annotated: begin and end in seconds by the recording's clock."""

    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True, eq=False)
class AnnotatedRecording:
    """A continuous recording: the episodes that were annotated, beside what was answered.

    Parameters
    ----------
    id, subject
        Of the recording.
    seconds
        Its length.
    episodes
        Of the target behaviours, in the order of time.
    windows
        What was answered.
    step_s
        Seconds from window to window: an answer stands for so many in the middle of its window.
    simulated
        Whether it comes from a simulator.
    """

    id: str
    subject: str
    seconds: float
    episodes: tuple[Episode, ...]
    windows: WindowProbabilities
    step_s: float
    simulated: bool = False

    @property
    def spans(self) -> Floats:
        """(E, 2) Begins and ends of the episodes in seconds."""
        return np.array([(one.start_s, one.end_s) for one in self.episodes], dtype=np.float64).reshape(-1, 2)

    @cached_property
    def positive_share(self) -> Floats:
        """(W,) Share of behaviour in the seconds for which each answer stands."""
        if not self.episodes:
            return np.zeros(len(self.windows))
        lasted = np.diff(self.spans, axis=1)[:, 0]
        until_s = np.stack([np.cumsum(lasted) - lasted, np.cumsum(lasted)], axis=1).ravel()
        ends = self.windows.middle_s[:, None] + np.array([-0.5, 0.5]) * self.step_s
        share: Floats = np.diff(np.interp(ends, self.spans.ravel(), until_s), axis=1)[:, 0] / self.step_s
        return np.round(share, 9)


def listen(
    predictor_of: Callable[[str], Predictor],
    stretches: Iterable[Stretch],
    rule: EventRule,
    wearer: Wearer | None = None,
    on_windows: OnWindows | None = None,
) -> Iterator[Detections]:
    """What is found with one stretch of rows after the other, of one recording after the other.

    Parameters
    ----------
    predictor_of
        Gives what answers for a subject.
    stretches
        The rows of all recordings.
    rule
        How events are decided.
    wearer
        Units and clock, for all recordings; the hand is that of the recording where it is known.
    on_windows
        As for a `Stream`.

    Raises
    ------
    BundleError
        If a network fails.
    """
    wearer = wearer or Wearer()
    for own in split_recordings(stretches):
        for number, stretch in enumerate(own):
            if number == 0:
                listener = _Listener(predictor_of(stretch.subject), rule, _with_hand(wearer, stretch), on_windows)
            yield listener.push(stretch)
        yield listener.finish(stretch)


def split_recordings(stretches: Iterable[Stretch]) -> Iterator[Iterator[Stretch]]:
    """The stretches of one recording after the other."""
    begun = 0

    def count(stretch: Stretch) -> int:
        nonlocal begun
        begun += stretch.begins
        return begun

    return (own for _, own in itertools.groupby(stretches, count))


def _with_hand(wearer: Wearer, stretch: Stretch) -> Wearer:
    hand = stretch.about.get("handedness")
    return wearer if hand is None else replace(wearer, handedness=hand)


class _Listener:
    """The stream of one recording."""

    def __init__(self, predictor: Predictor, rule: EventRule, wearer: Wearer, on_windows: OnWindows | None) -> None:
        self._answered: list[WindowProbabilities] = []
        self._on_windows = on_windows
        self._stream = Stream(predictor, rule, wearer=wearer, on_windows=self._keep)

    def _keep(self, windows: Windows, answered: WindowProbabilities) -> None:
        self._answered.append(answered)
        if self._on_windows is not None:
            self._on_windows(windows, answered)

    def push(self, stretch: Stretch) -> Detections:
        times = {} if stretch.time_s is None else {TIME: stretch.time_s}
        return self._found(stretch, self._stream.push({**stretch.sensors, **times}), None)

    def finish(self, stretch: Stretch) -> Detections:
        return self._found(stretch, self._stream.finish(), self._stream.counts)

    def _found(self, stretch: Stretch, events: list[Event], counts: StreamCounts | None) -> Detections:
        windows = WindowProbabilities.concat(self._answered, len(self._stream.predictor.label_set))
        self._answered.clear()
        return Detections(stretch.id, stretch.subject, windows, tuple(events), counts)


def listen_held_out(bundle: Bundle, stretches: Iterable[Stretch], rule: EventRule) -> list[AnnotatedRecording]:
    """All annotated recordings; people of the training are answered by the members that had not seen them.

    Raises
    ------
    BundleError
        If a network fails, or no member held out a person.
    """
    predictor = HeldOutPredictor(bundle)
    found = (listen_annotated(predictor, own, rule) for own in split_recordings(stretches))
    return [one for one in found if one is not None]


def listen_annotated(
    predictor: HeldOutPredictor, stretches: Iterable[Stretch], rule: EventRule, on_windows: OnWindows | None = None
) -> AnnotatedRecording | None:
    """One recording, None if its rows are not annotated; parameters and errors as of `listen` and `listen_held_out`."""
    own, rate_hz = iter(stretches), predictor.bundle.device.row_rate_hz
    first = next(own)
    if LABEL not in first.annotations:
        return None
    codes: list[Array] = []
    times: list[Floats] = []

    def noted() -> Iterator[Stretch]:
        done = 0
        for stretch in itertools.chain([first], own):
            codes.append(stretch.annotations[LABEL].codes)
            rows = np.arange(done, done := done + len(codes[-1]))
            times.append(rows / rate_hz if stretch.time_s is None else stretch.time_s)
            yield stretch

    answered = [part.windows for part in listen(predictor.of, noted(), rule, on_windows=on_windows)]
    time_s = np.concatenate([*times, times[-1][-1:] + 1 / rate_hz])
    label_set = predictor.bundle.label_set
    return AnnotatedRecording(
        first.id,
        first.subject,
        float(time_s[-1] - time_s[0]),
        find_episodes(Annotation(np.concatenate(codes), first.annotations[LABEL].names), time_s, label_set),
        WindowProbabilities.concat(answered, len(label_set)),
        rule.spec.step_s,
        first.simulated,
    )


def find_episodes(annotation: Annotation, time_s: Floats, label_set: LabelSet) -> tuple[Episode, ...]:
    """Runs of rows that are annotated with the same target behaviour.

    Parameters
    ----------
    annotation
        (N,) labels.
    time_s
        (N + 1,) times of the rows, and when the last one ends.
    label_set
        Which behaviours are targets.

    Examples
    --------
    >>> from bfrb.study.labels import LabelSet
    >>> labels = Annotation(np.array([0, 1, 1, 0], dtype=np.int8), ("rest", "pull"))
    >>> find_episodes(labels, np.arange(5) / 10, LabelSet("two", ("rest", "pull"), frozenset({"pull"})))
    (Episode(start_s=0.1, end_s=0.3, label='pull'),)
    """
    edges = np.flatnonzero(np.diff(annotation.codes, prepend=UNKNOWN, append=UNKNOWN))
    names = (*annotation.names, "")  # the last stands for UNKNOWN
    runs = ((start, stop, names[annotation.codes[start]]) for start, stop in itertools.pairwise(edges.tolist()))
    return tuple(
        Episode(float(time_s[start]), float(time_s[stop]), name)
        for start, stop, name in runs
        if name in label_set.targets
    )
