"""What was learnt of one wearer from their own labelled episodes: a small head on top of the frozen networks.

The head adds to the log-odds of the target behaviours a bias and a few weights on plain statistics of a window: where
down is, and how lively hand and wrist are. It starts from nothing, which leaves every answer as it was, and moves away
from that only as far as the wearer's examples demand. It is asked for by the wearer's name, and by nobody else's.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import Field

from bfrb.arrays import Array, Floats
from bfrb.errors import BundleError, ConfigError, DataError
from bfrb.predict.bundle import CHECKSUMS, Bundle, writing_bundle
from bfrb.spec import Spec
from bfrb.stream.calibrate import Heard, cut_each, find_targets, listen_held_out
from bfrb.study.labels import LabelSet
from bfrb.study.recordings import Recordings

FOLDER = "personal"
"""Folder of the heads in a bundle."""

STRENGTH = 1.0
"""Pull of the head's weights towards 0, worth about one episode's evidence."""

_STEPS = 30
_CLIP = 1e-4
_STATISTICS = 6
_FLOOR = 0.02


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
    mean: Annotated[tuple[float, ...], Field(min_length=_STATISTICS, max_length=_STATISTICS)]
    sd: Annotated[tuple[float, ...], Field(min_length=_STATISTICS, max_length=_STATISTICS)]
    weights: Annotated[tuple[float, ...], Field(min_length=_STATISTICS + 1, max_length=_STATISTICS + 1)]
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

    def adapt(self, probabilities: Floats, described: Floats, label_set: LabelSet) -> Floats:
        """(W, K) probabilities of windows with (W, 6) statistics, as this wearer's; ratios among targets stay."""
        scaled = _scale(described, np.array(self.mean), np.array(self.sd))
        shift = self.weights[0] + _weigh(scaled, np.array(self.weights[1:]))
        before = np.clip(_sum(probabilities[:, label_set.is_target]), _CLIP, 1 - _CLIP)
        after = 1.0 / (1.0 + (1.0 - before) / before * np.exp(-np.clip(shift, -30, 30)))
        factor = np.where(label_set.is_target, (after / before)[:, None], ((1.0 - after) / (1.0 - before))[:, None])
        adapted = probabilities * factor
        scaled_to_one: Floats = adapted / _sum(adapted)[:, None]
        return scaled_to_one


def describe(sensors: Mapping[str, Array], windows: int, rows: int) -> Floats:
    """(W, 6) statistics of the last `rows` rows of windows: direction of the mean acceleration, and three logarithms.

    Those are of the spread of the acceleration, and of the mean and the spread of the turning rate; 0 where a device
    has no gyroscope. What was not measured counts nothing.
    """
    acc = sensors["acc"].astype(np.float64).reshape(windows, -1, 3)[:, -rows:]
    known = np.isfinite(acc).all(axis=2, keepdims=True)
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, acc, 0.0).sum(axis=1) / count
    spread = np.where(known, np.square(acc - mean[:, None]), 0.0).sum(axis=(1, 2)) / count[:, 0]
    down = mean / np.maximum(np.sqrt(_sum(np.square(mean))), 1e-9)[:, None]
    lively = [np.zeros(windows), np.zeros(windows)]
    if "gyr" in sensors:
        turning = np.sqrt(np.square(np.deg2rad(sensors["gyr"].astype(np.float64))).sum(axis=1))
        turning = np.nan_to_num(turning).reshape(windows, -1)[:, -rows:]
        lively = [np.log(turning.mean(axis=1) + _FLOOR), np.log(turning.std(axis=1) + _FLOOR)]
    return np.stack([*down.T, np.log(np.sqrt(spread) + _FLOOR), *lively], axis=1)


def describe_windows(bundle: Bundle, recordings: Recordings, step_s: float) -> list[Floats]:
    """For every continuous recording the (W, 6) statistics of its windows."""
    rows = round(bundle.windows.length_s * recordings.device.row_rate_hz)
    return [describe(windows.sensors, len(windows), rows) for windows in cut_each(recordings, bundle, step_s)]


