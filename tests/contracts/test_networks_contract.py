"""What every registered network has to hold."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bfrb.errors import ConfigError
from bfrb.export.graphs import Member
from bfrb.networks.registry import NETWORKS, Network, Shape, build_network
from bfrb.networks.specs import SPECS, NetworkSpec, TwoBranchSpec
from bfrb.study.labels import PHASES
from bfrb.train.batches import AUXILIARY
from bfrb.train.run import RunSpec

EVERYTHING = {"imu": 6, "proximity": 5, "acc": 4, "rotation": 6, "thm": 4, "tof": 128}
MOTION = EVERYTHING | {"proximity": 0, "thm": 0, "tof": 0}
SHAPES = [Shape(EVERYTHING, 4), Shape(MOTION, 3)]
SMALL = {
    "two_branch": {"widths": (8, 16), "recurrent_units": 8},
    "gated_two_branch": {"widths": (8, 16), "recurrent_units": 8},
    "stems": {"motion_width": 8, "tof_width": 8, "trunk_widths": (32, 16)},
    "context": {"near_rows": 4},
    "rocket": {"rows": 17, "biases": 1},
}
TELLS_PHASES = {"stems"}
RECURRENT = {"two_branch", "gated_two_branch"}
BRANCHES = {name: RunSpec().network(name).BRANCHES for name in NETWORKS}
every_network = pytest.mark.parametrize("name", NETWORKS)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=["all", "imu"])


class Untouched(nn.Module):
    """Features that are scaled already."""

    def forward(self, values: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        return values


def small(name: str, shape: Shape) -> nn.Module:
    torch.manual_seed(1)
    return build_network(name, shape, small_spec(name)).eval()


def small_spec(name: str) -> NetworkSpec:
    return RunSpec().network(name).model_copy(update=SMALL[name])


def inputs(shape: Shape, lengths: torch.Tensor, steps: int) -> dict[str, torch.Tensor]:
    rows = (torch.arange(steps)[None, :] < lengths[:, None])[:, :, None]
    torch.manual_seed(2)
    return {branch: torch.randn(len(lengths), steps, channels) * rows for branch, channels in shape.channels.items()}


def scaled(name: str, shape: Shape) -> Member:
    return Member(small(name, shape), {branch: Untouched() for branch in shape.channels}).eval()


@every_network
@every_shape
@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(1, 23), min_size=1, max_size=4), padding=st.integers(0, 9))
def test_padding_never_changes_what_is_told(name: str, shape: Shape, lengths: list[int], padding: int) -> None:
    member, given_lengths = scaled(name, shape), torch.tensor(lengths)
    batch = inputs(shape, given_lengths, max(lengths) + padding)
    together = member.network(batch, given_lengths)
    told = member.answers(batch, given_lengths)
    assert ("phases" in told) == ("phase" in together.auxiliary) == (name in TELLS_PHASES)
    for row, length in enumerate(lengths):
        alone = {branch: values[row : row + 1, :length] for branch, values in batch.items()}
        logits = member.network(alone, given_lengths[row : row + 1]).logits[0]
        torch.testing.assert_close(logits, together.logits[row], atol=1e-5, rtol=1e-5)
        if name in TELLS_PHASES:
            phases = member.answers(alone, given_lengths[row : row + 1])["phases"][0]
            torch.testing.assert_close(phases, told["phases"][row, :length], atol=1e-5, rtol=1e-5)


@every_network
@every_shape
@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 4), length=st.integers(1, 23))
def test_without_padding_the_answers_are_the_same_with_and_without_lengths(
    name: str, shape: Shape, count: int, length: int
) -> None:
    member, lengths = scaled(name, shape), torch.full((count,), length)
    batch = inputs(shape, lengths, length)
    padded, plain = member.answers(batch, lengths), member.answers(batch)
    assert padded.keys() == plain.keys()
    for output, expected in padded.items():
        torch.testing.assert_close(plain[output], expected, atol=1e-5, rtol=1e-5)


@every_network
@every_shape
def test_everything_is_answered_finitely_and_in_its_own_shape(name: str, shape: Shape) -> None:
    lengths = torch.tensor([7, 3])
    member, batch = scaled(name, shape), inputs(shape, lengths, 7)
    output = member.network(batch, lengths)
    assert output.logits.shape == (2, shape.classes)
    assert torch.isfinite(output.logits).all()
    assert all(logits.shape == (2,) for logits in output.present.values())
    assert all(logits.shape == (2, shape.classes) for logits in output.heads.values())
    for label, logits in output.auxiliary.items():
        values = len(AUXILIARY[label])
        assert logits.shape == ((2, values) if label == "orientation" else (2, 7, values))
        assert torch.isfinite(logits).all()
    for phases in [told for key, told in member.answers(batch, lengths).items() if key == "phases"]:
        assert phases.shape == (2, 7, len(PHASES))
        torch.testing.assert_close(phases.sum(dim=2), torch.ones(2, 7))


@every_network
def test_any_branch_may_be_missing(name: str) -> None:
    network, lengths = small(name, SHAPES[0]), torch.tensor([7, 3])
    batch = inputs(SHAPES[0], lengths, 7)
    complete = network(batch, lengths).logits
    for missing in BRANCHES[name]:
        output = network({**batch, missing: torch.zeros_like(batch[missing])}, lengths)
        assert torch.isfinite(output.logits).all()
        assert not torch.allclose(output.logits, complete)
    nothing = network({branch: torch.zeros_like(values) for branch, values in batch.items()}, lengths)
    assert torch.isfinite(nothing.logits).all()


@every_network
@every_shape
def test_every_weight_learns(name: str, shape: Shape) -> None:
    network = small(name, shape).train()
    lengths = torch.tensor([9, 4, 6, 9])
    batch = inputs(shape, lengths, 9)
    for values in batch.values():
        values[0] = 0.0  # of one sequence nothing is known
    output = network(batch, lengths)
    others = (*output.present.values(), *output.heads.values(), *output.auxiliary.values())
    loss = output.logits.square().sum() + sum(logits.square().sum() for logits in others)
    loss.backward()
    silent = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.abs().sum()]
    assert not [key for key in silent if not key.endswith("bias_hh_l0")]


@every_network
def test_a_network_has_its_spec_and_tells_which_weights_decay(name: str) -> None:
    network = small(name, SHAPES[0])
    assert NETWORKS[name].Spec is SPECS[name] is type(RunSpec().network(name))
    assert isinstance(network, Network)
    decayed = {id(parameter) for parameter in network.decayed()}
    names = {key for key, value in network.named_parameters() if id(value) in decayed}
    assert names
    assert not [key for key in names if "norm" in key or "bias" in key or "gate" in key or "attention" in key]
    assert "head.logits.weight" in names
    if name in RECURRENT:
        assert {"lstm.forwards.weight_ih_l0", "gru.backwards.weight_ih_l0"} <= names


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(ConfigError, match="two_branch"):
        build_network("three_branch", SHAPES[0], TwoBranchSpec())


def test_the_published_network_has_its_published_size() -> None:
    network = build_network("two_branch", Shape({"imu": 20, "proximity": 25}, 18), TwoBranchSpec())
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(1.05e6, rel=0.005)


def test_the_gate_silences_the_proximity_branch() -> None:
    network = small("gated_two_branch", SHAPES[0])
    lengths = torch.tensor([8, 5])
    batch = inputs(SHAPES[0], lengths, 8)
    with torch.no_grad():
        network.gate[-1].weight.zero_()
        network.gate[-1].bias.fill_(-100.0)
        closed = network(batch, lengths).logits
        other = network({**batch, "proximity": 3 * batch["proximity"]}, lengths).logits
    torch.testing.assert_close(closed, other)
