"""What a wearer's own labelled episodes teach: the head of `stream.personal`, fitted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from bfrb.arrays import Floats
from bfrb.errors import DataError
from bfrb.predict.bundle import Bundle
from bfrb.predict.out_of_fold import HeldOutPredictor
from bfrb.stream.events import EventRule, WindowProbabilities
from bfrb.stream.listen import AnnotatedRecording, listen_annotated, split_recordings
from bfrb.stream.personal import CLIP, PersonalHead, describe, scale
from bfrb.stream.windowing import Windows
from bfrb.study.labels import LabelSet
from bfrb.study.stretches import Stretch

STRENGTH = 1.0
"""Pull of the head's weights towards 0, worth about one episode's evidence."""

_STEPS = 30

Example = tuple[AnnotatedRecording, Floats]
"""A recording, and the (W, 6) statistics of its windows."""


def personalize(bundle: Bundle, stretches: Iterable[Stretch], wearer: str) -> PersonalHead:
    """What a wearer's annotated continuous recordings teach; members that were trained on them do not answer.

    Raises
    ------
    DataError
        If no row is annotated as a behaviour.
    """
    return fit_head(wearer, listen_to_examples(bundle, stretches), bundle.label_set, bundle.windows.length_s)


def listen_to_examples(bundle: Bundle, stretches: Iterable[Stretch]) -> list[Example]:
    """What is answered about annotated recordings, and what describes their windows."""
    predictor = HeldOutPredictor(bundle)
    found = (_listen_to_example(predictor, own) for own in split_recordings(stretches))
    return [example for example in found if example is not None]


def _listen_to_example(predictor: HeldOutPredictor, stretches: Iterable[Stretch]) -> Example | None:
    described = [np.zeros((0, 6))]

    def keep(windows: Windows, _: WindowProbabilities) -> None:
        described.append(describe(windows))

    recording = listen_annotated(predictor, stretches, EventRule(), keep)
    return None if recording is None else (recording, np.concatenate(described))


def fit_head(wearer: str, examples: Sequence[Example], label_set: LabelSet, length_s: float) -> PersonalHead:
    """The head that explains the wearer's examples best, as the maximum a posteriori of a logistic model.

    Parameters
    ----------
    wearer
        Their name.
    examples
        Recordings of theirs.
    label_set
        The classes.
    length_s
        Length of a window: those that overlap count their share at most.

    Raises
    ------
    DataError
        If there are no examples.
    """
    recordings = [one for one, _ in examples]
    episodes = sum(len(one.episodes) for one in recordings)
    if not episodes:
        raise DataError("expected labelled episodes of the wearer, found none", remedy="label one, or more, first")
    described = np.concatenate([found for _, found in examples])
    claimed = np.concatenate([one.windows.claimed(label_set) for one in recordings])
    truth = np.concatenate([one.positive_share for one in recordings])
    # Windows of one episode are alike: all of them together count as one example, and other windows in proportion.
    share = min(recordings[0].step_s / length_s, episodes / max(float(truth.sum()), 1.0))
    mean, sd = described.mean(axis=0), np.maximum(described.std(axis=0), 0.05)
    columns = np.concatenate([np.ones((len(described), 1)), scale(described, mean, sd)], axis=1)
    claimed = np.clip(claimed, CLIP, 1 - CLIP)
    weights = _fit(columns, np.log(claimed / (1 - claimed)), truth, share)
    return PersonalHead(
        wearer=wearer,
        mean=tuple(mean.tolist()),
        sd=tuple(sd.tolist()),
        weights=tuple(weights.tolist()),
        episodes=episodes,
        seconds=sum(one.seconds for one in recordings),
    )


def _fit(columns: Floats, offset: Floats, truth: Floats, share: float) -> Floats:
    """(D,) weights by Newton's method; the penalty makes the problem convex with one solution."""
    weights = np.zeros(columns.shape[1])
    for _ in range(_STEPS):
        probability = 1.0 / (1.0 + np.exp(-np.clip(offset + columns @ weights, -30, 30)))
        slope = columns.T @ (share * (probability - truth)) + STRENGTH * weights
        curve = (columns * (share * probability * (1 - probability))[:, None]).T @ columns
        step = np.linalg.solve(curve + STRENGTH * np.eye(len(weights)), slope)
        weights = weights - step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-9:
            break
    return weights
