"""Train an ensemble over subject-wise folds: recordings and a run spec in, a bundle out."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from bfrb.errors import ConfigError, DataError
from bfrb.features.pipeline import available
from bfrb.jobs import Job, LocalProcesses, Need, Runner
from bfrb.predict.bundle import check_target
from bfrb.predict.evaluation import keep_labelled
from bfrb.processes import available_memory, usable_processors
from bfrb.read.judging import JudgedSource
from bfrb.read.sources import Source
from bfrb.study.device import Device
from bfrb.study.folds import Folds, leave_one_subject_out, make_folds
from bfrb.study.labels import LabelSet, registered_label_set
from bfrb.study.recordings import Recordings
from bfrb.study.windows import cut_continuous
from bfrb.train.assemble import assemble
from bfrb.train.member import compute_device, is_trained, read_history, split_subjects, train_member, write_template
from bfrb.train.run import RunSpec
from bfrb.train.trainer import Epoch
from bfrb.train.variation import find_variation
from bfrb.train.workspace import MemberPlan, Plan, Run, Workspace

logger = logging.getLogger(__name__)

MIN_RECORDINGS, MIN_GESTURES = 2, 2
"""A network cannot learn from less: batch-norm needs two recordings, and a single gesture is always right."""

_LEARNT_FROM = ("id", "subject", "gesture", "orientation", "handedness")
"""Columns of the table on which a training depends."""

MEMORY_PER_MEMBER = 2**30
"""Bytes of memory that a member's process may need (`benchmarks/train_memory.py`)."""

GPU_MEMORY_PER_MEMBER = 4 * 2**30
"""Bytes of a graphics card's memory that it may need, where there is one."""


@dataclass(frozen=True)
class Status:
    """How far runs are: the epochs of every member so far, and which members are finished."""

    histories: dict[str, list[Epoch]]
    finished: frozenset[str]
    epochs: dict[str, int]  # how many each member is trained for, if it does not stop early
    places: Mapping[str, str]  # on which machine of a cluster each member is trained

    @property
    def share(self) -> float:
        """Share of the work done, as if no training stopped early."""
        left = {name: 1 - len(found) / self.epochs[name] for name, found in self.histories.items()}
        return 1 - sum(left[name] for name in left if name not in self.finished) / len(left)


@dataclass(frozen=True)
class RunOptions:
    """How to run, without effect on the result."""

    workers: int = 0
    """Members trained at a time, each in a process of its own; 0 means as many as there are processors and memory
    for. On a graphics card they share it, which fills it: one of these small networks leaves most of it idle."""
    restart: bool = False
    """Throw an unfinished run away rather than going on with it."""
    overwrite: bool = False
    """Replace a bundle that is already there."""
    on: Runner | None = None
    """What trains the members, such as a cluster (`bfrb.cluster.connect`); None for processes of this machine."""
    on_status: Callable[[Status], None] = lambda _: None
    """Called a few times a second."""
    anyway: bool = False
    """Train on recordings that physics speaks against, too."""


def cross_validate(
    source: Source, spec: RunSpec, out: Path, *, folds: Folds | None = None, options: RunOptions | None = None
) -> Path:
    """Train every network of a spec on every fold and write the bundle, whose place is given back.

    A run that was stopped goes on where it was: at most the epochs that were running are lost; it lies beside the
    bundle to be, in `<out>.partial`. A plain script may call this: the processes that train do not import it, so that
    it needs no `if __name__ == "__main__"`. Unlabelled recordings are left out; continuous ones are cut into labelled
    windows. Folds may be given, instead of new ones.

    DataError if there are no labels, or too few subjects, recordings or gestures, or if physics speaks against the
    recordings; BundleError if something is at `out` that may not be replaced; ConfigError if an unfinished run of
    another kind, or a damaged one, is in the way; BfrbError if a process is killed: the same call goes on.
    """
    (bundle,) = cross_validate_all({out: (source, spec)}, folds=folds, options=options)
    return bundle


