"""Fit a network whose answer is linear in features that do not learn: in closed form, without epochs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import nn

from bfrb.arrays import Bools, Floats32, Ints
from bfrb.errors import DataError
from bfrb.networks.network import LinearAnswers
from bfrb.train.batches import Examples
from bfrb.train.losses import class_weights
from bfrb.train.ridge import solve
from bfrb.train.trainer import Epoch, Task, Weights, score_examples

_PLACED_BY = 64
"""Recordings by which thresholds are placed."""
_BATCH = 16
_LEAST_SPREAD = 0.01
"""Added, as a spread, to that of every feature: one that hardly varies is not blown up."""


@dataclass(frozen=True)
class _Described:
    """What is known of all examples: (R, D) features, and for every stage (R,) whether it can answer."""

    features: Floats32
    known: Bools
    measured: dict[str, Bools]
    rows: Ints
    """(R,) number of the example; each comes once, and once more for every varied copy."""


def fit_solved(
    network: nn.Module, task: Task, checkpoint: Path, on_epoch: Callable[[list[Epoch]], None] = lambda _: None
) -> tuple[Weights, list[Epoch]]:
    """Place a network's thresholds and scales, and solve for its answers (`bfrb.train.trainer.Fit`).

    Penalty and temperature of every answer are chosen by leaving out one person at a time. Nothing is kept for a run
    that is stopped: it begins again.

    Parameters
    ----------
    network
        A `bfrb.networks.network.LinearAnswers`.
    task
        What to learn from; where it does not say whose an example is, each is a person's.

    Returns
    -------
    weights, history
        State of the network, and one record whose loss is the mean log loss of people left out.

    Raises
    ------
    DataError
        If no recording has a reading that the network takes in.
    """
    if not isinstance(network, LinearAnswers):
        raise TypeError(f"{type(network).__name__} is no LinearAnswers")
    del checkpoint
    started = perf_counter()
    network.eval()
    with torch.no_grad():
        place_thresholds(network, task)
        described = _describe(network, task)
        _standardise(network, described)
        loss = _solve_answers(network, described, task)
    score = None if task.stopping is None else score_examples(network, task.stopping, task.label_set)
    history = [Epoch(0, loss, score, perf_counter() - started)]
    on_epoch(history)
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}, history


def place_thresholds(network: LinearAnswers, task: Task) -> None:
    """Place what depends on the size of readings by some of the recordings, drawn by the task's seed."""
    count = len(task.learning.lengths)
    drawn = np.random.default_rng(task.seed).permutation(count)[:_PLACED_BY]
    batch = task.learning.take(np.sort(drawn))
    network.place(batch.inputs, batch.lengths)


def _batches(task: Task) -> Iterator[tuple[Ints, Examples]]:
    """Examples as they are, and as often varied as the network's spec asks, those of like length together."""
    rng = np.random.default_rng([*task.seed, 1])
    lengths = task.learning.lengths.cpu().numpy()
    order = np.argsort(lengths, kind="stable")
    if len(order) > task.network.most_examples:
        drawn = np.random.default_rng([*task.seed, 2]).permutation(len(order))[: task.network.most_examples]
        order = order[np.isin(order, drawn)]
    for copy in range(1 + task.network.copies):
        for first in range(0, len(order), _BATCH):
            index = order[first : first + _BATCH]
            yield index, task.learning.take(index, rng if copy else None)


def _describe(network: LinearAnswers, task: Task) -> _Described:
    parts = []
    for index, batch in _batches(task):
        features, known = network.features(batch.inputs, batch.lengths)
        measured = {name: flags[:, 0].cpu().numpy() > 0 for name, flags in network.measured(batch.inputs).items()}
        parts.append(_Described(features.cpu().numpy(), known.cpu().numpy() > 0, measured, index))
    return _Described(
        features=np.concatenate([part.features for part in parts]),
        known=np.concatenate([part.known for part in parts]),
        measured={name: np.concatenate([part.measured[name] for part in parts]) for name in parts[0].measured},
        rows=np.concatenate([part.rows for part in parts]),
    )


def _standardise(network: LinearAnswers, described: _Described) -> None:
    """Give the network the mean and the spread of every feature, of the recordings in which it is known."""
    counts = described.known.sum(axis=0).clip(min=1)
    means = np.where(described.known, described.features, 0.0).sum(axis=0) / counts
    squares = np.where(described.known, described.features - means, 0.0) ** 2
    spread = np.sqrt(squares.sum(axis=0) / counts + _LEAST_SPREAD**2)
    network.center.copy_(torch.from_numpy(means))
    network.scale.copy_(torch.from_numpy(1.0 / spread))


def _solve_answers(network: LinearAnswers, described: _Described, task: Task) -> float:
    """Solve for every answer from the recordings that have what it adds; the loss of the last one."""
    values = network.standardise(torch.from_numpy(described.features), torch.from_numpy(described.known)).numpy()
    targets = task.learning.targets.cpu()[described.rows]
    weights = (targets @ class_weights(targets)).numpy().astype(np.float64) if task.training.class_weights else None
    people = described.rows if task.people is None else task.people[described.rows]
    loss, plain = np.nan, network.plain.cpu().numpy()
    for name, layer in network.answers().items():
        chosen = np.flatnonzero(described.measured[name])
        if not len(chosen):
            continue
        counts = None if weights is None else weights[chosen]
        some = values[chosen, : layer.in_features]
        found = solve(some, targets.numpy()[chosen], people[chosen], counts, plain[: layer.in_features])
        layer.weight.copy_(torch.from_numpy(found.weights.T))
        layer.bias.copy_(torch.from_numpy(found.bias))
        loss = found.loss
    if np.isnan(loss):
        raise DataError("expected recordings with readings to learn from, found none", remedy="check the recordings")
    return loss
