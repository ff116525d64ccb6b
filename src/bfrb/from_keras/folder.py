"""The folder that the published notebook leaves behind: what its networks are fed with, and where they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.arrays import Floats32, Ints
from bfrb.errors import BundleError
from bfrb.features.feature import Channel
from bfrb.features.notebook import find_columns
from bfrb.features.pipeline import channels_of
from bfrb.from_keras.pickled import StandardScaler, read_pickled
from bfrb.networks.network import Shape
from bfrb.study.device import HELIOS
from bfrb.study.labels import CMI_GESTURES

COLUMNS, LENGTH, SCALER, CLASSES = "feature_cols.npy", "sequence_maxlen.npy", "scaler.pkl", "gesture_classes.npy"


@dataclass(frozen=True, eq=False)
class Branch:
    """Where one branch of the networks gets its columns from, and how they are scaled.

    Parameters
    ----------
    features
        Names of our features, as a bundle's manifest has them.
    channels
        All C channels of these features.
    order
        For every column of the branch its number among the channels.
    mean, sd
        (C,) what is taken from every channel, and what it is then divided by; 0 and 1 for one that no column is.
    """

    features: tuple[str, ...]
    channels: tuple[Channel, ...]
    order: Ints
    mean: Floats32
    sd: Floats32


@dataclass(frozen=True, eq=False)
class KerasFolder:
    """A notebook's folder, read and checked, but for its models.

    Parameters
    ----------
    path
        The folder.
    columns
        Names of the feature columns, in the order in which the models take them: motion, then proximity.
    branches
        The columns of either kind.
    rows
        Rows that every recording is cut or padded to.
    classes
        The gestures, in the order of the models' outputs.
    models
        The files of the models, by name.
    """

    path: Path
    columns: tuple[str, ...]
    branches: dict[str, Branch]
    rows: int
    classes: tuple[str, ...]
    models: dict[str, Path]

    @property
    def shape(self) -> Shape:
        """What our networks have to fit."""
        return Shape({name: len(branch.channels) for name, branch in self.branches.items()}, len(self.classes))


def read_folder(path: Path) -> KerasFolder:
    """Read a folder whose models tell the gestures of the CMI study apart, in any order, from Helios's sensors.

    BundleError if a file is missing or damaged, or they do not fit together.
    """
    missing = [name for name in (COLUMNS, LENGTH, SCALER, CLASSES) if not (path / name).is_file()]
    _expect(not missing, f"{path} lacks {', '.join(missing)}", "name the folder with the notebook's files")
    columns, classes = _read_names(path / COLUMNS), _read_names(path / CLASSES)
    odd = sorted(set(classes) ^ set(CMI_GESTURES.classes)) or ["one comes twice"]
    problem = f"expected the {len(CMI_GESTURES)} gestures of the CMI study in {path / CLASSES}; not so: {odd[0]}"
    are_gestures = sorted(classes) == sorted(CMI_GESTURES.classes)
    _expect(are_gestures, problem, "only models that tell these gestures apart can be imported")
    rows = np.asarray(read_pickled(path / LENGTH))
    is_number = rows.size == 1 and rows.dtype.kind in "iuf" and 4 <= rows.item() <= 100_000
    _expect(is_number, f"expected a number of rows in {path / LENGTH}, got {rows!r}")
    models = sorted(file for file in path.iterdir() if file.suffix in (".h5", ".keras") and file.is_file())
    _expect(models, f"there is no .h5 or .keras model in {path}", "put the trained models there")
    names = [file.stem for file in models]
    twice = [name for name in names if names.count(name) > 1]
    _expect(not twice, f"models are there as .h5 and as .keras, and would count twice: {twice}", "remove one of them")
    branches = _find_branches(columns, *_read_scaling(path / SCALER, len(columns)))
    return KerasFolder(path, columns, branches, int(rows.item()), classes, dict(zip(names, models, strict=True)))


def _expect(right: Any, problem: str, remedy: str = "check that the folder's files belong together") -> None:
    if not right:
        raise BundleError(problem, remedy=remedy)


def _read_names(path: Path) -> tuple[str, ...]:
    found = np.asarray(read_pickled(path))
    are_names = found.ndim == 1 and found.size and all(isinstance(name, str) for name in found.tolist())
    _expect(are_names, f"expected names in {path}, got {found.dtype} of shape {found.shape}")
    return tuple(found.tolist())


def _read_scaling(path: Path, columns: int) -> tuple[Floats32, Floats32]:
    """Mean and standard deviation of every column; 0 and 1 where the scaler leaves one of them out."""
    scaler = read_pickled(path)
    _expect(isinstance(scaler, StandardScaler), f"expected a StandardScaler in {path}, got {type(scaler).__name__}")
    state = {name: getattr(value, "array", value) for name, value in vars(scaler).items()}
    mean = state.get("mean_") if state.get("with_mean", True) else np.zeros(columns)
    sd = state.get("scale_") if state.get("with_std", True) else np.ones(columns)
    are_right = _are_numbers(mean, columns) and _are_numbers(sd, columns) and np.all(sd)
    problem = f"expected a scaler fitted on {columns} columns in {path}: as many finite means and scales above 0"
    _expect(are_right, problem)
    return np.asarray(mean, dtype=np.float32), np.asarray(sd, dtype=np.float32)


def _are_numbers(values: Any, count: int) -> bool:
    right = isinstance(values, np.ndarray) and values.shape == (count,) and values.dtype.kind in "fiu"
    return right and bool(np.isfinite(values).all())


def _find_branches(columns: tuple[str, ...], mean: Floats32, sd: Floats32) -> dict[str, Branch]:
    known = find_columns(HELIOS)
    odd = [column for column in columns if column not in known or columns.count(column) > 1]
    problem = f"expected feature columns of the published notebook, each once, got {', '.join(map(repr, odd[:1]))}"
    _expect(not odd, problem, f"these are known: {', '.join(known)}")
    motion = [all(HELIOS.sensor(name).modality == "motion" for name in known[column][0].needs) for column in columns]
    border = sum(motion)
    problem = f"expected columns of motion, then columns of proximity, got {', '.join(columns)}"
    _expect(0 < border < len(columns) and all(motion[:border]), problem)
    parts = {"imu": slice(border), "proximity": slice(border, None)}
    return {name: _make_branch(columns[part], mean[part], sd[part]) for name, part in parts.items()}


def _make_branch(columns: tuple[str, ...], mean: Floats32, sd: Floats32) -> Branch:
    found = [find_columns(HELIOS)[column] for column in columns]
    features = tuple(dict.fromkeys(feature.name for feature, _ in found))
    channels = channels_of(features, HELIOS)
    order = np.array([channels.index(feature.channels(HELIOS)[number]) for feature, number in found])
    means, sds = np.zeros(len(channels), dtype=np.float32), np.ones(len(channels), dtype=np.float32)
    means[order], sds[order] = mean, sd
    return Branch(features, channels, order, means, sds)
