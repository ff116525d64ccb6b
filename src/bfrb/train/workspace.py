"""The folder of an unfinished training run: all that is needed to go on after a stop, and nothing else.

    plan.json             what is being trained (`Plan`)
    folds.csv             which subject is held out in which fold
    raw/                  the recordings themselves
    sequences/            their features
    targets.npy           what a teacher says of the recordings, if there is one
    templates/            the traced graphs of every architecture
    members/NAME/         checkpoint, history and weights of one network

Every file is written under another name and renamed, so that a file that is there is whole. Recordings and features are
plain arrays that are memory-mapped, so that all members' processes share them.
"""

import json
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self
from zipfile import BadZipFile

import numpy as np
from filelock import FileLock, Timeout
from safetensors import SafetensorError

from bfrb.arrays import Array, Floats32
from bfrb.errors import BfrbError, ConfigError
from bfrb.features.sequences import Sequences, save_sequences
from bfrb.files import drop_pages, write_text, writing_folder
from bfrb.networks.registry import Shape
from bfrb.networks.specs import short_name
from bfrb.read.tables import read_table, write_table
from bfrb.spec import Spec
from bfrb.study.device import Device
from bfrb.study.folds import Folds
from bfrb.study.labels import LabelSet
from bfrb.study.recordings import Annotation, Recordings
from bfrb.train.run import RunSpec

_TABLE, _DESCRIPTION, _OFFSETS = "table.parquet", "recordings.json", "offsets"
_TARGETS = "targets.npy"
_OF_FILES = (BfrbError, BadZipFile, SafetensorError, FileNotFoundError, EOFError)
_OF_VALUES = (ValueError, KeyError, TypeError, AttributeError, RuntimeError)


@contextmanager
def explaining_damage(path: Path) -> Iterator[None]:
    """What goes wrong when a file of an unfinished run is read becomes a `ConfigError` that names it."""
    try:
        yield
    except (*_OF_FILES, *_OF_VALUES) as error:
        why = getattr(error, "problem", None) or str(error).partition("\n")[0] or type(error).__name__
        problem = f"{path}, of an unfinished training, is damaged or of another version of bfrb: {why}"
        raise ConfigError(problem, remedy="add --restart to throw that training away and begin anew") from error


class MemberPlan(Spec):
    """One network to train: its architecture, the fold that is held out, and which of several trainings it is."""

    network: str
    fold: int
    repeat: int = 0

    @property
    def name(self) -> str:
        """Its name in the bundle, such as `two_branch-03`; further trainings are `two_branch-03-1` ..."""
        return f"{short_name(self.network)}-{self.fold:02d}" + (f"-{self.repeat}" if self.repeat else "")

    def seed(self, seed: int) -> tuple[int, ...]:
        """Numbers that tell the random streams of an ensemble's members apart, whatever order they are trained in."""
        return seed, zlib.crc32(self.network.encode()), self.fold, *([self.repeat] if self.repeat else [])


class Plan(Spec):
    """What is being trained."""

    spec: RunSpec  # the whole run
    fingerprint: str  # hash of recordings, labels and folds: a run goes on only with the data it began with
    version: str  # of the package: a run goes on only with the code it began with
    device: Device
    label_set: LabelSet
    simulated: bool
    source: str  # what the recordings are, for the bundle
    max_length: int  # rows of a recording that are used
    n_folds: int  # number of folds
    teacher: str | None = None
    """The ensemble whose answers are learnt from, if there is one; then a last member learns from everybody."""

    @property
    def members(self) -> tuple[MemberPlan, ...]:
        """All networks, fold by fold."""
        folds = self.n_folds + (self.teacher is not None)
        return tuple(
            MemberPlan(network=network, fold=fold, repeat=repeat)
            for repeat in range(self.spec.seeds)
            for fold in range(folds)
            for network in self.spec.networks
        )

    @property
    def labels(self) -> LabelSet:
        """The classes."""
        return self.label_set


class Run(NamedTuple):
    """A run that is ready to begin; `targets` are (R, K) probabilities of classes to learn, instead of the labels."""

    plan: Plan
    folds: Folds
    recordings: Recordings
    targets: Floats32 | None = None


