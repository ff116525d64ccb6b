"""Graphs for batches without padding: the same answers, and no rewriting where it would be wrong."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from bfrb.predict.unpadded import refer, without_padding, write_unpadded
from onnx import TensorProto, helper, numpy_helper

from bfrb.predict import unpadded
from bfrb.predict.member import session_options
from graphs import GraphMaker

CHANNELS, WIDTH, UNITS = 4, 16, 24


class Graph(GraphMaker):
    """(B, T, 4) `imu` and (B,) `lengths` in, `probabilities` out."""

    def weights(self, *shape: int) -> np.ndarray:
        return self.rng.normal(0, 0.3, shape).astype(np.float32)

    def mask(self, first: int = 0, ends: str = "lengths") -> str:
        """(B, 1, T) 1 on rows; something else if counted from another number than 0 or to other ends."""
        steps = self.node("Squeeze", self.node("Shape", "imu", start=1, end=2))
        stop = self.node("Add", steps, np.array(first))
        positions = self.node("Unsqueeze", self.node("Range", np.array(first), stop, np.array(1)), np.array([0]))
        inside = self.node("Less", positions, self.node("Unsqueeze", ends, np.array([1])))
        return self.node("Unsqueeze", self.node("Cast", inside, to=TensorProto.FLOAT), np.array([1]))

    def convolved(self, values: str, inputs: int) -> str:
        return self.node(
            "Relu", self.node("Conv", values, self.weights(WIDTH, inputs, 3), self.weights(WIDTH), pads=[1, 1])
        )

    def network(self, mask: str) -> str:
        """Two masked convolutions with gates and pooling, a recurrence, a softmax."""
        known = self.node("Where", self.node("IsNaN", "imu"), np.float32(0), "imu")
        rows = self.node("Transpose", known, perm=[0, 2, 1])
        values = self.node("Mul", self.convolved(rows, CHANNELS), mask)
        values = self.node("Mul", self.convolved(values, WIDTH), mask)
        axis = np.array([2])
        count = self.node("Clip", self.node("ReduceSum", mask, axis, keepdims=0), np.float32(1))
        mean = self.node("Div", self.node("ReduceSum", values, axis, keepdims=0), count)
        gates = self.node("Sigmoid", self.node("Gemm", mean, self.weights(WIDTH, WIDTH), self.weights(WIDTH)))
        values = self.node("Mul", values, self.node("Unsqueeze", gates, axis))
        values = self.node("MaxPool", values, kernel_shape=[2], strides=[2], pads=[0, 1])
        half = self.node("Div", self.node("Add", "lengths", np.array(1)), np.array(2))
        by_time = self.node("Transpose", values, perm=[2, 0, 1])
        shapes = ((2, 4 * UNITS, WIDTH), (2, 4 * UNITS, UNITS), (2, 8 * UNITS))
        counts = self.node("Cast", half, to=TensorProto.INT32)
        weights = [self.weights(*shape) for shape in shapes]
        made = self.node("LSTM", by_time, *weights, counts, hidden_size=UNITS, direction="bidirectional")
        last = self.node("ReduceMean", made, np.array([0, 1]), keepdims=0)
        return self.node("Softmax", self.node("MatMul", last, self.weights(UNITS, 5)), axis=1)

    def model(self, result: str) -> onnx.ModelProto:
        self.nodes.append(helper.make_node("Identity", [result], ["probabilities"]))
        graph = helper.make_graph(
            self.nodes,
            "graph",
            [
                helper.make_tensor_value_info("imu", TensorProto.FLOAT, ["B", "T", CHANNELS]),
                helper.make_tensor_value_info("lengths", TensorProto.INT64, ["B"]),
            ],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["B", None])],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def masked_network() -> onnx.ModelProto:
    graph = Graph()
    return graph.model(graph.network(graph.mask()))


def run(model: onnx.ModelProto | Path, batch: int, rows: int) -> np.ndarray:
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(source, session_options(), providers=["CPUExecutionProvider"])
    values = np.random.default_rng(1).normal(size=(batch, rows, CHANNELS)).astype(np.float32)
    feed = {"imu": values, "lengths": np.full(batch, rows)}
    return np.asarray(session.run(None, {given.name: feed[given.name] for given in session.get_inputs()})[0])


def kinds(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("rows", [1, 2, 9, 40])
def test_recordings_of_one_length_are_answered_alike(batch: int, rows: int) -> None:
    model = masked_network()
    expected = run(model, batch, rows)
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(run(without_padding(model), batch, rows), expected, rtol=0, atol=1e-6)


def test_nothing_is_left_of_masks_and_convolutions_follow_each_other_as_images() -> None:
    bare = without_padding(masked_network())
    assert not {"Less", "Cast", "Range", "Clip", "Div"} & set(kinds(bare))
    assert "lengths" not in {value.name for value in bare.graph.input}
    shapes = {value.name: list(value.dims) for value in bare.graph.initializer}
    assert [len(shapes[node.input[1]]) for node in bare.graph.node if node.op_type == "Conv"] == [4, 4]
    # Into images before the first convolution, out of them for the mean over time and after pooling.
    assert kinds(bare)["Squeeze"] == 2


def test_recurrent_weights_may_be_replaced_so_that_their_order_is_kept() -> None:
    bare = without_padding(masked_network())
    (recurrent,) = (node.input[2] for node in bare.graph.node if node.op_type == "LSTM")
    assert recurrent in {value.name for value in bare.graph.input}
    assert recurrent in {value.name for value in bare.graph.initializer}


@pytest.mark.parametrize("wrong", ["first", "ends"])
def test_a_product_with_something_else_than_a_mask_stays(wrong: str) -> None:
    graph = Graph()
    ends = graph.node("Div", "lengths", np.array(-2)) if wrong == "ends" else "lengths"
    model = graph.model(graph.network(graph.mask(first=1 if wrong == "first" else 0, ends=ends)))
    bare = without_padding(model)
    assert kinds(bare)["Less"] == 1
    np.testing.assert_allclose(run(bare, 2, 9), run(model, 2, 9), rtol=0, atol=1e-6)


def test_large_constants_are_read_from_the_graph_that_has_them(tmp_path: Path) -> None:
    path = tmp_path / "member.onnx"
    model = masked_network()
    path.write_bytes(model.SerializeToString())
    write_unpadded(path)
    beside = tmp_path / "member.unpadded.onnx"
    written = onnx.load(beside, load_external_data=False)
    elsewhere = [value for value in written.graph.initializer if value.data_location == TensorProto.EXTERNAL]
    shapes = {tuple(value.dims) for value in elsewhere}
    assert shapes == {(WIDTH, WIDTH, 1, 3), (WIDTH, WIDTH), (2, 4 * UNITS, WIDTH), (2, 8 * UNITS)}
    np.testing.assert_allclose(run(beside, 2, 9), run(path, 2, 9), rtol=0, atol=1e-6)


def test_constants_that_are_not_there_stay() -> None:
    model = masked_network()
    assert refer(model, b"something else", "other.onnx") == model


def test_a_form_that_answers_otherwise_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "member.onnx"
    path.write_bytes(masked_network().SerializeToString())

    def wrong(model: onnx.ModelProto) -> onnx.ModelProto:
        bare = without_padding(model)
        for value in bare.graph.initializer:
            if list(value.dims) == [UNITS, 5]:
                value.CopyFrom(numpy_helper.from_array(np.zeros((UNITS, 5), np.float32), value.name))
        return bare

    monkeypatch.setattr(unpadded, "without_padding", wrong)
    with caplog.at_level(logging.WARNING):
        write_unpadded(path)
    assert [found.name for found in tmp_path.iterdir()] == ["member.onnx"]
    assert "member.onnx does not get a quicker form" in caplog.text
