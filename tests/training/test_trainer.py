from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from bfrb.config import GatedTwoBranchSpec, TrainingSpec
from bfrb.gestures import LabelSet
from bfrb.models import Shape, build_network
from bfrb.training.trainer import Epoch, Progress, Task, Weights, class_weights, compute_loss, score_examples, train
from learnable import make_examples

FOUR = LabelSet("four", ("a", "b", "c", "rest"), frozenset({"a", "b", "c"}))
SMALL = GatedTwoBranchSpec(widths=(8, 8), recurrent_units=4, noise_units=4, head_units=(16,), head_dropouts=(0.1,))
TRAINING = TrainingSpec(epochs=4, batch_size=16, learning_rate=1e-2)


def new_network() -> nn.Module:
    torch.manual_seed(5)
    return build_network("gated_two_branch", Shape({"imu": 3, "proximity": 2}, 4), SMALL)


def make_task(training: TrainingSpec = TRAINING, *, stopping: bool = True) -> Task:
    held_out = make_examples(seed=1) if stopping else None
    return Task(training, SMALL, lambda _: make_examples(), held_out, FOUR, (0, 1, 2))


def same(first: Weights, second: Weights) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


class StoppedError(Exception):
    """A training that is stopped from outside."""


def train_stopped_after(epochs: int, checkpoint: Path) -> None:
    def stop(history: list[Epoch]) -> None:
        if len(history) == epochs:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(new_network(), make_task(), checkpoint, stop)


def test_an_easy_problem_is_learnt(tmp_path: Path) -> None:
    network = new_network()
    spec = TRAINING.model_copy(update={"epochs": 30, "mixup_alpha": 0.1})
    weights, history = train(network, make_task(spec), tmp_path / "c")
    network.load_state_dict(weights)
    assert history[-1].loss < history[0].loss
    assert score_examples(network, make_examples(seed=1), FOUR) > 0.9


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    first, _ = train(new_network(), make_task(), tmp_path / "a")
    second, _ = train(new_network(), make_task(), tmp_path / "b")
    third, _ = train(new_network(), replace(make_task(), seed=(0, 1, 3)), tmp_path / "c")
    assert same(first, second)
    assert not same(first, third)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_stopped_training_ends_as_if_never_stopped(tmp_path: Path, epochs: int) -> None:
    undisturbed, history = train(new_network(), make_task(), tmp_path / "a")
    train_stopped_after(epochs, tmp_path / "b")
    continued, other = train(new_network(), make_task(), tmp_path / "b")
    assert same(undisturbed, continued)
    assert [epoch.loss for epoch in history] == [epoch.loss for epoch in other]


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    first, _ = train(new_network(), make_task(), tmp_path / "a")
    calls: list[int] = []
    second, _ = train(new_network(), make_task(), tmp_path / "a", lambda history: calls.append(len(history)))
    assert same(first, second)
    assert not calls


def test_the_best_epoch_counts_and_patience_ends_the_rest() -> None:
    scores = [0.1, 0.5, 0.4, 0.3]
    progress = Progress([Epoch(number, 1.0, score, 0.0) for number, score in enumerate(scores)])
    assert progress.best_epoch == 1
    assert progress.is_finished(TrainingSpec(patience=2))
    assert not progress.is_finished(TrainingSpec(patience=3))


def test_without_stopping_examples_the_last_epoch_counts(tmp_path: Path) -> None:
    network = new_network()
    weights, history = train(network, make_task(stopping=False), tmp_path / "a")
    assert len(history) == TRAINING.epochs
    assert all(epoch.score is None for epoch in history)
    assert same(weights, dict(network.state_dict()))


def test_weight_decay_shrinks_kernels_as_a_squared_penalty_would(tmp_path: Path) -> None:
    from bfrb.training.trainer import _make_optimizer

    network = new_network()
    optimizer = _make_optimizer(network, TrainingSpec(weight_decay=0.01))
    decayed, rest = optimizer.param_groups
    assert decayed["weight_decay"] == pytest.approx(0.02)
    assert rest["weight_decay"] == 0
    assert sum(len(group["params"]) for group in (decayed, rest)) == len(list(network.parameters()))


def test_the_gate_is_judged_by_what_is_present() -> None:
    task = make_task()
    batch = make_examples()
    output = new_network()(batch.inputs, batch.lengths)
    with_gate = compute_loss(output, batch, task, None)
    without = compute_loss(replace(output, present={}), batch, task, None)
    judged = nn.functional.binary_cross_entropy_with_logits(output.present["proximity"], batch.present["proximity"])
    torch.testing.assert_close(with_gate - without, 0.2 * judged)


def test_class_weights_balance_the_classes() -> None:
    targets = torch.eye(4)[torch.tensor([0] * 6 + [1] * 3 + [2])]
    weights = class_weights(targets)
    totals = weights * targets.sum(dim=0)
    torch.testing.assert_close(totals[:3], torch.full((3,), 10 / 3))
    assert weights[3] == 0


def test_a_very_rare_class_is_not_weighted_without_bound() -> None:
    weights = class_weights(torch.eye(2)[torch.tensor([0] * 999 + [1])])
    assert (weights[1] / weights[0]).item() < 21


def test_a_class_weight_does_not_change_the_best_answer() -> None:
    task = make_task(TrainingSpec(label_smoothing=0.1))
    batch = make_examples().take(torch.arange(1).numpy())
    smoothed = torch.log(batch.targets * 0.9 + 0.1 / 4)
    weights = torch.tensor([1.0, 5.0, 9.0, 0.1])
    logits = smoothed.clone().requires_grad_()
    compute_loss(
        replace(new_network()(make_examples().inputs, make_examples().lengths), logits=logits, present={}),
        batch,
        task,
        weights,
    ).backward()
    torch.testing.assert_close(logits.grad, torch.zeros_like(smoothed), atol=1e-6, rtol=0)