def cross_validate_all(
    runs: Mapping[Path, tuple[Source, RunSpec]], *, folds: Folds | None = None, options: RunOptions | None = None
) -> list[Path]:
    """Several runs side by side, so that a cluster always has work: all members are trained, then all bundles written.

    Parameters and errors are those of `cross_validate`, with the recordings and the spec of every bundle to be.
    """
    options = options or RunOptions()
    outs = [check_target(out, overwrite=options.overwrite) for out in runs]  # before hours of training
    sources = ((JudgedSource(source, options.anyway), spec) for source, spec in runs.values())
    return train_runs(((out, prepare(*each, folds)) for out, each in zip(outs, sources, strict=True)), options)


def train_runs(runs: Iterable[tuple[Path, Run]], options: RunOptions) -> list[Path]:
    """Train all members of runs and write their bundles; errors as of `cross_validate`."""
    with ExitStack() as stack:
        workspaces = {}
        for out, run in runs:
            workspaces[out] = Workspace.beside(out)
            stack.enter_context(workspaces[out].locked())
            check_target(out, overwrite=options.overwrite)  # a run that was in the folder may just have ended
            if options.restart:
                workspaces[out].clear()
            workspaces[out].begin(run)
            del run  # the recordings are in the workspace now
        _train_members(list(workspaces.values()), options)
        for out, workspace in workspaces.items():
            assemble(workspace, out, overwrite=options.overwrite)
            workspace.discard()
    return list(workspaces)


def prepare(source: Source, spec: RunSpec, folds: Folds | None = None) -> Run:
    """Read and check what a run needs; nothing is written.

    ConfigError if a network, a feature or a variation does not exist, or a network has nothing to answer from;
    DataError if there are no labels, or too few subjects, recordings or gestures.
    """
    _check_motion(source.device, spec)
    for path in {path for name in spec.networks for path in spec.variation(name).own}:
        find_variation(path)
    recordings = labelled(source.read(), spec)
    label_set = source.label_set or find_label_set(recordings)
    label_set.encode(np.array(recordings.gestures, dtype=object))
    folds = folds or draw_folds(recordings, spec)
    _check_enough(recordings, folds, spec)
    plan = Plan(
        spec=spec,
        fingerprint=fingerprint(recordings, folds),
        version=version("bfrb"),
        device=recordings.device,
        label_set=label_set,
        simulated=recordings.simulated,
        source=source.describe(),
        max_length=int(np.ceil(np.percentile(recordings.lengths, spec.length_percentile))),
        n_folds=len(folds),
    )
    return Run(plan, folds, recordings)


def _check_motion(device: Device, spec: RunSpec) -> None:
    """Refuse features that leave a network without motion."""
    for name in spec.networks:
        branches = spec.network(name).MOTION
        if not any(available(spec.branches[branch], device) for branch in branches):
            keys = " or ".join(f"features.{branch}" for branch in branches)
            problem = f"expected features of the motion sensors for {name}, found none that the device can give"
            raise ConfigError(problem, remedy=f"name some in {keys}")


def _check_enough(recordings: Recordings, folds: Folds, spec: RunSpec) -> None:
    """Refuse recordings too few to learn from, before anything is trained."""
    for fold in range(len(folds)):
        learning, _, _ = split_subjects(recordings.table, folds, fold, spec)
        kinds = recordings.table["gesture"][learning].n_unique()
        if len(learning) < MIN_RECORDINGS or kinds < MIN_GESTURES:
            raise DataError(
                f"expected at least {MIN_RECORDINGS} recordings and {MIN_GESTURES} gestures to learn from in every "
                f"fold, but for fold {fold} there would be {len(learning)} and {kinds} of {len(recordings)}",
                remedy="record more, or choose other folds; `bfrb check` shows who recorded what",
            )


def labelled(recordings: Recordings, spec: RunSpec) -> Recordings:
    """The recordings that carry a gesture; continuous recordings are cut into windows that do.

    DataError if none does.
    """
    recordings = cut_continuous(recordings, spec.windows)
    known = keep_labelled(recordings)
    if not len(known):
        raise DataError("expected labelled recordings, found no gesture", remedy="train on data with a gesture column")
    if unknown := len(recordings) - len(known):
        logger.warning("%d of %d recordings have no gesture and are left out", unknown, len(recordings))
    return known


