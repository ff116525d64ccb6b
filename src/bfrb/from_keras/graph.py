"""A graph in the making: ONNX nodes and constants, and what is known of each value's shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
IR_VERSION = 10


@dataclass(frozen=True)
class Value:
    """A value in a graph.

    Parameters
    ----------
    name
        Its name.
    shape
        Its shape as Keras sees it, without the batch: `(T, C)` or `(C,)`. A `(T, C)` value is kept as (B, C, T), the
        order that ONNX convolutions work in.
    """

    name: str
    shape: tuple[int, ...]


@dataclass
class Graph:
    """Nodes and constants, in the order in which they were added."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output, and give the output's name."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Add a constant, and give its name."""
        name = f"c{len(self.constants)}"
        array = np.ascontiguousarray(np.asarray(values, dtype=dtype))
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def indices(self, *numbers: int) -> str:
        """Add a constant list of whole numbers: axes, starts, a shape."""
        return self.constant(numbers, np.int64)

    def finish(self, inputs: dict[str, tuple[Any, ...]], output: str, classes: int) -> onnx.ModelProto:
        """The checked model: branches of float32 (B, T, C) and lengths in, (B, classes) probabilities out."""
        self.nodes.append(helper.make_node("Identity", [output], ["probabilities"]))
        taken = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
        taken.append(helper.make_tensor_value_info("lengths", TensorProto.INT64, ["B"]))
        given = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["B", classes])]
        graph = helper.make_graph(self.nodes, "member", taken, given, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model
