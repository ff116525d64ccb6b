"""Graphs of networks: the same answers as torch, with padding and without."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from bfrb.errors import BundleError
from bfrb.export import graphs
from bfrb.export.graphs import Member, check_parity, trace_template
from bfrb.features.sequences import Batch
from bfrb.networks.registry import Shape
from bfrb.networks.specs import ContextSpec, NetworkSpec
from studies import ROCKET, TINY

# Shapes and sizes of networks that other tests train, so that each is traced once for all.
SHAPE = Shape({"imu": 20, "proximity": 25, "acc": 5, "rotation": 11, "thm": 10, "tof": 320}, 18)
SPECS: dict[str, NetworkSpec] = {
    name: TINY.updated(ROCKET).network(name) for name in ("gated_two_branch", "context", "rocket")
}
every_network = pytest.mark.parametrize("name", SPECS)


@cache
def templates(name: str) -> graphs.Templates:
    return graphs.trace_templates(name, SHAPE, SPECS[name])


def test_a_graph_is_traced_once_and_again_if_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    step = onnx.helper.make_node("Neg", ["a"], ["b"])
    first, spec = onnx.helper.make_model(onnx.helper.make_graph([step], "", [], [])), SPECS["context"]
    traced: list[str] = []
    monkeypatch.setattr("bfrb.export.graphs._trace", lambda name, *_: traced.append(name) or first)
    for _ in range(2):
        assert trace_template("context", SHAPE, spec) == first
    assert traced == ["context"]
    trace_template("context", SHAPE, spec, padding=False)
    trace_template("context", replace(SHAPE, row_rate_hz=20.0), spec)
    trace_template("context", SHAPE, ContextSpec(near_s=0.7))
    assert len(traced) == 4
    for damaged in (b"", b"no graph"):
        for kept in (tmp_path / "bfrb" / "graphs").iterdir():
            kept.write_bytes(damaged)
        assert trace_template("context", SHAPE, spec) == first
    assert len(traced) == 6
    for _ in range(2):
        trace_template("own:Network", SHAPE, spec)
    assert len(traced) == 8
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    assert trace_template("context", SHAPE, spec) == first


@cache
def random_member(name: str, seed: int = 0) -> Member:
    torch.manual_seed(seed)
    member = graphs.build_member(name, SHAPE, SPECS[name])
    for key, value in member.state_dict().items():
        if key.endswith(("mean", "weight")):
            value.normal_(0.0, 0.5)
        elif key.endswith(("sd", "running_var")):
            value.uniform_(0.5, 2.0)
    return member


@cache
def filled(name: str, *, padding: bool = True) -> bytes:
    weights = {key: value.numpy() for key, value in random_member(name).state_dict().items()}
    template = templates(name).padded if padding else templates(name).unpadded
    graph: bytes = graphs.fill_template(template, weights).SerializeToString()
    return graph


def random_features(member: Member, lengths: list[int], seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = {}
    for branch, standardise in member.standardisers.items():
        values = rng.normal(size=(len(lengths), max(lengths), len(standardise.mean))).astype(np.float32)
        values[rng.random(values.shape) < 0.1] = np.nan
        features[branch] = values
    return features


@every_network
def test_graphs_agree_with_torch_and_without_padding_in_fewer_steps(name: str) -> None:
    member, padded, plain = random_member(name), filled(name), filled(name, padding=False)
    for lengths in ([1], [40, 3, 17, 40], list(range(1, 20))):
        assert check_parity(padded, member, random_features(member, lengths), np.array(lengths)) < 1e-5
    for lengths in ([1], [40], [13] * 5):
        assert check_parity(plain, member, random_features(member, lengths)) < 1e-5
    assert len(onnx.load_from_string(plain).graph.node) < len(onnx.load_from_string(padded).graph.node)


@every_network
def test_both_graphs_of_a_member_are_written_and_share_large_weights(name: str, tmp_path: Path) -> None:
    member, lengths = random_member(name), [40, 3, 17, 40]
    path = tmp_path / "member.onnx"
    batch = Batch(random_features(member, lengths), np.array(lengths))
    assert graphs.write_graphs(path, member, templates(name), batch) < 1e-5
    beside = tmp_path / "member.unpadded.onnx"
    assert sorted(tmp_path.iterdir()) == [path, beside]
    sessions = [onnxruntime.InferenceSession(one, providers=["CPUExecutionProvider"]) for one in (path, beside)]
    for session, lengths_too in zip(sessions, (["lengths"], []), strict=True):
        assert [given.name for given in session.get_inputs()] == [*member.standardisers, *lengths_too]
        attention = ["attention"] if name == "gated_two_branch" and lengths_too else []
        assert [given.name for given in session.get_outputs()] == ["probabilities", *attention]
    kept = onnx.load(beside, load_external_data=False).graph.initializer
    elsewhere = {value.name for value in kept if value.data_location == onnx.TensorProto.EXTERNAL}
    large = {value.name for value in kept if np.prod(value.dims) >= 512}
    assert bool(elsewhere & large) == bool(large)


def test_a_graph_with_other_weights_is_refused_and_none_promises_a_number_of_rows() -> None:
    graph, member = filled("gated_two_branch"), random_member("gated_two_branch", 1)
    outputs = {value.name: value.type.tensor_type.shape.dim for value in onnx.load_from_string(graph).graph.output}
    sizes = {name: [bool(size.dim_param) for size in dim] for name, dim in outputs.items()}
    assert sizes == {"probabilities": [True, False], "attention": [True, True]}
    with pytest.raises(BundleError, match="agree with torch"):
        check_parity(graph, member, random_features(member, [9, 4]), np.array([9, 4]))
