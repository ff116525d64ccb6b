from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from bfrb.predict.unpadded import without_padding

from bfrb.errors import BundleError
from bfrb.export.graphs import Member, build_member, check_parity, fill_template, trace_template
from bfrb.networks.registry import Shape
from bfrb.networks.specs import GatedTwoBranchSpec, StemsSpec
from bfrb.predict.member import session_options
from bfrb.train.where import LocalProcesses

SHAPE = Shape({"imu": 5, "proximity": 3}, 4)
SMALL = GatedTwoBranchSpec(widths=(8, 16), recurrent_units=8, noise_units=4, head_units=(16,), head_dropouts=(0.1,))
NAME = "gated_two_branch"


def trace_to(path: Path) -> None:
    path.write_bytes(trace_template(NAME, SHAPE, SMALL).SerializeToString())
    with pytest.raises(RuntimeError, match="start another process"):
        trace_template(NAME, SHAPE, SMALL)
    path.with_name("a second trace was refused").touch()


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "graph.onnx"
    LocalProcesses(1).run({"trace": partial(trace_to, path)}, tick=lambda: None)
    return path


@pytest.fixture(scope="module")
def template(traced: Path) -> onnx.ModelProto:
    return onnx.load(traced)


def random_member(seed: int) -> Member:
    torch.manual_seed(seed)
    member = build_member(NAME, SHAPE, SMALL)
    for name, value in member.state_dict().items():
        if name.endswith(("mean", "weight")):
            value.normal_(0.0, 0.5)
        elif name.endswith(("sd", "running_var")):
            value.uniform_(0.5, 2.0)
    return member


def fill(template: onnx.ModelProto, member: Member) -> bytes:
    weights = {name: value.numpy() for name, value in member.state_dict().items()}
    filled: bytes = fill_template(template, weights).SerializeToString()
    return filled


