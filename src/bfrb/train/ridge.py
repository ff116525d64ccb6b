"""Ridge regression of classes, solved once: penalty and temperature are chosen by leaving out one person at a time.

Every penalty needs the same eigenvectors, and the answer to a person who is left out follows from them without solving
again: with all people's fit, the residuals of one person's rows are divided by what that person's own rows took part
in it (Cook and Weisberg 1982, of groups of rows).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Floats, Floats32, Ints

PENALTIES = tuple(float(value) for value in np.logspace(0.0, 5.0, 11))
"""Penalties that are tried, for features of unit variance."""

_CONSTANT = 100.0
"""A feature that is always this stands for the bias: hardly any penalty, and left out of nobody's fit."""
_MIDDLE = 6
_BLOCKS = 10
"""Parts of the recordings that are left out in turn where all are of one person."""
_TEMPERATURES = (1e-2, 1e3)


@dataclass(frozen=True)
class Solution:
    """A linear answer: `features @ weights + bias` are logits.

    Parameters
    ----------
    weights, bias
        (D, K) and (K,).
    penalty
        The penalty that was chosen.
    loss
        Mean log loss of the probabilities of people left out, by that penalty.
    """

    weights: Floats
    bias: Floats
    penalty: float
    loss: float


def solve(features: Floats32, targets: Floats32, people: npt.ArrayLike, row_weights: Floats | None = None) -> Solution:
    """Ridge regression of one-hot classes on features, scaled to logits.

    Parameters
    ----------
    features
        (R, D) features of about unit variance.
    targets
        (R, K) probabilities of the classes.
    people
        (R,) whose recording each is.
    row_weights
        (R,) how much each recording counts; 1 each by default.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> classes = np.arange(90) % 3
    >>> features = rng.normal(size=(90, 5)) + 3.0 * np.eye(3, 5)[classes]
    >>> found = solve(features.astype(np.float32), np.eye(3, dtype=np.float32)[classes], np.arange(90) // 30)
    >>> answers = (features @ found.weights + found.bias).argmax(axis=1)
    >>> bool((answers == classes).mean() > 0.95)
    True
    """
    counts = np.ones(len(features)) if row_weights is None else row_weights
    problem = _Problem.of(features, targets, counts, blocks_of(people))
    chosen, temperature, loss = problem.search(PENALTIES, targets, counts)
    *weights, constant = temperature * problem.weights(chosen)
    return Solution(np.array(weights), _CONSTANT * constant - problem.mean @ np.array(weights), chosen, loss)


def blocks_of(people: npt.ArrayLike) -> list[Ints]:
    """The rows of each person; of a single person, up to ten stretches of rows."""
    names, codes = np.unique(np.asarray(people), return_inverse=True)
    if len(names) == 1:
        codes = np.arange(len(codes)) * _BLOCKS // len(codes)
    return [np.flatnonzero(codes == code) for code in np.unique(codes)]


@dataclass(frozen=True)
class _Problem:
    """Centred and weighted features and a constant, as the eigenvectors of the smaller of their two products.

    Parameters
    ----------
    basis
        (R, M) the features of each row in the directions of the eigenvectors; orthogonal columns.
    energies
        (M,) sums of squares of these columns.
    back
        (D + 1, M) what turns weights of these directions into weights of features.
    targets
        (R, K) targets, weighted as the features are.
    roots
        (R,) square roots of the rows' weights.
    mean
        (D,) what the features were centred by.
    blocks
        The rows of each person.
    """

    basis: Floats
    energies: Floats
    back: Floats
    targets: Floats
    roots: Floats
    mean: Floats
    blocks: Sequence[Ints]

    @classmethod
    def of(cls, features: Floats32, targets: Floats32, counts: Floats, blocks: Sequence[Ints]) -> _Problem:
        """Weigh, centre, decompose."""
        roots = np.sqrt(counts)
        mean: Floats = (counts / counts.sum()) @ features.astype(np.float64)
        centred = np.empty((len(features), features.shape[1] + 1), dtype=np.float32)
        centred[:, :-1], centred[:, -1] = features - mean.astype(np.float32), _CONSTANT
        centred *= roots[:, None].astype(np.float32)
        wide = len(centred) <= centred.shape[1]
        product = (centred @ centred.T if wide else centred.T @ centred).astype(np.float64)
        energies, vectors = np.linalg.eigh(product)
        kept = energies > 1e-7 * energies[-1]
        energies, vectors = energies[kept], vectors[:, kept]
        if wide:
            basis, back = vectors * np.sqrt(energies), centred.T @ (vectors / np.sqrt(energies))
        else:
            basis, back = centred @ vectors, vectors
        weighted: Floats = targets.astype(np.float64) * roots[:, None]
        return cls(basis, energies, back.astype(np.float64), weighted, roots, mean, blocks)

    def weights(self, penalty: float) -> Floats:
        """(D + 1, K) weights of the features and of the constant."""
        return self.back @ self._in_basis(penalty)

    def _in_basis(self, penalty: float) -> Floats:
        solved: Floats = (self.basis.T @ self.targets) / (self.energies + penalty)[:, None]
        return solved

    def left_out(self, penalty: float) -> Floats:
        """(R, K) the answer to every row by the fit to the other people's rows."""
        residuals = self.targets - self.basis @ self._in_basis(penalty)
        answers = np.empty_like(residuals)
        for rows in self.blocks:
            own = self.basis[rows]
            taken = (own / (self.energies + penalty)) @ own.T
            gone = np.linalg.solve(np.eye(len(rows)) - taken, residuals[rows])
            answers[rows] = (self.targets[rows] - gone) / self.roots[rows, None]
        return answers

    def search(self, penalties: Sequence[float], targets: Floats32, counts: Floats) -> tuple[float, float, float]:
        """The penalty with the least loss, walking downhill from the middle of them; its temperature and loss."""
        fitted: dict[int, tuple[float, float]] = {}

        def loss(number: int) -> float:
            if number not in fitted:
                fitted[number] = fit_temperature(self.left_out(penalties[number]), targets, counts)
            return fitted[number][1]

        best = min(_MIDDLE, len(penalties) - 1)
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
