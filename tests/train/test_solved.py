"""Networks that are solved for: what they learn, from whom, and what they do where sensors are missing."""

from __future__ import annotations

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
from bfrb.train.batches import Examples
from bfrb.train.ridge import _batches, fit_solved
from bfrb.train.run import TrainingSpec
from bfrb.train.trainer import Epoch, Task, Weights

SPEC = RocketSpec(rows=24, biases=1)
SHAPE = Shape({"acc": 3, "rotation": 2, "thm": 0, "tof": 0}, 3)
LABELS = LabelSet("three", ("a", "b", "c"), frozenset({"a"}))
PEOPLE = np.array([f"p{number // 12}" for number in range(60)], dtype=object)


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
    return Task(TrainingSpec(class_weights=False), spec, learning, None, LABELS, (1, 2), PEOPLE)


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


def test_what_is_solved_tells_classes_and_says_how_well() -> None:
    learning = examples()
    network, (epoch,), weights = fitted(learning)
    assert isinstance(network, LinearAnswers)
    assert share_right(network, learning) > 0.95
    assert 0 <= epoch.loss < 0.5
    assert all(torch.equal(weights[name], value) for name, value in network.state_dict().items())


def test_recordings_without_a_sensor_teach_what_they_have() -> None:
    learning = examples()
    rotation = learning.inputs["rotation"].clone()
    rotation[::2] = 0.0
    learning = replace(learning, inputs={**learning.inputs, "rotation": rotation})
    network, _, _ = fitted(learning)
    assert share_right(network, learning) > 0.9


def test_varied_copies_are_learnt_from_too() -> None:
    loud = examples()
    loud = replace(loud, inputs={name: 1.5 * values for name, values in loud.inputs.items()})
    plain, copied = (fitted(examples(Varied), SPEC.model_copy(update={"copies": n}))[0] for n in (0, 1))
    assert not torch.equal(plain.center, copied.center)
    both = (plain.features(loud.inputs, loud.lengths)[0] + plain.features(examples().inputs, loud.lengths)[0]) / 2
    torch.testing.assert_close(copied.center, both.mean(dim=0), atol=1e-5, rtol=1e-4)


def test_of_many_examples_some_are_drawn() -> None:
    few = SPEC.model_copy(update={"most_examples": 30})
    rows = [index for index, _ in _batches(task(examples(), few))]
    assert len(np.unique(np.concatenate(rows))) == 30
    assert share_right(fitted(examples(), few)[0], examples()) > 0.8


def test_nothing_to_learn_from_is_refused() -> None:
    learning = examples()
    empty = replace(learning, inputs={name: torch.zeros_like(values) for name, values in learning.inputs.items()})
    with pytest.raises(DataError, match="none"):
        fitted(empty)
