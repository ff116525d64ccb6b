"""Train one member of an ensemble from the files of a workspace, as a job of its own."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from bfrb.arrays import Array, Floats, Floats32, Ints
from bfrb.export.graphs import OUTPUTS, Member, Templates, trace_templates
from bfrb.features.sequences import ChannelStatistics, Sequences, build_sequences, channel_statistics
from bfrb.files import write_text, writing_file
from bfrb.networks.registry import Standardise, build_network
from bfrb.study.folds import make_folds
from bfrb.study.recordings import Recordings
from bfrb.train.batches import Examples, load_examples, standardiser, with_labels
from bfrb.train.initial_weights import choose_weights, class_weights_of, load_initial
from bfrb.train.labels import Labels, read_labels
from bfrb.train.trainer import Epoch, Task, member_seed, predict_examples, train
from bfrb.train.variation import vary
from bfrb.train.workspace import MemberPlan, Workspace

WEIGHTS = "weights.safetensors"
ANSWERS = "answers.npz"
HISTORY = "history.json"


def train_member(folder: Path, member: MemberPlan) -> None:
    """Train a member, or go on with it; its weights and its answers to the held-out fold are then in its folder.

    One thread computes, so that the result does not depend on how many members are trained at a time.
    """
    torch.set_num_threads(1)
    workspace = Workspace(folder)
    place = workspace.member_folder(member)
    learning, stopping, held_out = split(workspace, member)
    loader = Loader(workspace, channel_statistics(workspace.sequences, learning), compute_device())
    spec = workspace.plan.spec.network(member.network)
    seed = member_seed(workspace.plan.spec.seed, member.network, member.fold, member.repeat)
    _make_deterministic(seed)
    network = build_network(member.network, workspace.shape, spec)
    if workspace.plan.initial is not None:
        is_other = workspace.plan.initial.classes != workspace.plan.labels.classes
        redrawn = class_weights_of(member.network, workspace.shape, spec) if is_other else frozenset()
        load_initial(network, choose_weights(workspace.initial, member.name, member.network), redrawn)
    network.to(loader.device)
    task = Task(
        training=workspace.plan.spec.training,
        network=spec,
        draw=loader.drawer(learning),
        stopping=loader.examples(stopping) if len(stopping) else None,
        label_set=workspace.plan.labels,
        seed=seed,
    )
    weights, history = train(network, task, place / "checkpoint.pt", lambda epochs: write_history(place, epochs))
    write_history(place, history)
    network.load_state_dict(weights)
    answers = answer(network, loader, held_out) | {"index": held_out}
    with writing_file(place / ANSWERS) as unfinished:
        _save_arrays(unfinished, answers)
    state = Member(network.cpu(), loader.standardisers(spec.BRANCHES)).state_dict()
    with writing_file(place / WEIGHTS) as unfinished:
        save_file(state, unfinished)


@dataclass(frozen=True)
class Loader:
    """Makes examples of a workspace's recordings, scaled by the statistics of the training recordings."""

    workspace: Workspace
    statistics: Mapping[str, ChannelStatistics]
    device: torch.device

    @cached_property
    def targets(self) -> Floats32:
        """(R, K) one-hot classes of all recordings."""
        return np.eye(len(self.workspace.plan.labels), dtype=np.float32)[labels(self.workspace)]

    def standardisers(self, branches: Sequence[str]) -> dict[str, Standardise]:
        """The modules that scale those of the branches which have channels."""
        return {
            branch: standardiser(self.statistics[branch]) for branch in branches if len(self.statistics[branch].mean)
        }

    def examples(self, index: Ints) -> Examples:
        """Some of the recordings, as they are."""
        return self._load(self.workspace.sequences, index, index, self.workspace.labels)

    def bare_examples(self, index: Ints) -> Examples:
        """Some of the recordings, as if their proximity sensors had measured nothing."""
        raw = self.workspace.read_raw()[index]
        bare = raw.without(*raw.device.names_of("proximity"))
        return self._load(self._sequences(bare), np.arange(len(index)), index, read_labels(bare))

    def drawer(self, index: Ints) -> Callable[[np.random.Generator], Examples]:
        """What gives the examples of an epoch: the same every time, or from recordings that are varied anew."""
        spec = self.workspace.plan.spec
        if not spec.training.variation.changes_something:
            unvaried = self.examples(index)
            return lambda _: unvaried
        raw = self.workspace.read_raw()[index]

        def draw(rng: np.random.Generator) -> Examples:
            varied = vary(raw, spec.training.variation, rng)
            return self._load(self._sequences(varied), np.arange(len(raw)), index, read_labels(varied))

        return draw

    def _sequences(self, recordings: Recordings) -> Sequences:
        spec = self.workspace.plan.spec
        return build_sequences(recordings, spec.branches, mirror_left_hand=spec.features.mirror_left_hand)

    def _load(self, sequences: Sequences, which: Ints, index: Ints, labels: Labels) -> Examples:
        """The sequences `which`, with labels numbered alike; `index` are their numbers in the workspace."""
        longest = self.workspace.plan.max_length
        loaded = load_examples(sequences, which, self.targets[index], self.statistics, longest)
        return with_labels(loaded, labels, which, longest).to(self.device)


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
    """Recordings to learn from, to stop by (perhaps none) and held out; only `held_out_fold` lets the last two meet.

    For `stopping = "inner"` a group of training subjects is set apart; with too few subjects for that, none is, and
    the last epoch is taken.
    """
    spec = workspace.plan.spec.training
    subjects = workspace.recordings["subject"].to_list()
    training, held_out = workspace.folds.split(member.fold, subjects)
    if spec.stopping == "held_out_fold":
        return training, held_out, held_out
    table = workspace.recordings[training]
    n_groups = round(1.0 / spec.inner_share)
    if spec.stopping == "last_epoch" or table["subject"].n_unique() < n_groups:
        return training, training[:0], held_out
    inner = make_folds(table, n_groups, seed=workspace.plan.spec.seed)
    learning, stopping = inner.split(0, table["subject"].to_list())
    return training[learning], training[stopping], held_out


def labels(workspace: Workspace) -> Ints:
    """(R,) class numbers of all recordings."""
    return workspace.plan.labels.encode(workspace.recordings["gesture"].to_list())


def answer(network: nn.Module, loader: Loader, index: Ints) -> dict[str, Floats]:
    """(B, K) probabilities by scenario: with all sensors, and where there are others, with the inertial ones only."""
    answers = {"all": predict_examples(network, loader.examples(index))}
    if loader.workspace.has_proximity:
        answers["imu"] = predict_examples(network, loader.bare_examples(index))
    return answers


def write_history(place: Path, history: Sequence[Epoch]) -> None:
    """Write what every epoch gave, for the progress display and the bundle."""
    text = json.dumps([asdict(epoch) for epoch in history])
    write_text(place / HISTORY, text)


def read_history(place: Path) -> list[Epoch]:
    """The epochs so far."""
    if not (place / HISTORY).exists():
        return []
    return [Epoch(**values) for values in json.loads((place / HISTORY).read_text(encoding="utf-8"))]


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
