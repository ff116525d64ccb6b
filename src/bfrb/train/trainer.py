"""The training loop: what is made small, steps of the weights, epochs; resumes where it was stopped."""

import math
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from bfrb.arrays import Names
from bfrb.files import writing_file
from bfrb.metrics.competition import competition_score
from bfrb.networks.registry import Network, Output
from bfrb.networks.specs import NetworkSpec
from bfrb.study.labels import LabelSet
from bfrb.train.batches import Examples, ExampleSet, draw_batches, mix_up
from bfrb.train.run import TrainingSpec
from bfrb.train.workspace import explaining_damage

MAX_CLASS_WEIGHT = 10.0
"""Largest weight of an example for the rarity of its class."""


def compute_loss(
    output: Output, batch: Examples, training: TrainingSpec, network: NetworkSpec, weights: Tensor | None
) -> Tensor:
    """Sum of the losses of the classes, of further heads, and of which branches are there.

    The specs say how much each counts; `weights` (K,) are class weights, or None.
    """
    loss = class_loss(output.logits, batch.targets, training.label_smoothing, weights)
    for logits in output.heads.values():
        loss = loss + training.heads_loss * class_loss(logits, batch.targets, training.label_smoothing, weights)
    for branch, logits in output.present.items():
        judged = functional.binary_cross_entropy_with_logits(logits.float(), batch.present[branch])
        loss = loss + network.presence_loss * judged
    return loss


def class_loss(logits: Tensor, targets: Tensor, smoothing: float, weights: Tensor | None) -> Tensor:
    """Mean cross-entropy of (B, K) logits.

    A class weight counts an example more; it does not change what the example's answer should be. (Weighting the
    single terms of a smoothed cross-entropy would push every answer towards the rare classes.)
    """
    losses = functional.cross_entropy(logits.float(), targets, label_smoothing=smoothing, reduction="none")
    return losses.mean() if weights is None else (losses * (targets @ weights)).mean()


def class_weights(targets: Tensor) -> Tensor:
    """(K,) weights that give every class seen the same total, with mean 1 over the (R, K) examples.

    No weight is above `MAX_CLASS_WEIGHT`: a class of a few examples cannot be learnt by shouting.
    """
    counts = targets.sum(dim=0)
    balanced = counts.sum() / ((counts > 0).sum() * counts.clamp(min=1.0))
    weights = balanced.clamp(max=MAX_CLASS_WEIGHT) * (counts > 0)
    return weights * counts.sum() / (weights * counts).sum()


def make_optimizer(network: nn.Module, spec: TrainingSpec) -> torch.optim.Optimizer:
    """Adam with L2 in the gradient, where `weight_decay * w^2` in the loss is `2 * weight_decay * w`; or AdamW.

    TypeError if the network does not say which weights decay.
    """
    if not isinstance(network, Network):
        raise TypeError(f"{type(network).__name__} does not say which weights decay")
    decayed = network.decayed()
    known = {id(parameter) for parameter in decayed}
    rest = [value for value in network.parameters() if id(value) not in known]
    decay = 2.0 * spec.weight_decay if spec.optimizer == "adam" else spec.weight_decay
    groups = [{"params": decayed, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]
    kind = torch.optim.Adam if spec.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=spec.learning_rate, fused=True)


def rate_factor(spec: TrainingSpec, epochs: float) -> float:
    """Share of the full learning rate after so many epochs: a straight rise, then constant or half a cosine."""
    if epochs < spec.warmup_epochs:
        return epochs / spec.warmup_epochs
    if spec.schedule == "constant":
        return 1.0
    done = (epochs - spec.warmup_epochs) / max(spec.epochs - spec.warmup_epochs, 1e-9)
    return 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))


