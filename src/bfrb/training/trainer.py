"""The training loop: examples and a spec in, weights and history out; resumes where it was stopped."""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from bfrb.config import NetworkSpec, TrainingSpec
from bfrb.gestures import LabelSet
from bfrb.metrics import competition_score
from bfrb.models import Network, Output
from bfrb.training.augment import lose_proximity, mix_up
from bfrb.training.batches import Examples, draw_batches

Weights = dict[str, Tensor]

MAX_CLASS_WEIGHT = 10.0
"""Largest weight of an example for the rarity of its class."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave.

    Parameters
    ----------
    epoch
        Its number, from 0.
    loss
        Mean training loss, weight decay not included.
    score
        Competition score on the stopping examples; None without them.
    seconds
        How long it took.
    """

    epoch: int
    loss: float
    score: float | None
    seconds: float


@dataclass
class Progress:
    """State of a training between two epochs: all that is needed to go on."""

    history: list[Epoch] = field(default_factory=list)
    best: Weights | None = None

    @property
    def best_epoch(self) -> int:
        """Epoch with the highest score; the newest one where nothing is scored."""
        scores = [-math.inf if epoch.score is None else epoch.score for epoch in self.history]
        if not scores or max(scores) == -math.inf:
            return len(scores) - 1
        return scores.index(max(scores))

    def is_finished(self, spec: TrainingSpec) -> bool:
        """Whether all epochs are done, or the score has not risen for the patience."""
        waited = len(self.history) - 1 - self.best_epoch
        return len(self.history) >= spec.epochs or waited >= spec.patience


@dataclass(frozen=True)
class Task:
    """One training: what to learn from, and what decides when to stop.

    Parameters
    ----------
    training, network
        Specs.
    draw
        What to learn from in an epoch, given its random numbers: the same examples every time, or varied ones.
    stopping
        Whose score chooses the epoch; None takes the last.
    label_set
        The classes.
    seed
        Every random number of the training is drawn from this and the epoch's number.
    """

    training: TrainingSpec
    network: NetworkSpec
    draw: Callable[[np.random.Generator], Examples]
    stopping: Examples | None
    label_set: LabelSet
    seed: tuple[int, ...]


def train(
    network: nn.Module, task: Task, checkpoint: Path, on_epoch: Callable[[list[Epoch]], None] = lambda _: None
) -> tuple[Weights, list[Epoch]]:
    """Train a network; at most the running epoch is lost when the process dies.

    Parameters
    ----------
    network
        Module to train, on the compute device of the examples. Its initial weights must follow from the task's seed.
    checkpoint
        File written after every epoch and read at the start. A finished training returns from it at once.
    on_epoch
        Called after every epoch with the whole history.

    Returns
    -------
    weights, history
        State of the best epoch, and one record per epoch.
    """
    optimizer = _make_optimizer(network, task.training)
    progress = _load(checkpoint, network, optimizer) if checkpoint.exists() else Progress()
    while not progress.is_finished(task.training):
        number = len(progress.history)
        epoch = _run_epoch(network, optimizer, task, number)
        progress.history.append(epoch)
        if progress.best_epoch == number:
            progress.best = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
        _save(checkpoint, network, optimizer, progress)
        on_epoch(progress.history)
    if progress.best is None:
        raise RuntimeError(f"{checkpoint} holds no weights")
    return progress.best, progress.history


def _run_epoch(network: nn.Module, optimizer: torch.optim.Optimizer, task: Task, number: int) -> Epoch:
    started = perf_counter()
    rng = np.random.default_rng([*task.seed, number])
    torch.manual_seed(int(rng.integers(2**62)))
    spec, examples = task.training, task.draw(rng)
    batches = list(draw_batches(examples.lengths.cpu().numpy(), spec.batch_size, spec.bucket_batches, rng))
    weights = class_weights(examples.targets) if spec.class_weights else None
    network.train()
    total = 0.0
    for step, index in enumerate(batches):
        _set_learning_rate(optimizer, spec, (number + step / len(batches)) / spec.epochs)
        batch = lose_proximity(examples.take(index), task.network.lose_proximity, rng)
        batch = mix_up(batch, spec.mixup_alpha, rng)
        output: Output = network(batch.inputs, batch.lengths)
        loss = compute_loss(output, batch, task, weights)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += float(loss.detach()) * len(index)
    score = None if task.stopping is None else score_examples(network, task.stopping, task.label_set)
    return Epoch(number, total / len(examples), score, perf_counter() - started)


