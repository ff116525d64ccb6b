"""A small bundle whose networks tell phases."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bfrb.predict.bundle import writing_bundle
from bundles import make_bundle


def make_telling_bundle(out: Path, tellers: int = 1, **options: Any) -> Path:
    """The bundle of `make_bundle`, but the first members tell phases by the mean of their squashed motion features.

    The logit of "Gesture" is the mean, times the member's number plus 1; that of "Transition" is 0.
    """
    made = make_bundle(out.with_name(f"{out.name}-made"), **options)
    with writing_bundle(out) as folder:
        shutil.copytree(made, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("checksums.json"))
        for number in range(tellers):
            graph = folder / "members" / f"two_branch-{number:02d}.onnx"
            model = onnx.load(graph)
            add_phases(model, number + 1.0)
            onnx.save(model, graph)
    return out


def add_phases(model: onnx.ModelProto, times: float) -> None:
    """Give a graph of `make_graph` the output `phases` (B, T, 2)."""
    graph = model.graph
    constants = {"last_axis": np.array([2]), "by_phase": np.array([0.0, times], dtype=np.float32)}
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    graph.node.append(helper.make_node("ReduceMean", ["imu_squashed", "last_axis"], ["moving"], keepdims=1))
    graph.node.append(helper.make_node("Mul", ["moving", "by_phase"], ["phase_logits"]))
    graph.node.append(helper.make_node("Softmax", ["phase_logits"], ["phases"], axis=2))
    graph.output.append(helper.make_tensor_value_info("phases", TensorProto.FLOAT, ["B", "T", 2]))
    onnx.checker.check_model(model)
