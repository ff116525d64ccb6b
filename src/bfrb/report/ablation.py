"""What every sensor adds: the same recordings answered again as if a sensor had measured nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from bfrb.arrays import Bools, Names
from bfrb.metrics import bootstrap_difference, competition_score
from bfrb.predict.bundle import Bundle
from bfrb.predict.evaluation import BOOTSTRAP_SEED
from bfrb.predict.out_of_fold import HeldOutPredictor
from bfrb.read.sources import Source
from bfrb.read.stretches import iter_judged
from bfrb.study.device import Device
from bfrb.study.labels import LabelSet
from bfrb.study.recordings import Recordings
from bfrb.study.windows import WindowSpec

log = logging.getLogger(__name__)


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
class Lost:
    """What is taken away.

    Parameters
    ----------
    name
        What is left, or what is gone, in words.
    sensors
        Sensors that measure nothing, as a whole.
    piece
        Of the one sensor named, only this part measures nothing, counted from 0.
    """

    name: str
    sensors: tuple[str, ...]
    piece: int | None = None

    def had(self, recordings: Recordings) -> Bools:
        """(R,) Whether there is anything to take away from each recording."""
        found = [_measured(recordings, name, self.piece) for name in self.sensors]
        any_of_them: Bools = np.logical_or.reduce(found)
        return any_of_them

    def take(self, recordings: Recordings) -> Recordings:
        """The recordings without it."""
        if self.piece is None:
            return recordings.without(*self.sensors)
        (name,) = self.sensors
        values = recordings.sensors[name].copy()
        values[:, self.piece] = recordings.device.sensor(name).absent
        return replace(recordings, sensors={**recordings.sensors, name: values})


def _measured(recordings: Recordings, name: str, piece: int | None) -> Bools:
    return recordings.measured(name) if piece is None else recordings.measured_pieces(name)[:, piece]


def list_losses(device: Device) -> list[Lost]:
    """Everything that is taken away from recordings of a device, one after the other.

    Every sensor but the accelerometer; all proximity sensors; all but the accelerometer; every part of a sensor that
    gives images.
    """
    others = [sensor.name for sensor in device.sensors if sensor.name != BASIC]
    proximity = device.names_of("proximity")
    losses = [Lost(f"without {_call(name)}", (name,)) for name in others]
    if len(proximity) > 1:
        losses.append(Lost("without " + " and ".join(map(_call, proximity)), proximity))
    if len(others) > 1:
        losses.append(Lost(f"{_call(BASIC)} only", tuple(others)))
    images = [sensor for sensor in device.sensors if len(sensor.shape) > 1]
    parts = [(sensor, piece) for sensor in images for piece in range(sensor.pieces)]
    return losses + [
        Lost(f"without {_call(sensor.name)} {piece + 1}", (sensor.name,), piece) for sensor, piece in parts
    ]


def _call(name: str) -> str:
    return WORDS.get(name, name)


@dataclass(frozen=True, eq=False)
class Ablation:
    """Answers with every sensor and without each.

    Parameters
    ----------
    truth, subjects
        (R,) gestures and people.
    whole
        (R,) answers with everything that measured.
    without
        By what was lost, (R,) answers; only losses that concern any recording.
    concerned
        By what was lost, the number of recordings that had it.
    known
        Number of recordings of people of the training; they were answered by the members that never saw them.
    """

    truth: Names
    subjects: Names
    whole: Names
    without: dict[str, Names]
    concerned: dict[str, int]
    known: int

    def __len__(self) -> int:
        return len(self.truth)


@dataclass(frozen=True)
class Effect:
    """Score without something, what its loss costs (all minus without), and the paired 95 % interval of that."""

    name: str
    score: float
    cost: float
    interval: tuple[float, float] | None
    concerned: int


def measure_effects(ablation: Ablation, label_set: LabelSet) -> list[Effect]:
    """What every loss costs; intervals resample people, who are the same on both sides."""
    people = ablation.subjects.tolist()
    whole = competition_score(ablation.truth, ablation.whole, label_set).score
    found = []
    for name, answers in ablation.without.items():
        score = competition_score(ablation.truth, answers, label_set).score
        interval = None
        if len(set(people)) > 1:
            rng = np.random.default_rng(BOOTSTRAP_SEED)
            interval = bootstrap_difference(ablation.truth, (ablation.whole, answers), people, rng, label_set)
        found.append(Effect(name, score, whole - score, interval, ablation.concerned[name]))
    return found


def ablate(bundle: Bundle, source: Source) -> Ablation | None:
    """Answer all labelled recordings of a source with every sensor, and again without each; None if there are none.

    Raises
    ------
    DataError
        If a recording's gesture is not among the bundle's.
    BundleError
        If a member fails.
    """
    predictor, collected = HeldOutPredictor(bundle), _Collected()
    for batch in _labelled(source, bundle.windows, bundle.label_set):
        collected.add(batch, predictor)
        log.debug("answered %d recordings without each sensor", len(collected.truth))
    return collected.finish() if collected.truth else None


def _labelled(source: Source, windows: WindowSpec, label_set: LabelSet) -> Iterator[Recordings]:
    for cut in iter_judged(source, windows):
        gestures = cut.gestures or []
        known = np.array([gesture is not None for gesture in gestures], dtype=bool)
        label_set.encode([gesture for gesture in gestures if gesture is not None])
        if known.any():
            yield cut if known.all() else cut[known]


@dataclass(eq=False)
class _Collected:
    """Answers so far."""

    truth: list[str] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    whole: list[Names] = field(default_factory=list)
    without: dict[str, list[Names]] = field(default_factory=dict)
    concerned: dict[str, int] = field(default_factory=dict)
    known: int = 0

    def add(self, batch: Recordings, predictor: HeldOutPredictor) -> None:
        whole = predictor.predict(batch).gestures
        self.truth += [str(gesture) for gesture in batch.gestures or []]
        self.subjects += [str(name) for name in batch.subjects]
        self.whole.append(whole)
        self.known += sum(str(name) in predictor.fold_of for name in batch.subjects)
        for lost in list_losses(batch.device):
            had, answers = lost.had(batch), whole.copy()
            if had.any():
                answers[had] = predictor.predict(lost.take(batch[had])).gestures
            self.without.setdefault(lost.name, []).append(answers)
            self.concerned[lost.name] = self.concerned.get(lost.name, 0) + int(had.sum())

    def finish(self) -> Ablation:
        kept = [name for name, count in self.concerned.items() if count]
        return Ablation(
            np.array(self.truth, dtype=object),
            np.array(self.subjects, dtype=object),
            _join(self.whole),
            {name: _join(self.without[name]) for name in kept},
            {name: self.concerned[name] for name in kept},
            self.known,
        )


def _join(parts: Sequence[Names]) -> Names:
    return np.array(list(chain.from_iterable(part.tolist() for part in parts)), dtype=object)
