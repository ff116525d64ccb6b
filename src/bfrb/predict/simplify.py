"""Exported graphs made small: the same answers from about half the nodes.

An exporter writes down every step of a network as it was programmed. Where recordings are answered one by one, the many
small steps cost as much time as the convolutions and recurrences, so those that can be had for less are rewritten.
Every rule is exact but for rounding, except that recurrences give 0 on padding, which networks must not read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from bfrb.predict.graph_editor import Editor, Node, Rule, attribute_of, attributes_of, either_way, input_of
from bfrb.predict.member import LENGTHS

RECURRENCES = ("LSTM", "GRU")


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """A graph of the same inputs, outputs and answers, with fewer nodes.

    Parameters
    ----------
    model
        A graph that takes in `lengths` and branches as bundles keep them, its weights constants.
    """
    simpler = onnx.ModelProto()
    simpler.CopyFrom(model)
    editor = Editor(simpler.graph)
    branches = [value.name for value in model.graph.input if value.name != LENGTHS]
    for rule in (_rows_of_first(branches), _computed_before(), *RULES, _computed_before()):
        editor.apply(rule)
    editor.finish()
    return simpler


def _rows_of_first(branches: list[str]) -> Rule:
    """All branches have as many rows, so that masks can be shared between them."""

    def rule(graph: Editor, node: Node) -> str | None:
        of_other = node.op_type == "Shape" and node.input[0] in branches[1:]
        if not of_other or (attribute_of(node, "start"), attribute_of(node, "end")) != (1, 2):
            return None
        return graph.make("Shape", branches[0], start=1, end=2)

    return rule


def _computed_before() -> Rule:
    """The same from the same is computed once."""
    seen: dict[Any, str] = {}

    def rule(graph: Editor, node: Node) -> str | None:
        attributes = tuple(sorted(found.SerializeToString() for found in node.attribute))
        key = node.op_type, tuple(_number(graph, name) or name for name in node.input), attributes
        before = seen.setdefault(key, node.output[0])
        return before if before != node.output[0] else None

    return rule


def _number(graph: Editor, name: str) -> tuple[Any, ...] | None:
    """A constant of a few numbers, by what it holds."""
    value = graph.constant(name)
    return None if value is None or value.size > 1 else (value.dtype.str, value.shape, value.tobytes())


def _scale_in_convolution(graph: Editor, node: Node) -> str | None:
    """A convolution that is scaled and shifted by channel is a convolution with a bias."""
    for shift, scaled in either_way(node, "Add"):
        product = graph.maker(scaled, "Mul")
        for scale, convolved in either_way(product, "Mul"):
            convolution = graph.maker(convolved, "Conv")
            by, plus = graph.constant(scale), graph.constant(shift)
            if convolution is None or product is None or by is None or plus is None:
                continue
            weights = graph.constant(convolution.input[1])
            if weights is None or len(convolution.input) > 2 or not by.shape == plus.shape == (len(weights), 1):
                continue
            if graph.is_used_once(convolution) and graph.is_used_once(product):
                scaled_weights = graph.keep(weights * by.reshape(-1, *[1] * (weights.ndim - 1)))
                bias = graph.keep(plus[:, 0])
                return graph.make("Conv", convolution.input[0], scaled_weights, bias, **attributes_of(convolution))
    return None


def _mask_after_relu(graph: Editor, node: Node) -> str | None:
    """A mask holds 0 and 1, so it may come after a ReLU, which then joins the convolution before it."""
    product = graph.maker(node.input[0], "Mul") if node.op_type == "Relu" else None
    for mask, values in either_way(product, "Mul"):
        if product is not None and graph.is_used_once(product) and _is_mask(graph, mask):
            return graph.make("Mul", graph.make("Relu", values), mask)
    return None


def _is_mask(graph: Editor, name: str) -> bool:
    """Whether a value was made from truth values, so that it holds 0 and 1 only."""
    node = graph.maker(name, "Unsqueeze", "Cast")
    while node is not None and node.op_type == "Unsqueeze":
        node = graph.maker(node.input[0], "Unsqueeze", "Cast")
    return node is not None and graph.maker(node.input[0], "Less", "GreaterOrEqual", "Not") is not None


def _padding_in_pooling(graph: Editor, node: Node) -> str | None:
    """Pooling pads by itself; of values that are not negative its maximum is the same as with zeros."""
    pad = graph.maker(node.input[0], "Pad") if node.op_type == "MaxPool" else None
    if pad is None or len(pad.input) > 2 or attribute_of(pad, "mode", b"constant") != b"constant":
        return None
    after = graph.holds(pad.input[1], 0, 0, 0, 0, 0, 1) and list(attribute_of(node, "pads", [0, 0])) == [0, 0]
    if not after or not _is_not_negative(graph, pad.input[0]):
        return None
    return graph.make("MaxPool", pad.input[0], **attributes_of(node) | {"pads": [0, 1]})


def _is_not_negative(graph: Editor, name: str) -> bool:
    if graph.maker(name, "Relu"):
        return True
    product = graph.maker(name, "Mul")
    return any(_is_mask(graph, mask) and graph.maker(values, "Relu") for mask, values in either_way(product, "Mul"))


def _plain_recurrence(graph: Editor, node: Node) -> str | None:
    """(B, T, H) of a recurrence's (T, 1, B, H), without computing the shape anew."""
    shaped = input_of(graph, node, "Transpose", "Reshape", perm=[1, 0, 2])
    turned = shaped and input_of(graph, shaped, "Reshape", "Transpose")
    if turned is None or shaped is None or not _keeps_two_axes(graph, shaped.input[1], turned.output[0]):
        return None
    recurrence = input_of(graph, turned, "Transpose", *RECURRENCES, perm=[0, 2, 1, 3])
    if recurrence is None or attribute_of(recurrence, "direction", b"forward") == b"bidirectional":
        return None
    squeezed = graph.make("Squeeze", turned.input[0], graph.keep(np.array([1])))
    return graph.make("Transpose", squeezed, perm=[1, 0, 2])


