"""What a network is trained to make small."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from bfrb.networks.registry import Output
from bfrb.networks.specs import NetworkSpec
from bfrb.train.batches import Examples
from bfrb.train.spec import TrainingSpec

MAX_CLASS_WEIGHT = 10.0
"""Largest weight of an example for the rarity of its class."""


def compute_loss(
    output: Output, batch: Examples, training: TrainingSpec, network: NetworkSpec, weights: Tensor | None
) -> Tensor:
    """Sum of the losses of the classes, of further heads, of auxiliary labels, and of which branches are there.

    The specs say how much each counts; `weights` (K,) are class weights, or None.
    """
    loss = class_loss(output.logits, batch.targets, training.label_smoothing, weights)
    for logits in output.heads.values():
        loss = loss + training.heads_loss * class_loss(logits, batch.targets, training.label_smoothing, weights)
    for name, logits in output.auxiliary.items():
        share = getattr(training.auxiliary, name)
        if share and name in batch.auxiliary:
            loss = loss + share * known_loss(logits, batch.auxiliary[name])
    for branch, logits in output.present.items():
        judged = functional.binary_cross_entropy_with_logits(logits.float(), batch.present[branch])
        loss = loss + network.presence_loss * judged
    return loss


def class_loss(logits: Tensor, targets: Tensor, smoothing: float, weights: Tensor | None) -> Tensor:
    """Mean cross-entropy of (B, K) logits.

    A class weight counts an example more; it does not change what the example's answer should be. (Weighting the
    single terms of a smoothed cross-entropy would push every answer towards the rare classes.)
    """
    losses = functional.cross_entropy(logits.float(), targets, label_smoothing=smoothing, reduction="none")
    return losses.mean() if weights is None else (losses * (targets @ weights)).mean()


def known_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of (..., K) logits over what is known; targets that sum to 0 count nothing."""
    losses = -(targets * torch.log_softmax(logits.float(), dim=-1)).sum()
    return losses / targets.sum().clamp(min=1.0)


def class_weights(targets: Tensor) -> Tensor:
    """(K,) weights that give every class seen the same total, with mean 1 over the (R, K) examples.

    No weight is above `MAX_CLASS_WEIGHT`: a class of a few examples cannot be learnt by shouting.
    """
    counts = targets.sum(dim=0)
    balanced = counts.sum() / ((counts > 0).sum() * counts.clamp(min=1.0))
    weights = balanced.clamp(max=MAX_CLASS_WEIGHT) * (counts > 0)
    return weights * counts.sum() / (weights * counts).sum()
