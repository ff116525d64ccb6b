"""The folder that the published notebook leaves behind: what its networks are fed with, and where they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.arrays import Floats
from bfrb.errors import BundleError
from bfrb.features.notebook import notebook_columns
from bfrb.features.pipeline import FEATURES
from bfrb.from_keras.files import SUFFIXES
from bfrb.from_keras.pickled import STANDARD_SCALER, Instance, read_npy, read_pickle
from bfrb.study.device import Device
from bfrb.study.labels import LabelSet

COLUMNS = "feature_cols.npy"
LENGTH = "sequence_maxlen.npy"
SCALER = "scaler.pkl"
CLASSES = "gesture_classes.npy"


@dataclass(frozen=True, eq=False)
class KerasFolder:
    """A notebook's folder, read and checked, but for its models.

    Parameters
    ----------
    path
        The folder.
    columns
        (C,) names of the feature columns, in the order in which the models take them.
    pad_length
        Rows that every recording is cut or padded to.
    mean, scale
        (C,) what is taken from every column, and what it is then divided by.
    classes
        The gestures, in the order of the models' outputs.
    models
        The files of the models, by name.
    """

    path: Path
    columns: tuple[str, ...]
    pad_length: int
    mean: Floats
    scale: Floats
    classes: tuple[str, ...]
    models: dict[str, Path]


def read_folder(path: Path, label_set: LabelSet) -> KerasFolder:
    """Read a folder.

    Parameters
    ----------
    path
        The folder.
    label_set
        The gestures that its models must tell apart, in any order.

    Raises
    ------
    BundleError
        If a file is missing or damaged, or they do not fit together.
    """
    _check_complete(path)
    columns = _strings(path / COLUMNS)
    mean, scale = _read_scaler(path / SCALER, len(columns))
    classes = _strings(path / CLASSES)
    if sorted(classes) != sorted(label_set.classes):
        odd = sorted(set(classes) - set(label_set.classes)) or sorted(set(label_set.classes) - set(classes))
        raise BundleError(
            f"expected the {len(label_set)} gestures of {label_set.name!r} in {path / CLASSES}, got {len(classes)} "
            f"names; the first difference: {odd[0] if odd else 'one comes twice'!r}",
            remedy="only models that tell these gestures apart can be imported",
        )
    return KerasFolder(path, columns, _read_length(path / LENGTH), mean, scale, classes, _find_models(path))


def _check_complete(path: Path) -> None:
    if not path.is_dir():
        raise BundleError(f"there is no folder {path}", remedy="name the folder with the notebook's files")
    names = (COLUMNS, LENGTH, SCALER, CLASSES)
    missing = [name for name in names if not (path / name).is_file()]
    if missing:
        raise BundleError(
            f"expected {', '.join(names)} and models in {path}; missing: {', '.join(missing)}",
            remedy="put the files that the notebook wrote beside each other",
        )


def _strings(path: Path) -> tuple[str, ...]:
    array = read_npy(path)
    if array.ndim != 1 or not array.size or array.dtype.kind not in "OU":
        raise BundleError(
            f"expected a list of names in {path}, got {array.dtype} of shape {array.shape}", remedy=_MIXED
        )
    return tuple(str(name) for name in array.tolist())


_MIXED = "check that the folder's files belong together"


def _read_length(path: Path) -> int:
    array = read_npy(path)
    if array.size != 1 or array.dtype.kind not in "iuf" or not 1 <= array.item() <= 100_000:
        raise BundleError(f"expected a number of rows in {path}, got {array!r}", remedy=_MIXED)
    return int(array.item())


def _read_scaler(path: Path, channels: int) -> tuple[Floats, Floats]:
    """Mean and scale of a StandardScaler; 0 and 1 where it leaves one of them out."""
    scaler = read_pickle(path)
    if not isinstance(scaler, Instance) or scaler.kind != STANDARD_SCALER or not isinstance(scaler.state, dict):
        raise BundleError(f"expected a fitted StandardScaler in {path}, got {type(scaler).__name__}", remedy=_MIXED)
    mean = _numbers(path, scaler.state.get("mean_"), np.zeros(channels), use=scaler.state.get("with_mean", True))
    scale = _numbers(path, scaler.state.get("scale_"), np.ones(channels), use=scaler.state.get("with_std", True))
    if (scale == 0).any():
        raise BundleError(f"the scaler in {path} divides by 0", remedy="fit it again")
    return mean, scale


def _numbers(path: Path, values: Any, default: Floats, *, use: bool) -> Floats:
    if not use:
        return default
    found = np.asarray(np.nan if values is None else values)
    if found.shape != default.shape or found.dtype.kind not in "fiu" or not np.isfinite(found).all():
        raise BundleError(
            f"expected {len(default)} finite numbers in the scaler {path}, one for each column of {COLUMNS}, "
            f"got shape {found.shape}",
            remedy=_MIXED,
        )
    return found.astype(np.float64)


def _find_models(path: Path) -> dict[str, Path]:
    """The folder's models by name, in the order of their names."""
    files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file())
    if not files:
        raise BundleError(f"there is no .h5 or .keras model in {path}", remedy="put the trained models there")
    twice = [name for name, count in Counter(file.stem for file in files).items() if count > 1]
    if twice:
        raise BundleError(
            f"the model {twice[0]!r} is there as .h5 and as .keras, and would count twice", remedy="remove one of them"
        )
    return {file.stem: file for file in files}


@dataclass(frozen=True)
class Columns:
    """Where a notebook's columns come from.

    Parameters
    ----------
    branches
        Names of our features by branch, as a bundle's manifest has them.
    channels
        Number of channels of every branch.
    order
        (C,) for every column its channel in the branches laid side by side.
    motion
        Number of leading columns that are motion features.
    """

    branches: dict[str, tuple[str, ...]]
    channels: dict[str, int]
    order: tuple[int, ...]
    motion: int


def find_columns(columns: Sequence[str], device: Device) -> Columns:
    """Where to find the notebook's columns among our features.

    Raises
    ------
    BundleError
        If a column is not known or comes twice.
    """
    known = notebook_columns(device, FEATURES)
    unknown = [column for column in columns if column not in known]
    if unknown or len(set(columns)) < len(columns):
        problem = f"{len(unknown)} are not known, such as {unknown[0]!r}" if unknown else "one comes twice"
        raise BundleError(
            f"expected feature columns of the published notebook, but {problem}",
            remedy=f"these are known: {', '.join(known)}",
        )
    used = dict.fromkeys(known[column][0] for column in columns)
    branches: dict[str, tuple[str, ...]] = {"imu": (), "proximity": ()}
    for name in used:
        branches[_branch(name, device)] += (name,)
    starts, channels = _lay_out(branches, device)
    order = tuple(starts[name] + number for name, number in (known[column] for column in columns))
    is_motion = [_branch(known[column][0], device) == "imu" for column in columns]
    motion = is_motion.index(False) if False in is_motion else len(columns)
    return Columns(branches, channels, order, motion)


def _branch(name: str, device: Device) -> str:
    motion = all(device.sensor(sensor).modality == "motion" for sensor in FEATURES[name].needs)
    return "imu" if motion else "proximity"


def _lay_out(branches: dict[str, tuple[str, ...]], device: Device) -> tuple[dict[str, int], dict[str, int]]:
    """First channel of every feature with the branches side by side, and the number of channels of every branch."""
    starts: dict[str, int] = {}
    counts: dict[str, int] = {}
    place = 0
    for branch, names in branches.items():
        counts[branch] = -place
        for name in names:
            starts[name] = place
            place += len(FEATURES[name].channels(device))
        counts[branch] += place
    return starts, counts
