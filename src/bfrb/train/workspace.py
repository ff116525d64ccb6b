"""The folder of an unfinished training run: all that is needed to go on after a stop, and nothing else.

    plan.json             what is being trained (`Plan`)
    folds.csv             which subject is held out in which fold
    recordings.parquet    id, subject and gesture of every recording
    raw/                  the recordings themselves, where training varies them or takes sensors away
    initial/              weights of the bundle that the networks begin with, if there is one
    labels.npz            what is known of recordings and rows beside the gesture
    sequences/            features of all recordings
    templates/            the traced graphs of every architecture
    members/NAME/         checkpoint, history, weights and held-out answers of one network

Every file is written under another name and renamed, so that a file that is there is whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from bfrb.errors import ConfigError
from bfrb.features.sequences import Sequences
from bfrb.files import write_text, writing_file
from bfrb.networks.registry import Shape
from bfrb.read.store import Store, write_store
from bfrb.read.tables import Table, read_table, write_table
from bfrb.spec import Spec
from bfrb.study.device import DEVICES
from bfrb.study.folds import Folds
from bfrb.study.labels import LABEL_SETS, LabelSet
from bfrb.study.recordings import Recordings
from bfrb.train.initial_weights import Initial, InitialSpec
from bfrb.train.labels import Labels
from bfrb.train.run import RunSpec

_LABELS = "labels.npz"


class MemberPlan(Spec):
    """One network to train: its architecture, the fold that is held out, and which of several trainings it is."""

    network: str
    fold: int
    repeat: int = 0

    @property
    def name(self) -> str:
        """Its name in the bundle, such as `two_branch-03`; further trainings are `two_branch-03-1` ..."""
        return f"{self.network}-{self.fold:02d}" + (f"-{self.repeat}" if self.repeat else "")


class Plan(Spec):
    """What is being trained.

    Parameters
    ----------
    spec
        The whole run.
    fingerprint
        Hash of recordings, labels and features: a run goes on only with the data it began with.
    device, row_rate_hz, label_set, simulated, source
        What the recordings are, for the bundle.
    max_length
        Rows of a recording that are used.
    n_folds
        Number of folds.
    initial
        The bundle whose weights the networks begin with, if there is one.
    """

    spec: RunSpec
    fingerprint: str
    device: str
    row_rate_hz: float
    label_set: str
    simulated: bool
    source: str
    max_length: int
    n_folds: int
    initial: InitialSpec | None = None

    @property
    def members(self) -> tuple[MemberPlan, ...]:
        """All networks, fold by fold."""
        return tuple(
            MemberPlan(network=network, fold=fold, repeat=repeat)
            for repeat in range(self.spec.seeds)
            for fold in range(self.n_folds)
            for network in self.spec.networks
        )

    @property
    def labels(self) -> LabelSet:
        """The classes."""
        return LABEL_SETS[self.label_set]


@dataclass(frozen=True)
class Run:
    """A run that is ready to begin.

    Parameters
    ----------
    plan
        What is being trained.
    folds
        Which subject is held out in which fold.
    recordings
        Table with id, subject and gesture of every recording.
    sequences
        Their features.
    labels
        What is known of them beside the gesture.
    raw
        The recordings themselves, where training varies them or takes sensors away.
    initial
        The weights that the networks begin with, if they come from a bundle.
    """

    plan: Plan
    folds: Folds
    recordings: Table
    sequences: Sequences
    labels: Labels
    raw: Recordings | None = None
    initial: Initial | None = None


class Workspace:
    """An unfinished run, in a folder beside the bundle it will become.

    Parameters
    ----------
    folder
        The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def beside(cls, out: Path) -> Self:
        """The workspace that belongs to a bundle."""
        return cls(out.with_name(f"{out.name}.partial"))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder.

        Raises
        ------
        ConfigError
            If another run is in it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / "lock")
        try:
            lock.acquire(timeout=2.0)
        except Timeout:
            raise ConfigError(
                f"another training is running in {self.folder}", remedy="wait for it, or choose another output"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def begin(self, run: Run) -> None:
        """Lay the data of a new run down; an existing run is gone on with if it is the same.

        Raises
        ------
        ConfigError
            If the folder holds a run with another spec or other data.
        """
        if self._file("plan.json").exists():
            _check_same(self.plan, run.plan, self.folder)
            return
        if run.raw is not None:
            write_store([run.raw], self._file("raw"), source=run.plan.source, overwrite=True)
        run.sequences.save(self._file("sequences"))
        if run.initial is not None:
            run.initial.copy_to(self.initial)
        with writing_file(self._file(_LABELS)) as unfinished:
            run.labels.save(unfinished)
        write_table(run.recordings, self._file("recordings.parquet"))
        run.folds.write(self._file("folds.csv"))
        self.write_text("plan.json", run.plan.model_dump_json(indent=2))

    def clear(self) -> None:
        """Throw the run away, but for the lock."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()

    def discard(self) -> None:
        """Throw everything away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @cached_property
    def plan(self) -> Plan:
        """What is being trained."""
        return Plan.model_validate_json(self._file("plan.json").read_text(encoding="utf-8"))

    @cached_property
    def folds(self) -> Folds:
        """Which subject is held out in which fold."""
        return Folds.read(self._file("folds.csv"))

    @cached_property
    def recordings(self) -> Table:
        """Id, subject and gesture of every recording, in the order of `sequences`."""
        return read_table(self._file("recordings.parquet"))

    @cached_property
    def sequences(self) -> Sequences:
        """Features of all recordings, memory-mapped."""
        return Sequences.load(self._file("sequences"))

    @cached_property
    def labels(self) -> Labels:
        """What is known of all recordings beside their gesture."""
        return Labels.load(self._file(_LABELS))

    @property
    def initial(self) -> Path:
        """Where the weights lie that the networks begin with, if they come from a bundle."""
        return self._file("initial")

    @property
    def has_proximity(self) -> bool:
        """Whether the recordings' device has sensors that it can do without."""
        return bool(DEVICES[self.plan.device].names_of("proximity"))

    def read_raw(self) -> Recordings:
        """The recordings themselves; there only where training varies them or takes sensors away."""
        return Store.open(self._file("raw")).read()

    @property
    def shape(self) -> Shape:
        """What the networks have to fit."""
        channels = {branch: len(found) for branch, found in self.sequences.channels.items()}
        return Shape(channels, len(self.plan.labels))

    def member_folder(self, member: MemberPlan) -> Path:
        """Where a member's files lie."""
        folder = self._file("members") / member.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def template(self, network: str) -> Path:
        """Where the traced graph of an architecture lies."""
        return self._file("templates") / f"{network}.onnx"

    def write_text(self, name: str, text: str) -> None:
        """Write a text file, whole or not at all."""
        write_text(self._file(name), text)

    def _file(self, name: str) -> Path:
        return self.folder / name


def _check_same(old: Plan, new: Plan, folder: Path) -> None:
    if old == new:
        return
    before, after = _flatten(old.model_dump(mode="json")), _flatten(new.model_dump(mode="json"))
    changed = sorted(key for key in before | after if before.get(key) != after.get(key))
    raise ConfigError(
        f"{folder} holds an unfinished run that differs in {', '.join(changed)}",
        remedy="repeat its command to finish it, or add --restart to throw it away",
    )


def _flatten(values: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
