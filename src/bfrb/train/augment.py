"""Augmentation: small functions from a batch to a batch, each with one strength and a random generator.

What changes single recordings in physical units is in `training.variation`; here is what mixes several of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from bfrb.train.batches import Examples
from bfrb.train.spec import TrainingSpec

PROXIMITY = ("proximity", "thm", "tof")
"""Branches of what looks at the skin."""

Augmentation = Callable[[Examples, float, np.random.Generator], Examples]


def mix(batch: Examples, spec: TrainingSpec, rng: np.random.Generator) -> Examples:
    """MixUp or CutMix as the spec asks; where it asks for both, a coin decides."""
    if spec.cutmix_alpha and (not spec.mixup_alpha or rng.random() < 0.5):
        return cut_mix(batch, spec.cutmix_alpha, rng)
    blend = mix_up_gestures if spec.mixup_at == "gesture" else mix_up
    return blend(batch, spec.mixup_alpha, rng)


def mix_up(batch: Examples, alpha: float, rng: np.random.Generator) -> Examples:
    """Blend every example with another one, labels alike (Zhang et al. 2018, arXiv 1710.09412).

    The share of the first is drawn once per batch from Beta(alpha, alpha). Sequences are aligned at their first row
    and the blend is as long as the longer one. `alpha = 0` changes nothing.
    """
    if alpha == 0 or len(batch) < 2:
        return batch
    share = float(rng.beta(alpha, alpha))
    return _blend(batch, _reordered(batch, rng), share)


def mix_up_gestures(batch: Examples, alpha: float, rng: np.random.Generator) -> Examples:
    """`mix_up` with the first rows of the two gestures laid upon each other.

    The partner is moved, and those of its rows that fall off the batch's ends are lost. Where the first row of a
    gesture is not known, sequences are aligned at their first row.
    """
    if alpha == 0 or len(batch) < 2:
        return batch
    share = float(rng.beta(alpha, alpha))
    partner = _reordered(batch, rng)
    if batch.onsets is None or partner.onsets is None:
        return _blend(batch, partner, share)
    known = (batch.onsets >= 0) & (partner.onsets >= 0)
    return _blend(batch, _moved(partner, torch.where(known, batch.onsets - partner.onsets, 0)), share)


def cut_mix(batch: Examples, alpha: float, rng: np.random.Generator) -> Examples:
    """Replace a stretch of every example by rows of another one (Yun et al. 2019, arXiv 1905.04899).

    The two are aligned at their last rows, where the gestures are. The share of rows that stay is drawn once per batch
    from Beta(alpha, alpha); the labels are mixed by the share of rows that were really replaced.
    """
    if alpha == 0 or len(batch) < 2:
        return batch
    share = float(rng.beta(alpha, alpha))
    partner = _reordered(batch, rng)
    by = batch.lengths - partner.lengths
    moved = _moved(partner, by)
    rows = torch.round(batch.lengths * (1.0 - share)).to(torch.int64)
    place = torch.from_numpy(rng.random(len(batch))).to(batch.lengths.device)
    start = (place * (batch.lengths - rows + 1)).to(torch.int64)
    steps = _steps(batch)
    cut = (steps >= start[:, None]) & (steps < (start + rows)[:, None]) & (steps >= by[:, None])
    kept = 1.0 - cut.sum(dim=1) / batch.lengths
    return replace(
        batch,
        inputs={
            name: torch.where(cut[:, :, None], moved.inputs[name], values) for name, values in batch.inputs.items()
        },
        targets=_lerp(partner.targets, batch.targets, kept),
        present={name: _lerp(partner.present[name], flags, kept) for name, flags in batch.present.items()},
        auxiliary={
            name: torch.where(cut[:, :, None], moved.auxiliary[name], known)
            if known.ndim == 3
            else _lerp(partner.auxiliary[name], known, kept)
            for name, known in batch.auxiliary.items()
        },
    )


def lose_proximity(batch: Examples, probability: float, rng: np.random.Generator) -> Examples:
    """Take the branches of thermopiles and time of flight from a random share of the examples, as if never measured."""
    branches = [name for name in PROXIMITY if name in batch.inputs]
    if probability == 0 or not branches:
        return batch
    kept = torch.from_numpy((rng.random(len(batch)) >= probability).astype(np.float32)).to(batch.lengths.device)
    return replace(
        batch,
        inputs={**batch.inputs, **{name: batch.inputs[name] * kept[:, None, None] for name in branches}},
        present={**batch.present, **{name: batch.present[name] * kept for name in branches}},
    )


AUGMENTATIONS: dict[str, Augmentation] = {
    "mix_up": mix_up,
    "mix_up_gestures": mix_up_gestures,
    "cut_mix": cut_mix,
    "lose_proximity": lose_proximity,
}
"""Every augmentation by name."""


def _blend(batch: Examples, partner: Examples, share: float) -> Examples:
    """`share` of the first and the rest of the second."""
    return replace(
        batch,
        inputs={name: torch.lerp(partner.inputs[name], values, share) for name, values in batch.inputs.items()},
        lengths=torch.maximum(batch.lengths, partner.lengths),
        targets=torch.lerp(partner.targets, batch.targets, share),
        present={name: torch.lerp(partner.present[name], flags, share) for name, flags in batch.present.items()},
        auxiliary={name: torch.lerp(partner.auxiliary[name], known, share) for name, known in batch.auxiliary.items()},
    )


def _reordered(batch: Examples, rng: np.random.Generator) -> Examples:
    """The examples in another order, with the padding they have."""
    order = torch.from_numpy(rng.permutation(len(batch))).to(batch.lengths.device)
    return Examples(
        inputs={name: values[order] for name, values in batch.inputs.items()},
        lengths=batch.lengths[order],
        targets=batch.targets[order],
        present={name: flags[order] for name, flags in batch.present.items()},
        auxiliary={name: known[order] for name, known in batch.auxiliary.items()},
        onsets=None if batch.onsets is None else batch.onsets[order],
    )


def _moved(batch: Examples, by: Tensor) -> Examples:
    """Every example's rows `by` (B,) rows later, or earlier; rows that fall off the batch's ends are lost."""
    steps = _steps(batch)
    source = steps - by[:, None]
    inside = ((source >= 0) & (source < steps.shape[1]))[:, :, None]

    def move(values: Tensor) -> Tensor:
        where = source.clamp(0, values.shape[1] - 1)[:, :, None].expand(-1, -1, values.shape[2])
        return torch.gather(values, 1, where) * inside

    return replace(
        batch,
        inputs={name: move(values) for name, values in batch.inputs.items()},
        lengths=(batch.lengths + by).clamp(1, steps.shape[1]),
        auxiliary={name: move(known) if known.ndim == 3 else known for name, known in batch.auxiliary.items()},
    )


def _steps(batch: Examples) -> Tensor:
    """(1, T) numbers of the rows."""
    longest = next(iter(batch.inputs.values())).shape[1]
    return torch.arange(longest, device=batch.lengths.device)[None, :]


def _lerp(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """(B, ...) `share` (B,) of the second and the rest of the first."""
    weight = share.to(first.dtype).reshape(-1, *(1 for _ in first.shape[1:]))
    return torch.lerp(first, second, weight.expand_as(first))
