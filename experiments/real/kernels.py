"""Our kernels and counts against aeon's MiniRocket, with its own dilations and thresholds: `python kernels.py`.

aeon counts half of its features only where no tap reaches over an end; those that count all rows are compared.
"""

from __future__ import annotations

import numpy as np
import torch
from aeon.transformations.collection.convolution_based import MiniRocket
from torch.nn import functional

from bfrb.networks.rocket import nine_tap_kernels

ROWS = 96


def main() -> None:
    """Print the largest difference, and of how many features."""
    signals = np.random.default_rng(0).normal(size=(20, 1, ROWS)).astype(np.float32).cumsum(axis=2)
    published = MiniRocket(random_state=0)
    theirs = np.asarray(published.fit_transform(signals))
    _, _, dilations, counts, thresholds = published.parameters
    kernels, start, differences = nine_tap_kernels(), 0, []
    for number, (dilation, count) in enumerate(zip(dilations.tolist(), counts.tolist(), strict=True)):
        reach = 4 * dilation
        answers = functional.conv1d(torch.from_numpy(signals), kernels[:, None], padding=reach, dilation=dilation)
        for kernel in range(len(kernels)):
            biases = torch.from_numpy(np.asarray(thresholds[start : start + count], dtype=np.float32))
            if (number + kernel) % 2 == 0:
                ours = (answers[:, kernel, :, None] > biases).float().mean(dim=1).numpy()
                differences.append(np.abs(ours - theirs[:, start : start + count]))
            start += count
    found = np.concatenate(differences, axis=1)
    print(f"{found.shape[1]} features: {(found > 1e-6).mean():.2%} differ, by {found.max() * ROWS:.0f} rows at most")


if __name__ == "__main__":
    main()
