"""Ridge regression of classes: what it says of people left out is what a fit without them says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bfrb.errors import DataError
from bfrb.networks.network import LinearAnswers, Shape
from bfrb.networks.rocket import Rocket
from bfrb.networks.specs import RocketSpec
from bfrb.study.labels import LabelSet
from bfrb.train import ridge
from bfrb.train.batches import Examples
from bfrb.train.ridge import _drawn, blocks_of, fit_solved, fit_temperature, solve
from bfrb.train.run import TrainingSpec
from bfrb.train.trainer import Epoch, Task, Weights

PEOPLE = np.repeat(np.arange(6), 10)


def study(width: int, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Features of 60 recordings, the class in the first three; centred."""
    rng = np.random.default_rng(0)
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


def posed(features: np.ndarray, targets: np.ndarray, counts: np.ndarray) -> ridge._Problem:
    return ridge._Problem(ridge._Given([features], counts, None), targets, blocks_of(PEOPLE), 1.0)


@pytest.mark.parametrize("width", [5, 200], ids=["few features", "more features than recordings"])
def test_people_left_out_are_answered_as_if_they_had_never_been_there(width: int) -> None:
    features, targets = study(width)
    counts = np.linspace(0.5, 2.0, 60)
    left_out = posed(features, targets, counts).left_out(10.0)
    for person in range(6):
        others, own = person != PEOPLE, person == PEOPLE
        *weights, bias = plain_ridge(features[others], targets[others], counts[others], 10.0)
        np.testing.assert_allclose(left_out[own], features[own] @ np.array(weights) + bias, atol=1e-3)


@pytest.mark.parametrize("noise", [0.1, 1.0, 4.0])
def test_the_penalty_is_a_best_one_among_its_neighbours(noise: float) -> None:
    features, targets = study(30, noise=noise)
    problem = posed(features, targets, np.ones(60))
    losses = [fit_temperature(problem.left_out(penalty), targets, np.ones(60))[1] for penalty in ridge.PENALTIES]
    found = solve([features], targets, PEOPLE)
    chosen = ridge.PENALTIES.index(found.penalty)
    assert found.loss == pytest.approx(losses[chosen], abs=1e-6)
    assert found.loss <= min(losses[max(chosen - 1, 0) : chosen + 2]) + 1e-6


@pytest.mark.parametrize("width", [30, 200])
def test_features_in_parts_are_solved_for_as_the_whole_is(width: int) -> None:
    features, targets = study(width)
    plain, counts = np.arange(width) % 7 == 0, np.linspace(0.5, 2.0, 60)
    whole, parted = (
        solve(parts, targets, PEOPLE, counts, plain) for parts in ([features], np.split(features, [9, 10, 25], axis=1))
    )
    assert (whole.penalty, whole.weight) == (parted.penalty, parted.weight)
    np.testing.assert_allclose(parted.weights, whole.weights, atol=1e-4)
    np.testing.assert_allclose(parted.bias, whole.bias, atol=1e-4)
    expected = plain_ridge(features * np.where(plain, whole.weight, 1), targets, counts, whole.penalty)
    expected[:-1] *= np.where(plain, whole.weight, 1)[:, None]
    slopes = whole.weights / np.linalg.norm(whole.weights)
    np.testing.assert_allclose(slopes, expected[:-1] / np.linalg.norm(expected[:-1]), atol=1e-3)


@pytest.mark.parametrize("helps", [True, False])
def test_plain_features_weigh_more_where_that_helps_people_left_out(helps: bool) -> None:
    features, targets = study(200, noise=1.0)
    plain = (np.arange(200) < 3) if helps else (np.arange(200) >= 100)
    found = solve([features], targets, PEOPLE, plain=plain)
    assert found.weight == (3.0 if helps else 1.0)
    assert found.loss <= solve([features], targets, PEOPLE).loss
    weighed = np.where(plain, found.weight, 1.0).astype(np.float32)
    again = solve([features * weighed], targets, PEOPLE)
    np.testing.assert_allclose(features @ found.weights, (features * weighed) @ again.weights, atol=0.05)


def test_a_temperature_makes_probabilities_honest_and_a_single_person_is_left_out_in_parts() -> None:
    rng = np.random.default_rng(2)
    logits = 3.0 * rng.normal(size=(20_000, 4))
    powers = np.exp(logits)
    classes = (rng.random((20_000, 1)) > (powers / powers.sum(1, keepdims=True)).cumsum(1)).sum(1).clip(max=3)
    factor, loss = fit_temperature(logits / 7.0, np.eye(4)[classes], np.ones(20_000))
    assert factor == pytest.approx(7.0, rel=0.05)
    assert loss < np.log(4)
    blocks = blocks_of(["ann"] * 25)
    assert (len(blocks), np.concatenate(blocks).tolist()) == (10, list(range(25)))


