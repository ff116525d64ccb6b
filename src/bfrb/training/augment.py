"""Augmentation: small functions from a batch to a batch, each with one strength and a random generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from bfrb.training.batches import Examples

Augmentation = Callable[[Examples, float, np.random.Generator], Examples]


def mix_up(batch: Examples, alpha: float, rng: np.random.Generator) -> Examples:
    """Blend every example with another one, labels alike (Zhang et al. 2018, arXiv 1710.09412).

    The share of the first is drawn once per batch from Beta(alpha, alpha). Sequences are aligned at their first row
    and the blend is as long as the longer one. `alpha = 0` changes nothing.
    """
    if alpha == 0 or len(batch) < 2:
        return batch
    share = float(rng.beta(alpha, alpha))
    partner = torch.from_numpy(rng.permutation(len(batch))).to(batch.lengths.device)

    def blend(values: Tensor) -> Tensor:
        return torch.lerp(values[partner], values, share)

    return Examples(
        inputs={name: blend(values) for name, values in batch.inputs.items()},
        lengths=torch.maximum(batch.lengths, batch.lengths[partner]),
        targets=blend(batch.targets),
        present={name: blend(flags) for name, flags in batch.present.items()},
    )


def lose_proximity(batch: Examples, probability: float, rng: np.random.Generator) -> Examples:
    """Take thermopiles and time of flight away from a random share of the examples, as if never measured."""
    if probability == 0 or "proximity" not in batch.inputs:
        return batch
    kept = torch.from_numpy((rng.random(len(batch)) >= probability).astype(np.float32)).to(batch.lengths.device)
    return Examples(
        inputs={**batch.inputs, "proximity": batch.inputs["proximity"] * kept[:, None, None]},
        lengths=batch.lengths,
        targets=batch.targets,
        present={**batch.present, "proximity": batch.present["proximity"] * kept},
    )


AUGMENTATIONS: dict[str, Augmentation] = {"mix_up": mix_up, "lose_proximity": lose_proximity}
"""Every augmentation by name."""
