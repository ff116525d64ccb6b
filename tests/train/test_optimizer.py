from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from bfrb.train.spec import TrainingSpec
from bfrb.train.trainer import Engine, make_average, make_optimizer, rate_factor
from learnable import new_network


def test_weight_decay_shrinks_kernels_as_a_squared_penalty_would() -> None:
    network = new_network()
    decayed, rest = make_optimizer(network, TrainingSpec(weight_decay=0.01)).param_groups
    assert decayed["weight_decay"] == pytest.approx(0.02)
    assert rest["weight_decay"] == 0
    assert sum(len(group["params"]) for group in (decayed, rest)) == len(list(network.parameters()))


def test_adamw_without_gradient_shrinks_decayed_weights_only() -> None:
    network = new_network()
    before = copy.deepcopy(network.state_dict())
    optimizer = make_optimizer(network, TrainingSpec(optimizer="adamw", weight_decay=0.5, learning_rate=0.1))
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    decayed = {id(parameter) for parameter in network.decayed()}
    for name, parameter in network.named_parameters():
        share = 0.95 if id(parameter) in decayed else 1.0
        torch.testing.assert_close(parameter.detach(), before[name] * share)


def test_a_network_that_does_not_name_its_decayed_weights_is_refused() -> None:
    with pytest.raises(TypeError, match="Linear"):
        make_optimizer(nn.Linear(2, 2), TrainingSpec())


def test_the_learning_rate_rises_then_falls() -> None:
    spec = TrainingSpec(epochs=20, warmup_epochs=4, schedule="cosine", learning_rate=0.5)
    factors = [rate_factor(spec, epoch / 10) for epoch in range(201)]
    assert factors[:41] == sorted(factors[:41])
    assert factors[40:] == sorted(factors[40:], reverse=True)
    assert (factors[0], factors[40], factors[-1]) == pytest.approx((0, 1, 0))
    engine = Engine(new_network(), spec)
    engine.step(sum(parameter.sum() for parameter in engine.network.parameters()), 2.0)
    assert [group["lr"] for group in engine.optimizer.param_groups] == [0.25, 0.25]


def test_an_averaged_network_follows_the_formula() -> None:
    network = new_network()
    average = make_average(network, 0.8)
    name, statistic = "head.logits.bias", "head.layers.1.running_mean"
    expected, mean = (network.state_dict()[key].clone() for key in (name, statistic))
    for step in range(30):
        with torch.no_grad():
            network.get_parameter(name).add_(1.0 + step)
            network.get_buffer(statistic).add_(1.0)
        average.update_parameters(network)
        keep = min(0.8, (1 + step) / (10 + step))
        expected = keep * expected + (1 - keep) * network.state_dict()[name]
        mean = keep * mean + (1 - keep) * network.state_dict()[statistic]
    torch.testing.assert_close(average.module.state_dict()[name], expected)
    torch.testing.assert_close(average.module.state_dict()[statistic], mean)
