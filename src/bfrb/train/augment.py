"""What mixes several examples of a batch: MixUp. (What changes single recordings is in `train.variation`.)"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from bfrb.train.batches import Examples


def mix_up(
    batch: Examples,
    alpha: float,
    rng: np.random.Generator,
    *,
    at: Literal["start", "gesture"] = "start",
    lose: bool = False,
) -> Examples:
    """Blend every example with another one, labels alike (Zhang et al. 2018, arXiv 1710.09412).

    The share of the first is drawn once per batch from Beta(alpha, alpha); with alpha 0 nothing is
    changed. The blend is as long as the longer one.

    Parameters
    ----------
    at
        Which rows are laid upon each other: the first ones, or the first ones of the two gestures, where both are
        known. Then the partner is moved, and those of its rows that fall off the batch's ends are lost.
    lose
        Whether a channel that one of the two lacks is lacking in the blend. Else it is there with its share, which is
        no reading that a sensor gives.
    """
    if alpha == 0 or len(batch) < 2:
        return batch
    share = float(rng.beta(alpha, alpha))
    order = torch.from_numpy(rng.permutation(len(batch))).to(batch.lengths.device)
    partner = batch.reordered(order)
    if at == "gesture" and batch.onsets is not None and partner.onsets is not None:
        known = (batch.onsets >= 0) & (partner.onsets >= 0)
        partner = _moved(partner, torch.where(known, batch.onsets - partner.onsets, 0))
    blended = replace(
        batch,
        inputs={name: torch.lerp(partner.inputs[name], values, share) for name, values in batch.inputs.items()},
        lengths=torch.maximum(batch.lengths, partner.lengths),
        targets=torch.lerp(partner.targets, batch.targets, share),
        present={name: torch.lerp(partner.present[name], flags, share) for name, flags in batch.present.items()},
        auxiliary={name: torch.lerp(partner.auxiliary[name], known, share) for name, known in batch.auxiliary.items()},
    )
    return _without_missing(blended, batch, order) if lose else blended


def _without_missing(blended: Examples, batch: Examples, order: Tensor) -> Examples:
    """A blend without the channels that were not measured, 0 throughout, in one of the two."""
    measured = {name: (values != 0).any(dim=1, keepdim=True) for name, values in batch.inputs.items()}
    return replace(
        blended,
        inputs={name: values * (measured[name] & measured[name][order]) for name, values in blended.inputs.items()},
        present={name: flags * flags[order] for name, flags in batch.present.items()},
    )


def _moved(batch: Examples, by: Tensor) -> Examples:
    """Every example's rows `by` (B,) rows later, or earlier; rows that fall off the batch's ends are lost."""
    steps = _steps(batch)
    source = steps - by[:, None]
    inside = ((source >= 0) & (source < steps.shape[1]))[:, :, None]

    def move(values: Tensor) -> Tensor:
        where = source.clamp(0, values.shape[1] - 1)[:, :, None].expand(-1, -1, values.shape[2])
        return torch.gather(values, 1, where) * inside

    return replace(batch.rows_changed(move), lengths=(batch.lengths + by).clamp(1, steps.shape[1]))


def _steps(batch: Examples) -> Tensor:
    """(1, T) numbers of the rows."""
    longest = next(iter(batch.inputs.values())).shape[1]
    return torch.arange(longest, device=batch.lengths.device)[None, :]
