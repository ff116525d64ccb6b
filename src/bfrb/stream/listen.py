"""Listening to whole recordings, by the same stream that listens to a device: in memory that does not grow with them.

Whatever answers whole recordings does it here: `bfrb detect`, `calibrate`, `report` and the viewer.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bfrb.arrays import Array, Floats
from bfrb.predict.bundle import Bundle
from bfrb.predict.out_of_fold import HeldOutPredictor
from bfrb.predict.predictor import Predictor
from bfrb.read.annotations import CLOCK_S
from bfrb.read.store import Store
from bfrb.read.stretches import iter_stretches
from bfrb.read.tables import Table, make_table
from bfrb.stream.events import Event, EventRule, WindowProbabilities
from bfrb.stream.samples import TIME, StreamCounts
from bfrb.stream.stream import Stream, Wearer
from bfrb.study.labels import LabelSet
from bfrb.study.recordings import Annotation, Progress
from bfrb.study.stretches import Stretch

LABEL = "gesture"  # the annotation of rows in which the episodes are


@dataclass(frozen=True)
class Episode:
    """A behaviour that is looked for, as it was annotated: begin and end in seconds by the recording's clock."""

    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True, eq=False)
class AnnotatedRecording:
    """A continuous recording: the episodes that were annotated, beside what was answered."""

    id: str
    subject: str
    seconds: float
    episodes: tuple[Episode, ...]  # of the target behaviours, in the order of time
    windows: WindowProbabilities
    step_s: float  # seconds from window to window: an answer stands for so many in the middle of its window
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


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found with some more rows of one recording."""

    stretch: Stretch  # the rows, the last of the recording where it ends
    windows: WindowProbabilities  # what was answered for the windows that were complete with these rows
    events: tuple[Event, ...]
    counts: StreamCounts | None  # what became of the recording's samples; None while it goes on

    def window_table(self, classes: tuple[str, ...]) -> Table:
        """One row per window: `recording`, `middle_s`, `known_s`, a probability per class."""
        names = np.full(len(self.windows), self.stretch.id)
        columns = {"recording": names, "middle_s": self.windows.middle_s, "known_s": self.windows.known_s}
        return make_table(columns | dict(zip(classes, self.windows.probabilities.T, strict=True)))


@dataclass
class Summary:
    """What was found in all recordings."""

    recordings: int = 0
    # (id of the recording, subject, event, when the recording began) in the order in which they were found.
    events: list[tuple[str, str, Event, float]] = field(default_factory=list)
    counts: StreamCounts = field(default_factory=StreamCounts)

    def add(self, found: Detections) -> None:
        """Count in what was found with some more rows."""
        stretch = found.stretch
        self.events += [(stretch.id, stretch.subject, event, stretch.begin_s) for event in found.events]
        if found.counts is not None:
            self.recordings += 1
            self.counts.add(found.counts)

    @property
    def labels(self) -> dict[str, int]:
        """Events by label, the most frequent first."""
        return dict(Counter(event.label for _, _, event, _ in self.events).most_common())

    def event_table(self) -> Table:
        """One row per event: `recording`, `subject`, the fields of an `Event` (times rounded to 1e-6 s), `start_utc`.

        The last is the start in ISO 8601, and empty where samples have no clock.
        """
        rows = []
        for recording, subject, event, begin_s in self.events:
            times = {name: round(value, 6) for name, value in asdict(event).items() if name.endswith("_s")}
            about = {"recording": recording, "subject": subject, "start_utc": _utc(begin_s + event.start_s)}
            rows.append(about | asdict(event) | times)
        names = ("recording", "subject", *(one.name for one in fields(Event)), "start_utc")
        return make_table({name: [row[name] for row in rows] for name in names})


def _utc(time_s: float) -> str:
    """A time of a clock in seconds since 1970 in ISO 8601; an empty text for one of a recording."""
    if time_s < CLOCK_S:
        return ""
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def listen(
    predictor_of: Callable[[str], Predictor],
    stretches: Iterable[Stretch],
    rule: EventRule,
    wearer: Wearer | None = None,
    *,
    anyway: bool = True,
) -> Iterator[Detections]:
    """What is found with one stretch of rows after the other, of one recording after the other.

    `predictor_of` gives what answers for a subject. The wearer's units and clock are those of all recordings; the hand
    is that of the recording where it is known. DataError if there are recordings that physics speaks against, or that
    lack what every network needs, and they are not answered `anyway`; BundleError if a network fails.
    """
    answered: list[WindowProbabilities] = []
    stream: Stream | None = None

    def tell(stretch: Stretch, stream: Stream, events: list[Event], counts: StreamCounts | None) -> Detections:
        windows = WindowProbabilities.concat(answered, len(stream.predictor.label_set))
        answered.clear()
        began_s = stretch.begin_s
        windows = replace(windows, middle_s=windows.middle_s - began_s, known_s=windows.known_s - began_s)
        return Detections(stretch, windows, tuple(event.since(began_s) for event in events), counts)

    for before, stretch in itertools.pairwise(itertools.chain([None], stretches, [None])):
        if before and stream and (stretch is None or stretch.begins):
            last = tell(before, stream, stream.finish(), stream.counts)
            if not anyway:
                stream.plausibility.check(before.id)
            yield last
            stream = None
        if stretch is not None:
            hand = stretch.about.get("handedness")
            worn = wearer if hand is None else replace(wearer or Wearer(), handedness=hand)
            stream = stream or Stream(predictor_of(stretch.subject), rule, wearer=worn, on_windows=answered.append)
            times = {} if stretch.time_s is None else {TIME: stretch.time_s}
            yield tell(stretch, stream, stream.push({**stretch.sensors, **times}), None)


class Listening(NamedTuple):
    """How the recordings of a source are read, and listened to."""

    rule: EventRule
    description: str = "auto"
    acc_unit: str = "m/s^2"
    anyway: bool = False


def listen_to(
    predictor: Predictor, source: Path | Store, how: Listening, progress: Progress | None = None
) -> Iterator[Detections]:
    """What is found in all recordings at a path or of a store; errors as of `iter_stretches` and `listen`."""
    if isinstance(source, Store):
        predictor.bundle.check_device(source.device)
        stretches = source.stretches()
    else:
        device, rows = predictor.source_device, predictor.bundle.manifest.rows
        stretches = iter_stretches(source, device, how.description, progress, rows)
    return listen(lambda _: predictor, stretches, how.rule, Wearer(units={"acc": how.acc_unit}), anyway=how.anyway)


def listen_held_out(
    bundle: Bundle, stretches: Iterable[Stretch], rule: EventRule, *, anyway: bool = True
) -> list[AnnotatedRecording]:
    """All annotated recordings; people of the training are answered by the members that had not seen them.

    DataError as of `listen`; BundleError if a network fails, or no member held out a person.
    """
    annotated = (stretch for stretch in stretches if LABEL in stretch.annotations)
    recordings = []
    windows: list[WindowProbabilities] = []
    codes: list[Array] = []
    times: list[Floats] = []
    for found in listen(HeldOutPredictor(bundle).of, annotated, rule, anyway=anyway):
        windows.append(found.windows)
        label, known_s, rate_hz = found.stretch.annotations[LABEL], found.stretch.time_s, bundle.device.row_rate_hz
        if found.counts is None:
            rows_s = (sum(map(len, codes)) + np.arange(len(label.codes))) / rate_hz
            times.append(rows_s if known_s is None else known_s - found.stretch.begin_s)
            codes.append(label.codes)
            continue
        time_s = np.concatenate([*times, times[-1][-1:] + 1 / rate_hz])
        label = Annotation(np.concatenate(codes), label.names)
        recordings.append(
            AnnotatedRecording(
                found.stretch.id,
                found.stretch.subject,
                float(time_s[-1] - time_s[0]),
                find_episodes(label, time_s, bundle.label_set),
                WindowProbabilities.concat(windows, len(bundle.label_set)),
                rule.spec.step_s,
                found.stretch.simulated,
            )
        )
        windows, codes, times = [], [], []
    return recordings


def find_episodes(annotation: Annotation, time_s: Floats, label_set: LabelSet) -> tuple[Episode, ...]:
    """Runs of rows annotated with the same target behaviour; (N + 1,) times are of the rows and of their end."""
    targets = (run for run in annotation.runs() if run[2] in label_set.targets)
    return tuple(Episode(float(time_s[start]), float(time_s[stop]), name) for start, stop, name in targets)
