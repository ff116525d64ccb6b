"""Every registered network holds its contract."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import own_networks
from bfrb.errors import ConfigError
from bfrb.networks import blocks
from bfrb.networks.network import Inputs, Output
from bfrb.networks.registry import NETWORKS, Shape, build_network
from bfrb.networks.specs import SPECS, TwoBranchSpec
from bfrb.testing import NetworkContract
from bfrb.testing.network_contract import random_inputs
from bfrb.train.run import RunSpec
from own_networks import MeanNetwork

SIZES = {
    "two_branch": {"widths": (8, 16), "recurrent_units": 8},
    "gated_two_branch": {"widths": (8, 16), "recurrent_units": 8},
    "context": {"near_s": 0.4},
    "rocket": {"rows": 18, "biases": 1},
}
SHAPE = Shape({"imu": 6, "proximity": 5}, 4)
RECURRENT = {"two_branch", "gated_two_branch"}
OWN = "own_networks:MeanNetwork"


class TestNetworks(NetworkContract):
    channels: ClassVar[dict[str, int]] = {"tof": 128, "proximity": 5}

    @pytest.fixture(autouse=True, params=[*NETWORKS, OWN])
    def part(self, request: pytest.FixtureRequest) -> None:
        self.network = request.param
        self.sizes = SIZES.get(self.network, {})

    def test_kernels_decay_and_nothing_that_scales(self) -> None:
        network = self._built(next(self._shapes()))
        decayed = {id(parameter) for parameter in network.decayed()}
        names = {name for name, value in network.named_parameters() if id(value) in decayed}
        assert not [name for name in names if "norm" in name or "gate" in name or "attention" in name]
        assert names & {"head.logits.weight", "answer.weight"}
        if self.network in RECURRENT:
            assert {"lstm.forwards.weight_ih_l0", "gru.backwards.weight_ih_l0"} <= names


def forward(network: MeanNetwork, inputs: Inputs, lengths: Tensor | None) -> Output:
    return MeanNetwork.forward(network, inputs, lengths)


def idle(network: MeanNetwork, shape: Shape, spec: MeanNetwork.Spec) -> None:
    MeanNetwork.__init__(network, shape, spec)
    network.idle = nn.Linear(2, 2)


BROKEN: dict[str, tuple[str, Callable[..., Any]]] = {
    "padding_never_changes_the_answer": ("forward", lambda self, inputs, _: forward(self, inputs, None)),
    "every_weight_learns": ("__init__", idle),
    "any_branch_may_be_missing": (
        "forward",
        lambda self, inputs, lengths: forward(self, {name: 0.0 * values for name, values in inputs.items()}, lengths),
    ),
    "logits_are_finite_and_one_per_class": ("forward", lambda *given: Output(forward(*given).logits[:, :2])),
    "it_tells_which_weights_decay": ("decayed", lambda self: [*blocks.kernels(self), self.answer.bias]),
}


@pytest.mark.parametrize("promise", BROKEN)
def test_a_network_that_breaks_a_promise_is_found(promise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method, broken = BROKEN[promise]
    monkeypatch.setattr(own_networks, "Broken", type("Broken", (MeanNetwork,), {method: broken}), raising=False)
    contract = NetworkContract()
    contract.network = "own_networks:Broken"
    with pytest.raises(AssertionError):
        getattr(contract, f"test_{promise}")()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_its_spec(name: str) -> None:
    assert NETWORKS[name].Spec is SPECS[name] is type(RunSpec().network(name))


def test_the_published_network_has_its_published_size_and_an_unknown_one_is_refused() -> None:
    network = build_network("two_branch", Shape({"imu": 20, "proximity": 25}, 18), TwoBranchSpec())
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(1.05e6, rel=0.005)
    with pytest.raises(ConfigError, match="two_branch"):
        build_network("three_branch", SHAPE, TwoBranchSpec())


def test_the_gate_silences_the_proximity_branch() -> None:
    spec = SPECS["gated_two_branch"].parse(SIZES["gated_two_branch"])
    network = build_network("gated_two_branch", SHAPE, spec).eval()
    lengths, batch = torch.tensor([8, 5]), random_inputs(SHAPE, [8, 5], 8)
    with torch.no_grad():
        network.gate[-1].weight.zero_()
        network.gate[-1].bias.fill_(-100.0)
        closed = network(batch, lengths).logits
        other = network({**batch, "proximity": 3 * batch["proximity"]}, lengths).logits
    torch.testing.assert_close(closed, other)
