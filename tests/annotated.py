"""Continuous recordings with known claims and episodes, for tests of what is made of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bfrb.stream.events import WindowProbabilities
from bfrb.stream.listen import AnnotatedRecording, Episode
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.labels import SEARLE_BEHAVIORS, LabelSet
from bfrb.study.recordings import Annotation, Recordings
from bundles import make_recordings

TWO = LabelSet("two", ("pull", "rest"), frozenset({"pull"}))


def annotated(
    subject: str, claimed: Any, episodes: Sequence[tuple[float, float]], wait_s: float = 0.5
) -> AnnotatedRecording:
    """One window a second, for the second around its middle, known so long after it; and episodes of these seconds."""
    found = tuple(Episode(float(start), float(end), "pull") for start, end in episodes)
    values = np.asarray(claimed, dtype=np.float64)
    middle_s = np.arange(len(values)) + 0.5
    windows = WindowProbabilities(middle_s, middle_s + wait_s, np.stack([values, 1 - values], axis=1), middle_s < 1)
    return AnnotatedRecording(f"of {subject}", subject, float(len(windows)), found, windows, 1.0)


def second_by_second(subject: str, claimed: np.ndarray, truth: np.ndarray) -> AnnotatedRecording:
    """The same, with the truth of every second."""
    edges = np.flatnonzero(np.diff(truth.astype(int), prepend=0, append=0))
    return annotated(subject, claimed, edges.reshape(-1, 2).tolist())


def people(count: int, skill: float, seed: int = 0) -> list[AnnotatedRecording]:
    """Eight minutes of each, whose claims tell the truth the better the greater the skill."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        truth = np.repeat(rng.random(40) < 0.2, 12)
        claimed = np.clip(0.3 + skill * (truth - 0.3) + rng.normal(0, 0.15, len(truth)), 0, 1)
        found.append(second_by_second(f"s{number}", claimed, truth))
    return found


def watch_recordings(codes: Any, count: int = 1) -> Recordings:
    """Continuous recordings of the watch whose rows are annotated with these codes, of as many people."""
    codes = np.asarray(codes, dtype=np.int8)
    made = make_recordings(count, device=GALAXY_WATCH, lengths=np.full(count, len(codes)))
    label = Annotation(np.tile(codes, count), SEARLE_BEHAVIORS.classes)
    return Recordings(GALAXY_WATCH, made.sensors, made.offsets, made.table.drop("gesture"), {"gesture": label})