def random_features(lengths: list[int], seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = {}
    for branch, channels in SHAPE.channels.items():
        values = rng.normal(size=(len(lengths), max(lengths), channels)).astype(np.float32)
        values[rng.random(values.shape) < 0.1] = np.nan
        features[branch] = values
    return features


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("lengths", [[1], [2], [40, 3, 17, 40], list(range(1, 20))])
def test_graphs_of_several_members_agree_with_torch(template: onnx.ModelProto, seed: int, lengths: list[int]) -> None:
    member = random_member(seed)
    graph = fill(template, member)
    assert check_parity(graph, member, random_features(lengths), np.array(lengths)) < 1e-6


@pytest.mark.parametrize("lengths", [[1], [2], [40], [13] * 5])
def test_the_form_without_padding_agrees_with_torch(template: onnx.ModelProto, lengths: list[int]) -> None:
    member = random_member(2)
    bare = without_padding(onnx.load_from_string(fill(template, member)))
    assert not {"Less", "GreaterOrEqual", "Cast"} & {node.op_type for node in bare.graph.node}
    session = onnxruntime.InferenceSession(
        bare.SerializeToString(), session_options(), providers=["CPUExecutionProvider"]
    )
    features = random_features(lengths)
    found = session.run(None, dict(features))
    with torch.inference_mode():
        inputs = {branch: torch.from_numpy(values) for branch, values in features.items()}
        expected = member(inputs, torch.tensor(lengths))
    for quick, own in zip(found, expected, strict=True):
        np.testing.assert_allclose(quick, own.numpy(), rtol=0, atol=1e-6)


def test_a_graph_with_other_weights_is_refused(template: onnx.ModelProto) -> None:
    graph = fill(template, random_member(0))
    with pytest.raises(BundleError, match="agree with torch"):
        check_parity(graph, random_member(1), random_features([9, 4]), np.array([9, 4]))


def test_what_lies_on_padding_does_not_matter(template: onnx.ModelProto) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(fill(template, random_member(0)), providers=["CPUExecutionProvider"])
    features, lengths = random_features([12, 5]), np.array([12, 5])
    clean, attention = session.run(None, {**features, "lengths": lengths})
    for values in features.values():
        values[1, 5:] = 1e6
    dirty, _ = session.run(None, {**features, "lengths": lengths})
    np.testing.assert_allclose(clean, dirty, atol=1e-6)
    assert attention.shape == (2, 3)
    np.testing.assert_allclose(attention.sum(axis=1), 1.0, atol=1e-5)
    assert attention[1, 2] == 0


def test_a_graph_promises_no_number_of_rows(template: onnx.ModelProto) -> None:
    graph = onnx.load_model_from_string(fill(template, random_member(0)))
    (attention,) = (value for value in graph.graph.output if value.name == "attention")
    assert [bool(size.dim_param) for size in attention.type.tensor_type.shape.dim] == [True, True]


def test_a_graph_says_nothing_of_the_files_it_was_traced_from(template: onnx.ModelProto) -> None:
    graph = fill(template, random_member(0))
    assert b".py" in template.SerializeToString()
    assert b".py" not in graph
    assert b"stack_trace" not in graph


def test_a_process_traces_once_only(traced: Path) -> None:
    assert traced.with_name("a second trace was refused").exists()


STEMS_SHAPE = Shape({"acc": 3, "rotation": 4, "thm": 4, "tof": 0}, 4)
SMALL_STEMS = StemsSpec(motion_width=4, thm_width=4, trunk_widths=(8, 8), head_units=8)


def trace_stems_to(path: Path) -> None:
    path.write_bytes(trace_template("stems", STEMS_SHAPE, SMALL_STEMS).SerializeToString())


@pytest.fixture(scope="module")
def stems(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    path = tmp_path_factory.mktemp("stems") / "graph.onnx"
    LocalProcesses(1).run({"trace": partial(trace_stems_to, path)}, tick=lambda: None)
    return onnx.load(path)


def stems_member() -> tuple[Member, dict[str, np.ndarray]]:
    torch.manual_seed(3)
    member = build_member("stems", STEMS_SHAPE, SMALL_STEMS)
    return member, {name: value.numpy() for name, value in member.state_dict().items()}


def stems_features(lengths: list[int]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shape = len(lengths), max(lengths)
    return {
        branch: rng.normal(size=(*shape, channels)).astype(np.float32)
        for branch, channels in STEMS_SHAPE.channels.items()
        if channels
    }


@pytest.mark.parametrize("lengths", [[1], [2], [5], [41, 3, 17, 40], list(range(1, 20))])
def test_phases_of_a_graph_agree_with_torch(stems: onnx.ModelProto, lengths: list[int]) -> None:
    import onnxruntime

    member, weights = stems_member()
    graph = fill_template(stems, weights, phases=True).SerializeToString()
    features = stems_features(lengths)
    assert check_parity(graph, member, features, np.array(lengths)) < 1e-5
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (phases,) = session.run(["phases"], {**features, "lengths": np.array(lengths)})
    assert phases.shape == (len(lengths), max(lengths), 2)
    np.testing.assert_allclose(phases.sum(axis=2), 1.0, atol=1e-5)
    assert np.ptp(phases[:, :, 1]) > 0 or lengths in ([1], [2])


def test_phases_that_are_off_are_refused(stems: onnx.ModelProto) -> None:
    member, weights = stems_member()
    graph = fill_template(stems, weights, phases=True)
    (last,) = (node for node in graph.graph.node if "phases" in node.output)
    last.op_type = "Sigmoid"
    del last.attribute[:]
    with pytest.raises(BundleError, match="agree with torch"):
        check_parity(graph.SerializeToString(), member, stems_features([9, 4]), np.array([9, 4]))


def test_a_head_that_was_not_trained_is_not_in_the_graph(stems: onnx.ModelProto) -> None:
    member, weights = stems_member()
    silent, telling = fill_template(stems, weights), fill_template(stems, weights, phases=True)
    assert [value.name for value in silent.graph.output] == ["probabilities", "attention"]
    assert [value.name for value in telling.graph.output] == ["probabilities", "attention", "phases"]
    assert not [node.name for node in silent.graph.node if "phases" in node.output]
    assert check_parity(silent.SerializeToString(), member, stems_features([9, 4]), np.array([9, 4])) < 1e-5


def test_phases_cost_few_steps(stems: onnx.ModelProto) -> None:
    _, weights = stems_member()
    silent, telling = fill_template(stems, weights), fill_template(stems, weights, phases=True)
    assert len(telling.graph.node) - len(silent.graph.node) <= 6


def test_a_graph_promises_no_number_of_rows_for_phases(stems: onnx.ModelProto) -> None:
    _, weights = stems_member()
    (phases,) = (value for value in fill_template(stems, weights, phases=True).graph.output if value.name == "phases")
    assert [bool(size.dim_param) for size in phases.type.tensor_type.shape.dim] == [True, True, False]