def find_label_set(recordings: Recordings) -> LabelSet:
    """The registered label set that has all the recordings' gestures. DataError if none has."""
    found = set(recordings.gestures or ())
    if label_set := registered_label_set(found):
        return label_set
    remedy = "describe the study: its [labels] name the classes and the targets (docs/own-data.md)"
    raise DataError(f"no label set has all of the gestures {', '.join(sorted(map(str, found))[:5])} ...", remedy=remedy)


def draw_folds(recordings: Recordings, spec: RunSpec) -> Folds:
    """Folds as the spec asks: stratified groups of subjects, or one subject each.

    DataError if there are fewer subjects than folds.
    """
    if spec.folds == "subject":
        return leave_one_subject_out(recordings.table)
    return make_folds(recordings.table, spec.folds, seed=spec.seed)


def fingerprint(recordings: Recordings, folds: Folds | None = None) -> str:
    """Hash of what is learnt from, every reading and every label, and of who is held out when."""
    digest = hashlib.blake2b(digest_size=16)
    codes = {name: found.codes for name, found in recordings.annotations.items()}
    for values in (*recordings.sensors.values(), *codes.values(), recordings.offsets):
        digest.update(values.data)
    known = [name for name in _LEARNT_FROM if name in recordings.table.columns]
    for names in (*(recordings.table[name].to_list() for name in known), list(codes)):
        digest.update(repr(names).encode())
    if folds is not None:
        digest.update(repr(folds.numbers(recordings.subjects).tolist()).encode())
    return digest.hexdigest()


def _train_members(workspaces: Sequence[Workspace], options: RunOptions) -> None:
    """Trace the templates and, beside them, train the members that are not there yet."""
    jobs: dict[str, Job] = {
        f"graph of {network}, {workspace.title}": partial(write_template, workspace.folder, network)
        for workspace in workspaces
        for network in workspace.plan.spec.networks
        if not workspace.template(network).exists()
    }
    jobs |= {
        name: partial(train_member, workspace.folder, member)
        for name, (workspace, member) in _members(workspaces).items()
        if not is_trained(workspace.member_folder(member))
    }
    runner = options.on or LocalProcesses(options.workers or default_workers())
    options.on_status(status(workspaces, runner.places))
    need = Need(MEMORY_PER_MEMBER, GPU_MEMORY_PER_MEMBER)
    runner.run(jobs, tick=lambda: options.on_status(status(workspaces, runner.places)), need=need)


def _members(workspaces: Sequence[Workspace]) -> dict[str, tuple[Workspace, MemberPlan]]:
    """The members of all runs; those of several bear the names of their bundles."""
    several = len(workspaces) > 1
    return {
        f"{workspace.title}/{member.name}" if several else member.name: (workspace, member)
        for workspace in workspaces
        for member in workspace.plan.members
    }


def default_workers() -> int:
    """Members trained at a time: as many as there are processors, and as memory and graphics card have room for."""
    limits = [usable_processors(), available_memory() // MEMORY_PER_MEMBER]
    if compute_device().type == "cuda":
        limits.append(torch.cuda.get_device_properties(0).total_memory // GPU_MEMORY_PER_MEMBER)
    return max(1, min(limits))


def status(workspaces: Sequence[Workspace], places: Mapping[str, str] = MappingProxyType({})) -> Status:
    """How far the runs in workspaces are."""
    members = _members(workspaces)
    folders = {name: workspace.member_folder(member) for name, (workspace, member) in members.items()}
    return Status(
        histories={name: read_history(place) for name, place in folders.items()},
        finished=frozenset(name for name, place in folders.items() if is_trained(place)),
        epochs={name: workspace.plan.spec.training.epochs for name, (workspace, _) in members.items()},
        places=places,
    )
