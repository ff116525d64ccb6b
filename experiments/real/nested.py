"""`rocket`'s answers to every fold from one factor of the products of all rows, as the peers' ridge has one product.

A fit without some rows follows from the fit to all (`bfrb.train.ridge`), and so does a fit without a fold and one more
person, by which penalty, weight and temperature of that fold are chosen. It is what `solve` finds fold by fold, but for
features centred by all rows: no probability differs by more than .006, and no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve, solve_triangular
from scipy.special import softmax

from bfrb.train.ridge import CONSTANT, PENALTIES, WEIGHTS, blocks_of, fit_temperature, half_inverse, walk_downhill

Answers = tuple[np.ndarray, np.ndarray]
"""(L, K) scores of those who were learnt from, each without that person, and (H, K) of those held out."""


@dataclass
class Nested:
    """(R, D) features of about unit variance, (R, K) classes, whose they are; whom each fold learns from, and answers.

    LinAlgError if a penalty that is asked for is too weak for the digits of the products.
    """

    values: np.ndarray
    targets: np.ndarray
    people: np.ndarray
    splits: Sequence[tuple[np.ndarray, np.ndarray]]
    plain: np.ndarray
    known: dict[tuple[float, float], list[Answers]] = field(default_factory=dict)

    @cached_property
    def products(self) -> list[np.ndarray]:
        """(R, R) products of the rows by plain and by other features."""
        values = self.values - self.values.mean(axis=0)
        return [some @ some.T for some in (values[:, self.plain], values[:, ~self.plain])]

    def answers(self, weight: float, penalty: float) -> list[Answers]:
        """Of every fold, by one penalty and weight of plain features."""
        if (weight, penalty) not in self.known:
            products = self.products[0] * np.float32(weight**2) + self.products[1] + np.float32(CONSTANT**2)
            half = half_inverse(products, penalty)
            inverse = half.T @ half
            solved = inverse @ self.targets
            self.known[weight, penalty] = [self._without(*split, inverse, solved) for split in self.splits]
        return self.known[weight, penalty]

    def _without(self, learnt: np.ndarray, held_out: np.ndarray, inverse: np.ndarray, solved: np.ndarray) -> Answers:
        factor = cho_factor(inverse[np.ix_(held_out, held_out)], lower=True)
        told = self.targets[held_out] - cho_solve(factor, solved[held_out])
        half = solve_triangular(factor[0], inverse[np.ix_(held_out, learnt)], lower=True)
        rest = solved[learnt] - half.T @ solve_triangular(factor[0], solved[held_out], lower=True)
        left_out = np.empty(rest.shape)
        for rows in blocks_of(self.people[learnt]):
            own, some = learnt[rows], half[:, rows]
            part = inverse[np.ix_(own, own)] - some.T @ some
            left_out[rows] = self.targets[own] - solve(part.astype(float), rest[rows], assume_a="pos")
        return left_out, told

    def choose(self, fold: int) -> tuple[float, float, float, float]:
        """Loss of people left out, weight, penalty and temperature that are best for those a fold learns from."""
        targets, start = self.targets[self.splits[fold][0]], len(PENALTIES) // 2
        fitted: dict[tuple[float, int], tuple[float, float]] = {}

        def loss(weight: float, number: int) -> float:
            if (weight, number) not in fitted:
                scores = self.answers(weight, PENALTIES[number])[fold][0]
                fitted[weight, number] = fit_temperature(scores, targets, np.ones(len(targets)))
            return fitted[weight, number][1]

        for weight in WEIGHTS:
            start = walk_downhill(partial(loss, weight), len(PENALTIES), start)
        weight, number = min(fitted, key=lambda pair: loss(*pair))
        return loss(weight, number), weight, PENALTIES[number], fitted[weight, number][0]

    def probabilities(self, fold: int, weight: float, penalty: float, temperature: float) -> Answers:
        """(L, K) and (H, K) probabilities of a fold, as `answers` gives scores."""
        left_out, told = (softmax(temperature * scores, axis=1) for scores in self.answers(weight, penalty)[fold])
        return left_out, told
