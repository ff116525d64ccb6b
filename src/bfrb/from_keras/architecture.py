"""The two published networks, layer by layer: how each is set and wired in Keras, and where its weights belong in ours.

The layers of a model are found one after the other, in the order in which the notebook builds them, by class, settings
and what they read. A layer that differs, and one that is left over, is refused by its name.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bfrb.errors import BundleError
from bfrb.from_keras.files import Layer, read_model, refuse
from bfrb.networks.specs import GatedTwoBranchSpec, TwoBranchSpec


def _both_ways(kind: str, **settings: Any) -> dict[str, Any]:
    """Settings of a recurrence that runs forwards and backwards."""
    settings |= {"dtype": "float32", "return_sequences": True, "use_bias": True}
    settings |= {"activation": "tanh", "recurrent_activation": "sigmoid"}
    ways = {"forward": settings, "backward": settings | {"go_backwards": True}}
    found = {f"{way} {key}": value for way in ways for key, value in ways[way].items()}
    return found | {"merge_mode": "concat", "forward layer": kind, "backward layer": kind}


_ANY = object()  # the value of a setting that is free, but has to be there: a layer of one's own may lack it

_CONVOLUTION = {"strides": [1], "padding": "same", "dilation_rate": [1], "groups": 1}
_SETTINGS: dict[str, dict[str, Any]] = {
    "BatchNormalization": {"axis": -1, "epsilon": 1e-3, "center": True, "scale": True},
    "Bidirectional LSTM": _both_ways("LSTM"),
    "Bidirectional GRU": _both_ways("GRU", reset_after=True),
    "Concatenate": {"axis": -1},
    "Conv1D": _CONVOLUTION | {"data_format": "channels_last", "activation": "linear", "use_bias": False},
    "Dropout": {"rate": _ANY, "seed": _ANY, "noise_shape": _ANY},
    "GaussianNoise": {"stddev": _ANY, "seed": _ANY},
    "GlobalAveragePooling1D": {"data_format": "channels_last"},
    "MaxPooling1D": {"pool_size": [2], "strides": [2], "padding": "valid", "data_format": "channels_last"},
}
"""Settings that a class always has in the published networks, besides `dtype`."""

_FREE = {
    *("name", "trainable", "filters", "units", "function", "output_shape", "seed", "momentum", "renorm_momentum"),
    *("dropout", "recurrent_dropout", "unit_forget_bias", "unroll", "use_cudnn", "zero_output_for_mask"),
}
_FREE_ENDINGS = ("initializer", "regularizer", "constraint")
"""Settings that tell nothing of how a trained layer answers, or that other checks look at. Any other that is not
expected has to be off."""


@dataclass(frozen=True)
class Recognised:
    """A model that is one of the published networks."""

    network: str  # which one, by its name in the registry
    spec: TwoBranchSpec  # its sizes
    weights: dict[str, Layer]  # the layers with weights, by the names of their modules in the network


def recognise(model: Path, rows: int, motion: int, columns: int) -> Recognised:
    """Which published network the model in a file is, that takes in so many rows and columns, the first being motion.

    BundleError if it is damaged or neither; a layer that differs is named.
    """
    layers, given = read_model(model)
    find = _Finder(layers)
    inputs = find("InputLayer", batch_shape=[None, rows, columns])
    imu = find(f"Lambda t[:, :, :{motion}]", inputs)
    proximity = find(f"Lambda t[:, :, {motion}:]", inputs)
    imu = _find_residual(find, _find_residual(find, imu, "imu.0", 3), "imu.1", 5)
    read = _find_pooled(find, _find_pooled(find, proximity, "proximity.0"), "proximity.1")
    gate = [layer for layer in layers if layer.inputs == (proximity,) and layer.kind == "GlobalAveragePooling1D"]
    outputs = set()
    if gate:
        hidden = find.dense(find("GlobalAveragePooling1D", proximity), "gate.0", "relu")
        outputs.add(find.dense(hidden, "gate.2", "sigmoid"))
        read = find("Multiply", read, *outputs)
    answer = _find_head(find, find("Concatenate", imu, read))
    if find.left:
        raise refuse(find.left[0].name, f"is {find.left[0].kind}, one more than the published networks have")
    if answer not in given or not {answer} | outputs >= set(given):
        raise refuse(answer, f"is the answer, but the model gives {', '.join(given)}")
    return Recognised("gated_two_branch" if gate else "two_branch", _read_spec(find.weights, rows), find.weights)


class _Finder:
    """Finds the layers of a published network among those of a model, each once; keeps those with weights."""

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        self.left = list(layers)
        self.weights: dict[str, Layer] = {}

    def __call__(self, kind: str, *inputs: str, label: str = "", **settings: Any) -> str:
        """The name of the layer of a class that reads certain layers."""
        alike = [layer for layer in self.left if layer.kind == kind and layer.inputs == inputs]
        if not alike:
            raise self._refuse_neighbour(f"{kind}({', '.join(inputs)})", inputs)
        expected = {"dtype": "float32"} | _SETTINGS.get(kind, {}) | settings
        differences = [_find_difference(layer.settings, expected) for layer in alike]
        if all(differences):
            raise refuse(alike[0].name, f"has {differences[0]}")
        layer = alike[differences.index("")]
        if layer.weights and not label:
            raise refuse(layer.name, f"is {kind} and has weights")
        self.left.remove(layer)
        self.weights |= {label: layer} if label else {}
        return layer.name

    def dense(self, inputs: str, label: str, activation: str, *, use_bias: bool = True) -> str:
        """A dense layer."""
        return self("Dense", inputs, label=label, activation=activation, use_bias=use_bias)

    def _refuse_neighbour(self, expected: str, inputs: tuple[str, ...]) -> BundleError:
        others = [layer for layer in self.left if set(inputs) & set(layer.inputs)] or self.left
        if not others:
            return refuse(inputs[0], f"is the last one; expected {expected} after it")
        return refuse(others[0].name, f"is {others[0].kind}({', '.join(others[0].inputs)}); expected {expected}")


def _find_difference(settings: dict[str, Any], expected: dict[str, Any]) -> str:
    """What is not as it should be in a layer's settings; nothing if all is."""
    for key, wanted in expected.items():
        if key not in settings:
            return f"no {key}"
        if wanted is not _ANY and settings[key] != wanted:
            return f"{key}={settings[key]!r}; expected {wanted!r}"
    for key, found in settings.items():
        if found and key not in expected and key.split()[-1] not in _FREE and not key.endswith(_FREE_ENDINGS):
            return f"{key}={found!r}; expected it to be off"
    return ""


