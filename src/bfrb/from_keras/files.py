"""Keras models read as data, from `.h5` and `.keras` files: their layers and weights, without Keras."""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from bfrb.arrays import Floats32
from bfrb.errors import BundleError

SUFFIXES = (".h5", ".keras")
"""File types of Keras models."""

MAX_BYTES = 2**30
"""Larger models are refused."""


_DAMAGE = (
    *(OSError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)
_COPY_AGAIN = "copy the file again from where it was saved"


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of a model.

    Parameters
    ----------
    kind
        Its class, such as `Conv1D`.
    name
        Its name, unique in the model.
    config
        Its parameters, as Keras wrote them.
    inputs
        Names of the layers it reads.
    weights
        Its weights, in the order of its class.
    """

    kind: str
    name: str
    config: dict[str, Any]
    inputs: tuple[str, ...]
    weights: tuple[Floats32, ...]


@dataclass(frozen=True, eq=False)
class KerasModel:
    """A functional model.

    Parameters
    ----------
    layers
        Its layers by name; every layer comes after those it reads.
    outputs
        Names of the layers whose values it gives.
    """

    layers: dict[str, Layer]
    outputs: tuple[str, ...]

    def readers(self, name: str) -> list[Layer]:
        """The layers that read a layer."""
        return [layer for layer in self.layers.values() if name in layer.inputs]


def read_model(path: Path) -> KerasModel:
    """The model in a `.h5` or `.keras` file.

    Raises
    ------
    BundleError
        If the file is damaged, holds weights only, or is no functional model.
    """
    try:
        return _read_archive(path) if path.suffix == ".keras" else _read_hdf5(path)
    except BundleError as error:
        raise BundleError(f"{path}: {error.problem}", remedy=error.remedy) from None
    except _DAMAGE as error:
        problem = f"{path} is damaged or no Keras model: {str(error).partition(chr(10))[0]}"
        raise BundleError(problem, remedy=_COPY_AGAIN) from None


def _read_hdf5(path: Path) -> KerasModel:
    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            raise BundleError(
                "it holds weights without the model they belong to",
                remedy="save the whole model in Keras: model.save(...), not save_weights(...)",
            )
        groups = file["model_weights"]
        return _build(json.loads(file.attrs["model_config"]), lambda _, name: _legacy_weights(groups, name))


def _read_archive(path: Path) -> KerasModel:
    with zipfile.ZipFile(path) as archive:
        config = json.loads(_unpack(archive, "config.json"))
        with h5py.File(io.BytesIO(_unpack(archive, "model.weights.h5")), "r") as file:
            weights = _ArchiveWeights(file)
            return _build(config, weights.of)


def _unpack(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > MAX_BYTES:
        raise BundleError(f"{name} has more than {MAX_BYTES} bytes", remedy="check that it is the right file")
    return archive.read(name)


def _legacy_weights(groups: Any, name: str) -> tuple[Floats32, ...]:
    """Weights of a layer in a `.h5` file, where its group lists them in order."""
    if name not in groups:
        return ()
    return tuple(_array(groups[name][_text(path)]) for path in _listed(groups[name].attrs, "weight_names"))


def _listed(attributes: Any, key: str) -> list[Any]:
    """A list of an HDF5 object; long ones are split over several attributes."""
    if key in attributes:
        return list(attributes[key])
    parts = [attributes[f"{key}{number}"] for number in range(len(attributes)) if f"{key}{number}" in attributes]
    return [item for part in parts for item in part]


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


class _ArchiveWeights:
    """Weights in a `.keras` file, where layers stand under their class, numbered in the order of the config."""

    def __init__(self, file: Any) -> None:
        self._groups = file["layers"] if "layers" in file else file["_layer_checkpoint_dependencies"]
        self._seen: Counter[str] = Counter()

    def of(self, kind: str, name: str) -> tuple[Floats32, ...]:
        """Weights of the next layer of a class; of a bidirectional one, forwards then backwards."""
        place = _snake_case(kind)
        number = self._seen[place]
        self._seen[place] += 1
        place = f"{place}_{number}" if number else place
        if place not in self._groups:
            return ()
        group = self._groups[place]
        if "vars" in group and _text(group["vars"].attrs.get("name", name)) != name:
            raise BundleError(f"its weights of {place} are not those of the layer {name!r}", remedy=_COPY_AGAIN)
        parts = ("vars", "cell/vars", "forward_layer/cell/vars", "backward_layer/cell/vars")
        return tuple(
            _array(group[part][key]) for part in parts if part in group for key in sorted(group[part], key=int)
        )


def _snake_case(name: str) -> str:
    """A class name as Keras writes it.

    Examples
    --------
    >>> [_snake_case(name) for name in ("Conv1D", "BatchNormalization", "GlobalAveragePooling1D", "LSTM")]
    ['conv1d', 'batch_normalization', 'global_average_pooling1d', 'lstm']
    """
    parted = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", parted).lower()


def _array(dataset: Any) -> Floats32:
    if dataset.nbytes > MAX_BYTES:
        raise BundleError(f"the weights {dataset.name} have {dataset.nbytes} bytes", remedy=_COPY_AGAIN)
    array: Floats32 = np.asarray(dataset[()], dtype=np.float32)
    if not np.isfinite(array).all():
        raise BundleError(f"the weights {dataset.name} are not all finite numbers", remedy="train this model again")
    return array


def _build(described: dict[str, Any], weights_of: Any) -> KerasModel:
    """A model from its description; `weights_of` is asked for every layer in the description's order."""
    if described["class_name"] not in ("Functional", "Model"):
        raise BundleError(
            f"expected a functional model, got {described['class_name']!r}",
            remedy="only models built as keras.Model(inputs, outputs) can be imported",
        )
    config = described["config"]
    layers = [_read_layer(layer, weights_of) for layer in config["layers"]]
    return KerasModel(_in_order(layers), tuple(_tensor_names(config["output_layers"])))


def _read_layer(described: dict[str, Any], weights_of: Any) -> Layer:
    kind, config = described["class_name"], described["config"]
    name = described.get("name") or config["name"]
    nodes = described["inbound_nodes"]
    if len(nodes) > 1:
        raise BundleError(
            f"the layer {name!r} is used {len(nodes)} times",
            remedy="only models whose layers are used once can be imported",
        )
    inputs = tuple(_tensor_names(nodes[0]["args"] if nodes and isinstance(nodes[0], dict) else nodes))
    if nodes and isinstance(nodes[0], dict) and list(_tensor_names(list(nodes[0].get("kwargs", {}).values()))):
        raise BundleError(
            f"the layer {name!r} reads another one as an option", remedy="pass every input of a layer by position"
        )
    return Layer(kind, name, config, inputs, weights_of(kind, name))


def _tensor_names(nodes: Any) -> Iterator[str]:
    """Names of the layers in a nest of references, in Keras 3's form and in the older one, `[name, 0, 0]`."""
    if isinstance(nodes, dict):
        if nodes.get("class_name") == "__keras_tensor__":
            yield _name_in(nodes["config"]["keras_history"])
    elif isinstance(nodes, list) and len(nodes) >= 3 and isinstance(nodes[0], str):
        yield _name_in(nodes)
    elif isinstance(nodes, list):
        for node in nodes:
            yield from _tensor_names(node)


def _name_in(reference: list[Any]) -> str:
    name, node, tensor = reference[:3]
    if node or tensor:
        raise BundleError(
            f"the layer {name!r} gives several values", remedy="only layers with one value can be imported"
        )
    return str(name)


def _in_order(layers: list[Layer]) -> dict[str, Layer]:
    """The layers by name, each after those it reads."""
    ordered: dict[str, Layer] = {}
    waiting = layers
    while waiting:
        ready = [layer for layer in waiting if set(layer.inputs) <= set(ordered)]
        if not ready:
            raise BundleError(f"the layer {waiting[0].name!r} reads one that is not there", remedy=_COPY_AGAIN)
        ordered |= {layer.name: layer for layer in ready}
        waiting = [layer for layer in waiting if layer.name not in ordered]
    return ordered
