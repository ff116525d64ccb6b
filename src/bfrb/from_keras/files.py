"""Keras 3 models read as data, from `.h5` and `.keras` files: their layers and weights, without Keras."""

from __future__ import annotations

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

from bfrb.arrays import Floats32
from bfrb.errors import BundleError

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
    """One layer of a model.

    Parameters
    ----------
    kind
        Its class, such as `Conv1D`; with what it is about, as in `Bidirectional LSTM` and `Lambda time_sum`; with its
        module if it is not one of Keras's own layers.
    name
        Its name, unique in the model.
    settings
        Its parameters, as Keras wrote them; those of a `Bidirectional` one as `forward units`, `backward units` ...
    inputs
        Names of the layers it reads.
    weights
        Its weights, in the order of its class.
    """

    kind: str
    name: str
    settings: dict[str, Any]
    inputs: tuple[str, ...]
    weights: tuple[Floats32, ...]


def refuse(layer: str, problem: str) -> BundleError:
    """The error for a layer that is not one of the published networks'."""
    remedy = "only the two published networks can be imported: docs/from-keras.md"
    return BundleError(f"the layer {layer!r} {problem}", remedy=remedy)


def read_model(path: Path) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    """The layers of the functional model in a `.h5` or `.keras` file, and the names of those whose values it gives.

    Raises
    ------
    BundleError
        If it holds weights only, or has a layer that is used twice or reads a constant. A damaged one raises `DAMAGE`.
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
        return f"{described['module']}.{kind}"
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
    """Names of the layers that a layer reads."""
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
    """What a Lambda layer computes: its function's name, or which columns a nameless one takes.

    Compiled code is compared with what the notebook's compiles to; it is never run or even loaded.
    """
    config = function["config"]
    if function["class_name"] != "__lambda__":
        return str(config)
    found, closure = _SLICE.match(base64.b64decode(config["code"])), config["closure"]
    if not found or config["defaults"] or not closure or len(closure) != 1:
        return "of other code"
    return f"t[:, :, {closure[0]}:]" if found["start"] else f"t[:, :, :{closure[0]}]"
