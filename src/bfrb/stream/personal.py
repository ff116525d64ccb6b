"""What is learnt of one wearer from their own labelled episodes: a small head on top of the frozen networks.

The head adds to the log-odds of the target behaviours a bias and a few weights on plain statistics of a window: where
down is, and how lively hand and wrist are. It starts from nothing, which leaves every answer as it was, and moves away
from that only as far as the wearer's examples demand. It is asked for by the wearer's name, and by nobody else's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import Field

from bfrb.arrays import Floats
from bfrb.errors import BundleError, ConfigError, DataError
from bfrb.predict.bundle import Bundle, copying_bundle
from bfrb.predict.out_of_fold import HeldOutPredictor
from bfrb.spec import Spec
from bfrb.stream.events import EventRule, WindowProbabilities
from bfrb.stream.listen import AnnotatedRecording, listen_annotated, split_recordings
from bfrb.stream.windowing import Windows
from bfrb.study.labels import LabelSet
from bfrb.study.stretches import Stretch

FOLDER = "personal"
"""Folder of the heads in a bundle."""

STRENGTH = 1.0
"""Pull of the head's weights towards 0, worth about one episode's evidence."""

_STEPS = 30
_CLIP = 1e-4
_FLOOR = 0.02
_Statistics = Annotated[tuple[float, ...], Field(min_length=6, max_length=6)]

Example = tuple[AnnotatedRecording, Floats]
"""A recording, and the (W, 6) statistics of its windows."""


class PersonalHead(Spec):
    """What was learnt of one wearer.

    Parameters
    ----------
    format
        Version of the file.
    wearer
        Their name.
    mean, sd
        Of the six statistics over the wearer's examples, to scale them.
    weights
        Bias, and weights of the scaled statistics.
    episodes, seconds
        What it was learnt from.
    """

    format: int = 1
    wearer: Annotated[str, Field(min_length=1)]
    mean: _Statistics
    sd: _Statistics
    weights: Annotated[tuple[float, ...], Field(min_length=7, max_length=7)]
    episodes: int
    seconds: float

    @classmethod
    def of(cls, bundle: Bundle, wearer: str) -> Self:
        """What a bundle has learnt of a wearer.

        Raises
        ------
        BundleError
            If it has learnt nothing of them, or its file is damaged.
        """
        path = bundle.file(f"{FOLDER}/{_file_name(wearer)}")
        if not path.is_file():
            raise BundleError(
                f"the bundle {bundle.path} has learnt nothing of the wearer {wearer!r}",
                remedy="run `bfrb personalize` with recordings of theirs, or leave the wearer's name out",
            )
        try:
            return cls.parse(json.loads(path.read_text(encoding="utf-8")))
        except (ConfigError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise BundleError(f"{path} is damaged: {error}", remedy="run `bfrb personalize` again") from None

    def write(self, bundle: Bundle, out: Path, *, overwrite: bool = False) -> None:
        """Write a copy of a bundle that knows the wearer; what it knew of others stays.

        Raises
        ------
        BundleError
            If something is at `out` already.
        """
        with copying_bundle(bundle, out, overwrite=overwrite) as folder:
            path = folder / FOLDER / _file_name(self.wearer)
            path.parent.mkdir(exist_ok=True)
            path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def adapt(self, windows: Windows, probabilities: Floats, label_set: LabelSet) -> Floats:
        """(W, K) probabilities of windows as this wearer's: a `Wearer` adapts with it."""
        return self.shift(probabilities, describe(windows), label_set)

    def shift(self, probabilities: Floats, described: Floats, label_set: LabelSet) -> Floats:
        """(W, K) probabilities, given the (W, 6) statistics of the windows; ratios among the targets stay."""
        scaled = _scale(described, np.array(self.mean), np.array(self.sd))
        shift = self.weights[0] + _sum(scaled * np.array(self.weights[1:]))
        before = np.clip(_sum(probabilities[:, label_set.is_target]), _CLIP, 1 - _CLIP)
        after = 1.0 / (1.0 + (1.0 - before) / before * np.exp(-np.clip(shift, -30, 30)))
        factor = np.where(label_set.is_target, (after / before)[:, None], ((1.0 - after) / (1.0 - before))[:, None])
        adapted: Floats = probabilities * factor
        return adapted / _sum(adapted)[:, None]


def describe(windows: Windows) -> Floats:
    """(W, 6) statistics of the rows that windows are judged by: where down is, and how lively hand and wrist are.

    The direction of the mean acceleration, and the logarithms of the spread of the acceleration and of the mean and the
    spread of the turning rate, 0 where a device has no gyroscope. What was not measured counts nothing.
    """
    count, rows = len(windows), windows.windowing.length
    acc = windows.sensors["acc"].astype(np.float64).reshape(count, -1, 3)[:, -rows:]
    known = np.isfinite(acc).all(axis=2, keepdims=True)
    measured = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, acc, 0.0).sum(axis=1) / measured
    spread = np.where(known, np.square(acc - mean[:, None]), 0.0).sum(axis=(1, 2)) / measured[:, 0]
    down = mean / np.maximum(np.sqrt(_sum(np.square(mean))), 1e-9)[:, None]
    lively = [np.zeros(count), np.zeros(count)]
    if "gyr" in windows.sensors:
        turning = np.sqrt(np.square(np.deg2rad(windows.sensors["gyr"].astype(np.float64))).sum(axis=1))
        turning = np.nan_to_num(turning).reshape(count, -1)[:, -rows:]
        lively = [np.log(turning.mean(axis=1) + _FLOOR), np.log(turning.std(axis=1) + _FLOOR)]
    return np.stack([*down.T, np.log(np.sqrt(spread) + _FLOOR), *lively], axis=1)


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
    columns = np.concatenate([np.ones((len(described), 1)), _scale(described, mean, sd)], axis=1)
    claimed = np.clip(claimed, _CLIP, 1 - _CLIP)
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


def _file_name(wearer: str) -> str:
    """A name for the file, whatever characters the wearer's has."""
    return f"{hashlib.sha256(wearer.encode()).hexdigest()[:16]}.json"


def _scale(described: Floats, mean: Floats, sd: Floats) -> Floats:
    scaled: Floats = np.clip((described - mean) / sd, -4.0, 4.0)
    return scaled


def _sum(values: Floats) -> Floats:
    """(W,) sums over the columns one after the other: to the last bit the same for any number of windows."""
    return np.asarray(np.cumsum(values, axis=1)[:, -1])
