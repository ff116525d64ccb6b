"""Ridge regression of classes, solved at once: what is to be chosen is chosen by leaving out one person at a time.

The answer to a person who is left out follows from the fit to all without solving again (Cook and Weisberg 1982, of
groups of rows): with fewer rows than features, the weights of one person's rows are divided by that person's part of
the inverse; with more, their residuals by what these rows took no part in.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile
from time import perf_counter
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import lapack
from torch import nn

from bfrb.arrays import Bools, Floats, Floats32, Ints
from bfrb.errors import DataError
from bfrb.files import drop_pages, telling_place
from bfrb.networks.network import LinearAnswers
from bfrb.train.trainer import Epoch, Task, Weights, class_weights, score_examples

PENALTIES = tuple(float(value) for value in np.logspace(1.0, 6.0, 11))
"""Penalties that are tried, for features of unit variance."""

WEIGHTS = (1.0, 3.0)
"""How much plain features may weigh, of which there are few, against all others."""

CONSTANT = 100.0
"""A feature that is always this stands for the bias: hardly any penalty, and left out of nobody's fit."""

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
    parts: Iterable[Floats32],
    targets: Floats32,
    people: npt.ArrayLike,
    row_weights: Floats | None = None,
    plain: Bools | None = None,
) -> Solution:
    """Ridge regression of (R, K) probabilities of classes on (R, D) features of about unit variance, scaled to logits.

    The features come in parts, (R, some) columns each, so that not all have to be in memory; they are gone through
    several times. It is known whose recording each row is. Rows count 1 each by default; (D,) plain features may weigh
    more than the others.
    """
    counts = np.ones(len(targets)) if row_weights is None else row_weights
    given = _Given(parts, counts, plain)
    start = PENALTIES[_MIDDLE]
    found: list[Solution] = []
    for weight in WEIGHTS if given.plain.any() and not given.plain.all() else WEIGHTS[:1]:
        problem = _Problem(given, targets, blocks_of(people), weight)
        start, temperature, loss = problem.search(PENALTIES, targets, counts, start)
        if not found or loss < found[-1].loss:
            *slopes, bias = temperature * problem.weights(start)
            found.append(Solution(np.array(slopes), bias, start, weight, loss))
        del problem  # before the next, which is as large
    return found[-1]


def blocks_of(people: npt.ArrayLike) -> list[Ints]:
    """The rows of each person; of a single person, up to ten stretches of rows."""
    names, codes = np.unique(np.asarray(people), return_inverse=True)
    if len(names) == 1:
        codes = np.arange(len(codes)) * _BLOCKS // len(codes)
    return [np.flatnonzero(codes == code) for code in np.unique(codes)]


class _Given:
    """What problems of all weights share: features with weighted mean 0, each row times the root of its weight."""

    def __init__(self, parts: Iterable[Floats32], counts: Floats, plain: Bools | None) -> None:
        self._parts, self.roots = parts, np.sqrt(counts)
        shares = (counts / counts.sum()).astype(np.float32)
        self.means: Floats = np.concatenate([shares @ part for part in parts]).astype(np.float64)
        self.plain = np.zeros(len(self.means), dtype=bool) if plain is None else plain
        self.wide = len(counts) <= len(self.means)

    def __iter__(self) -> Iterator[tuple[slice, Floats32]]:
        first, roots = 0, self.roots[:, None].astype(np.float32)
        for part in self._parts:
            columns = slice(first, first := first + part.shape[1])
            yield columns, (part - self.means[columns].astype(np.float32)) * roots

    @cached_property
    def products(self) -> Floats32:
        """(2, R, R) products of the rows by plain and by other features."""
        found = np.zeros((2, len(self.roots), len(self.roots)), dtype=np.float32)
        for columns, part in self:
            for number, chosen in enumerate((self.plain[columns], ~self.plain[columns])):
                some = part[:, chosen]
                found[number] += some @ some.T  # of one array with itself: half the work
        return found

    @cached_property
    def features(self) -> Floats32:
        """(R, D + 1) the features and, last, the constant."""
        return np.column_stack([*(part for _, part in self), CONSTANT * self.roots.astype(np.float32)])


