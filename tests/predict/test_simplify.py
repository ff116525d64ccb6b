"""Exported graphs made small: the same answers, and no rewriting where it would be wrong."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from bfrb.predict.simplify import simplify
from onnx import TensorProto, helper, numpy_helper

from graphs import GraphMaker

UNITS = 3
CHANNELS = 4


class Graph(GraphMaker):
    """A graph in the making: (B, T, 4) values and (B,) lengths in, one value out."""

    def weights(self, *shape: int) -> np.ndarray:
        return self.rng.normal(size=shape).astype(np.float32)

    def model(self, result: str) -> onnx.ModelProto:
        self.nodes.append(helper.make_node("Identity", [result], ["answer"]))
        graph = helper.make_graph(
            self.nodes,
            "graph",
            [
                helper.make_tensor_value_info("imu", TensorProto.FLOAT, ["B", "T", CHANNELS]),
                helper.make_tensor_value_info("lengths", TensorProto.INT64, ["B"]),
            ],
            [onnx.ValueInfoProto(name="answer")],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)

    def positions(self) -> tuple[str, str]:
        """(1, T) Numbers of the rows, and (B, 1) lengths."""
        steps = self.node("Squeeze", self.node("Shape", "imu", start=1, end=2))
        positions = self.node("Unsqueeze", self.node("Range", np.array(0), steps, np.array(1)), np.array([0]))
        return positions, self.node("Unsqueeze", "lengths", np.array([1]))

    def mask(self) -> str:
        """(B, 1, T) 1 on rows, 0 on padding."""
        inside = self.node("Cast", self.node("Less", *self.positions()), to=TensorProto.FLOAT)
        return self.node("Unsqueeze", inside, np.array([1]))

    def reversal(self, values: str, width: int, last: int = 1) -> str:
        """(B, T, C) with the rows of every recording in reverse; not quite so if `last` is not 1."""
        positions, lengths = self.positions()
        mirrored = self.node("Sub", self.node("Sub", lengths, np.array(last)), positions)
        source = self.node("Where", self.node("Less", positions, lengths), mirrored, positions)
        index = self.node("Expand", self.node("Unsqueeze", source, np.array([2])), np.array([1, 1, width]))
        return self.node("GatherElements", values, index, axis=1)

    def recurrence(self, kind: str, rows: str, start: float = 0.0) -> str:
        """(B, T, H) As torch's exporter writes it down."""
        gates = {"LSTM": 4, "GRU": 3}[kind]
        weights = [(1, gates * UNITS, CHANNELS), (1, gates * UNITS, UNITS), (1, 2 * gates * UNITS)]
        size = self.node("Concat", np.array([1]), self.node("Shape", "lengths"), np.array([UNITS]), axis=0)
        begin = self.node("Expand", np.float32(start), size)
        states = [begin] * (2 if kind == "LSTM" else 1)
        attributes = {"hidden_size": UNITS} | ({"linear_before_reset": 1} if kind == "GRU" else {})
        by_time = self.node("Transpose", rows, perm=[1, 0, 2])
        made = self.node(kind, by_time, *(self.weights(*shape) for shape in weights), "", *states, **attributes)
        turned = self.node("Transpose", made, perm=[0, 2, 1, 3])
        shape = self.node("Shape", turned)
        sizes = [self.node("Slice", shape, np.array([axis]), np.array([axis + 1])) for axis in range(4)]
        last = self.node("Reshape", self.node("Mul", sizes[2], sizes[3]), np.array([-1]))
        plain = self.node("Reshape", turned, self.node("Concat", sizes[0], sizes[1], last, axis=0))
        return self.node("Transpose", plain, perm=[1, 0, 2])

    def both_ways(self, kind: str, last: int = 1, start: float = 0.0) -> str:
        ahead = self.recurrence(kind, "imu", start)
        behind = self.recurrence(kind, self.reversal("imu", CHANNELS, last), start)
        return self.node("Concat", ahead, self.reversal(behind, UNITS), axis=2)

    def by_channel(self) -> str:
        return self.node("Transpose", "imu", perm=[0, 2, 1])


