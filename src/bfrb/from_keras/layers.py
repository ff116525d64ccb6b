"""Keras layers as ONNX nodes: what each does when it predicts.

A converter takes the graph in the making, a layer and the values it reads, and gives the layer's value. A layer
without converter is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bfrb.arrays import Floats32
from bfrb.errors import BundleError
from bfrb.from_keras.files import Layer
from bfrb.from_keras.graph import Graph, Value

Converter = Callable[[Graph, Layer, list[Value]], Value]

_ACTIVATIONS = {
    "relu": "Relu",
    "elu": "Elu",
    "selu": "Selu",
    "sigmoid": "Sigmoid",
    "softplus": "Softplus",
    "tanh": "Tanh",
}
_REMEDY = "only the layers of the published networks can be imported; docs/from-keras.md lists them"


def convert_layer(graph: Graph, layer: Layer, inputs: list[Value]) -> Value:
    """Add a layer to a graph.

    Raises
    ------
    BundleError
        If the layer's class or an option of it is not known, or its weights do not fit.
    """
    converter = CONVERTERS.get(layer.kind)
    if converter is None:
        raise BundleError(f"the layer {layer.name!r} is a {layer.kind}, which is not known", remedy=_REMEDY)
    return converter(graph, layer, inputs)


def refuse(layer: Layer, problem: str) -> BundleError:
    """The error for a layer that cannot be imported."""
    return BundleError(f"the {layer.kind} layer {layer.name!r} {problem}", remedy=_REMEDY)


def expect(layer: Layer, **options: Any) -> None:
    """Refuse a layer with another value of an option than the only one that is known.

    Raises
    ------
    BundleError
        If an option is there and has another value.
    """
    for name, expected in options.items():
        if (found := layer.config.get(name, expected)) != expected:
            raise refuse(layer, f"has {name}={found!r}; expected {expected!r}")


def expect_weights(layer: Layer, *shapes: tuple[int, ...]) -> tuple[Floats32, ...]:
    """The weights of a layer.

    Raises
    ------
    BundleError
        If they have other shapes.
    """
    found = [weight.shape for weight in layer.weights]
    if found != list(shapes):
        raise BundleError(
            f"the {layer.kind} layer {layer.name!r} should have weights of the shapes {list(shapes)}, "
            f"but the file has {found}",
            remedy="save the model in Keras again",
        )
    return layer.weights


def _only(layer: Layer, inputs: list[Value], dimensions: int | None = None) -> Value:
    if len(inputs) != 1 or (dimensions is not None and len(inputs[0].shape) != dimensions):
        raise refuse(layer, f"reads values of the shapes {[value.shape for value in inputs]}")
    return inputs[0]


def _activation_name(config: Any) -> str:
    """Name of an activation, written plainly or as an object."""
    return str(config.get("config") if isinstance(config, dict) else config)


def _activate(graph: Graph, layer: Layer, name: str, activation: Any) -> str:
    kind = _activation_name(activation)
    if kind in ("linear", "None"):
        return name
    if kind == "softmax":  # over Keras's last axis: channels, which are axis 1 here in both layouts
        return graph.add("Softmax", name, axis=1)
    if kind in ("silu", "swish"):
        return graph.add("Mul", name, graph.add("Sigmoid", name))
    if kind not in _ACTIVATIONS:
        raise refuse(layer, f"has the activation {kind!r}, which is not known")
    return graph.add(_ACTIVATIONS[kind], name)


def _identity(_: Graph, layer: Layer, inputs: list[Value]) -> Value:
    return _only(layer, inputs)


def _activation(graph: Graph, layer: Layer, inputs: list[Value]) -> Value:
    value = _only(layer, inputs)
    return Value(_activate(graph, layer, value.name, layer.config["activation"]), value.shape)


def _relu(graph: Graph, layer: Layer, inputs: list[Value]) -> Value:
    expect(layer, max_value=None)
    if layer.config.get("negative_slope") or layer.config.get("threshold"):
        raise refuse(layer, "is leaky or has a threshold")
    value = _only(layer, inputs)
    return Value(graph.add("Relu", value.name), value.shape)


def _softmax(graph: Graph, layer: Layer, inputs: list[Value]) -> Value:
    value = _only(layer, inputs)
    if layer.config.get("axis", -1) not in (-1, [-1], len(value.shape), [len(value.shape)]):
        raise refuse(layer, f"has axis={layer.config['axis']!r}")
    return Value(graph.add("Softmax", value.name, axis=1), value.shape)


def _first(value: Any) -> int:
    """The number in Keras's `[3]` or `3`."""
    return int(value[0] if isinstance(value, list | tuple) else value)