class _Problem:
    """One weight of plain features, and the products that are inverted for every penalty.

    They are the (R, R) ones of the rows, or, where there are fewer of those, the (D + 1, D + 1) ones of the features.
    """

    def __init__(self, given: _Given, targets: Floats32, blocks: Sequence[Ints], weight: float) -> None:
        self.given, self.blocks = given, blocks
        self.targets = torch.from_numpy(targets * given.roots[:, None])
        self.weighing: Floats = np.where(given.plain, weight, 1.0)
        if given.wide:
            products = given.products[0] * np.float32(weight**2)
            products += given.products[1]
            products += np.float32(CONSTANT**2) * np.outer(given.roots, given.roots).astype(np.float32)
        else:
            self.features: Floats32 = given.features * np.append(self.weighing, 1.0).astype(np.float32)
            products = self.features.T @ self.features
        self.products = torch.from_numpy(products)

    def weights(self, penalty: float) -> Floats:
        """(D + 1, K) weights of the features as they came, and the bias."""
        solved = self._solved(self._factor(penalty))
        if self.given.wide:
            slopes = np.empty((len(self.weighing), solved.shape[1]))
            for columns, part in self.given:
                slopes[columns] = self.weighing[columns, None] ** 2 * (part.T @ solved.astype(np.float32))
            constant = CONSTANT * self.given.roots @ solved
        else:
            slopes, constant = solved[:-1] * self.weighing[:, None], solved[-1]
        return np.vstack([slopes, CONSTANT * constant - self.given.means @ slopes])

    def _solved(self, factor: torch.Tensor) -> Floats:
        answers = self.targets if self.given.wide else torch.from_numpy(self.features).T @ self.targets.float()
        found: Floats = torch.cholesky_solve(answers.double(), factor).numpy()
        return found

    def _factor(self, penalty: float) -> torch.Tensor:
        factor = self.products.to(torch.float64, copy=True).mT  # as LAPACK orders them, so that no second one is made
        factor.diagonal().add_(penalty)
        torch.linalg.cholesky(factor, out=factor)
        return factor

    def left_out(self, penalty: float) -> Floats:
        """(R, K) the answer to every row by the fit to the other people's rows."""
        answers = np.empty(self.targets.shape)
        if self.given.wide:
            half = half_inverse(self.products.numpy(), penalty)
            solved = half.T @ (half @ self.targets.numpy().astype(np.float32))
            for rows in self.blocks:
                own = half[:, rows]
                known = torch.from_numpy(own.T @ own).double(), torch.from_numpy(solved[rows]).double()
                answers[rows] = self.targets[rows] - torch.linalg.solve(*known)
        else:
            factor = self._factor(penalty)
            residuals = self.targets - torch.from_numpy(self.features @ self._solved(factor).astype(np.float32))
            for rows in self.blocks:
                few = torch.from_numpy(self.features[rows].T).double()
                half = torch.linalg.solve_triangular(factor, few, upper=False)
                rest = torch.eye(len(rows), dtype=torch.float64) - half.T @ half
                answers[rows] = self.targets[rows] - torch.linalg.solve(rest, residuals[rows])
        return answers / self.given.roots[:, None]

    def search(
        self, penalties: Sequence[float], targets: Floats32, counts: Floats, start: float
    ) -> tuple[float, float, float]:
        """The penalty with the least loss, walking downhill from one of them; its temperature and loss."""
        fitted: dict[int, tuple[float, float]] = {}

        def loss(number: int) -> float:
            if number not in fitted:
                try:
                    fitted[number] = fit_temperature(self.left_out(penalties[number]), targets, counts)
                except (np.linalg.LinAlgError, torch.linalg.LinAlgError):  # type: ignore[attr-defined]  # a penalty too weak
                    fitted[number] = 1.0, np.inf
            return fitted[number][1]

        best = walk_downhill(loss, len(penalties), penalties.index(start))
        return penalties[best], *fitted[best]


def half_inverse(products: Floats32, penalty: float) -> Floats32:
    """(R, R) a lower triangle that, multiplied by itself, is the inverse of symmetric products with a penalty.

    LinAlgError if the penalty is too weak for the digits of the products.
    """
    found: Floats32 = products.T.copy(order="F")  # LAPACK's order, so that it makes no second one
    found[np.diag_indices(len(found))] += np.float32(penalty)
    for step, given in ((lapack.spotrf, "overwrite_a"), (lapack.strtri, "overwrite_c")):
        found, failed = step(found, lower=1, **{given: 1})
        if failed:
            raise np.linalg.LinAlgError(f"a penalty of {penalty:g} is too weak for these features")
    return found


def walk_downhill(loss: Callable[[int], float], count: int, start: int) -> int:
    """The number, of 0 to `count` - 1, that is reached from a start by steps of 1 while the loss falls."""
    while True:
        near = [number for number in (start - 1, start, start + 1) if 0 <= number < count]
        lowest = min(near, key=loss)
        if lowest == start:
            return start
        start = lowest


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
_COLUMNS = 1024
_LEAST_SPREAD = 0.01  # added, as a spread, to that of every feature: one that hardly varies is not blown up


