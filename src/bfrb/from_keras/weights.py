"""The weights of a recognised Keras model, as those of our network of the same architecture."""

from __future__ import annotations

import numpy as np
import torch

from bfrb.arrays import Floats32
from bfrb.export.graphs import Member, build_member
from bfrb.from_keras.architecture import Recognised
from bfrb.from_keras.files import Layer, refuse
from bfrb.from_keras.folder import Branch, KerasFolder
from bfrb.study.labels import CMI_GESTURES

_FIRST = {"imu": ("imu.0.first.conv", "imu.0.shortcut"), "proximity": ("proximity.0.conv.conv", "gate.0")}
"""The layers of our networks that read the columns of a branch."""

_NORM = ("weight", "bias", "running_mean", "running_var")


def fill_member(model: Recognised, folder: KerasFolder) -> Member:
    """A member of a bundle that answers as a Keras model does, with gestures in the package's order.

    Channels of a feature that are no column of the notebook get weights of 0.

    Raises
    ------
    BundleError
        If the weights of a layer have other shapes than those that its neighbours need.
    """
    member = build_member(model.network, folder.shape, model.spec)
    weights = {name: value.numpy() for name, value in member.state_dict().items()}
    for name, branch in folder.branches.items():
        weights |= {f"standardisers.{name}.mean": branch.mean, f"standardisers.{name}.sd": branch.sd}
    columns = {label: branch for name, branch in folder.branches.items() for label in _FIRST[name]}
    for label, layer in model.weights.items():
        converted = {f"network.{name}": values for name, values in _convert(label, layer).items()}
        if label in columns:
            converted[f"network.{label}.weight"] = _spread(converted[f"network.{label}.weight"], columns[label])
        if label == "head.logits":
            order = [folder.classes.index(gesture) for gesture in CMI_GESTURES.classes]
            converted = {name: values[order] for name, values in converted.items()}
        own = {name: value.shape for name, value in weights.items() if name.startswith(f"network.{label}.")}
        own.pop(f"network.{label}.num_batches_tracked", None)
        if {name: values.shape for name, values in converted.items()} != own:
            raise refuse(layer.name, f"has weights of the shapes {[weight.shape for weight in layer.weights]}")
        weights |= converted
    member.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    return member


def _convert(label: str, layer: Layer) -> dict[str, Floats32]:
    """A layer's weights by the names and in the layout of PyTorch."""
    if layer.kind == "BatchNormalization":
        return {f"{label}.{part}": weight for part, weight in zip(_NORM, layer.weights, strict=True)}
    if not layer.kind.startswith("Bidirectional"):
        kernel, *bias = layer.weights
        return {f"{label}.weight": kernel.T} | {f"{label}.bias": weight for weight in bias}
    ways = {"forwards": layer.weights[:3], "backwards": layer.weights[3:]}
    return {
        f"{label}.{way}.{part}_l0": weight
        for way, weights in ways.items()
        for part, weight in _convert_recurrence(*weights).items()
    }


def _convert_recurrence(kernel: Floats32, recurrent: Floats32, bias: Floats32) -> dict[str, Floats32]:
    """Weights of one direction: an LSTM's gates i, f, c, o keep their order, a GRU's z, r, h become r, z, h."""
    order = (0, 1, 2, 3) if bias.ndim == 1 else (1, 0, 2)
    if bias.ndim == 1:  # an LSTM's only one; PyTorch adds two
        bias = np.stack([bias, np.zeros_like(bias)])
    parts = {"weight_ih": kernel, "weight_hh": recurrent, "bias_ih": bias[0], "bias_hh": bias[1]}
    gates = {name: np.split(part, len(order), axis=-1) for name, part in parts.items()}
    return {name: np.concatenate([found[gate] for gate in order], axis=-1).T for name, found in gates.items()}


def _spread(weights: Floats32, branch: Branch) -> Floats32:
    """(K, C) or (K, C, kernel) weights of columns as weights of all channels of the features."""
    spread = np.zeros((weights.shape[0], len(branch.channels), *weights.shape[2:]), dtype=np.float32)
    spread[:, branch.order] = weights
    return spread