def _steps_after(layer: Layer, steps: int, kernel: int, stride: int, padding: str) -> int:
    length = -(-steps // stride) if padding in ("same", "causal") else (steps - kernel) // stride + 1
    if length < 1:
        raise refuse(layer, f"leaves nothing of {steps} rows")
    return length


def _pads(steps: int, kernel: int, stride: int, padding: str) -> list[int]:
    """Rows of zeros before and after, as TensorFlow pads."""
    if padding == "valid":
        return [0, 0]
    if padding == "causal":
        return [kernel - 1, 0]
    total = max((-(-steps // stride) - 1) * stride + kernel - steps, 0)
    return [total // 2, total - total // 2]


def _conv1d(graph: Graph, layer: Layer, inputs: list[Value]) -> Value:
    expect(layer, data_format="channels_last")
    (steps, channels), config = _only(layer, inputs, 2).shape, layer.config
    kernel, stride, dilation = (_first(config.get(key, 1)) for key in ("kernel_size", "strides", "dilation_rate"))
    filters, groups, padding = config["filters"], config.get("groups", 1), config["padding"]
    bias = [(filters,)] if config["use_bias"] else []
    weights = expect_weights(layer, (kernel, channels // groups, filters), *bias)
    reach = dilation * (kernel - 1) + 1
    name = graph.add(
        "Conv",
        inputs[0].name,
        graph.constant(weights[0].transpose(2, 1, 0)),
        *(graph.constant(weight) for weight in weights[1:]),
        kernel_shape=[kernel],
        strides=[stride],
        dilations=[dilation],
        group=groups,
        pads=_pads(steps, reach, stride, padding),
    )
    shape = (_steps_after(layer, steps, reach, stride, padding), filters)
    return Value(_activate(graph, layer, name, config["activation"]), shape)


def _batch_normalization(graph: Graph, layer: Layer, inputs: list[Value]) -> Value:
    value, config = _only(layer, inputs), layer.config
    if config.get("axis", -1) not in (-1, [-1], len(value.shape), [len(value.shape)]):
        raise refuse(layer, f"has axis={config['axis']!r}")
    channels = value.shape[-1]
    present = [config.get("scale", True), config.get("center", True), True, True]
    weights = iter(expect_weights(layer, *[(channels,)] * sum(present)))
    gamma, beta, mean, variance = (
        next(weights) if there else np.full(channels, default, dtype=np.float32)
        for there, default in zip(present, (1.0, 0.0, 0.0, 1.0), strict=True)
    )
    constants = [graph.constant(weight) for weight in (gamma, beta, mean, variance)]
    name = graph.add("BatchNormalization", value.name, *constants, epsilon=float(config["epsilon"]))
    return Value(name, value.shape)


def _dense(graph: Graph, layer: Layer, inputs: list[Value]) -> Value:
    value, config = _only(layer, inputs), layer.config
    units, over_time = config["units"], len(value.shape) == 2
    weights = expect_weights(layer, (value.shape[-1], units), *([(units,)] if config["use_bias"] else []))
    if over_time:
        name = graph.add("MatMul", graph.constant(weights[0].T), value.name)
    else:
        name = graph.add("MatMul", value.name, graph.constant(weights[0]))
    if config["use_bias"]:
        name = graph.add("Add", name, graph.constant(weights[1][:, None] if over_time else weights[1]))
    return Value(_activate(graph, layer, name, config["activation"]), (*value.shape[:-1], units))


def _max_pooling(graph: Graph, layer: Layer, inputs: list[Value]) -> Value:
    expect(layer, data_format="channels_last")
    value, config = _only(layer, inputs, 2), layer.config
    size, stride = _first(config["pool_size"]), _first(config.get("strides") or config["pool_size"])
    steps, channels = value.shape
    pads = _pads(steps, size, stride, config["padding"])
    name = graph.add("MaxPool", value.name, kernel_shape=[size], strides=[stride], pads=pads)
    return Value(name, (_steps_after(layer, steps, size, stride, config["padding"]), channels))


def _global_average(graph: Graph, layer: Layer, inputs: list[Value]) -> Value:
    expect(layer, data_format="channels_last")
    value, kept = _only(layer, inputs, 2), bool(layer.config.get("keepdims", False))
    name = graph.add("ReduceMean", value.name, graph.indices(2), keepdims=int(kept))
    return Value(name, (1, value.shape[1]) if kept else value.shape[1:])


def _reshape(graph: Graph, layer: Layer, inputs: list[Value]) -> Value:
    value, target = _only(layer, inputs), tuple(layer.config["target_shape"])
    if len(value.shape) == 1 and target in ((1, value.shape[0]), (1, -1), (-1, value.shape[0])):
        return _as_row(graph, value)
    raise refuse(layer, f"turns {value.shape} into {target}; expected (C,) into (1, C)")


def _as_row(graph: Graph, value: Value) -> Value:
    """A `(C,)` value as the only row of a `(1, C)` one."""
    return Value(graph.add("Unsqueeze", value.name, graph.indices(2)), (1, *value.shape))


def _merge(kind: str) -> Converter:
    def convert(graph: Graph, layer: Layer, inputs: list[Value]) -> Value:
        over_time = any(len(value.shape) == 2 for value in inputs)
        aligned = [_as_row(graph, value) if over_time and len(value.shape) == 1 else value for value in inputs]
        try:
            shape = np.broadcast_shapes(*(value.shape for value in aligned))
        except ValueError:
            raise refuse(layer, f"reads values of the shapes {[value.shape for value in inputs]}") from None
        name = aligned[0].name
        for value in aligned[1:]:
            name = graph.add(kind, name, value.name)
        return Value(name, shape)

    return convert


def _concatenate(graph: Graph, layer: Layer, inputs: list[Value]) -> Value:
    shapes = [value.shape for value in inputs]
    if len({shape[:-1] for shape in shapes}) != 1 or layer.config.get("axis", -1) not in (-1, len(shapes[0])):
        raise refuse(layer, f"joins values of the shapes {shapes} along axis {layer.config.get('axis')}")
    channels = sum(shape[-1] for shape in shapes)
    return Value(graph.add("Concat", *(value.name for value in inputs), axis=1), (*shapes[0][:-1], channels))


def _gate_order(weights: Floats32, order: tuple[int, ...]) -> Floats32:
    """(order * units, ...) Keras's kernel or bias (..., gates * units) with its gates in the order of ONNX."""
    gates = np.split(weights, len(order), axis=-1)
    return np.concatenate([gates[gate] for gate in order], axis=-1).T


def _check_recurrence(layer: Layer, activations: tuple[str, str]) -> None:
    expect(layer, return_sequences=True, go_backwards=False, return_state=False, time_major=False, use_bias=True)
    expect(layer, stateful=False)
    found = tuple(_activation_name(layer.config[key]) for key in ("activation", "recurrent_activation"))
    if found != activations:
        raise refuse(layer, f"has the activations {found}; expected {activations}")


def _lstm_weights(layer: Layer, weights: tuple[Floats32, ...], channels: int) -> list[Floats32]:
    """Kernel, recurrent kernel and biases of one direction: Keras's gates i, f, c, o as ONNX's i, o, f, c."""
    units = layer.config["units"]
    one = Layer(layer.kind, layer.name, layer.config, layer.inputs, weights)
    kernel, recurrent, bias = expect_weights(one, (channels, 4 * units), (units, 4 * units), (4 * units,))
    order = (0, 3, 1, 2)
    biases = np.concatenate([_gate_order(bias, order), np.zeros(4 * units, dtype=np.float32)])
    return [_gate_order(kernel, order), _gate_order(recurrent, order), biases]


def _gru_weights(layer: Layer, weights: tuple[Floats32, ...], channels: int) -> list[Floats32]:
    """The same of a GRU: both put the gates as z, r, h; with `reset_after` there are two biases."""
    units = layer.config["units"]
    one = Layer(layer.kind, layer.name, layer.config, layer.inputs, weights)
    shape = (2, 3 * units) if _resets_after(layer) else (3 * units,)
    kernel, recurrent, bias = expect_weights(one, (channels, 3 * units), (units, 3 * units), shape)
    biases = bias.ravel() if _resets_after(layer) else np.concatenate([bias, np.zeros_like(bias)])
    return [kernel.T, recurrent.T, biases]


def _resets_after(layer: Layer) -> bool:
    return bool(layer.config.get("reset_after", False))


def _recurrence(graph: Graph, layer: Layer, inputs: list[Value]) -> Value:
    return _run_recurrence(graph, layer, _only(layer, inputs, 2), [layer.weights])


def _bidirectional(graph: Graph, layer: Layer, inputs: list[Value]) -> Value:
    expect(layer, merge_mode="concat")
    inner = layer.config["layer"]
    if inner["class_name"] not in ("LSTM", "GRU"):
        raise refuse(layer, f"runs a {inner['class_name']}, which is not known")
    backward = layer.config.get("backward_layer")
    if backward is not None and backward["class_name"] != inner["class_name"]:
        raise refuse(layer, "runs different recurrences forwards and backwards")
    half = len(layer.weights) // 2
    single = Layer(inner["class_name"], layer.name, inner["config"], layer.inputs, layer.weights)
    return _run_recurrence(graph, single, _only(layer, inputs, 2), [layer.weights[:half], layer.weights[half:]])


def _run_recurrence(graph: Graph, layer: Layer, value: Value, directions: list[tuple[Floats32, ...]]) -> Value:
    """A recurrence in one or both directions; the outputs of both side by side."""
    _check_recurrence(layer, ("tanh", "sigmoid"))
    steps, channels = value.shape
    units = layer.config["units"]
    weights_of, options = (_lstm_weights, {}) if layer.kind == "LSTM" else (_gru_weights, {})
    if layer.kind == "GRU":
        options = {"linear_before_reset": int(_resets_after(layer))}
    weights = [
        np.stack(parts) for parts in zip(*(weights_of(layer, found, channels) for found in directions), strict=True)
    ]
    rows = graph.add("Transpose", value.name, perm=[2, 0, 1])
    direction = "bidirectional" if len(directions) == 2 else "forward"
    constants = [graph.constant(found) for found in weights]
    ran = graph.add(layer.kind, rows, *constants, hidden_size=units, direction=direction, **options)
    # (T, directions, B, units) to (B, directions * units, T)
    swapped = graph.add("Transpose", ran, perm=[2, 1, 3, 0])
    width = units * len(directions)
    return Value(graph.add("Reshape", swapped, graph.indices(0, width, steps)), (steps, width))


CONVERTERS: dict[str, Converter] = {
    "Activation": _activation,
    "Add": _merge("Add"),
    "BatchNormalization": _batch_normalization,
    "Bidirectional": _bidirectional,
    "Concatenate": _concatenate,
    "Conv1D": _conv1d,
    "Dense": _dense,
    "Dropout": _identity,
    "GRU": _recurrence,
    "GaussianDropout": _identity,
    "GaussianNoise": _identity,
    "GlobalAveragePooling1D": _global_average,
    "LSTM": _recurrence,
    "MaxPooling1D": _max_pooling,
    "Multiply": _merge("Mul"),
    "ReLU": _relu,
    "Reshape": _reshape,
    "Softmax": _softmax,
    "SpatialDropout1D": _identity,
}
"""A converter for every class of layers that is known, but for inputs and Lambdas."""
