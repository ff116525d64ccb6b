"""Ridge regression of classes, solved at once: what is to be chosen is chosen by leaving out one person at a time.

The answer to a person who is left out follows from the fit to all without solving again (Cook and Weisberg 1982, of
groups of rows): with fewer rows than features, the weights of one person's rows are divided by that person's part of
the inverse; with more, their residuals by what these rows took no part in.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from bfrb.arrays import Bools, Floats, Floats32, Ints
from bfrb.errors import DataError
from bfrb.networks.network import LinearAnswers
from bfrb.train.batches import Examples
from bfrb.train.trainer import Epoch, Task, Weights, class_weights, score_examples

PENALTIES = tuple(float(value) for value in np.logspace(1.0, 6.0, 11))
"""Penalties that are tried, for features of unit variance."""

WEIGHTS = (1.0, 3.0)
"""How much plain features may weigh, of which there are few, against all others."""

_CONSTANT = 100.0  # a feature that is always this stands for the bias: hardly any penalty, and left out of nobody's fit
_MIDDLE = 4
_BLOCKS = 10  # parts of the recordings that are left out in turn where all are of one person
_TEMPERATURES = (1e-2, 1e3)


@dataclass(frozen=True)
class Solution:
    """A linear answer: `features @ weights + bias` are logits."""

    weights: Floats  # (D, K) and (K,)
    bias: Floats
    penalty: float  # the penalty that was chosen, and the weight of plain features
    weight: float
    loss: float  # mean log loss of the probabilities of people left out, by these two


def solve(
    features: Floats32,
    targets: Floats32,
    people: npt.ArrayLike,
    row_weights: Floats | None = None,
    plain: Bools | None = None,
) -> Solution:
    """Ridge regression of (R, K) probabilities of classes on (R, D) features of about unit variance, scaled to logits.

    It is known whose recording each is. Rows count 1 each by default; (D,) plain features may weigh more than the
    others.
    """
    counts = np.ones(len(features)) if row_weights is None else row_weights
    plain = np.zeros(features.shape[1], dtype=bool) if plain is None else plain
    start = PENALTIES[_MIDDLE]
    found: list[Solution] = []
    for weight in WEIGHTS if plain.any() and not plain.all() else WEIGHTS[:1]:
        weighing = np.where(plain, weight, 1.0)
        problem = _Problem(features, targets, counts, blocks_of(people), weighing)
        start, temperature, loss = problem.search(PENALTIES, targets, counts, start)
        if not found or loss < found[-1].loss:
            *weights, constant = temperature * problem.weights(start)
            slopes = np.array(weights) * weighing[:, None]
            found.append(Solution(slopes, _CONSTANT * constant - problem.mean @ slopes, start, weight, loss))
        del problem  # before the next, which is as large
    return found[-1]


def blocks_of(people: npt.ArrayLike) -> list[Ints]:
    """The rows of each person; of a single person, up to ten stretches of rows."""
    names, codes = np.unique(np.asarray(people), return_inverse=True)
    if len(names) == 1:
        codes = np.arange(len(codes)) * _BLOCKS // len(codes)
    return [np.flatnonzero(codes == code) for code in np.unique(codes)]


class _Problem:
    """Centred and weighted features and a constant, with what the rows have in common."""

    def __init__(
        self, features: Floats32, targets: Floats32, counts: Floats, blocks: Sequence[Ints], weighing: Floats
    ) -> None:
        self.roots = np.sqrt(counts)
        self.mean: Floats = (counts / counts.sum()) @ features  # what the features are centred by
        centred = np.empty((len(features), features.shape[1] + 1), dtype=np.float32)
        np.subtract(features, self.mean.astype(np.float32), out=centred[:, :-1])
        centred[:, :-1] *= weighing.astype(np.float32)
        centred[:, -1] = _CONSTANT
        centred *= self.roots[:, None].astype(np.float32)
        self.features, self.blocks = centred, blocks
        self.wide = len(centred) <= centred.shape[1]
        # (R, R) products of the rows, or (D + 1, D + 1) those of the features where there are more rows.
        self.products = torch.from_numpy(centred @ centred.T if self.wide else centred.T @ centred)
        self.targets = torch.from_numpy(targets * self.roots[:, None])

    def weights(self, penalty: float) -> Floats:
        """(D + 1, K) weights of the features and of the constant."""
        factor = self._factor(penalty, torch.float64)
        if self.wide:
            solved = torch.cholesky_solve(self.targets, factor).numpy()
            return np.asarray(self.features.T @ solved.astype(np.float32), dtype=np.float64)
        answers = torch.from_numpy(self.features.T @ self.targets.float().numpy()).double()
        found: Floats = torch.cholesky_solve(answers, factor).numpy()
        return found

    def _factor(self, penalty: float, kind: torch.dtype) -> torch.Tensor:
        penalised = self.products.to(kind, copy=True)
        penalised.diagonal().add_(penalty)
        factor: torch.Tensor = torch.linalg.cholesky(penalised)
        return factor

    def left_out(self, penalty: float) -> Floats:
        """(R, K) the answer to every row by the fit to the other people's rows."""
        answers = np.empty(self.targets.shape)
        if self.wide:
            inverse = torch.cholesky_inverse(self._factor(penalty, torch.float32)).double()
            solved = inverse @ self.targets
            for rows in self.blocks:
                answers[rows] = self.targets[rows] - torch.linalg.solve(inverse[rows][:, rows], solved[rows])
        else:
            factor = self._factor(penalty, torch.float64)
            residuals = self.targets - torch.from_numpy(self.features @ self.weights(penalty).astype(np.float32))
            for rows in self.blocks:
                half = torch.linalg.solve_triangular(
                    factor, torch.from_numpy(self.features[rows].T).double(), upper=False
                )
                rest = torch.eye(len(rows), dtype=torch.float64) - half.T @ half
                answers[rows] = self.targets[rows] - torch.linalg.solve(rest, residuals[rows])
        return answers / self.roots[:, None]

    def search(
        self, penalties: Sequence[float], targets: Floats32, counts: Floats, start: float
    ) -> tuple[float, float, float]:
        """The penalty with the least loss, walking downhill from one of them; its temperature and loss."""
        fitted: dict[int, tuple[float, float]] = {}

        def loss(number: int) -> float:
            if number not in fitted:
                try:
                    fitted[number] = fit_temperature(self.left_out(penalties[number]), targets, counts)
                except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # too weak a penalty for the digits of the products
                    fitted[number] = 1.0, np.inf
            return fitted[number][1]

        best = penalties.index(start)
        while True:
            near = [number for number in (best - 1, best, best + 1) if 0 <= number < len(penalties)]
            lowest = min(near, key=loss)
            if lowest == best:
                return penalties[best], *fitted[best]
            best = lowest