def _keeps_two_axes(graph: Editor, shape: str, of: str) -> bool:
    """Whether a shape of three numbers begins with the first two of a value's."""
    joined = graph.maker(shape, "Concat")
    if joined is None or len(joined.input) != 3:
        return False
    for axis, part in enumerate(joined.input[:2]):
        cut = graph.maker(part, "Slice")
        whole = cut and graph.maker(cut.input[0], "Shape")
        if cut is None or not whole or whole.input[0] != of or attribute_of(whole, "start", 0):
            return False
        if not (graph.holds(cut.input[1], axis) and graph.holds(cut.input[2], axis + 1)):
            return False
    return True


def _both_directions(graph: Editor, node: Node) -> str | None:
    """A recurrence, and one over rows in reverse whose answer is reversed again, are one of two directions."""
    if node.op_type != "Concat" or len(node.input) != 2 or attribute_of(node, "axis") not in (2, -1):
        return None
    ahead, back = _recurrence_of(graph, node.input[0]), graph.maker(node.input[1], "GatherElements")
    behind = back and _recurrence_of(graph, back.input[0])
    if ahead is None or behind is None or back is None or not _are_alike(graph, ahead, behind):
        return None
    lengths = _reversal(graph, back)
    rows = input_of(graph, graph.maker(behind.input[0], "Transpose"), "Transpose", "GatherElements", perm=[1, 0, 2])
    same = graph.maker(ahead.input[0], "Transpose")
    if lengths is None or rows is None or same is None or same.input[0] != rows.input[0]:
        return None
    if _reversal(graph, rows) != lengths or list(attribute_of(same, "perm")) != [1, 0, 2]:
        return None
    return _two_ways(graph, ahead, behind, lengths)


