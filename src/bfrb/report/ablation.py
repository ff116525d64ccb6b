"""What every sensor adds: the same recordings answered again as if a sensor had measured nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from bfrb.arrays import Bools
from bfrb.metrics import Interval, competition_score, difference_interval
from bfrb.predict.bundle import Bundle
from bfrb.predict.out_of_fold import HeldOutPredictor
from bfrb.read.sources import Source
from bfrb.read.stretches import iter_judged
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings

BASIC = "acc"
"""The sensor that every device has and no network can do without."""

WORDS = {
    "acc": "accelerometer",
    "quaternion": "orientation",
    "gyr": "gyroscope",
    "thm": "thermopiles",
    "tof": "time of flight",
}
"""What sensors are called in a report."""


@dataclass(frozen=True)
class Removal:
    """What is taken away from recordings."""

    name: str  # what is left, or what is gone, in words
    sensors: tuple[str, ...]  # sensors that measure nothing, as a whole
    piece: int | None = None  # of the one sensor named, only this part measures nothing, counted from 0

    def concerns(self, recordings: Recordings) -> Bools:
        """(R,) Whether there is anything to take away from each recording."""
        parts = slice(None) if self.piece is None else slice(self.piece, self.piece + 1)
        measured = [recordings.measured_pieces(name)[:, parts] for name in self.sensors]
        return np.asarray(np.concatenate(measured, axis=1).any(axis=1))

    def apply(self, recordings: Recordings) -> Recordings:
        """The recordings without it."""
        if self.piece is None:
            return recordings.without(*self.sensors)
        (name,) = self.sensors
        values = recordings.sensors[name].copy()
        values[:, self.piece] = recordings.device.sensor(name).absent
        return replace(recordings, sensors={**recordings.sensors, name: values})


def list_removals(device: Device) -> list[Removal]:
    """Everything that is taken away from recordings of a device, one after the other.

    Every sensor but the accelerometer; all proximity sensors; all but the accelerometer; every part of a sensor that
    gives images.
    """
    words = {name: WORDS.get(name, name) for name in device.sensor_names}
    others = [name for name in device.sensor_names if name != BASIC]
    proximity = device.names_of("proximity")
    found = [Removal(f"without {words[name]}", (name,)) for name in others]
    if len(proximity) > 1:
        found.append(Removal("without " + " and ".join(words[name] for name in proximity), tuple(proximity)))
    if len(others) > 1:
        found.append(Removal(f"{words.get(BASIC, BASIC)} only", tuple(others)))
    return found + [
        Removal(f"without {words[sensor.name]} {piece + 1}", (sensor.name,), piece)
        for sensor in device.sensors
        if len(sensor.shape) > 1
        for piece in range(sensor.pieces)
    ]


@dataclass(frozen=True)
class Effect:
    """What one removal costs."""

    name: str
    score: float  # without it
    cost: float  # score of all minus this
    interval: Interval | None  # paired 95 % interval of the cost
    concerned: int  # recordings that had it


@dataclass(frozen=True)
class Ablation:
    """What every removal costs that concerns any recording."""

    effects: tuple[Effect, ...]
    recordings: int
    known: int  # recordings of people of the training, which were answered by the members that never saw them


@dataclass
class Told:
    """Answers to labelled recordings, with every sensor and without each."""

    truth: list[str] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    without: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    concerned: Counter[str] = field(default_factory=Counter)

    def add(self, other: Told) -> None:
        """Put those to other recordings after these."""
        self.truth += other.truth
        self.subjects += other.subjects
        self.whole += other.whole
        self.concerned += other.concerned
        for name, answers in other.without.items():
            self.without[name] += answers


def ablate(bundle: Bundle, parts: Iterable[Told]) -> Ablation | None:
    """What each sensor adds, by the answers to all parts of a source; None if no recording is labelled."""
    told = Told()
    for part in parts:
        told.add(part)
    if not told.truth:
        return None
    best = competition_score(told.truth, told.whole, bundle.label_set).score
    effects = []
    for name in filter(told.concerned.get, told.without):
        score = competition_score(told.truth, told.without[name], bundle.label_set).score
        pair = (told.whole, told.without[name])
        interval = difference_interval(told.truth, pair, told.subjects, bundle.label_set)
        effects.append(Effect(name, score, best - score, interval, told.concerned[name]))
    known = HeldOutPredictor(bundle).fold_of
    return Ablation(tuple(effects), len(told.truth), sum(name in known for name in told.subjects))


def answer_without(bundle: Bundle, source: Source) -> Told:
    """Answer all labelled recordings of a source with every sensor, and again without each.

    Raises
    ------
    DataError
        If a recording's gesture is not among the bundle's.
    BundleError
        If a member fails.
    """
    predictor, told = HeldOutPredictor(bundle), Told()
    for batch in _labelled(source, bundle):
        given = predictor.predict(batch).gestures
        told.truth += map(str, batch.gestures or ())
        told.subjects += [str(name) for name in batch.subjects]
        told.whole += given.tolist()
        for removal in list_removals(batch.device):
            had, answers = removal.concerns(batch), given.copy()
            if had.any():
                answers[had] = predictor.predict(removal.apply(batch[had])).gestures
            told.without[removal.name] += answers.tolist()
            told.concerned[removal.name] += int(had.sum())
    return told


def _labelled(source: Source, bundle: Bundle) -> Iterator[Recordings]:
    for cut in iter_judged(source, bundle.windows):
        gestures = cut.gestures or []
        known = np.array([gesture is not None for gesture in gestures], dtype=bool)
        bundle.label_set.encode([gesture for gesture in gestures if gesture is not None])
        if known.any():
            yield cut if known.all() else cut[known]