def fit_temperature(scores: Floats, targets: npt.NDArray[np.floating], counts: Floats) -> tuple[float, float]:
    """The factor that makes (R, K) scores the best logits, and their mean log loss then, by bisection of its slope."""
    low, high = np.log(_TEMPERATURES)
    for _ in range(30):
        middle = (low + high) / 2
        slope = _loss_and_slope(scores, targets, counts, float(np.exp(middle)))[1]
        low, high = (middle, high) if slope < 0 else (low, middle)
    factor = float(np.exp((low + high) / 2))
    return factor, _loss_and_slope(scores, targets, counts, factor)[0]


def _loss_and_slope(
    scores: Floats, targets: npt.NDArray[np.floating], counts: Floats, factor: float
) -> tuple[float, float]:
    """Mean log loss of `softmax(factor * scores)`, and its derivative by the factor."""
    logits = factor * (scores - scores.max(axis=1, keepdims=True))
    powers = np.exp(logits)
    sums = powers.sum(axis=1, keepdims=True)
    expected = (powers * scores).sum(axis=1) / sums[:, 0]
    losses = np.log(sums[:, 0]) - (targets * logits).sum(axis=1)
    slopes = expected - (targets * scores).sum(axis=1)
    return float(np.average(losses, weights=counts)), float(np.average(slopes, weights=counts))


_PLACED_BY = 64  # recordings by which thresholds are placed
_BATCH, _COLUMNS = 16, 1024
_LEAST_SPREAD = 0.01  # added, as a spread, to that of every feature: one that hardly varies is not blown up


@dataclass(frozen=True)
class _Described:
    """What is known of all examples: (R, D) features, and for every stage (R,) whether it can answer."""

    features: Floats32
    known: Bools
    measured: dict[str, Bools]
    rows: Ints  # (R,) number of the example; each comes once, and once more for every varied copy


def fit_solved(
    network: nn.Module, task: Task, checkpoint: Path, on_epoch: Callable[[list[Epoch]], None] = lambda _: None
) -> tuple[Weights, list[Epoch]]:
    """Place the thresholds and scales of a `LinearAnswers`, and solve for its answers (`bfrb.train.trainer.Fit`).

    Penalty and temperature of every answer are chosen by leaving out one person at a time, or one example where the
    task does not say whose they are. Nothing is kept for a run that is stopped. The history is one record, whose loss
    is the mean log loss of people left out. DataError if no recording has a reading that the network takes in.
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
    for first in range(0, described.features.shape[1], _COLUMNS):  # all at once would take several times their memory
        columns = slice(first, first + _COLUMNS)
        features, known = described.features[:, columns], described.known[:, columns]
        counts = known.sum(axis=0).clip(min=1)
        means = np.where(known, features, 0.0).sum(axis=0) / counts
        squares = np.where(known, features - means, 0.0) ** 2
        spread = np.sqrt(squares.sum(axis=0) / counts + _LEAST_SPREAD**2)
        network.center[columns] = torch.from_numpy(means)
        network.scale[columns] = torch.from_numpy(1.0 / spread)


def _solve_answers(network: LinearAnswers, described: _Described, task: Task) -> float:
    """Solve for every answer from the recordings that have what it adds; the loss of the last one."""
    values, known = described.features, torch.from_numpy(described.known)
    for first in range(0, len(values), _BATCH):  # in place
        rows = slice(first, first + _BATCH)
        values[rows] = network.standardise(torch.from_numpy(values[rows]), known[rows]).numpy()
    targets = task.learning.targets.cpu()[described.rows]
    weights = (targets @ class_weights(targets)).numpy().astype(np.float64) if task.training.class_weights else None
    people = described.rows if task.people is None else task.people[described.rows]
    loss, plain = np.nan, network.plain.cpu().numpy()
    for name, layer in network.answers().items():
        chosen = np.flatnonzero(described.measured[name])
        if not len(chosen):
            continue
        counts = None if weights is None else weights[chosen]
        some = values[:, : layer.in_features] if len(chosen) == len(values) else values[chosen, : layer.in_features]
        found = solve(some, targets.numpy()[chosen], people[chosen], counts, plain[: layer.in_features])
        layer.weight.copy_(torch.from_numpy(found.weights.T))
        layer.bias.copy_(torch.from_numpy(found.bias))
        loss = found.loss
    if np.isnan(loss):
        raise DataError("expected recordings with readings to learn from, found none", remedy="check the recordings")
    return loss
