"""What was learnt of one wearer from their own labelled episodes: a small head on top of the frozen networks.

The head adds to the log-odds of the target behaviours a bias and a few weights on plain statistics of a window: where
down is, and how lively hand and wrist are. It starts from nothing, which leaves every answer as it was, and moves away
from that only as far as the wearer's examples demand. It is asked for by the wearer's name, and by nobody else's.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import Field

from bfrb.arrays import Floats
from bfrb.errors import BundleError, ConfigError
from bfrb.predict.bundle import Bundle, copying_bundle
from bfrb.spec import Spec
from bfrb.stream.windowing import Windows
from bfrb.study.labels import LabelSet

FOLDER = "personal"
"""Folder of the heads in a bundle."""

CLIP = 1e-4
"""Claimed probabilities nearer to 0 or 1 count as this one."""

_FLOOR = 0.02
_Statistics = Annotated[tuple[float, ...], Field(min_length=6, max_length=6)]


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

    def adapt(self, probabilities: Floats, described: Floats, label_set: LabelSet) -> Floats:
        """(W, K) probabilities of windows with (W, 6) statistics, as this wearer's; ratios among targets stay."""
        scaled = scale(described, np.array(self.mean), np.array(self.sd))
        shift = self.weights[0] + _sum(scaled * np.array(self.weights[1:]))
        before = np.clip(_sum(probabilities[:, label_set.is_target]), CLIP, 1 - CLIP)
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


def write_with_head(bundle: Bundle, head: PersonalHead, out: Path, *, overwrite: bool = False) -> None:
    """Write a copy of a bundle that knows the wearer; what it knew of others stays.

    Raises
    ------
    BundleError
        If something is at `out` already.
    """
    with copying_bundle(bundle, out, overwrite=overwrite) as folder:
        (folder / FOLDER).mkdir(exist_ok=True)
        (folder / FOLDER / _file_name(head.wearer)).write_text(head.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _file_name(wearer: str) -> str:
    """A name for the file, whatever characters the wearer's has."""
    return f"{hashlib.sha256(wearer.encode()).hexdigest()[:16]}.json"


def scale(described: Floats, mean: Floats, sd: Floats) -> Floats:
    """(W, 6) statistics in standard deviations from the mean, at most 4."""
    scaled: Floats = np.clip((described - mean) / sd, -4.0, 4.0)
    return scaled


def _sum(values: Floats) -> Floats:
    """(W,) sums over the columns one after the other: to the last bit the same for any number of windows."""
    return np.asarray(np.cumsum(values, axis=1)[:, -1])