SPEC = RocketSpec(rows=24, biases=1)
SHAPE = Shape({"acc": 3, "rotation": 2, "thm": 0, "tof": 0}, 3)
LABELS = LabelSet("three", ("a", "b", "c"), frozenset({"a"}))
WEARERS = np.array([f"p{number // 12}" for number in range(60)], dtype=object)


class Varied(Examples):
    """Examples that are louder whenever they are varied."""

    def take(self, index: np.ndarray, rng: np.random.Generator | None = None) -> Examples:
        taken = super().take(index)
        return taken if rng is None else replace(taken, inputs={k: 1.5 * v for k, v in taken.inputs.items()})


def examples(kind: type[Examples] = Examples) -> Examples:
    """60 recordings of 20 to 30 rows; the class is how quickly one axis of each sensor swings."""
    rng = np.random.default_rng(0)
    classes, lengths = np.arange(60) % 3, rng.integers(20, 31, 60)
    times = np.arange(30) / lengths[:, None]
    swing = np.sin(2 * np.pi * (1 + 2 * classes)[:, None] * times + rng.uniform(0, 6, (60, 1)))
    mask = (np.arange(30) < lengths[:, None])[:, :, None]
    inputs = {}
    for branch, channels in {"acc": 3, "rotation": 2}.items():
        rows = 0.3 * rng.normal(size=(60, 30, channels))
        rows[:, :, 0] += swing
        inputs[branch] = torch.from_numpy((rows * mask).astype(np.float32))
    present = {branch: torch.ones(60) for branch in inputs}
    targets = torch.eye(3)[torch.from_numpy(classes)]
    return kind(inputs, torch.from_numpy(lengths), targets, present)


def task(learning: Examples, spec: RocketSpec = SPEC) -> Task:
    return Task(TrainingSpec(class_weights=False), spec, learning, None, LABELS, (1, 2), WEARERS)


def fitted(learning: Examples, spec: RocketSpec = SPEC) -> tuple[Rocket, list[Epoch], Weights]:
    torch.manual_seed(0)
    network = Rocket(SHAPE, spec)
    seen: list[Epoch] = []
    weights, history = fit_solved(network, task(learning, spec), Path("none"), seen.extend)
    assert seen == history
    return network, history, weights


def share_right(network: Rocket, given: Examples) -> float:
    with torch.no_grad():
        logits = network(given.inputs, given.lengths).logits
    return float((logits.argmax(dim=1) == given.targets.argmax(dim=1)).float().mean())


@pytest.mark.parametrize("without_rotation", [slice(0), slice(None, None, 2)])
def test_what_is_solved_tells_classes_and_says_how_well(without_rotation: slice) -> None:
    learning = examples()
    learning.inputs["rotation"][without_rotation] = 0.0
    network, (epoch,), weights = fitted(learning)
    assert isinstance(network, LinearAnswers)
    assert share_right(network, learning) > 0.9
    assert 0 <= epoch.loss < 0.6
    assert all(torch.equal(weights[name], value) for name, value in network.state_dict().items())


def test_varied_copies_are_learnt_from_too() -> None:
    plain, copied = (fitted(examples(Varied), SPEC.model_copy(update={"copies": n}))[0] for n in (0, 1))
    assert not torch.equal(plain.center, copied.center)
    quiet, loud = examples(), examples(Varied).take(np.arange(60), np.random.default_rng(0))
    both = torch.cat([plain.features(given.inputs, given.lengths)[0] for given in (quiet, loud)])
    torch.testing.assert_close(copied.center, both.mean(dim=0), atol=1e-5, rtol=1e-4)


def test_of_many_examples_some_are_drawn_and_nothing_to_learn_from_is_refused() -> None:
    few = SPEC.model_copy(update={"most_examples": 30})
    assert len(np.unique(_drawn(task(examples(), few)))) == 30
    assert share_right(fitted(examples(), few)[0], examples()) > 0.8
    empty = {name: torch.zeros_like(values) for name, values in examples().inputs.items()}
    with pytest.raises(DataError, match="none"):
        fitted(replace(examples(), inputs=empty))
