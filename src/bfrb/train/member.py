"""Train one member of an ensemble from the files of a workspace, as a job of its own."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bfrb.arrays import Array, Floats, Ints
from bfrb.errors import ConfigError
from bfrb.export.graphs import OUTPUTS, Member, Templates, trace_templates
from bfrb.features.sequences import Sequences, build_sequences, channel_statistics
from bfrb.files import write_text, writing_file
from bfrb.networks.registry import Standardise, build_network
from bfrb.read.tables import Table
from bfrb.study.folds import Folds, make_folds
from bfrb.study.recordings import Recordings
from bfrb.train.batches import Examples, load_examples, make_standardisers, with_labels
from bfrb.train.initial_weights import choose_weights, class_weights_of, load_initial
from bfrb.train.labels import read_labels
from bfrb.train.run import RunSpec
from bfrb.train.spec import VariationSpec
from bfrb.train.trainer import Epoch, Task, member_seed, predict_examples, train
from bfrb.train.variation import vary
from bfrb.train.workspace import MemberPlan, Workspace, explaining_damage

WEIGHTS = "weights.safetensors"
ANSWERS = "answers.npz"
HISTORY = "history.json"

Change = Callable[[Recordings, np.random.Generator | None], Recordings]


def train_member(folder: Path, member: MemberPlan) -> None:
    """Train a member, or go on with it; its weights and its answers to the held-out fold are then in its folder.

    One thread computes, so that the result does not depend on how many members are trained at a time.

    Raises
    ------
    ConfigError
        If files of the workspace are damaged, or the graphics card's memory does not suffice.
    """
    torch.set_num_threads(1)
    try:
        _train_member(Workspace(folder), member)
    except torch.OutOfMemoryError as error:
        why = str(error).partition(".")[0]
        raise ConfigError(
            f"{member.name}: the memory of the graphics card is full ({why})",
            remedy="repeat the same command, which goes on from here, with fewer --workers",
        ) from None


def _train_member(workspace: Workspace, member: MemberPlan) -> None:
    plan, place = workspace.plan, workspace.member_folder(member)
    spec, variation = plan.spec.network(member.network), plan.spec.variation(member.network)
    learning, stopping, held_out = split(workspace, member)
    examples = StudyExamples.scaled_by(workspace, spec.BRANCHES, learning)
    seed = member_seed(plan.spec.seed, member.network, member.fold, member.repeat)
    _make_deterministic(seed)
    network = build_network(member.network, workspace.shape, spec)
    if plan.initial is not None:
        is_other = plan.initial.classes != plan.labels.classes
        redrawn = class_weights_of(member.network, workspace.shape, spec) if is_other else frozenset()
        load_initial(network, choose_weights(workspace.initial, member.name, member.network), redrawn)
    network.to(examples.device)
    change = partial(_vary, spec=variation) if variation.changes_something else None
    task = Task(
        training=plan.spec.training,
        network=spec,
        learning=replace(examples, change=change),
        stopping=examples.of(stopping) if len(stopping) else None,
        label_set=plan.labels,
        seed=seed,
    )
    weights, history = train(network, task, place / "checkpoint.pt", lambda epochs: write_history(place, epochs))
    write_history(place, history)
    network.load_state_dict(weights)
    answers = answer(network, examples.of(held_out)) | {"index": held_out}
    with writing_file(place / ANSWERS) as unfinished:
        _save_arrays(unfinished, answers)
    state = Member(network.cpu(), examples.standardisers).state_dict()
    with writing_file(place / WEIGHTS) as unfinished:
        save_file(state, unfinished)


@dataclass(frozen=True)
class StudyExamples:
    """Some of a workspace's recordings as examples, made batch by batch from memory-mapped files.

    Parameters
    ----------
    workspace
        Where the recordings lie.
    index
        Which of them.
    standardisers
        What scales the features of every branch.
    device
        Where the batches are needed.
    change
        What is done to recordings before their features are computed; None takes the features that are there.
    """

    workspace: Workspace
    index: Ints
    standardisers: Mapping[str, Standardise]
    device: torch.device
    change: Change | None = None

    @classmethod
    def scaled_by(cls, workspace: Workspace, branches: Sequence[str], learning: Ints) -> Self:
        """The training recordings, scaled by their own statistics; branches without channels are left out."""
        found = {name: workspace.sequences.branches[name] for name in branches}
        used = Sequences({name: each for name, each in found.items() if each.channels}, workspace.sequences.offsets)
        return cls(workspace, learning, make_standardisers(channel_statistics(used, learning)), compute_device())

    @cached_property
    def lengths(self) -> Tensor:
        """(R,) rows that are used of every recording."""
        return torch.from_numpy(np.minimum(self.workspace.raw.lengths[self.index], self.workspace.plan.max_length))

    @cached_property
    def targets(self) -> Tensor:
        """(R, K) one-hot classes."""
        return torch.from_numpy(self.workspace.targets[self.index]).to(self.device)

    def of(self, index: Ints) -> Self:
        """Other recordings of the workspace, scaled alike and as they are."""
        return replace(self, index=index, change=None)

    def take(self, index: Ints, rng: np.random.Generator | None = None) -> Examples:
        """The numbered ones of them as a batch."""
        which, workspace = self.index[index], self.workspace
        if self.change is None:
            numbers, sequences, labels = which, self._used(workspace.sequences), workspace.labels
        else:
            recordings = self.change(workspace.raw[which], rng)
            features = workspace.plan.spec.features
            branches = features.branches(self.standardisers)
            sequences = build_sequences(recordings, branches, mirror_left_hand=features.mirror_left_hand)
            numbers, labels = np.arange(len(which)), read_labels(recordings)
        longest = workspace.plan.max_length
        examples = load_examples(sequences, numbers, workspace.targets[which], self.standardisers, longest)
        return with_labels(examples, labels, numbers, longest).to(self.device)

    def _used(self, sequences: Sequences) -> Sequences:
        return Sequences({name: sequences.branches[name] for name in self.standardisers}, sequences.offsets)


def _vary(recordings: Recordings, rng: np.random.Generator | None, *, spec: VariationSpec) -> Recordings:
    return recordings if rng is None else vary(recordings, spec, rng)


def without_proximity(recordings: Recordings, _: np.random.Generator | None = None) -> Recordings:
    """The recordings as if their proximity sensors had measured nothing."""
    return recordings.without(*recordings.device.names_of("proximity"))


def write_template(folder: Path, network: str, kept: Path | None = None) -> None:
    """Trace an architecture; its graphs are then among the workspace's templates.

    Parameters
    ----------
    folder
        The workspace.
    network
        Which architecture.
    kept
        A folder in which traced graphs are kept for other workspaces, if there is one.
    """
    workspace = Workspace(folder)
    spec, place = workspace.plan.spec.network(network), workspace.template(network)
    described = json.dumps([network, asdict(workspace.shape), spec.model_dump(mode="json"), torch.__version__, OUTPUTS])
    earlier = None if kept is None else kept / f"{hashlib.sha256(described.encode()).hexdigest()[:16]}.onnx"
    if earlier is not None and earlier.exists():
        Templates.load(earlier).save(place)
        return
    templates = trace_templates(network, workspace.shape, spec)
    for path in (place, earlier):
        if path is not None:
            templates.save(path)


def split(workspace: Workspace, member: MemberPlan) -> tuple[Ints, Ints, Ints]:
    """Recordings that a member learns from, stops by (perhaps none) and is judged on (`split_subjects`)."""
    return split_subjects(workspace.recordings, workspace.folds, member.fold, workspace.plan.spec)


def split_subjects(recordings: Table, folds: Folds, fold: int, spec: RunSpec) -> tuple[Ints, Ints, Ints]:
    """Recordings to learn from, to stop by (perhaps none) and held out; only `held_out_fold` lets the last two meet.

    For `stopping = "inner"` a group of training subjects is set apart; with too few subjects for that, none is, and
    the last epoch is taken.
    """
    training, held_out = folds.split(fold, recordings["subject"].to_list())
    if spec.training.stopping == "held_out_fold":
        return training, held_out, held_out
    table = recordings[training]
    n_groups = round(1.0 / spec.training.inner_share)
    if spec.training.stopping == "last_epoch" or table["subject"].n_unique() < n_groups:
        return training, training[:0], held_out
    inner = make_folds(table, n_groups, seed=spec.seed)
    learning, stopping = inner.split(0, table["subject"].to_list())
    return training[learning], training[stopping], held_out


def answer(network: nn.Module, examples: StudyExamples) -> dict[str, Floats]:
    """(R, K) probabilities by scenario: with all sensors, and where there are others, with the inertial ones only."""
    answers = {"all": predict_examples(network, examples)}
    if examples.workspace.plan.device.names_of("proximity"):
        answers["imu"] = predict_examples(network, replace(examples, change=without_proximity))
    return answers


def write_history(place: Path, history: Sequence[Epoch]) -> None:
    """Write what every epoch gave, for the progress display and the bundle."""
    text = json.dumps([asdict(epoch) for epoch in history])
    write_text(place / HISTORY, text)


def read_history(place: Path) -> list[Epoch]:
    """The epochs so far."""
    if not (place / HISTORY).exists():
        return []
    with explaining_damage(place / HISTORY):
        return [Epoch(**values) for values in json.loads((place / HISTORY).read_text(encoding="utf-8"))]


def read_answers(place: Path) -> dict[str, Array]:
    """The probabilities of a trained member by scenario, and in `index` which recordings they are of."""
    with explaining_damage(place / ANSWERS), np.load(place / ANSWERS, allow_pickle=False) as arrays:
        return dict(arrays)


def read_weights(place: Path) -> dict[str, Tensor]:
    """The weights of a trained member."""
    with explaining_damage(place / WEIGHTS):
        return load_file(place / WEIGHTS)


def is_trained(place: Path) -> bool:
    """Whether a member's training is over."""
    return (place / WEIGHTS).exists()


def compute_device() -> torch.device:
    """The graphics card where there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _make_deterministic(seed: Sequence[int]) -> None:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.manual_seed(int(np.random.SeedSequence(list(seed)).generate_state(1, np.uint64)[0] >> 2))


def _save_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