def _two_ways(graph: Editor, ahead: Node, behind: Node, lengths: str) -> str | None:
    """(B, T, 2 * H) of both recurrences, as one."""
    pairs = [(graph.constant(a), graph.constant(b)) for a, b in zip(ahead.input[1:4], behind.input[1:4], strict=True)]
    if any(a is None or b is None for a, b in pairs):
        return None
    weights = [graph.keep(np.concatenate([a, b])) for a, b in pairs if a is not None and b is not None]
    counts = graph.make("Cast", lengths, to=onnx.TensorProto.INT32)
    attributes = attributes_of(ahead) | {"direction": "bidirectional"}
    made = graph.make(ahead.op_type, ahead.input[0], *weights, counts, **attributes)
    by_row = graph.make("Transpose", made, perm=[2, 0, 1, 3])
    return graph.make("Reshape", by_row, graph.keep(np.array([0, 0, 2 * attribute_of(ahead, "hidden_size")])))


def _recurrence_of(graph: Editor, name: str) -> Node | None:
    """The recurrence of one direction whose (B, T, H) a value is."""
    squeezed = input_of(graph, graph.maker(name, "Transpose"), "Transpose", "Squeeze", perm=[1, 0, 2])
    return squeezed and input_of(graph, squeezed, "Squeeze", *RECURRENCES)


def _are_alike(graph: Editor, ahead: Node, behind: Node) -> bool:
    """Whether two recurrences of one direction differ in weights and rows only, and begin with zeros."""
    if ahead.op_type != behind.op_type or attributes_of(ahead) != attributes_of(behind) or len(ahead.input) < 4:
        return False
    starts = [*ahead.input[4:], *behind.input[4:]]
    return attribute_of(ahead, "direction", b"forward") == b"forward" and all(
        not name or _is_zero(graph, name) for name in starts
    )


def _is_zero(graph: Editor, name: str) -> bool:
    node = graph.maker(name, "Slice", "Expand")
    while node is not None:
        name = node.input[0]
        node = graph.maker(name, "Slice", "Expand")
    value = graph.constant(name)
    return value is not None and not value.any()


def _reversal(graph: Editor, gather: Node) -> str | None:
    """The lengths in which a gathering reverses the rows of every recording, if that is what it does."""
    index = graph.maker(gather.input[1], "Expand")
    index = index and input_of(graph, index, "Expand", "Unsqueeze")
    chosen = index and input_of(graph, index, "Unsqueeze", "Where")
    if chosen is None or attribute_of(gather, "axis") != 1:
        return None
    inside, mirrored, positions = chosen.input
    less, minus = graph.maker(inside, "Less"), graph.maker(mirrored, "Sub")
    last = minus and graph.maker(minus.input[0], "Sub")
    if less is None or minus is None or last is None or not graph.holds(last.input[1], 1):
        return None
    column = graph.maker(last.input[0], "Unsqueeze")
    if column is None or [*less.input] != [positions, last.input[0]] or minus.input[1] != positions:
        return None
    return column.input[0] if counts_rows(graph, positions) else None


def counts_rows(graph: Editor, name: str) -> bool:
    """Whether a value is 0, 1, 2, ... in one row."""
    steps = input_of(graph, graph.maker(name, "Unsqueeze"), "Unsqueeze", "Range")
    return steps is not None and graph.holds(steps.input[0], 0) and graph.holds(steps.input[2], 1)


def _whole_division(graph: Editor, node: Node) -> str | None:
    """Half of a length, rounded down, without a detour over floats."""
    if node.op_type != "Cast" or attribute_of(node, "to") != onnx.TensorProto.INT64:
        return None
    quotient = input_of(graph, graph.maker(node.input[0], "Floor"), "Floor", "Div")
    number = quotient and input_of(graph, quotient, "Div", "Cast")
    by = graph.constant(quotient.input[1]) if quotient is not None else None
    if number is None or by is None or by.size > 1 or by.item() % 1 or not is_length(graph, number.input[0]):
        return None
    return graph.make("Div", number.input[0], graph.keep(by.astype(np.int64)))


