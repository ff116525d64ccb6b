"""Ridge regression of classes: what it says of people left out is what a fit without them says."""

from __future__ import annotations

import numpy as np
import pytest

from bfrb.train import ridge
from bfrb.train.ridge import blocks_of, fit_temperature, solve

PEOPLE = np.repeat(np.arange(6), 10)


def study(width: int, seed: int = 0, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Features of 60 recordings, the class in the first three; centred."""
    rng = np.random.default_rng(seed)
    classes = np.arange(60) % 3
    features = noise * rng.normal(size=(60, width)) + 2.0 * np.eye(3, width)[classes]
    features -= features.mean(axis=0)
    return features.astype(np.float32), np.eye(3, dtype=np.float32)[classes]


def plain_ridge(features: np.ndarray, targets: np.ndarray, counts: np.ndarray, penalty: float) -> np.ndarray:
    """Weights and, last, the bias, by the normal equations; the bias has no penalty."""
    wide = np.column_stack([features.astype(np.float64), np.ones(len(features))])
    penalties = np.diag([penalty] * features.shape[1] + [0.0])
    found: np.ndarray = np.linalg.solve((wide.T * counts) @ wide + penalties, (wide.T * counts) @ targets)
    return found


@pytest.mark.parametrize("width", [5, 200], ids=["few features", "more features than recordings"])
def test_people_left_out_are_answered_as_if_they_had_never_been_there(width: int) -> None:
    features, targets = study(width)
    counts = np.linspace(0.5, 2.0, 60)
    left_out = ridge._Problem(features, targets, counts, blocks_of(PEOPLE), np.ones(width)).left_out(10.0)
    for person in range(6):
        others, own = person != PEOPLE, person == PEOPLE
        *weights, bias = plain_ridge(features[others], targets[others], counts[others], 10.0)
        np.testing.assert_allclose(left_out[own], features[own] @ np.array(weights) + bias, atol=1e-3)


@pytest.mark.parametrize("noise", [0.1, 1.0, 4.0])
def test_the_penalty_is_a_best_one_among_its_neighbours(noise: float) -> None:
    features, targets = study(30, noise=noise)
    problem = ridge._Problem(features, targets, np.ones(60), blocks_of(PEOPLE), np.ones(30))
    losses = [fit_temperature(problem.left_out(penalty), targets, np.ones(60))[1] for penalty in ridge.PENALTIES]
    found = solve(features, targets, PEOPLE)
    chosen = ridge.PENALTIES.index(found.penalty)
    assert found.loss == pytest.approx(losses[chosen], abs=1e-6)
    assert found.loss <= min(losses[max(chosen - 1, 0) : chosen + 2]) + 1e-6


@pytest.mark.parametrize("helps", [True, False])
def test_plain_features_weigh_more_where_that_helps_people_left_out(helps: bool) -> None:
    features, targets = study(200, noise=1.0)
    plain = (np.arange(200) < 3) if helps else (np.arange(200) >= 100)
    found = solve(features, targets, PEOPLE, plain=plain)
    assert found.weight == (3.0 if helps else 1.0)
    assert found.loss <= solve(features, targets, PEOPLE).loss
    weighed = np.where(plain, found.weight, 1.0).astype(np.float32)
    again = solve(features * weighed, targets, PEOPLE)
    np.testing.assert_allclose(features @ found.weights, (features * weighed) @ again.weights, atol=0.05)


def test_what_is_learnt_only_from_the_person_itself_counts_nothing() -> None:
    rng = np.random.default_rng(1)
    signature = np.repeat(rng.normal(size=(6, 40)), 10, axis=0) + 0.01 * rng.normal(size=(60, 40))
    targets = np.eye(2, dtype=np.float32)[PEOPLE % 2]
    assert solve(signature.astype(np.float32), targets, PEOPLE).loss > 0.5
    assert solve(signature.astype(np.float32), targets, np.arange(60)).loss < 0.2


def test_a_temperature_makes_probabilities_honest() -> None:
    rng = np.random.default_rng(2)
    logits = 3.0 * rng.normal(size=(20_000, 4))
    powers = np.exp(logits)
    classes = (rng.random((20_000, 1)) > (powers / powers.sum(1, keepdims=True)).cumsum(1)).sum(1).clip(max=3)
    factor, loss = fit_temperature(logits / 7.0, np.eye(4)[classes], np.ones(20_000))
    assert factor == pytest.approx(7.0, rel=0.05)
    assert loss < np.log(4)


def test_a_single_person_is_left_out_in_parts() -> None:
    blocks = blocks_of(["ann"] * 25)
    assert len(blocks) == 10
    assert np.concatenate(blocks).tolist() == list(range(25))