class Workspace:
    """An unfinished run, in a folder beside the bundle it will become."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def beside(cls, out: Path) -> Self:
        """The workspace that belongs to a bundle."""
        return cls(out.with_name(f"{out.name}.partial"))

    @property
    def title(self) -> str:
        """The name of the bundle it will become."""
        return self.folder.name.removesuffix(".partial")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder. ConfigError if another run is in it."""
        lock = FileLock(self.folder / "lock")
        while not lock.is_locked:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=2.0)
            except FileNotFoundError:  # a run that was in it has just thrown it away
                continue
            except Timeout:
                problem = f"another training is running in {self.folder}"
                raise ConfigError(problem, remedy="wait for it, or choose another output") from None
        try:
            yield
        finally:
            lock.release()

    def begin(self, run: Run) -> None:
        """Lay the data of a new run down; an existing run is gone on with if it is the same.

        ConfigError if the folder holds a run with another spec or other data, or a damaged one.
        """
        if (self.folder / "plan.json").exists():
            _check_same(self.plan, run.plan, self.folder)
            _ = self.folds, self.recordings, self.sequences  # damaged ones are refused now
            return
        spec = run.plan.spec
        save_recordings(run.recordings, self.folder / "raw")
        mirror = spec.features.mirror_left_hand
        save_sequences(run.recordings, spec.branches, self.folder / "sequences", mirror_left_hand=mirror)
        if run.targets is not None:
            np.save(self.folder / _TARGETS, run.targets)
        run.folds.write(self.folder / "folds.csv")
        write_text(self.folder / "plan.json", run.plan.model_dump_json(indent=2))

    def clear(self) -> None:
        """Throw the run away, but for the lock."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()

    def discard(self) -> None:
        """Throw everything away, the lock last: to be done while it is held, lest another run be in the folder."""
        self.clear()
        with suppress(OSError):  # where an open file cannot be removed, or somebody waits with a new one
            (self.folder / "lock").unlink()
            self.folder.rmdir()

    @cached_property
    def plan(self) -> Plan:
        """What is being trained."""
        with explaining_damage(path := self.folder / "plan.json"):
            return Plan.parse(json.loads(path.read_text(encoding="utf-8")))

    @cached_property
    def folds(self) -> Folds:
        """Which subject is held out in which fold."""
        with explaining_damage(path := self.folder / "folds.csv"):
            return Folds.read(path)

    @cached_property
    def recordings(self) -> Recordings:
        """The recordings, memory-mapped."""
        with explaining_damage(path := self.folder / "raw"):
            found = open_recordings(path, self.plan.device)
        drop_pages(*found.sensors.values())  # all of which were read for checking
        return found

    @cached_property
    def sequences(self) -> Sequences:
        """Features of all recordings, memory-mapped."""
        with explaining_damage(path := self.folder / "sequences"):
            return Sequences.load(path)

    def drop_pages(self) -> None:
        """Let go of the memory that recordings and features take which were used."""
        features = self.sequences.branches.values()
        drop_pages(
            *self.recordings.sensors.values(), *(values for each in features for values in (each.values, each.valid))
        )

    @cached_property
    def targets(self) -> Floats32:
        """(R, K) one-hot classes of all recordings, or what a teacher makes of them."""
        if self.plan.teacher is not None:
            with explaining_damage(path := self.folder / _TARGETS):
                return _map(path)
        classes = self.plan.labels.encode(self.recordings.table["gesture"].to_list())
        return np.eye(len(self.plan.labels), dtype=np.float32)[classes]

    @property
    def shape(self) -> Shape:
        """What the networks have to fit."""
        channels = {branch: len(found) for branch, found in self.sequences.channels.items()}
        return Shape(channels, len(self.plan.labels), self.plan.device.row_rate_hz)

    def member_folder(self, member: MemberPlan) -> Path:
        """Where a member's files lie."""
        folder = self.folder / "members" / member.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def template(self, network: str) -> Path:
        """Where the traced graph of an architecture lies."""
        return self.folder / "templates" / f"{short_name(network)}.onnx"


def _check_same(old: Plan, new: Plan, folder: Path) -> None:
    before, after = _flatten(old.model_dump(mode="json")), _flatten(new.model_dump(mode="json"))
    if changed := sorted(key for key in before | after if before.get(key) != after.get(key)):
        problem = f"{folder} holds an unfinished run that differs in {', '.join(changed)}"
        raise ConfigError(problem, remedy="repeat its command to finish it, or add --restart to throw it away")


def _flatten(values: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def save_recordings(recordings: Recordings, folder: Path) -> None:
    """Write recordings, whole or not at all; each sensor's readings stay in its own type."""
    arrays: dict[str, Array] = {_OFFSETS: recordings.offsets}
    arrays |= {f"sensor.{name}": values for name, values in recordings.sensors.items()}
    arrays |= {f"annotation.{name}": annotation.codes for name, annotation in recordings.annotations.items()}
    annotations = {name: annotation.names for name, annotation in recordings.annotations.items()}
    description = json.dumps({"simulated": recordings.simulated, "annotations": annotations})
    with writing_folder(folder) as unfinished:
        for name, values in arrays.items():
            np.save(unfinished / f"{name}.npy", values)
        write_table(recordings.table, unfinished / _TABLE)
        (unfinished / _DESCRIPTION).write_text(description, encoding="utf-8")


def open_recordings(folder: Path, device: Device) -> Recordings:
    """What `save_recordings` wrote; readings are read from the files when they are used."""
    description = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
    return Recordings(
        device=device,
        sensors={name: _map(folder / f"sensor.{name}.npy") for name in device.sensor_names},
        offsets=_map(folder / f"{_OFFSETS}.npy"),
        table=read_table(folder / _TABLE),
        annotations={
            name: Annotation(_map(folder / f"annotation.{name}.npy"), tuple(names))
            for name, names in description["annotations"].items()
        },
        simulated=description["simulated"],
    )


def _map(path: Path) -> Array:
    # As a plain array: every slice of a memmap carries the file's bookkeeping, which is slow.
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