def compute_loss(output: Output, batch: Examples, task: Task, class_weights: Tensor | None) -> Tensor:
    """Cross-entropy of the classes, and of the judgement whether a branch is present where the network gives one.

    A class weight counts an example more; it does not change what the example's answer should be. (Weighting the
    single terms of a smoothed cross-entropy would push every answer towards the rare classes.)
    """
    smoothing = task.training.label_smoothing
    losses = functional.cross_entropy(output.logits, batch.targets, label_smoothing=smoothing, reduction="none")
    loss = losses.mean() if class_weights is None else (losses * (batch.targets @ class_weights)).mean()
    for branch, logits in output.present.items():
        judged = functional.binary_cross_entropy_with_logits(logits, batch.present[branch])
        loss = loss + task.network.presence_loss * judged
    return loss


def predict_examples(network: nn.Module, examples: Examples, batch_size: int = 256) -> npt.NDArray[np.float64]:
    """(B, K) class probabilities."""
    network.eval()
    parts = []
    with torch.inference_mode():
        for first in range(0, len(examples), batch_size):
            batch = examples.take(np.arange(first, min(first + batch_size, len(examples))))
            output: Output = network(batch.inputs, batch.lengths)
            parts.append(torch.softmax(output.logits.to(torch.float64), dim=1).cpu().numpy())
    return np.concatenate(parts)


def score_examples(network: nn.Module, examples: Examples, label_set: LabelSet) -> float:
    """Competition score of the most probable classes."""
    truth = label_set.decode(examples.targets.argmax(dim=1).cpu().numpy())
    prediction = label_set.decode(predict_examples(network, examples).argmax(axis=1))
    return competition_score(truth, prediction, label_set).score


def member_seed(seed: int, network: str, fold: int) -> tuple[int, int, int]:
    """Numbers that tell the random streams of an ensemble's members apart, whatever order they are trained in."""
    return seed, zlib.crc32(network.encode()), fold


def class_weights(targets: Tensor) -> Tensor:
    """(K,) weights that give every class seen the same total, with mean 1 over the (R, K) examples.

    No weight is above `MAX_CLASS_WEIGHT`: a class of a few examples cannot be learnt by shouting.
    """
    counts = targets.sum(dim=0)
    balanced = counts.sum() / ((counts > 0).sum() * counts.clamp(min=1.0))
    weights = balanced.clamp(max=MAX_CLASS_WEIGHT) * (counts > 0)
    return weights * counts.sum() / (weights * counts).sum()


def _make_optimizer(network: nn.Module, spec: TrainingSpec) -> torch.optim.Optimizer:
    """Adam with L2 in the gradient: `weight_decay * w^2` in the loss is `2 * weight_decay * w` there."""
    if not isinstance(network, Network):
        raise TypeError(f"{type(network).__name__} does not say which weights decay")
    decayed = network.decayed()
    known = {id(parameter) for parameter in decayed}
    groups = [
        {"params": decayed, "weight_decay": 2.0 * spec.weight_decay},
        {"params": [value for value in network.parameters() if id(value) not in known], "weight_decay": 0.0},
    ]
    return torch.optim.Adam(groups, lr=spec.learning_rate, fused=True)


def _set_learning_rate(optimizer: torch.optim.Optimizer, spec: TrainingSpec, done: float) -> None:
    factor = 1.0 if spec.schedule == "constant" else 0.5 * (1.0 + math.cos(math.pi * done))
    for group in optimizer.param_groups:
        group["lr"] = spec.learning_rate * factor


def _save(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    state = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "history": [asdict(epoch) for epoch in progress.history],
        "best": progress.best,
    }
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def _load(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    state: dict[str, Any] = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return Progress([Epoch(**epoch) for epoch in state["history"]], state["best"])
