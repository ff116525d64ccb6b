"""Training examples for tests."""

from __future__ import annotations

import torch

from bfrb.train.batches import Examples


def make_examples(count: int = 48, steps: int = 12, classes: int = 4, seed: int = 0) -> Examples:
    """Examples whose class is written in the mean of one IMU channel: easy to learn."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(5, steps + 1, (count,), generator=generator)
    labels = torch.arange(count) % classes
    rows = (torch.arange(steps)[None, :] < lengths[:, None])[:, :, None]
    imu = torch.randn(count, steps, 3, generator=generator)
    imu[:, :, 0] += 3.0 * (labels[:, None] - 1.5)
    onsets = torch.randint(0, 5, (count,), generator=generator)
    phases = torch.eye(2)[(torch.arange(steps)[None, :] >= onsets[:, None]).long()]
    proximity = torch.randn(count, steps, 2, generator=generator)
    return Examples(
        inputs={"imu": imu * rows, "proximity": proximity * rows},
        lengths=lengths,
        targets=torch.eye(classes)[labels],
        present={"imu": torch.ones(count), "proximity": torch.ones(count)},
        auxiliary={"orientation": torch.eye(4)[labels % 4], "phase": phases * rows},
        onsets=onsets,
    )