def learn_head(
    wearer: str, examples: Sequence[tuple[Heard, Floats]], label_set: LabelSet, length_s: float
) -> PersonalHead:
    """The head that explains the wearer's examples best, as the maximum a posteriori of a logistic model.

    Parameters
    ----------
    wearer
        Their name.
    examples
        What was answered about recordings of theirs, and the statistics of those windows.
    label_set
        The classes.
    length_s
        Length of a window: those that overlap count their share at most.

    Raises
    ------
    DataError
        If there are no examples.
    """
    if not examples or not any(len(heard.episodes) for heard, _ in examples):
        raise DataError("expected labelled episodes of the wearer, found none", remedy="label one, or more, first")
    heard = [part for part, _ in examples]
    described = np.concatenate([found for _, found in examples])
    claimed = np.concatenate([_sum(part.answers.probabilities[:, label_set.is_target]) for part in heard])
    truth = np.concatenate([part.positive_s / part.step_s for part in heard])
    # Windows of one episode are alike: all of them together count as one example, and other windows in proportion.
    episodes = sum(len(part.episodes) for part in heard)
    share = min(heard[0].step_s / length_s, episodes / max(float(truth.sum()), 1.0))
    counted = np.full(len(described), share)
    mean, sd = described.mean(axis=0), np.maximum(described.std(axis=0), 0.05)
    columns = np.concatenate([np.ones((len(described), 1)), _scale(described, mean, sd)], axis=1)
    claimed = np.clip(claimed, _CLIP, 1 - _CLIP)
    weights = _fit(columns, np.log(claimed / (1 - claimed)), truth, counted)
    return PersonalHead(
        wearer=wearer,
        mean=tuple(mean.tolist()),
        sd=tuple(sd.tolist()),
        weights=tuple(weights.tolist()),
        episodes=episodes,
        seconds=float(sum(part.hours for part in heard) * 3600),
    )


def _fit(columns: Floats, offset: Floats, truth: Floats, counted: Floats) -> Floats:
    """(D,) weights by Newton's method; the penalty makes the problem convex with one solution."""
    weights = np.zeros(columns.shape[1])
    for _ in range(_STEPS):
        probability = 1.0 / (1.0 + np.exp(-np.clip(offset + columns @ weights, -30, 30)))
        slope = columns.T @ (counted * (probability - truth)) + STRENGTH * weights
        curve = (columns * (counted * probability * (1 - probability))[:, None]).T @ columns
        step = np.linalg.solve(curve + STRENGTH * np.eye(len(weights)), slope)
        weights = weights - step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-9:
            break
    return weights


def personalize(bundle: Bundle, recordings: Recordings, wearer: str, step_s: float = 1.0) -> PersonalHead:
    """What a wearer's labelled continuous recordings teach; members that were trained on them do not answer.

    Raises
    ------
    DataError
        If no row is labelled as a behaviour, or the device is another.
    """
    if not any(find_targets(recordings[number], bundle.label_set).any() for number in range(len(recordings))):
        raise DataError("expected labelled episodes of the wearer, found none", remedy="label one, or more, first")
    heard = listen_held_out(bundle, recordings, step_s)
    examples = list(zip(heard, describe_windows(bundle, recordings, step_s), strict=True))
    return learn_head(wearer, examples, bundle.label_set, bundle.windows.length_s)


def write_with_head(bundle: Bundle, head: PersonalHead, out: Path, *, overwrite: bool = False) -> None:
    """Write a copy of a bundle that knows the wearer; what it knew of others stays.

    Raises
    ------
    BundleError
        If something is at `out` already.
    """
    with writing_bundle(out, overwrite=overwrite) as folder:
        for path in bundle.path.iterdir():
            if path.is_dir():
                shutil.copytree(path, folder / path.name)
            elif path.name != CHECKSUMS:
                shutil.copy2(path, folder / path.name)
        (folder / FOLDER).mkdir(exist_ok=True)
        (folder / FOLDER / _file_name(head.wearer)).write_text(head.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _file_name(wearer: str) -> str:
    """A name for the file, whatever characters the wearer's has."""
    return f"{hashlib.sha256(wearer.encode()).hexdigest()[:16]}.json"


def _scale(described: Floats, mean: Floats, sd: Floats) -> Floats:
    scaled: Floats = np.clip((described - mean) / sd, -4.0, 4.0)
    return scaled


def _weigh(columns: Floats, weights: Floats) -> Floats:
    """(W,) weighted sums, to the last bit the same for any number of windows."""
    return _sum(columns * weights)


def _sum(values: Floats) -> Floats:
    total = np.zeros(len(values))
    for column in values.T:
        total += column
    return total
