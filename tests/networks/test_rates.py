"""Lengths in the networks' specs are seconds: the same at any rate of rows."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from bfrb.networks import blocks
from bfrb.networks.context import Context
from bfrb.networks.network import Shape
from bfrb.networks.specs import ContextSpec, TwoBranchSpec
from bfrb.networks.two_branch import TwoBranch

SHAPE = Shape({"imu": 3, "proximity": 2, "acc": 3, "rotation": 3, "thm": 0, "tof": 0}, 2)
TWO_BRANCH = TwoBranchSpec(widths=(8, 8), recurrent_units=4)
SECONDS = 12.0


def seen_s(rate_hz: float) -> tuple[float, float]:
    """Seconds from pooled row to pooled row, and of the input that one of them depends on, gates left out."""
    torch.manual_seed(0)
    network = TwoBranch(replace(SHAPE, row_rate_hz=rate_hz), TWO_BRANCH)
    seen = rows = 1
    for block, pool in zip(network.imu, network.pools, strict=True):
        kernels = [one for name, one in block.named_modules() if name.endswith("conv")]
        kernels = [one.kernel_size[0] for one in kernels if isinstance(one, blocks.Convolution)]
        seen += rows * (sum(kernels) - len(kernels) + pool - 1)
        rows *= pool
    return rows / rate_hz, seen / rate_hz


@pytest.mark.parametrize("rate_hz", [20, 25, 50, 100])
def test_convolutions_and_pooling_span_the_same_seconds(rate_hz: float) -> None:
    (apart, span), expected = seen_s(rate_hz), seen_s(10)
    assert apart == pytest.approx(expected[0], rel=0.01)
    assert span == pytest.approx(expected[1], abs=0.35)  # a row more or less of each kernel


def hand(rate_hz: float) -> Tensor:
    """(T, 3) A hand that is still, then moves in several rhythms."""
    time = torch.arange(round(SECONDS * 4 * rate_hz)) / rate_hz
    moving = (time > SECONDS * 3).float()
    waves = [torch.sin(6.28 * rhythm * time) * moving + 0.3 * torch.sin(0.3 * time) for rhythm in (0.2, 0.5, 1.3)]
    return torch.stack(waves, dim=1)


@pytest.mark.parametrize("rate_hz", [20, 25, 50, 100])
def test_the_context_describes_the_same_movement_alike(rate_hz: float) -> None:
    described = []
    for rate in (10.0, rate_hz):
        acc = hand(rate)[None]
        network = Context(replace(SHAPE, row_rate_hz=rate), ContextSpec())
        described.append(network.describe({"acc": acc, "rotation": 0.5 * acc}, None))
    still = torch.full_like(described[0], float(described[0].std()))
    assert (described[0] - described[1]).abs().mean() < 0.1 * still.mean()


def test_rows_that_were_not_measured_count_nothing() -> None:
    torch.manual_seed(0)
    signal = 0.1 * torch.randn(100, 3) + 0.5
    signal[-20:] += 2.0 * torch.randn(20, 3)
    network = Context(SHAPE, ContextSpec(near_s=2.0))
    rotation = torch.ones(100, 3)
    longer = [torch.cat([torch.zeros(50, 3), rows]) for rows in (signal, rotation)]
    shown = network.describe({"acc": longer[0][None], "rotation": longer[1][None]}, torch.tensor([150]))
    alone = network.describe({"acc": signal[None], "rotation": rotation[None]}, torch.tensor([100]))
    torch.testing.assert_close(shown, alone, atol=1e-4, rtol=1e-4)
