from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bfrb.errors import ConfigError
from bfrb.study.labels import LabelSet
from bfrb.train.spec import TrainingSpec
from bfrb.train.trainer import Epoch, Task, Weights, best_epoch, is_finished, score_examples, train
from learnable import SMALL, cut, empty, make_examples, new_network

FOUR = LabelSet("four", ("a", "b", "c", "rest"), frozenset({"a", "b", "c"}))
TRAINING = TrainingSpec(epochs=4, batch_size=16, learning_rate=1e-2)
MIXING = {"mixup_alpha": 0.4, "mixup_at": "gesture"}
STEPS = {"optimizer": "adamw", "schedule": "cosine", "warmup_epochs": 1.5, "ema_decay": 0.9, "clip_norm": 1.0}
EVERYTHING = TRAINING.model_copy(update=MIXING | STEPS)


def make_task(training: TrainingSpec = TRAINING, *, stopping: bool = True) -> Task:
    held_out = make_examples(seed=1) if stopping else None
    return Task(training, SMALL, make_examples(), held_out, FOUR, (0, 1, 2))


def same(first: Weights, second: Weights) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


class StoppedError(Exception):
    """A training that is stopped from outside."""


def train_stopped_after(epochs: int, checkpoint: Path, training: TrainingSpec = TRAINING) -> None:
    def stop(history: list[Epoch]) -> None:
        if len(history) == epochs:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(new_network(), make_task(training), checkpoint, stop)


def test_an_easy_problem_is_learnt(tmp_path: Path) -> None:
    network = new_network()
    spec = TRAINING.model_copy(update={"epochs": 30, "mixup_alpha": 0.1})
    weights, history = train(network, make_task(spec), tmp_path / "c")
    network.load_state_dict(weights)
    assert history[-1].loss < history[0].loss
    assert score_examples(network, make_examples(seed=1), FOUR) > 0.9


def test_weights_follow_from_the_seed_and_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    first, _ = train(new_network(), make_task(), tmp_path / "a")
    second, _ = train(new_network(), make_task(), tmp_path / "b")
    third, _ = train(new_network(), replace(make_task(), seed=(0, 1, 3)), tmp_path / "c")
    assert same(first, second)
    assert not same(first, third)
    calls: list[int] = []
    again, _ = train(new_network(), make_task(), tmp_path / "a", lambda history: calls.append(len(history)))
    assert same(first, again)
    assert not calls


def test_the_best_epoch_counts_and_patience_ends_the_rest() -> None:
    scores = [0.1, 0.5, 0.4, 0.3]
    history = [Epoch(number, 1.0, score, 0.0) for number, score in enumerate(scores)]
    assert best_epoch(history) == 1
    assert is_finished(history, TrainingSpec(patience=2))
    assert not is_finished(history, TrainingSpec(patience=3))


@pytest.mark.parametrize("training", [TRAINING, EVERYTHING], ids=["plain", "everything on"])
@pytest.mark.parametrize("epochs", [1, 3])
def test_a_stopped_training_ends_as_if_never_stopped(tmp_path: Path, epochs: int, training: TrainingSpec) -> None:
    undisturbed, history = train(new_network(), make_task(training), tmp_path / "a")
    train_stopped_after(epochs, tmp_path / "b", training)
    continued, other = train(new_network(), make_task(training), tmp_path / "b")
    assert same(undisturbed, continued)
    assert [epoch.loss for epoch in history] == [epoch.loss for epoch in other]


def flip(path: Path) -> None:
    """Change a byte in the middle, among the weights."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def add_a_key(path: Path) -> None:
    """As a later version might write it."""
    state = torch.load(path, weights_only=True)
    state["history"][0]["mood"] = 1.0
    torch.save(state, path)


@pytest.mark.parametrize("damage", [cut, empty, flip, add_a_key])
def test_a_damaged_checkpoint_is_refused_and_restart_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    train_stopped_after(1, tmp_path / "checkpoint.pt")
    damage(tmp_path / "checkpoint.pt")
    with pytest.raises(ConfigError, match=r"checkpoint.pt.* is damaged or of another version.*\n.*--restart"):
        train(new_network(), make_task(), tmp_path / "checkpoint.pt")
