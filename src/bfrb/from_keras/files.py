"""What the published notebook leaves behind, read as data: its folder, and its models of Keras 3, without Keras."""

import base64
import io
import json
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
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

DAMAGE = (
    *(OSError, EOFError, LookupError, ValueError, TypeError, AttributeError, RuntimeError),
    *(zlib.error, zipfile.BadZipFile),
)
"""What reading a damaged file, or one with another description than Keras 3 writes, raises besides `BundleError`."""

SAVE_AGAIN = "save the whole model again in Keras 3.6 or later: model.save(...)"

_SLICE = re.compile(
    rb"[c\xe3]\x01\0{3}(?:.{16}|.{20})[s\xf3].\0{3}"  # a function of one argument; sizes and flags; its code:
    rb"(?:..){1,3}"  # load the argument, after two more instructions since Python 3.11
    rb"(..)\1(.\x02)\1\1\2"  # slice(None, None) twice
    rb"(?:(?P<start>..)\1|\1(?P<stop>..))\2"  # slice(n, None) or slice(None, n)
    rb".\x03.\0(?:\0\0)*.\0"  # a tuple of the three, subscribe, return
    rb"[)\xa9]\x01N[)\xa9]\0",  # None is its only constant, and it uses no names
    re.DOTALL,
)
"""`lambda t: t[:, :, :n]` or `lambda t: t[:, :, n:]` as Python 3.10 to 3.13 compile and store it."""


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of a model."""

    kind: str
    """Its class, as in `Conv1D`, `Bidirectional LSTM`, `Lambda time_sum`; with its module if it is none of Keras's."""
    name: str
    settings: dict[str, Any]  # those of a `Bidirectional` one as `forward units`, `backward units`
    inputs: tuple[str, ...]  # names of the layers it reads
    weights: tuple[Floats32, ...]  # in the order of its class


def refuse(layer: str, problem: str) -> BundleError:
    """The error for a layer that is not one of the published networks'."""
    remedy = "only the two published networks can be imported: docs/from-keras.md"
    return BundleError(f"the layer {layer!r} {problem}", remedy=remedy)


def read_model(path: Path) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    """The layers of the functional model in a `.h5` or `.keras` file, and the names of those whose values it gives.

    BundleError if it holds weights only, or has a layer that is used twice or reads a constant. A damaged one raises
    `DAMAGE`.
    """
    described, weights = _read_archive(path) if path.suffix == ".keras" else _read_hdf5(path)
    if described["class_name"] != "Functional":
        problem = f"expected a functional model, got a {described['class_name']}"
        raise BundleError(problem, remedy="only models built as keras.Model(inputs, outputs) can be imported")
    outputs = described["config"]["output_layers"]
    outputs = [outputs] if isinstance(outputs[0], str) else outputs
    layers = tuple(_read_layer(layer, weights.get(layer["name"], [])) for layer in described["config"]["layers"])
    return layers, tuple(name for name, *_ in outputs)


def _read_hdf5(path: Path) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """What a `.h5` file says of the model, and by layer its weights."""
    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            raise BundleError("it holds weights without the model they belong to", remedy=SAVE_AGAIN)
        groups = file["model_weights"]
        weights = {name: [group[key][()] for key in group.attrs["weight_names"]] for name, group in groups.items()}
        return json.loads(file.attrs["model_config"]), weights


def _read_archive(path: Path) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The same of a `.keras` file."""
    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r") as file:
        groups = {group["vars"].attrs["name"]: group for group in file["layers"].values()}
        parts = ("vars", "forward_layer/cell/vars", "backward_layer/cell/vars")
        weights = {
            name: [group[part][key][()] for part in parts if part in group for key in sorted(group[part], key=int)]
            for name, group in groups.items()
        }
        return json.loads(archive.read("config.json")), weights


def _read_layer(described: dict[str, Any], stored: list[Any]) -> Layer:
    name, nodes = described["name"], described["inbound_nodes"]
    if len(nodes) > 1:
        raise refuse(name, f"is used {len(nodes)} times")
    inputs = _inputs(name, nodes[0]) if nodes else ()
    weights = tuple(np.asarray(weight, dtype=np.float32) for weight in stored)
    if not all(np.isfinite(weight).all() for weight in weights):
        raise BundleError(f"the weights of {name!r} are not all finite numbers", remedy="train this model again")
    return Layer(_kind(described), name, _settings(described["config"]), inputs, weights)


def _kind(described: dict[str, Any]) -> str:
    kind, config = str(described["class_name"]), described["config"]
    if described.get("registered_name") or described.get("module") not in (None, "keras.layers"):
        return f"{described['module'] or 'your own'} {kind}"
    if kind == "Lambda":
        return f"Lambda {_name_function(config['function'])}"
    return f"Bidirectional {_kind(config['layer'])}" if kind == "Bidirectional" else kind


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    """A layer's settings, its number format by name, those of a recurrence in both directions side by side."""
    settings = {key: value for key, value in config.items() if key not in ("layer", "backward_layer")}
    for way, key in (("forward", "layer"), ("backward", "backward_layer")):
        if key in config:
            settings |= {f"{way} {name}": value for name, value in _settings(config[key]["config"]).items()}
            settings[f"{way} layer"] = _kind(config[key])
    if isinstance(config.get("dtype"), dict):
        settings["dtype"] = config["dtype"]["config"]["name"]
    return settings


def _inputs(name: str, node: dict[str, Any]) -> tuple[str, ...]:
    arguments = node["args"]
    tensors = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], list) else arguments
    read = []
    for tensor in tensors:
        if not isinstance(tensor, dict) or tensor.get("class_name") != "__keras_tensor__":
            raise refuse(name, "reads a constant")
        source, *output = tensor["config"]["keras_history"]
        if output != [0, 0]:
            raise refuse(name, f"reads one of several values of {source!r}")
        read.append(str(source))
    if given := [str(option) for option, value in node["kwargs"].items() if value]:
        raise refuse(name, f"is called with {', '.join(given)}")
    return tuple(read)


def _name_function(function: dict[str, Any]) -> str:
    """Its name, or the columns that a nameless one takes, by comparison: code is never run or even loaded."""
    config = function["config"]
    if function["class_name"] != "__lambda__":
        return str(config)
    found, closure = _SLICE.match(base64.b64decode(config["code"])), config["closure"]
    if not found or config["defaults"] or not closure or len(closure) != 1:
        return "of other code"
    return f"t[:, :, {closure[0]}:]" if found["start"] else f"t[:, :, :{closure[0]}]"


COLUMNS, LENGTH, SCALER, CLASSES = "feature_cols.npy", "sequence_maxlen.npy", "scaler.pkl", "gesture_classes.npy"


@dataclass(frozen=True, eq=False)
class Branch:
    """Where one branch of the networks gets its columns from, and how they are scaled."""

    features: tuple[str, ...]  # names of our features, as a bundle's manifest has them
    channels: tuple[Channel, ...]  # all C channels of these features
    order: Ints  # for every column of the branch its number among the channels
    mean: Floats32  # (C,) what is taken from every channel, 0 for one that no column is
    sd: Floats32  # (C,) what it is then divided by, 1 for one that no column is


@dataclass(frozen=True, eq=False)
class KerasFolder:
    """A notebook's folder, read and checked, but for its models."""

    path: Path
    columns: tuple[str, ...]  # feature columns, in the order in which the models take them: motion, then proximity
    branches: dict[str, Branch]  # the columns of either kind
    rows: int  # rows that every recording is cut or padded to
    classes: tuple[str, ...]  # the gestures, in the order of the models' outputs
    models: dict[str, Path]  # the files of the models, by name

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