def kinds(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def run(model: onnx.ModelProto, lengths: list[int], seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(len(lengths), max(lengths), CHANNELS)).astype(np.float32)
    values[np.arange(max(lengths)) >= np.array(lengths)[:, None]] = 0
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {"imu": values, "lengths": np.array(lengths)}
    return np.asarray(session.run(None, {given.name: feed[given.name] for given in session.get_inputs()})[0])


def check_same(model: onnx.ModelProto, simpler: onnx.ModelProto, *, on_padding: bool = True) -> None:
    for lengths in ([1], [2], [9], [7, 2, 1, 5]):
        expected, found = run(model, lengths), run(simpler, lengths)
        rows = np.ones(expected.shape, dtype=bool)
        if not on_padding:
            rows[np.arange(max(lengths)) >= np.array(lengths)[:, None]] = False
        assert np.ptp(expected[rows]) > 1e-3
        np.testing.assert_allclose(found[rows], expected[rows], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_recurrences_from_both_ends_become_one(kind: str) -> None:
    graph = Graph()
    model = graph.model(graph.both_ways(kind))
    simpler = simplify(model)
    assert kinds(simpler)[kind] == 1
    assert kinds(simpler)["GatherElements"] == 0
    assert len(simpler.graph.node) < len(model.graph.node) / 5
    check_same(model, simpler, on_padding=False)


@pytest.mark.parametrize("wrong", [{"last": 2}, {"start": 0.5}])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_recurrences_that_are_not_mirror_images_stay_two(kind: str, wrong: dict[str, Any]) -> None:
    graph = Graph()
    model = graph.model(graph.both_ways(kind, **wrong))
    simpler = simplify(model)
    assert kinds(simpler)[kind] == 2
    if "start" in wrong:
        check_same(model, simpler)


def test_a_recurrence_s_shape_is_not_computed_anew() -> None:
    graph = Graph()
    model = graph.model(graph.recurrence("GRU", "imu"))
    simpler = simplify(model)
    assert kinds(simpler)["Reshape"] == 0
    check_same(model, simpler)


def scaled_convolution(graph: Graph, channels: int = 5) -> tuple[str, str]:
    convolved = graph.node("Conv", graph.by_channel(), graph.weights(channels, CHANNELS, 3), pads=[1, 1])
    product = graph.node("Mul", convolved, graph.weights(channels, 1))
    return convolved, graph.node("Add", graph.weights(channels, 1), product)


def test_scale_and_shift_go_into_the_convolution() -> None:
    graph = Graph()
    model = graph.model(scaled_convolution(graph)[1])
    simpler = simplify(model)
    assert kinds(simpler) == Counter(Transpose=1, Conv=1, Identity=1)
    check_same(model, simpler)


def test_a_convolution_that_is_used_elsewhere_keeps_its_weights() -> None:
    graph = Graph()
    convolved, shifted = scaled_convolution(graph)
    model = graph.model(graph.node("Sub", shifted, convolved))
    simpler = simplify(model)
    assert kinds(simpler)["Mul"] == 1
    check_same(model, simpler)


def test_a_mask_comes_after_the_relu_but_other_factors_do_not() -> None:
    graph = Graph()
    masked = graph.model(graph.node("Relu", graph.node("Mul", graph.by_channel(), graph.mask())))
    simpler = simplify(masked)
    [relu] = [node for node in simpler.graph.node if node.op_type == "Relu"]
    [product] = [node for node in simpler.graph.node if node.op_type == "Mul"]
    assert relu.output[0] in product.input
    check_same(masked, simpler)
    graph = Graph()
    scaled = graph.model(graph.node("Relu", graph.node("Mul", graph.by_channel(), graph.weights(CHANNELS, 1))))
    check_same(scaled, simplify(scaled))


@pytest.mark.parametrize("kind", ["Relu", "Identity"])
def test_pooling_pads_by_itself_unless_values_may_be_negative(kind: str) -> None:
    graph = Graph()
    padded = graph.node("Pad", graph.node(kind, graph.by_channel()), np.array([0, 0, 0, 0, 0, 1]))
    model = graph.model(graph.node("MaxPool", padded, kernel_shape=[2], strides=[2]))
    simpler = simplify(model)
    assert kinds(simpler)["Pad"] == (0 if kind == "Relu" else 1)
    check_same(model, simpler)


def test_half_of_a_length_needs_no_floats() -> None:
    graph = Graph()
    number = graph.node("Cast", graph.node("Add", "lengths", np.array(1)), to=TensorProto.FLOAT)
    half = graph.node("Floor", graph.node("Div", number, np.float32(2)))
    model = graph.model(graph.node("Cast", half, to=TensorProto.INT64))
    simpler = simplify(model)
    assert kinds(simpler) == Counter(Add=1, Div=1, Identity=1)
    for length in (1, 2, 3, 8):
        assert run(simpler, [length]) == run(model, [length]) == (length + 1) // 2


def test_attention_over_real_rows_needs_few_steps() -> None:
    graph = Graph()
    scores = graph.node("Gather", graph.node("MatMul", "imu", graph.weights(CHANNELS, 1)), np.array(0), axis=2)
    mask = graph.node("Gather", graph.mask(), np.array(0), axis=1)
    hidden = graph.node("Where", graph.node("Equal", mask, np.float32(0)), np.float32(-np.inf), scores)
    weights = graph.node("Softmax", hidden, axis=1)
    model = graph.model(graph.node("Einsum", weights, "imu", equation="bt,btc->bc"))
    simpler = simplify(model)
    assert not {"Einsum", "Equal", "Cast"} & set(kinds(simpler))
    check_same(model, simpler)


def test_what_was_computed_before_is_not_computed_again() -> None:
    graph = Graph()
    model = graph.model(graph.node("Add", graph.mask(), graph.mask()))
    simpler = simplify(model)
    assert kinds(simpler)["Range"] == 1
    lengths = [4, 2]
    np.testing.assert_array_equal(run(simpler, lengths), run(model, lengths))


def test_the_original_stays_as_it_was() -> None:
    graph = Graph()
    model = graph.model(graph.both_ways("LSTM"))
    before = model.SerializeToString()
    simplify(model)
    assert model.SerializeToString() == before