def make_average(network: nn.Module, decay: float) -> AveragedModel:
    """A network whose weights are the moving average of another one's, batch statistics included.

    The weights as they were drawn are the first. After n steps the share that a step keeps is `decay`, but at most
    (1 + n) / (10 + n), so that the first weights are soon forgotten.
    """

    def mix(mean: Tensor, value: Tensor, averaged: Tensor | int) -> Tensor:
        if not value.is_floating_point():
            return value
        return torch.lerp(mean, value, 1.0 - min(decay, float(averaged) / (float(averaged) + 9.0)))

    average = AveragedModel(network, avg_fn=mix, use_buffers=True)
    average.n_averaged += 1  # else the first step would copy the weights
    return average


Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave."""

    epoch: int  # its number, from 0
    loss: float  # mean training loss, weight decay not included
    score: float | None  # competition score on the stopping examples; None without them
    seconds: float  # how long it took


def best_epoch(history: list[Epoch]) -> int:
    """Epoch with the highest score; the newest one where nothing is scored."""
    scores = [-math.inf if epoch.score is None else epoch.score for epoch in history]
    if not scores or max(scores) == -math.inf:
        return len(scores) - 1
    return scores.index(max(scores))


def is_finished(history: list[Epoch], spec: TrainingSpec) -> bool:
    """Whether all epochs are done, or the score has not risen for the patience."""
    return len(history) >= spec.epochs or len(history) - 1 - best_epoch(history) >= spec.patience


@dataclass(frozen=True)
class Task:
    """One training: what to learn from, and what decides when to stop."""

    training: TrainingSpec
    network: NetworkSpec  # specs
    learning: ExampleSet  # what to learn from
    stopping: ExampleSet | None  # whose score chooses the epoch; None takes the last
    label_set: LabelSet  # the classes
    seed: tuple[int, ...]  # every random number of the training is drawn from this and the epoch's number
    people: Names | None = None
    """(R,) whose every example is, for fits that leave out one person at a time; None where nobody knows."""


class Fit(Protocol):
    """What fits a network to a task: examples and specs in, weights and a history out. `train` is one."""

    def __call__(
        self, network: nn.Module, task: Task, checkpoint: Path, on_epoch: Callable[[list[Epoch]], None] = ...
    ) -> tuple[Weights, list[Epoch]]:
        """Fit a network; what `checkpoint` holds of an earlier call that was stopped may be gone on with."""


def train(
    network: nn.Module, task: Task, checkpoint: Path, on_epoch: Callable[[list[Epoch]], None] = lambda _: None
) -> tuple[Weights, list[Epoch]]:
    """Train a network, whose weights have to follow from the task's seed; its state at the best epoch, and all epochs.

    The checkpoint is written after every epoch and read at the start, so that at most the running epoch is lost when
    the process dies. After every epoch `on_epoch` is called with the whole history.
    """
    engine = Engine(network, task.training)
    if checkpoint.exists():
        engine.load(checkpoint)
    while not is_finished(engine.history, task.training):
        number = len(engine.history)
        engine.history.append(_run_epoch(engine, task, number))
        if best_epoch(engine.history) == number:
            state = engine.answering.state_dict()
            engine.best = {name: value.detach().cpu().clone() for name, value in state.items()}
        engine.save(checkpoint)
        on_epoch(engine.history)
    return engine.best, engine.history


class Engine:
    """A network with all that changes its weights, and what came of it so far."""

    def __init__(self, network: nn.Module, spec: TrainingSpec) -> None:
        self.network = network
        self.spec = spec
        self.history: list[Epoch] = []
        self.best: Weights = {}
        self.optimizer = make_optimizer(network, spec)
        self.average = make_average(network, spec.ema_decay) if spec.ema_decay else None

    @property
    def answering(self) -> nn.Module:
        """The network that is scored and exported: the averaged one, where weights are averaged."""
        return self.network if self.average is None else self.average.module

    def step(self, loss: Tensor, epochs: float) -> None:
        """Change the weights after so many epochs."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.spec.learning_rate * rate_factor(self.spec, epochs)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.spec.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.spec.clip_norm)
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.network)

    def save(self, path: Path) -> None:
        """Write all that is needed to go on, whole or not at all."""
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "history": [asdict(epoch) for epoch in self.history],
            "best": self.best,
        }
        with writing_file(path) as unfinished:
            torch.save(state, unfinished)

    def load(self, path: Path) -> None:
        """Go on from what `save` wrote, once its checksums are right: torch itself would take damaged numbers.

        ConfigError if the file is damaged, or of another version.
        """
        with explaining_damage(path):
            with zipfile.ZipFile(path) as archive:
                if damaged := archive.testzip():
                    raise ValueError(f"the checksum of {damaged} is wrong")
            state = torch.load(path, map_location="cpu", weights_only=True)
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.average is not None:
                self.average.load_state_dict(state["average"])
            self.history, self.best = [Epoch(**epoch) for epoch in state["history"]], state["best"]


def _run_epoch(engine: Engine, task: Task, number: int) -> Epoch:
    started = perf_counter()
    rng = np.random.default_rng([*task.seed, number])
    torch.manual_seed(int(rng.integers(2**62)))
    spec, learning = task.training, task.learning
    device = learning.targets.device
    batches = list(draw_batches(learning.lengths.cpu().numpy(), spec.batch_size, spec.bucket_batches, rng))
    weights = class_weights(learning.targets) if spec.class_weights else None
    engine.network.train()
    total = torch.zeros((), dtype=torch.float64, device=device)
    for step, index in enumerate(batches):
        batch = learning.take(index, rng)
        batch = mix_up(batch, spec.mixup_alpha, rng, at=spec.mixup_at)
        output: Output = engine.network(batch.inputs, batch.lengths)
        loss = compute_loss(output, batch, spec, task.network, weights)
        engine.step(loss, number + step / len(batches))
        total += loss.detach() * len(index)
    score = None if task.stopping is None else score_examples(engine.answering, task.stopping, task.label_set)
    return Epoch(number, float(total) / len(learning.lengths), score, perf_counter() - started)


def score_examples(network: nn.Module, examples: ExampleSet, label_set: LabelSet, batch_size: int = 64) -> float:
    """Competition score of the most probable classes."""
    network.eval()
    index = np.arange(len(examples.lengths))
    answers = []
    with torch.inference_mode():
        for some in np.split(index, index[batch_size::batch_size]):
            batch = examples.take(some)
            output: Output = network(batch.inputs, batch.lengths)
            answers.append(output.logits.argmax(dim=1))
    truth = label_set.decode(examples.targets.argmax(dim=1).cpu().numpy())
    return competition_score(truth, label_set.decode(torch.cat(answers).cpu().numpy()), label_set).score
