"""What every registered network has to hold."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bfrb.config import RunSpec, TwoBranchSpec
from bfrb.errors import ConfigError
from bfrb.models import NETWORKS, Network, Shape, build_network

SHAPES = [Shape({"imu": 6, "proximity": 5}, 4), Shape({"imu": 6, "proximity": 0}, 3)]
every_network = pytest.mark.parametrize("name", NETWORKS)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=["all", "imu"])


def small(name: str, shape: Shape) -> nn.Module:
    torch.manual_seed(1)
    spec = RunSpec().network(name)
    assert isinstance(spec, TwoBranchSpec)
    return build_network(name, shape, spec.model_copy(update={"widths": (8, 16), "recurrent_units": 8})).eval()


def inputs(shape: Shape, lengths: torch.Tensor, steps: int) -> dict[str, torch.Tensor]:
    rows = (torch.arange(steps)[None, :] < lengths[:, None])[:, :, None]
    torch.manual_seed(2)
    return {branch: torch.randn(len(lengths), steps, channels) * rows for branch, channels in shape.channels.items()}


@every_network
@every_shape
@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(1, 23), min_size=1, max_size=4), padding=st.integers(0, 9))
def test_padding_never_changes_the_answer(name: str, shape: Shape, lengths: list[int], padding: int) -> None:
    network = small(name, shape)
    given_lengths = torch.tensor(lengths)
    batch = inputs(shape, given_lengths, max(lengths) + padding)
    together = network(batch, given_lengths).logits
    for row, length in enumerate(lengths):
        alone = {branch: values[row : row + 1, :length] for branch, values in batch.items()}
        torch.testing.assert_close(
            network(alone, given_lengths[row : row + 1]).logits[0], together[row], atol=1e-5, rtol=1e-5
        )


@every_network
@every_shape
def test_logits_are_finite_and_one_per_class(name: str, shape: Shape) -> None:
    lengths = torch.tensor([7, 3])
    output = small(name, shape)(inputs(shape, lengths, 7), lengths)
    assert output.logits.shape == (2, shape.classes)
    assert torch.isfinite(output.logits).all()
    assert all(logits.shape == (2,) for logits in output.present.values())


@every_network
@every_shape
def test_every_weight_learns(name: str, shape: Shape) -> None:
    network = small(name, shape).train()
    lengths = torch.tensor([9, 4, 6, 9])
    output = network(inputs(shape, lengths, 9), lengths)
    loss = output.logits.square().sum() + sum(logits.sum() for logits in output.present.values())
    loss.backward()
    silent = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.abs().sum()]
    assert not [key for key in silent if not key.endswith("bias_hh_l0")]


@every_network
def test_a_network_tells_which_weights_decay(name: str) -> None:
    network = small(name, SHAPES[0])
    assert isinstance(network, Network)
    decayed = {id(parameter) for parameter in network.decayed()}
    names = {key for key, value in network.named_parameters() if id(value) in decayed}
    assert names
    assert not [key for key in names if "norm" in key or "bias" in key or "gate" in key or "attention" in key]
    assert {"lstm.forwards.weight_ih_l0", "gru.backwards.weight_ih_l0", "head.logits.weight"} <= names


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