@dataclass(frozen=True)
class _Described:
    """What is known of all examples: (R, D) features, and for every stage (R,) whether it can answer."""

    features: Sequence[Floats32]  # some columns each, NaN where one is not known; on the disk while they are not used
    measured: dict[str, Bools]
    rows: Ints  # (R,) number of the example; each comes once, and once more for every varied copy

    def columns(self) -> Iterator[tuple[slice, Floats32]]:
        """Which columns each part has, and the part."""
        for number, part in enumerate(self.features):
            yield slice(number * _COLUMNS, number * _COLUMNS + part.shape[1]), part
            drop_pages(part)


@dataclass(frozen=True)
class _Parts:
    """The first columns of some rows' features, in parts."""

    described: _Described
    rows: Ints
    width: int

    def __iter__(self) -> Iterator[Floats32]:
        for columns, part in self.described.columns():
            if columns.start < self.width:
                yield part[self.rows, : self.width - columns.start]


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
    started = perf_counter()
    network.eval()
    with torch.no_grad():
        place_thresholds(network, task)
        with telling_place(checkpoint), TemporaryFile(dir=checkpoint.parent) as file:
            described = _describe(network, task, file)
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


def _drawn(task: Task) -> Ints:
    """Numbers of the examples to learn from, those of like length together."""
    order = np.argsort(task.learning.lengths.cpu().numpy(), kind="stable")
    if len(order) > task.network.most_examples:
        drawn = np.random.default_rng([*task.seed, 2]).permutation(len(order))[: task.network.most_examples]
        order = order[np.isin(order, drawn)]
    return order


def _describe(network: LinearAnswers, task: Task, file: BinaryIO) -> _Described:
    """Examples as they are, and as often varied as the network's spec asks."""
    rng, drawn = np.random.default_rng([*task.seed, 1]), _drawn(task)
    rows = np.tile(drawn, 1 + task.network.copies)
    column_bytes, width = 4 * len(rows), network.center.numel()
    if hasattr(os, "posix_fallocate"):  # a full disk is an error now, and would end the process later
        os.posix_fallocate(file.fileno(), 0, column_bytes * width)
    shapes = {first: (len(rows), min(_COLUMNS, width - first)) for first in range(0, width, _COLUMNS)}
    parts = [np.memmap(file, np.float32, "r+", column_bytes * first, shape) for first, shape in shapes.items()]
    described = _Described(parts, {}, rows)
    for copy in range(1 + task.network.copies):
        for first in range(0, len(drawn), task.network.TOGETHER):
            batch = task.learning.take(drawn[first : first + task.network.TOGETHER], rng if copy else None)
            some = slice(copy * len(drawn) + first, copy * len(drawn) + first + len(batch))
            features, known = network.features(batch.inputs, batch.lengths)
            values = features.masked_fill(known == 0, torch.nan).cpu().numpy()
            for columns, part in described.columns():
                part[some] = values[:, columns]
            for name, flags in network.measured(batch.inputs).items():
                described.measured.setdefault(name, np.zeros(len(rows), dtype=bool))[some] = flags[:, 0].cpu() > 0
    return described


def _standardise(network: LinearAnswers, described: _Described) -> None:
    """Give the network the mean and the spread of every feature where it is known, and apply them."""
    for columns, features in described.columns():
        known = ~np.isnan(features)
        counts = known.sum(axis=0).clip(min=1)
        means = np.where(known, features, 0.0).sum(axis=0) / counts
        squares = np.where(known, features - means, 0.0) ** 2
        spread = np.sqrt(squares.sum(axis=0) / counts + _LEAST_SPREAD**2)
        network.center[columns] = torch.from_numpy(means)
        network.scale[columns] = torch.from_numpy(1.0 / spread)
        values = torch.from_numpy(np.where(known, features, 0.0)).to(network.center)
        features[:] = network.standardise(values, torch.from_numpy(known).to(values), columns).cpu()


def _solve_answers(network: LinearAnswers, described: _Described, task: Task) -> float:
    """Solve for every answer from the recordings that have what it adds; the loss of the last one."""
    targets = task.learning.targets.cpu()[described.rows]
    weights = (targets @ class_weights(targets)).numpy().astype(np.float64) if task.training.class_weights else None
    people = described.rows if task.people is None else task.people[described.rows]
    loss, plain = np.nan, network.plain.cpu().numpy()
    for name, layer in network.answers().items():
        chosen = np.flatnonzero(described.measured[name])
        if not len(chosen):
            continue
        counts = None if weights is None else weights[chosen]
        parts = _Parts(described, chosen, layer.in_features)
        found = solve(parts, targets.numpy()[chosen], people[chosen], counts, plain[: layer.in_features])
        layer.weight.copy_(torch.from_numpy(found.weights.T))
        layer.bias.copy_(torch.from_numpy(found.bias))
        loss = found.loss
    if np.isnan(loss):
        raise DataError("expected recordings with readings to learn from, found none", remedy="check the recordings")
    return loss
