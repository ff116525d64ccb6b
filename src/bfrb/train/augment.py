"""What mixes several examples of a batch: MixUp and CutMix. (What changes single recordings is in `train.variation`.)

Each function takes a batch and gives a batch, with one strength and a random generator; strength 0 changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from bfrb.train.batches import Examples
from bfrb.train.spec import TrainingSpec


def mix(batch: Examples, spec: TrainingSpec, rng: np.random.Generator, *, knows_missing: bool = False) -> Examples:
    """MixUp or CutMix as the spec asks; where it asks for both, a coin decides. `knows_missing` is the network's."""
    if spec.cutmix_alpha and (not spec.mixup_alpha or rng.random() < 0.5):
        return cut_mix(batch, spec.cutmix_alpha, rng)
    return mix_up(batch, spec.mixup_alpha, rng, at=spec.mixup_at, lose=knows_missing)


def mix_up(
    batch: Examples,
    alpha: float,
    rng: np.random.Generator,
    *,
    at: Literal["start", "gesture"] = "start",
    lose: bool = False,
) -> Examples:
    """Blend every example with another one, labels alike (Zhang et al. 2018, arXiv 1710.09412).

    The share of the first is drawn once per batch from Beta(alpha, alpha). The blend is as long as the longer one.

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


def cut_mix(batch: Examples, alpha: float, rng: np.random.Generator) -> Examples:
    """Replace a stretch of every example by rows of another one (Yun et al. 2019, arXiv 1905.04899).

    The two are aligned at their last rows, where the gestures are. The share of rows that stay is drawn once per batch
    from Beta(alpha, alpha); the labels are mixed by the share of rows that were really replaced.
    """
    if alpha == 0 or len(batch) < 2:
        return batch
    share = float(rng.beta(alpha, alpha))
    partner = batch.reordered(torch.from_numpy(rng.permutation(len(batch))).to(batch.lengths.device))
    by = batch.lengths - partner.lengths
    moved = _moved(partner, by)
    rows = torch.round(batch.lengths * (1.0 - share)).to(torch.int64)
    place = torch.from_numpy(rng.random(len(batch))).to(batch.lengths.device)
    start = (place * (batch.lengths - rows + 1)).to(torch.int64)
    steps = _steps(batch)
    cut = (steps >= start[:, None]) & (steps < (start + rows)[:, None]) & (steps >= by[:, None])
    kept = 1.0 - cut.sum(dim=1) / batch.lengths

    def mixed(other: Tensor, own: Tensor) -> Tensor:
        """Of rows the stretch, of what has none its share."""
        return torch.where(cut[:, :, None], other, own) if own.ndim == 3 else _lerp(other, own, kept)

    return replace(
        batch,
        inputs={name: mixed(moved.inputs[name], values) for name, values in batch.inputs.items()},
        targets=mixed(partner.targets, batch.targets),
        present={name: mixed(partner.present[name], flags) for name, flags in batch.present.items()},
        auxiliary={name: mixed(moved.auxiliary[name], known) for name, known in batch.auxiliary.items()},
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


def _lerp(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """(B, ...) `share` (B,) of the second and the rest of the first."""
    weight = share.to(first.dtype).reshape(-1, *(1 for _ in first.shape[1:]))
    return torch.lerp(first, second, weight.expand_as(first))
