"""Train an ensemble over subject-wise folds: recordings and a run spec in, a bundle out."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from bfrb.errors import ConfigError, DataError
from bfrb.features.sequences import Sequences, build_sequences
from bfrb.processes import usable_processors
from bfrb.read.sources import Source
from bfrb.study.content import CONTENT, with_content
from bfrb.study.folds import Folds, leave_one_subject_out, make_folds
from bfrb.study.labels import LABEL_SETS, LabelSet
from bfrb.study.recordings import Recordings
from bfrb.study.windows import cut_continuous
from bfrb.train.assemble import assemble
from bfrb.train.initial_weights import read_initial
from bfrb.train.labels import Labels, read_labels
from bfrb.train.member import compute_device, is_trained, read_history, train_member, write_template
from bfrb.train.run import RunSpec
from bfrb.train.trainer import Epoch
from bfrb.train.where import Job, LocalProcesses
from bfrb.train.workspace import MemberPlan, Plan, Run, Workspace

logger = logging.getLogger(__name__)

MEMORY_PER_MEMBER = 4 * 2**30
"""Bytes of a graphics card's memory that a member's process may need."""


@dataclass(frozen=True)
class Status:
    """How far a run is: the epochs of every member so far, and which members are finished."""

    plan: Plan
    histories: dict[str, list[Epoch]]
    finished: frozenset[str]

    @property
    def share(self) -> float:
        """Share of the work done, as if no training stopped early."""
        epochs = self.plan.spec.training.epochs
        done = [1.0 if name in self.finished else len(found) / epochs for name, found in self.histories.items()]
        return sum(done) / len(done)


@dataclass(frozen=True)
class RunOptions:
    """How to run, without effect on the result.

    Parameters
    ----------
    workers
        Members trained at a time, each in a process of its own; 0 means one per processor core. On a graphics card
        they share it, which fills it: one of these small networks leaves most of it idle.
    restart
        Throw an unfinished run away rather than going on with it.
    overwrite
        Replace a bundle that is already there.
    templates
        A folder in which traced graphs are kept, for several runs of the same architectures.
    on_status
        Called a few times a second.
    """

    workers: int = 0
    restart: bool = False
    overwrite: bool = False
    templates: Path | None = None
    on_status: Callable[[Status], None] = lambda _: None


def cross_validate(
    source: Source,
    spec: RunSpec,
    out: Path,
    *,
    folds: Folds | None = None,
    init: Path | None = None,
    options: RunOptions | None = None,
) -> Path:
    """Train every network of a spec on every fold and write the bundle.

    A run that was stopped goes on where it was: at most the epochs that were running are lost.

    Parameters
    ----------
    source
        Labelled recordings. Unlabelled ones are left out; continuous ones are cut into labelled windows.
    spec
        What to train.
    out
        Where the bundle shall be. The unfinished run lies beside it, in `<out>.partial`.
    folds
        Folds to use instead of new ones.
    init
        A bundle whose weights the networks begin with.

    Returns
    -------
    Path
        The bundle.

    Raises
    ------
    DataError
        If there are no labels, or too few subjects.
    ConfigError
        If an unfinished run of another kind is in the way, or the bundle to begin from has seen who is judged.
    """
    options = options or RunOptions()
    out = Path(os.path.abspath(out))  # noqa: PTH100  resolve() would follow a link
    check_free(out, options.overwrite)
    run = prepare(source, spec, folds, init)
    workspace = Workspace.beside(out)
    with workspace.locked():
        if options.restart:
            workspace.clear()
        workspace.begin(run)
        _run(workspace, options)
        assemble(workspace, out, overwrite=options.overwrite)
    workspace.discard()
    return out


def check_free(out: Path, overwrite: bool) -> None:
    """Refuse a place that a bundle could not be written to, before hours of training.

    Raises
    ------
    ConfigError
        If something is there.
    """
    if out.exists() and not overwrite and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} is already there", remedy="choose another output, or add --overwrite")


def prepare(source: Source, spec: RunSpec, folds: Folds | None = None, init: Path | None = None) -> Run:
    """Read and check what a run needs; nothing is written.

    Raises
    ------
    DataError
        If there are no labels, or too few subjects.
    """
    recordings = labelled(source.read(), spec)
    label_set = find_label_set(recordings)
    sequences = build_sequences(recordings, spec.branches, mirror_left_hand=spec.features.mirror_left_hand)
    check_branches(sequences, spec)
    labels = read_labels(recordings)
    folds = folds or draw_folds(recordings, spec)
    folds.check_disjoint(recordings.subjects)
    initial = None if init is None else read_initial(init, recordings, folds, spec.networks)
    plan = Plan(
        spec=spec,
        fingerprint=fingerprint(recordings, sequences, labels, folds),
        device=recordings.device.name,
        row_rate_hz=recordings.device.row_rate_hz,
        label_set=label_set.name,
        simulated=recordings.simulated,
        source=source.describe(),
        max_length=int(np.ceil(np.percentile(recordings.lengths, spec.length_percentile))),
        n_folds=len(folds),
        initial=None if initial is None else initial.spec,
    )
    needs_raw = spec.training.variation.changes_something or recordings.device.names_of("proximity")
    table = with_content(recordings).table.select("id", "subject", "gesture", CONTENT)
    return Run(plan, folds, table, sequences, labels, recordings if needs_raw else None, initial)


def check_branches(sequences: Sequences, spec: RunSpec) -> None:
    """Refuse features that leave a network without motion.

    Raises
    ------
    ConfigError
        If a network has no channel of the motion sensors.
    """
    for name in spec.networks:
        branches = spec.network(name).MOTION
        if not any(sequences.channels[branch] for branch in branches):
            keys = " or ".join(f"features.{branch}" for branch in branches)
            raise ConfigError(
                f"expected features of the motion sensors for {name}, found none that the device can give",
                remedy=f"name some in {keys}",
            )


def labelled(recordings: Recordings, spec: RunSpec) -> Recordings:
    """The recordings that carry a gesture; continuous recordings are cut into windows that do.

    Raises
    ------
    DataError
        If none does.
    """
    recordings = cut_continuous(recordings, spec.windows)
    gestures = recordings.gestures
    if gestures is None:
        raise DataError("expected labelled recordings, found no gesture", remedy="train on data with a gesture column")
    known = np.array([gesture is not None for gesture in gestures])
    if not known.all():
        logger.warning("%d of %d recordings have no gesture and are left out", (~known).sum(), len(known))
    return recordings[known]


def find_label_set(recordings: Recordings) -> LabelSet:
    """The registered label set that has all the recordings' gestures.

    Raises
    ------
    DataError
        If none has.
    """
    found = set(recordings.gestures or ())
    for label_set in LABEL_SETS.values():
        if found <= set(label_set.classes):
            return label_set
    raise DataError(
        f"no label set has all of the gestures {', '.join(sorted(map(str, found))[:5])} ...",
        remedy=f"use the gestures of one of {', '.join(LABEL_SETS)}",
    )


def draw_folds(recordings: Recordings, spec: RunSpec) -> Folds:
    """Folds as the spec asks: stratified groups of subjects, or one subject each.

    Raises
    ------
    DataError
        If there are fewer subjects than folds.
    """
    table = recordings.table
    if spec.folds == "subject":
        return leave_one_subject_out(table)
    return make_folds(table, spec.folds, seed=spec.seed)


def fingerprint(recordings: Recordings, sequences: Sequences, labels: Labels, folds: Folds) -> str:
    """Hash of what is learnt from, and of who is held out when."""
    digest = hashlib.blake2b(digest_size=16)
    for codes in (*labels.recording.values(), *labels.row.values()):
        digest.update(np.ascontiguousarray(codes).data)
    for features in sequences.branches.values():
        digest.update(np.ascontiguousarray(features.values).data)
    digest.update(sequences.offsets.tobytes())
    held_out = folds.numbers(recordings.subjects).tolist()
    for values in (recordings.ids, recordings.subjects.tolist(), recordings.gestures or [], held_out):
        digest.update(repr(values).encode())
    return digest.hexdigest()


def _run(workspace: Workspace, options: RunOptions) -> None:
    """Trace the templates and train the members that are not there yet."""
    plan = workspace.plan
    templates: dict[str, Job] = {
        f"graph of {network}": partial(write_template, workspace.folder, network, options.templates)
        for network in plan.spec.networks
        if not workspace.template(network).exists()
    }
    members: dict[str, Job] = {
        member.name: partial(train_member, workspace.folder, member)
        for member in plan.members
        if not is_trained(workspace.member_folder(member))
    }
    LocalProcesses(usable_processors()).run(templates, tick=lambda: None)
    workers = options.workers or default_workers()
    LocalProcesses(workers).run(members, tick=lambda: options.on_status(status(workspace)))


def default_workers() -> int:
    """Members trained at a time: one per core, and on a graphics card no more than its memory has room for."""
    if compute_device().type != "cuda":
        return usable_processors()
    memory = torch.cuda.get_device_properties(0).total_memory
    return max(1, min(usable_processors(), memory // MEMORY_PER_MEMBER))


def status(workspace: Workspace) -> Status:
    """How far the run in a workspace is."""
    members: tuple[MemberPlan, ...] = workspace.plan.members
    places = {member.name: workspace.member_folder(member) for member in members}
    histories = {name: read_history(place) for name, place in places.items()}
    return Status(workspace.plan, histories, frozenset(name for name, place in places.items() if is_trained(place)))