def is_length(graph: Editor, name: str) -> bool:
    """Whether a value was computed from the lengths in whole numbers that are not negative."""
    node = graph.maker(name, "Add", "Div")
    while node is not None:
        added = graph.constant(node.input[1])
        if added is None or added.dtype != np.int64 or added.min() < 0:
            return False
        name = node.input[0]
        node = graph.maker(name, "Add", "Div")
    return name == LENGTHS


def _only_slice(graph: Editor, node: Node) -> str | None:
    """The only slice along an axis that was just added."""
    added = graph.maker(node.input[0], "Unsqueeze") if node.op_type == "Gather" else None
    if added is None or not graph.holds(node.input[1], 0):
        return None
    index = graph.constant(node.input[1])
    is_same_axis = graph.holds(added.input[1], attribute_of(node, "axis", 0))
    return added.input[0] if is_same_axis and index is not None and not index.ndim else None


def _where_not(graph: Editor, node: Node) -> str | None:
    """Where a truth value, as a number, is 0: where it is not."""
    equal = input_of(graph, node, "Where", "Equal")
    truth = equal and input_of(graph, equal, "Equal", "Cast")
    if equal is None or truth is None or not graph.holds(equal.input[1], 0):
        return None
    if graph.maker(truth.input[0], "Less", "GreaterOrEqual", "Not") is None:
        return None
    return graph.make("Where", truth.input[0], node.input[2], node.input[1])


def _weighted_sum(graph: Editor, node: Node) -> str | None:
    """A weighted sum over time as a product of matrices."""
    if node.op_type != "Einsum" or attribute_of(node, "equation") != b"bt,btc->bc":
        return None
    axis = graph.keep(np.array([1]))
    weights = graph.make("Unsqueeze", node.input[0], axis)
    return graph.make("Squeeze", graph.make("MatMul", weights, node.input[1]), axis)


def _repeated_rows(graph: Editor, node: Node) -> str | None:
    """What stands for several rows each, at every row of the recordings, is looked up."""
    shaped = input_of(graph, node, "Slice", "Reshape")
    repeated = input_of(graph, shaped, "Reshape", "Expand")
    added = input_of(graph, repeated, "Expand", "Unsqueeze")
    times = graph.constant(repeated.input[1]) if repeated is not None else None
    if added is None or times is None or times[:-1].tolist() != [1, 1, 1] or not graph.holds(added.input[1], 3):
        return None
    joined, cut = graph.maker(shaped.input[1], "Concat") if shaped else None, node.input[1:]
    if joined is None or not graph.holds(joined.input[-1], -1) or _sizes(graph, joined.input[0]) != (0, 2):
        return None
    if _sizes(graph, cut[1]) != (1, 2) or not all(map(graph.holds, (cut[0], *cut[2:]), (0, 2, 1))):
        return None
    zero, one = graph.keep(np.array(0)), graph.keep(np.array(1))
    positions = graph.make("Range", zero, graph.make("Squeeze", cut[1]), one)
    return graph.make("Gather", added.input[0], graph.make("Div", positions, graph.keep(times[-1])), axis=2)


def _sizes(graph: Editor, name: str) -> tuple[Any, Any] | None:
    """Of which axes a value holds the sizes."""
    node = graph.maker(name, "Shape")
    return None if node is None else (attribute_of(node, "start", 0), attribute_of(node, "end"))


RULES: tuple[Rule, ...] = (
    _scale_in_convolution,
    _mask_after_relu,
    _padding_in_pooling,
    _plain_recurrence,
    _both_directions,
    _whole_division,
    _only_slice,
    _where_not,
    _weighted_sum,
    _repeated_rows,
)
"""In the order in which they are applied: later ones need what earlier ones make."""