def _find_residual(find: _Finder, inputs: str, label: str, kernel: int) -> str:
    """Two convolutions with squeeze-excitation around a shortcut, then pooling by 2 and dropout."""
    shortcut = find("Conv1D", inputs, label=f"{label}.shortcut", kernel_size=[1])
    shortcut = find("BatchNormalization", shortcut, label=f"{label}.shortcut_norm")
    x = _find_convolution(find, inputs, f"{label}.first", kernel)
    x = _find_convolution(find, x, f"{label}.second", kernel)
    channels = find.weights[f"{label}.second.conv"].settings["filters"]
    gates = find.dense(find("GlobalAveragePooling1D", x), f"{label}.gates.squeeze", "relu")
    gates = find.dense(gates, f"{label}.gates.excite", "sigmoid")
    x = find("Multiply", x, find("Reshape", gates, target_shape=[1, channels]))
    x = find("Activation", find("Add", x, shortcut), activation="relu")
    return find("Dropout", find("MaxPooling1D", x))


def _find_convolution(find: _Finder, inputs: str, label: str, kernel: int) -> str:
    x = find("Conv1D", inputs, label=f"{label}.conv", kernel_size=[kernel])
    return find("Activation", find("BatchNormalization", x, label=f"{label}.norm"), activation="relu")


def _find_pooled(find: _Finder, inputs: str, label: str) -> str:
    return find("Dropout", find("MaxPooling1D", _find_convolution(find, inputs, f"{label}.conv", 3)))


def _find_head(find: _Finder, merged: str) -> str:
    """Recurrences and a noisy path side by side, attention over time, dense layers and the answer."""
    paths = [find(f"Bidirectional {kind}", merged, label=kind.lower()) for kind in ("LSTM", "GRU")]
    paths.append(find.dense(find("GaussianNoise", merged), "noisy_path", "elu"))
    x = find("Dropout", find("Concatenate", *paths))
    score = find("Lambda squeeze_last_axis", find.dense(x, "attention.score", "tanh"))
    weights = find("Lambda expand_last_axis", find("Activation", score, activation="softmax"))
    x = find("Lambda time_sum", find("Multiply", x, weights))
    for place in (0, 4):
        x = find.dense(x, f"head.layers.{place}", "linear", use_bias=False)
        x = find("BatchNormalization", x, label=f"head.layers.{place + 1}")
        x = find("Dropout", find("Activation", x, activation="relu"))
    return find.dense(x, "head.logits", "softmax")


def _read_spec(weights: dict[str, Layer], rows: int) -> TwoBranchSpec:
    units = {label: layer.settings.get("units") for label, layer in weights.items()}
    sizes = {
        "widths": tuple(weights[f"imu.{block}.first.conv"].settings["filters"] for block in (0, 1)),
        "recurrent_units": weights["lstm"].settings["forward units"],
        "noise_units": units["noisy_path"],
        "head_units": (units["head.layers.0"], units["head.layers.4"]),
        "padded_rows": rows,
    }
    if "gate.0" in units:
        return GatedTwoBranchSpec.parse(sizes | {"gate_units": units["gate.0"]})
    return TwoBranchSpec.parse(sizes)
