"""Train one member of an ensemble from the files of a workspace, as a job of its own."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from threadpoolctl import threadpool_limits
from torch import Tensor

from bfrb.arrays import Ints
from bfrb.errors import ConfigError
from bfrb.export.graphs import Member, trace_templates
from bfrb.features.sequences import Sequences, build_sequences, channel_statistics
from bfrb.files import write_text, writing_file
from bfrb.networks.network import LinearAnswers
from bfrb.networks.registry import Standardise, build_network
from bfrb.read.tables import Table
from bfrb.study.folds import Folds, make_folds
from bfrb.train.batches import Examples, load_examples, make_standardisers
from bfrb.train.ridge import fit_solved
from bfrb.train.run import RunSpec, VariationSpec
from bfrb.train.trainer import Epoch, Fit, Task, train
from bfrb.train.variation import vary
from bfrb.train.workspace import MemberPlan, Workspace, explaining_damage

WEIGHTS = "weights.safetensors"
HISTORY = "history.json"


def train_member(folder: Path, member: MemberPlan) -> None:
    """Train a member, or go on with it; its weights are then in its folder.

    One thread computes, so that the result does not depend on how many members are trained at a time. ConfigError if
    files of the workspace are damaged, or the graphics card's memory does not suffice.
    """
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):  # those of NumPy and SciPy
            _train_member(Workspace(folder), member)
    except torch.OutOfMemoryError as error:
        why = str(error).partition(".")[0]
        remedy = "repeat the same command, which goes on from here, with fewer --workers"
        raise ConfigError(f"{member.name}: the memory of the graphics card is full ({why})", remedy=remedy) from None


def _train_member(workspace: Workspace, member: MemberPlan) -> None:
    plan, place = workspace.plan, workspace.member_folder(member)
    if is_trained(place):  # on a cluster, by another machine that was thought to be lost
        return
    spec = plan.spec.network(member.network)
    learning, stopping, _ = split(workspace, member)
    examples = StudyExamples.scaled_by(workspace, spec.BRANCHES, learning)
    _make_deterministic(member.seed(plan.spec.seed))
    network = build_network(member.network, workspace.shape, spec)
    variation = plan.spec.variation(member.network)
    task = Task(
        training=plan.spec.training,
        network=spec,
        learning=replace(examples, variation=variation if variation.changes_something else None),
        stopping=replace(examples, index=stopping) if len(stopping) else None,
        label_set=plan.labels,
        seed=member.seed(plan.spec.seed),
        people=workspace.recordings.subjects[learning],
    )
    fit: Fit = fit_solved if isinstance(network, LinearAnswers) else train
    network.to(examples.device)
    weights, history = fit(network, task, place / "checkpoint.pt", lambda epochs: write_history(place, epochs))
    write_history(place, history)
    network.load_state_dict(weights)
    with writing_file(place / WEIGHTS) as unfinished:
        save_file(Member(network.cpu(), examples.standardisers).state_dict(), unfinished)


@dataclass(frozen=True)
class StudyExamples:
    """Some of a workspace's recordings as examples, made batch by batch from memory-mapped files."""

    workspace: Workspace  # where the recordings lie
    index: Ints  # which of them
    standardisers: Mapping[str, Standardise]  # what scales the features of every branch
    device: torch.device  # where the batches are needed
    variation: VariationSpec | None = None
    """How recordings are varied before their features are computed; None takes them as they are."""

    @classmethod
    def scaled_by(cls, workspace: Workspace, branches: Sequence[str], learning: Ints) -> Self:
        """The training recordings, scaled by their own statistics; branches without channels are left out."""
        found = {name: workspace.sequences.branches[name] for name in branches}
        used = Sequences({name: each for name, each in found.items() if each.channels}, workspace.sequences.offsets)
        return cls(workspace, learning, make_standardisers(channel_statistics(used, learning)), compute_device())

    @cached_property
    def lengths(self) -> Tensor:
        """(R,) rows that are used of every recording."""
        lengths = self.workspace.recordings.lengths[self.index]
        return torch.from_numpy(np.minimum(lengths, self.workspace.plan.max_length))

    @cached_property
    def targets(self) -> Tensor:
        """(R, K) one-hot classes."""
        return torch.from_numpy(self.workspace.targets[self.index]).to(self.device)

    def take(self, index: Ints, rng: np.random.Generator | None = None) -> Examples:
        """The numbered ones of them as a batch."""
        numbers, workspace = self.index[index], self.workspace
        targets, longest = workspace.targets[numbers], workspace.plan.max_length
        recordings, sequences = workspace.recordings, workspace.sequences
        if rng is not None and self.variation is not None:
            recordings, features = vary(recordings[numbers], self.variation, rng), workspace.plan.spec.features
            branches, numbers = features.branches(self.standardisers), np.arange(len(numbers))
            sequences = build_sequences(recordings, branches, mirror_left_hand=features.mirror_left_hand)
        found = load_examples(sequences, recordings, numbers, targets, self.standardisers, longest).to(self.device)
        workspace.drop_pages()
        return found


def write_template(folder: Path, network: str) -> None:
    """Trace an architecture, if its graphs are not kept on this machine; they are then in the workspace."""
    workspace = Workspace(folder)
    templates = trace_templates(network, workspace.shape, workspace.plan.spec.network(network))
    templates.save(workspace.template(network))


def split(workspace: Workspace, member: MemberPlan) -> tuple[Ints, Ints, Ints]:
    """Recordings that a member learns from, stops by (perhaps none) and is judged on (`split_subjects`)."""
    return split_subjects(workspace.recordings.table, workspace.folds, member.fold, workspace.plan.spec)


def split_subjects(recordings: Table, folds: Folds, fold: int, spec: RunSpec) -> tuple[Ints, Ints, Ints]:
    """Recordings to learn from, to stop by (perhaps none) and held out; only `held_out_fold` lets the last two meet.

    The fold after the last holds nobody out, and nobody is left to stop by. For `stopping = "inner"` a group of
    training subjects is set apart; with too few subjects for that, none is, and the last epoch is taken.
    """
    if fold == len(folds):
        everyone = np.arange(len(recordings))
        return everyone, everyone[:0], everyone[:0]
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


def write_history(place: Path, history: Sequence[Epoch]) -> None:
    """Write what every epoch gave, for the progress display and the bundle."""
    write_text(place / HISTORY, json.dumps([asdict(epoch) for epoch in history]))


def read_history(place: Path) -> list[Epoch]:
    """The epochs so far."""
    if not (place / HISTORY).exists():
        return []
    with explaining_damage(place / HISTORY):
        return [Epoch(**values) for values in json.loads((place / HISTORY).read_text(encoding="utf-8"))]


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
    torch.set_deterministic_debug_mode("error")  # as `use_deterministic_algorithms`, which also loads the compiler
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.manual_seed(int(np.random.SeedSequence(list(seed)).generate_state(1, np.uint64)[0] >> 2))
