"""What a Lambda layer of the published networks means, told by its name, its code's words and the shapes around it.

A Lambda holds a Python function, often as compiled code. That code is never run: it belongs to whoever wrote the file.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from bfrb.errors import BundleError
from bfrb.from_keras.files import KerasModel, Layer
from bfrb.from_keras.graph import Graph, Value

_OPERATIONS = {
    "squeeze_last_axis": "squeeze",
    "expand_last_axis": "expand_dims",
    "time_sum": "sum",
    "squeeze": "squeeze",
    "expand_dims": "expand_dims",
    "sum": "sum",
    "reduce_sum": "sum",
}
"""The operation behind a function's name, or behind a word in a nameless function's code."""

_LIBRARIES = {"K", "backend", "jnp", "keras", "math", "np", "ops", "tf", "torch"}
"""Words that a mere slice has no use for."""

_OTHER_OPERATIONS = {"mean", "reduce_mean", "max", "reduce_max", "min", "reduce_min", "abs", "sqrt", "cast", "softmax"}

_PASSING = {
    "GlobalAveragePooling1D",
    "Dropout",
    "SpatialDropout1D",
    "GaussianNoise",
    "BatchNormalization",
    "Activation",
}


def convert_lambda(graph: Graph, model: KerasModel, layer: Layer, value: Value, motion: int) -> Value:
    """Add a Lambda layer to a graph.

    Parameters
    ----------
    graph, model, layer
        The graph in the making, the model and the layer.
    value
        What the layer reads.
    motion
        Number of leading input channels that are motion features: where the published networks part their input.

    Raises
    ------
    BundleError
        If it cannot be told what the layer does.
    """
    function = layer.config["function"]
    name = _function_name(function)
    if name is not None:
        operation = _OPERATIONS.get(name)
        if operation is None:
            raise _not_understood(layer, f"calls {name!r}")
        return _apply(graph, layer, value, operation)
    words = _words(layer, function)
    operations = {_OPERATIONS[word] for word in words if word in _OPERATIONS}
    if words & _OTHER_OPERATIONS or len(operations) > 1:
        raise _not_understood(layer, f"has code that speaks of {', '.join(sorted(words))}")
    if operations:
        return _apply(graph, layer, value, operations.pop())
    if words & _LIBRARIES:
        raise _not_understood(layer, f"has code that speaks of {', '.join(sorted(words))}")
    return _slice(graph, layer, value, _width_read(model, layer.name), _boundary(function, motion))


def _not_understood(layer: Layer, problem: str) -> BundleError:
    return BundleError(
        f"the Lambda layer {layer.name!r} {problem}, which is not understood; its code is never run",
        remedy="only the Lambda layers of the published networks can be imported; docs/from-keras.md lists them",
    )


def _function_name(function: Any) -> str | None:
    """Name of a Lambda's function, without its module; None for a nameless one."""
    if isinstance(function, dict):
        if function.get("class_name") == "__lambda__":
            return None
        function = function.get("config")
    if isinstance(function, str):
        return function.rpartition(">")[2].rpartition(".")[2]
    return None


def _code(function: Any) -> tuple[str, Any]:
    """Base64 text of a nameless function's code, and the values it closes over."""
    if isinstance(function, dict):
        return function["config"]["code"], function["config"].get("closure")
    return function[0], function[2]


def _words(layer: Layer, function: Any) -> set[str]:
    """Short texts in compiled code: the names that it uses. They are stored as a mark, a length and letters."""
    try:
        code = base64.b64decode("".join(_code(function)[0].split()), validate=True)
    except (binascii.Error, AttributeError):
        raise _not_understood(layer, "has no readable code") from None
    found = set()
    for start, byte in enumerate(code[:-1]):
        if byte in b"zZ\xda\xfa":
            text = code[start + 2 : start + 2 + code[start + 1]]
            if len(text) == code[start + 1] and text.isascii() and text.decode("ascii").isidentifier():
                found.add(text.decode("ascii"))
    return found


def _boundary(function: Any, motion: int) -> int:
    """Where the input is parted: the number that the function closes over, or else the number of motion features."""
    closure = _code(function)[1] or ()
    numbers = [value for value in closure if isinstance(value, int) and not isinstance(value, bool)]
    return numbers[0] if len(numbers) == 1 else motion


def _width_read(model: KerasModel, name: str) -> int | None:
    """Number of channels that the readers of a layer expect, by their kernels."""
    for reader in model.readers(name):
        if reader.kind in ("Conv1D", "Dense") and reader.weights:
            return int(reader.weights[0].shape[-2] * reader.config.get("groups", 1))
        if reader.kind in _PASSING and (width := _width_read(model, reader.name)) is not None:
            return width
    return None


def _slice(graph: Graph, layer: Layer, value: Value, width: int | None, boundary: int) -> Value:
    """The leading or the trailing channels, whichever have the width that is read."""
    if len(value.shape) != 2:
        raise _not_understood(layer, f"reads a value of shape {value.shape}")
    steps, channels = value.shape
    parts = {boundary: (0, boundary), channels - boundary: (boundary, channels)}
    if width not in parts or len(parts) < 2:
        raise _not_understood(layer, f"takes {width} of {channels} channels, parted after {boundary},")
    start, stop = parts[width]
    name = graph.add("Slice", value.name, graph.indices(start), graph.indices(stop), graph.indices(1))
    return Value(name, (steps, stop - start))


def _apply(graph: Graph, layer: Layer, value: Value, operation: str) -> Value:
    if operation == "squeeze" and value.shape[-1] == 1 and len(value.shape) == 2:
        return Value(graph.add("Squeeze", value.name, graph.indices(1)), value.shape[:1])
    if operation == "expand_dims" and len(value.shape) == 1:
        return Value(graph.add("Unsqueeze", value.name, graph.indices(1)), (*value.shape, 1))
    if operation == "sum" and len(value.shape) == 2:
        return Value(graph.add("ReduceSum", value.name, graph.indices(2), keepdims=0), value.shape[1:])
    raise _not_understood(layer, f"does {operation} on a value of shape {value.shape}")
