from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from bfrb.errors import ConfigError
from bfrb.networks.registry import Output
from bfrb.networks.specs import GatedTwoBranchSpec
from bfrb.study.labels import LabelSet
from bfrb.train import trainer
from bfrb.train.run import TrainingSpec
from bfrb.train.trainer import Epoch, Task, Weights, compute_loss, train
from cmi_files import cut
from learnable import SMALL, make_examples, new_network

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
    spec = TRAINING.model_copy(update={"epochs": 12, "mixup_alpha": 0.1})
    weights, history = train(network, make_task(spec), tmp_path / "c")
    network.load_state_dict(weights)
    assert history[-1].loss < history[0].loss
    assert trainer.score_examples(network, make_examples(seed=1), FOUR) > 0.9


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
    history = [Epoch(number, 1.0, score, 0.0) for number, score in enumerate([0.1, 0.5, 0.4, 0.3])]
    assert trainer.best_epoch(history) == 1
    assert trainer.is_finished(history, TrainingSpec(patience=2))
    assert not trainer.is_finished(history, TrainingSpec(patience=3))


@pytest.mark.parametrize("training", [TRAINING, EVERYTHING], ids=["plain", "everything on"])
def test_a_stopped_training_ends_as_if_never_stopped(tmp_path: Path, training: TrainingSpec) -> None:
    undisturbed, history = train(new_network(), make_task(training), tmp_path / "a")
    train_stopped_after(2, tmp_path / "b", training)
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


@pytest.mark.parametrize("damage", [cut, flip, add_a_key])
def test_a_damaged_checkpoint_is_refused_and_restart_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    train_stopped_after(1, tmp_path / "checkpoint.pt")
    damage(tmp_path / "checkpoint.pt")
    with pytest.raises(ConfigError, match=r"checkpoint.pt.* is damaged or of another version.*\n.*--restart"):
        train(new_network(), make_task(), tmp_path / "checkpoint.pt")


@pytest.mark.parametrize(("kind", "decay"), [("adam", 0.02), ("adamw", 0.01)])
def test_kernels_decay_as_a_squared_penalty_makes_them_or_by_a_share_of_every_step(kind: str, decay: float) -> None:
    network = new_network()
    optimizer = trainer.make_optimizer(network, TrainingSpec(optimizer=kind, weight_decay=0.01))
    decayed, rest = optimizer.param_groups
    assert type(optimizer).__name__.lower() == kind
    assert (decayed["weight_decay"], rest["weight_decay"]) == (pytest.approx(decay), 0)
    assert decayed["params"] == network.decayed()
    assert len(decayed["params"]) + len(rest["params"]) == len(list(network.parameters()))


def test_the_learning_rate_rises_then_falls() -> None:
    spec = TrainingSpec(epochs=20, warmup_epochs=4, schedule="cosine", learning_rate=0.5)
    factors = [trainer.rate_factor(spec, epoch / 10) for epoch in range(201)]
    assert factors[:41] == sorted(factors[:41])
    assert factors[40:] == sorted(factors[40:], reverse=True)
    assert (factors[0], factors[40], factors[-1]) == pytest.approx((0, 1, 0))
    engine = trainer.Engine(new_network(), spec)
    engine.step(sum(parameter.sum() for parameter in engine.network.parameters()), 2.0)
    assert [group["lr"] for group in engine.optimizer.param_groups] == [0.25, 0.25]


def test_an_averaged_network_follows_the_formula() -> None:
    network = new_network()
    average = trainer.make_average(network, 0.8)
    name, statistic = "head.logits.bias", "head.layers.1.running_mean"
    expected, mean = (network.state_dict()[key].clone() for key in (name, statistic))
    for step in range(30):
        with torch.no_grad():
            network.get_parameter(name).add_(1.0 + step)
            network.get_buffer(statistic).add_(1.0)
        average.update_parameters(network)
        keep = min(0.8, (1 + step) / (10 + step))
        expected = keep * expected + (1 - keep) * network.state_dict()[name]
        mean = keep * mean + (1 - keep) * network.state_dict()[statistic]
    torch.testing.assert_close(average.module.state_dict()[name], expected)
    torch.testing.assert_close(average.module.state_dict()[statistic], mean)


GATED = GatedTwoBranchSpec()


def test_the_gate_is_judged_by_what_is_present_and_class_weights_balance_the_classes() -> None:
    batch, rng = make_examples(), torch.Generator().manual_seed(1)
    logits, gate = torch.randn(48, 4, generator=rng), torch.randn(48, generator=rng)
    outputs = Output(logits, present={"proximity": gate}), Output(logits)
    with_gate, without = (compute_loss(output, batch, TrainingSpec(), GATED, None) for output in outputs)
    judged = nn.functional.binary_cross_entropy_with_logits(gate, batch.present["proximity"])
    torch.testing.assert_close(with_gate - without, 0.2 * judged)
    targets = torch.eye(4)[torch.tensor([0] * 6 + [1] * 3 + [2])]
    weights = trainer.class_weights(targets)
    totals = weights * targets.sum(dim=0)
    torch.testing.assert_close(totals[:3], torch.full((3,), 10 / 3))
    assert weights[3] == 0


@pytest.mark.parametrize("label", range(4))
def test_a_class_weight_does_not_change_the_best_answer(label: int) -> None:
    batch = make_examples()
    chosen = batch.take((batch.targets.argmax(dim=1) == label).nonzero()[:1, 0].numpy())
    smoothed = torch.log(chosen.targets * 0.9 + 0.1 / 4)
    logits = smoothed.clone().requires_grad_()
    weights = torch.tensor([1.0, 5.0, 9.0, 0.1])
    compute_loss(Output(logits), chosen, TrainingSpec(label_smoothing=0.1), GATED, weights).backward()
    torch.testing.assert_close(logits.grad, torch.zeros_like(smoothed), atol=1e-6, rtol=0)
