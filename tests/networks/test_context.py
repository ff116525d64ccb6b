"""The network that compares the last seconds with the time before."""

from __future__ import annotations

import torch

from bfrb.networks.context import Context
from bfrb.networks.network import Shape
from bfrb.networks.specs import ContextSpec

SHAPE = Shape({"acc": 3, "rotation": 3}, 2)
COUNT = 4 * 6
"""Traces: three energies and the posture of six channels."""


def describe(acc: torch.Tensor) -> torch.Tensor:
    network = Context(SHAPE, ContextSpec(near_s=2.0))
    inputs = {"acc": acc[None], "rotation": torch.ones(1, len(acc), 3)}
    return network.describe(inputs, torch.tensor([len(acc)]))[0]


def signals() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    quiet = 0.1 * torch.randn(100, 3) + 0.5
    lively = quiet.clone()
    lively[-20:] += 2.0 * torch.randn(20, 3)
    return quiet, lively


def test_movement_in_the_last_rows_is_the_presents_and_hardly_the_contexts() -> None:
    quiet, lively = (describe(signal)[[0, COUNT]] for signal in signals())
    assert lively[0] > quiet[0] + 3
    assert lively[1] - quiet[1] < 0.5 * (lively[0] - quiet[0])


def test_rows_that_were_not_measured_count_nothing() -> None:
    _, signal = signals()
    network = Context(SHAPE, ContextSpec(near_s=2.0))
    rotation = torch.ones(100, 3)
    longer = [torch.cat([torch.zeros(50, 3), rows]) for rows in (signal, rotation)]
    shown = network.describe({"acc": longer[0][None], "rotation": longer[1][None]}, torch.tensor([150]))
    alone = network.describe({"acc": signal[None], "rotation": rotation[None]}, torch.tensor([100]))
    torch.testing.assert_close(shown, alone, atol=1e-4, rtol=1e-4)
