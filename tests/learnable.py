"""Training examples and a small network, for tests."""

import torch
from torch import nn

from bfrb.networks.registry import Shape, build_network
from bfrb.networks.specs import GatedTwoBranchSpec
from bfrb.train.batches import Examples

SMALL = GatedTwoBranchSpec(widths=(8, 8), recurrent_units=4, noise_units=4, head_units=(16,), head_dropouts=(0.1,))


def new_network() -> nn.Module:
    """A small network for `make_examples`, always with the same weights."""
    torch.manual_seed(5)
    return build_network("gated_two_branch", Shape({"imu": 3, "proximity": 2}, 4), SMALL)


def make_examples(count: int = 48, steps: int = 12, classes: int = 4, seed: int = 0) -> Examples:
    """Examples whose class is written in the mean of one IMU channel: easy to learn."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(5, steps + 1, (count,), generator=generator)
    labels = torch.arange(count) % classes
    rows = (torch.arange(steps)[None, :] < lengths[:, None])[:, :, None]
    imu = torch.randn(count, steps, 3, generator=generator)
    imu[:, :, 0] += 3.0 * (labels[:, None] - 1.5)
    onsets = torch.randint(0, 5, (count,), generator=generator)
    proximity = torch.randn(count, steps, 2, generator=generator)
    return Examples(
        inputs={"imu": imu * rows, "proximity": proximity * rows},
        lengths=lengths,
        targets=torch.eye(classes)[labels],
        present={"imu": torch.ones(count), "proximity": torch.ones(count)},
        onsets=onsets,
    )
