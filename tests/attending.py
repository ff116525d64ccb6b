"""A small bundle whose networks say how much they look at each row."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from bfrb.predict.bundle import writing_bundle
from bundles import make_bundle


def make_attending_bundle(out: Path, members: int = 2, **options: Any) -> Path:
    """The bundle of `make_bundle`, but the first member looks at a row by the mean of its squashed motion features."""
    made = make_bundle(out.with_name(f"{out.name}-made"), members=members, **options)
    with writing_bundle(out) as folder:
        shutil.copytree(made, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("checksums.json"))
        graph = folder / "members" / "two_branch-00.onnx"
        model = onnx.load(graph)
        add_attention(model)
        onnx.save(model, graph)
    return out


def add_attention(model: onnx.ModelProto) -> None:
    """Give a graph of `make_graph` the output `attention` (B, T)."""
    last = helper.make_tensor("last", TensorProto.INT64, [1], [2])
    model.graph.initializer.append(last)
    model.graph.node.append(helper.make_node("ReduceMean", ["imu_squashed", "last"], ["interest"], keepdims=0))
    model.graph.node.append(helper.make_node("Softmax", ["interest"], ["attention"], axis=1))
    model.graph.output.append(helper.make_tensor_value_info("attention", TensorProto.FLOAT, ["B", "T"]))
    onnx.checker.check_model(model)
