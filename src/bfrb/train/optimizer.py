"""Steps of the weights: the optimiser, its learning rate over time, and the moving average of the weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from bfrb.networks.registry import Network
from bfrb.train.spec import TrainingSpec


def make_optimizer(network: nn.Module, spec: TrainingSpec) -> torch.optim.Optimizer:
    """Adam with L2 in the gradient, where `weight_decay * w^2` in the loss is `2 * weight_decay * w`; or AdamW.

    Raises
    ------
    TypeError
        If the network does not say which weights decay.
    """
    if not isinstance(network, Network):
        raise TypeError(f"{type(network).__name__} does not say which weights decay")
    decayed = network.decayed()
    known = {id(parameter) for parameter in decayed}
    rest = [value for value in network.parameters() if id(value) not in known]
    decay = 2.0 * spec.weight_decay if spec.optimizer == "adam" else spec.weight_decay
    groups = [{"params": decayed, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]
    kind = torch.optim.Adam if spec.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=spec.learning_rate, fused=True)


def rate_factor(spec: TrainingSpec, epochs: float) -> float:
    """Share of the full learning rate after so many epochs: a straight rise, then constant or half a cosine.

    Examples
    --------
    >>> spec = TrainingSpec(epochs=10, warmup_epochs=2, schedule="cosine")
    >>> [round(rate_factor(spec, epochs), 2) for epochs in (0.5, 2, 6, 10)]
    [0.25, 1.0, 0.5, 0.0]
    """
    if epochs < spec.warmup_epochs:
        return epochs / spec.warmup_epochs
    if spec.schedule == "constant":
        return 1.0
    done = (epochs - spec.warmup_epochs) / max(spec.epochs - spec.warmup_epochs, 1e-9)
    return 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))


def make_average(network: nn.Module, decay: float) -> AveragedModel:
    """A network whose weights are the moving average of another one's, batch statistics included.

    The weights as they were drawn are the first. After n steps the share that a step keeps is `decay`, but at most
    (1 + n) / (10 + n), so that the first weights are soon forgotten.
    """

    def mix(mean: Tensor, value: Tensor, averaged: Tensor | int) -> Tensor:
        if not value.is_floating_point():
            return value
        return torch.lerp(mean, value, 1.0 - min(decay, float(averaged) / (float(averaged) + 9.0)))

    average = AveragedModel(network, avg_fn=mix, use_buffers=True)
    average.n_averaged += 1  # else the first step would copy the weights
    return average
