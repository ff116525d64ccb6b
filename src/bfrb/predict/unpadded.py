"""Graphs for batches without padding: what a predictor runs, made from the graph that a bundle keeps for everyone.

Where all recordings of a batch are equally long, no step has to tell rows from padding. Without those steps the
convolutions follow each other so closely that ONNX Runtime keeps rows in the order its fastest kernels want. The
answers differ by rounding only.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from bfrb.predict.graph_editor import Editor, Node, Rule, attribute_of, attributes_of, either_way
from bfrb.predict.member import LENGTHS, session_options, unpadded_name
from bfrb.predict.simplify import RECURRENCES, counts_rows, is_length

log = logging.getLogger(__name__)

PARITY = 1e-5
"""Largest difference between a probability from a graph and from its unpadded form."""

_CHECKED_ROWS = 21

_TIME = 2
"""The axis of rows in (B, C, T)."""

_STORED_BYTES = 1024
"""Constants of at least this size are read from the graph that has them already."""


def without_padding(model: onnx.ModelProto) -> onnx.ModelProto:
    """A graph of the same answers for batches of recordings of one length, without the input `lengths`.

    Parameters
    ----------
    model
        What `simplify` made, or a graph like it.
    """
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    editor = Editor(bare.graph)
    for rule in RULES:
        editor.apply(rule)
    editor.finish()
    _leave_out_lengths(bare.graph)
    _keep_as_they_are(bare.graph)
    return bare


def refer(model: onnx.ModelProto, stored: bytes, location: str) -> onnx.ModelProto:
    """The same graph with large constants read from another file in the same folder, wherever it holds them.

    Parameters
    ----------
    model
        A graph with all its constants.
    stored
        What the other file holds.
    location
        Its name.
    """
    small = onnx.ModelProto()
    small.CopyFrom(model)
    # Those that are used as they are stay here: read from a file, they would not lie in large memory pages.
    own = {value.name for value in small.graph.input}
    for value in small.graph.initializer:
        if value.name in own:
            continue
        start = stored.find(value.raw_data) if len(value.raw_data) >= _STORED_BYTES else -1
        if start >= 0:
            place = {"location": location, "offset": str(start), "length": str(len(value.raw_data))}
            value.ClearField("raw_data")
            value.data_location = onnx.TensorProto.EXTERNAL
            value.external_data.extend(onnx.StringStringEntryProto(key=key, value=at) for key, at in place.items())
    return small


def write_unpadded(path: Path) -> None:
    """Write the unpadded form of a graph beside it, unless their answers differ by more than `PARITY`."""
    stored = path.read_bytes()
    beside = path.with_name(unpadded_name(path.name))
    beside.write_bytes(refer(without_padding(onnx.load_from_string(stored)), stored, path.name).SerializeToString())
    difference = _difference(path, beside)
    if not difference <= PARITY:
        log.warning("%s does not get a quicker form, which would be off by %g", path.name, difference)
        beside.unlink()


def _difference(path: Path, beside: Path) -> float:
    """Largest difference between the answers of two graphs, on recordings of random features, some of them missing."""
    sessions = [
        onnxruntime.InferenceSession(one, session_options(), providers=["CPUExecutionProvider"])
        for one in (path, beside)
    ]
    rng = np.random.default_rng(0)
    feed: dict[str, Any] = {LENGTHS: np.full(2, _CHECKED_ROWS)}
    for given in sessions[0].get_inputs():
        if given.name != LENGTHS:
            feed[given.name] = rng.normal(size=(2, _CHECKED_ROWS, given.shape[2])).astype(np.float32)
            feed[given.name][1, :, ::3] = np.nan
    answers = [one.run(None, {given.name: feed[given.name] for given in one.get_inputs()}) for one in sessions]
    return max(float(np.abs(kept - quick).max()) for kept, quick in zip(*answers, strict=True))


def _leave_out_lengths(graph: onnx.GraphProto) -> None:
    if not any(LENGTHS in node.input for node in graph.node):
        kept = [value for value in graph.input if value.name != LENGTHS]
        del graph.input[:]
        graph.input.extend(kept)


def _keep_as_they_are(graph: onnx.GraphProto) -> None:
    """Name recurrent weights as inputs that have a value: ONNX Runtime then leaves them in the order they have.

    The order it prefers suits products of matrices; for one recording, a step of a recurrence is a product of a matrix
    and a vector, and takes two thirds of the time with the weights in their own order.
    """
    recurrent = {node.input[2] for node in graph.node if node.op_type in RECURRENCES}
    graph.input.extend(
        helper.make_tensor_value_info(value.name, value.data_type, list(value.dims))
        for value in graph.initializer
        if value.name in recurrent
    )


def _no_mask(graph: Editor, node: Node) -> str | None:
    """A mask is 1 everywhere."""
    for mask, values in either_way(node, "Mul"):
        if _is_mask(graph, mask):
            return values
    return None


def _no_padding_of_scores(graph: Editor, node: Node) -> str | None:
    return node.input[1] if node.op_type == "Where" and _tells_rows(graph, node.input[0], "Less") else None


def _only_missing(graph: Editor, node: Node) -> str | None:
    """What is missing or padding is missing."""
    for padding, missing in either_way(node, "Or"):
        if _tells_rows(graph, _without_axes(graph, padding), "GreaterOrEqual"):
            return missing
    return None


def _plain_mean(graph: Editor, node: Node) -> str | None:
    """The mean over as many rows as the mask counts is that over all."""
    summed = graph.maker(node.input[0], "ReduceSum") if node.op_type == "Div" else None
    clipped = graph.maker(node.input[1], "Clip") if summed is not None else None
    counted = graph.maker(clipped.input[0], "ReduceSum") if clipped is not None else None
    if summed is None or counted is None or not _is_mask(graph, counted.input[0]):
        return None
    over_time = all(
        graph.holds(one.input[1], _TIME) and not attribute_of(one, "keepdims", 1) for one in (summed, counted)
    )
    return graph.make("ReduceMean", *summed.input, keepdims=0) if over_time else None


def _whole_recurrence(graph: Editor, node: Node) -> str | None:
    """A recurrence over all rows of every recording."""
    counts = graph.maker(node.input[4], "Cast") if node.op_type in RECURRENCES and len(node.input) == 5 else None
    if counts is None or not is_length(graph, counts.input[0]):
        return None
    return graph.make(node.op_type, *node.input[:4], **attributes_of(node))


def _is_mask(graph: Editor, name: str) -> bool:
    cast = graph.maker(_without_axes(graph, name), "Cast")
    return cast is not None and _tells_rows(graph, cast.input[0], "Less")


def _tells_rows(graph: Editor, name: str, kind: str) -> bool:
    """Whether a value says of every row of every recording whether it is one, or padding."""
    compared = graph.maker(name, kind)
    column = graph.maker(compared.input[1], "Unsqueeze") if compared is not None else None
    return (
        compared is not None
        and column is not None
        and counts_rows(graph, compared.input[0])
        and is_length(graph, column.input[0])
    )


def _without_axes(graph: Editor, name: str) -> str:
    """What axes were added to."""
    node = graph.maker(name, "Unsqueeze")
    while node is not None:
        name = node.input[0]
        node = graph.maker(name, "Unsqueeze")
    return name


def _flat_image(graph: Editor, node: Node) -> str | None:
    """A step over (B, C, T) as one over images one pixel high, which has faster kernels."""
    pads = list(attribute_of(node, "pads", [0, 0]))
    constants = _constants_of_images(graph, node)
    if constants is None or len(pads) != 2 or attribute_of(node, "auto_pad", b"NOTSET") != b"NOTSET":
        return None
    attributes = attributes_of(node) | {"pads": [0, pads[0], 0, pads[1]]}
    for name in {"kernel_shape", "strides", "dilations"} & set(attributes):
        attributes[name] = [1, *attributes[name]]
    high = graph.make("Unsqueeze", node.input[0], _axis(graph))
    return _flattened(graph, graph.make(node.op_type, high, *constants, **attributes))


def _constants_of_images(graph: Editor, node: Node) -> list[str] | None:
    """What a step over (B, C, T) takes in beside them, for images; None if it is another step."""
    if node.op_type == "MaxPool":
        return []
    weights = graph.constant(node.input[1]) if node.op_type == "Conv" else None
    return None if weights is None or weights.ndim != 3 else [graph.keep(weights[:, :, None]), *node.input[2:]]


def _image_to_image(graph: Editor, node: Node) -> str | None:
    """What is done between two such steps is done to images too."""
    if node.op_type == "Unsqueeze" and graph.holds(node.input[1], _TIME):
        return _image_of(graph, node.input[0])
    if node.op_type == "BatchNormalization":
        image = _image_of(graph, node.input[0])
        made = image and graph.make(node.op_type, image, *node.input[1:], **attributes_of(node))
        return _flattened(graph, made) if made else None
    if node.op_type not in ("Relu", "Add", "Mul", "Concat") or attribute_of(node, "axis", 1) != 1:
        return None
    images = [_image_of(graph, name) or _gates_of_image(graph, name) for name in node.input]
    if not all(images) or not any(_image_of(graph, name) for name in node.input):
        return None
    return _flattened(graph, graph.make(node.op_type, *(name for name in images if name), **attributes_of(node)))


def _gates_of_image(graph: Editor, name: str) -> str | None:
    """(B, C, 1, 1) of numbers by channel, (B, C, 1)."""
    added = graph.maker(name, "Unsqueeze")
    if added is None or not graph.holds(added.input[1], _TIME) or not _is_by_channel(graph, added.input[0]):
        return None
    return graph.make("Unsqueeze", added.input[0], graph.keep(np.array([_TIME, _TIME + 1])))


def _is_by_channel(graph: Editor, name: str) -> bool:
    """Whether a value is (B, C): made by a dense layer."""
    gate = graph.maker(name, "Sigmoid")
    return gate is not None and graph.maker(gate.input[0], "Gemm", "Add") is not None


def _image_of(graph: Editor, name: str) -> str | None:
    squeezed = graph.maker(name, "Squeeze")
    if squeezed is None or len(squeezed.input) < 2 or not graph.holds(squeezed.input[1], _TIME):
        return None
    image: str = squeezed.input[0]
    return image


def _flattened(graph: Editor, image: str) -> str:
    return graph.make("Squeeze", image, _axis(graph))


def _axis(graph: Editor) -> str:
    return graph.keep(np.array([_TIME]))


RULES: tuple[Rule, ...] = (
    _plain_mean,
    _no_mask,
    _no_padding_of_scores,
    _only_missing,
    _whole_recurrence,
    _flat_image,
    _image_to_image,
)
"""In the order in which they are applied."""
