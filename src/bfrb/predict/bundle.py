"""A bundle: the folder that is enough to predict, and the contract between training, export and prediction.

    bundle.json            what it is (`Manifest`)
    spec.toml              how it was trained
    folds.csv              which subject was held out in which fold
    scores.json            scores of the out-of-fold predictions
    statistics.parquet     mean and standard deviation of every channel, by member
    out_of_fold.parquet    scenario, id, subject, fold, gesture, the prediction, then one probability column per class
    history.parquet        loss and score by member and epoch
    members/NAME.onnx      one graph per member of the ensemble (and NAME.safetensors, its weights)
    members/NAME.unpadded.onnx  the same for batches without padding, which is sooner done; not in older bundles
    checksums.json         SHA-256 of every other file

A graph takes `lengths` (B,) int64 and, for every branch that has channels, (B, T, C) float32 features as they were
computed: not scaled, NaN where nothing is known, 0 after a recording's end. It gives `probabilities` (B, K) float32
and, if its network weighs rows, `attention` (B, T') float32: T' is T, or T divided by a power of 2 and rounded up.
An unpadded one takes recordings of one length and no `lengths`, gives `probabilities` alone, and reads most weights
from its neighbour.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from bfrb.errors import BundleError, ConfigError, DataError
from bfrb.features.sequences import Keep
from bfrb.files import writing_folder
from bfrb.spec import Spec
from bfrb.study.device import Device, KnownDevice
from bfrb.study.labels import LabelSet
from bfrb.study.rows import Aggregation
from bfrb.study.windows import WindowSpec

FORMAT = 2
"""Version of the layout above; a bundle of a later one is refused."""

MANIFEST = "bundle.json"
CHECKSUMS = "checksums.json"
SPEC = "spec.toml"
FOLDS = "folds.csv"
SCORES = "scores.json"
STATISTICS = "statistics.parquet"
OUT_OF_FOLD = "out_of_fold.parquet"
HISTORY = "history.parquet"

RATE_TOLERANCE = 0.02
"""Share by which the rate of recordings may differ from the bundle's."""

_REQUIRED = (MANIFEST, SPEC, FOLDS, SCORES, STATISTICS, OUT_OF_FOLD, HISTORY)
_COPY_AGAIN = "copy the bundle again from where it was made, or train it anew"

Name = Annotated[str, Field(min_length=1)]


class MemberSpec(Spec):
    """One network of the ensemble."""

    name: Name
    """Its name, unique in the bundle."""
    network: Name
    """Name of its architecture."""
    fold: Annotated[int, Field(ge=0)]
    """The fold that was held out in its training."""
    graph: Name
    """Its ONNX graph, relative to the bundle, with forward slashes."""
    requires: tuple[Name, ...] = ()
    """Sensors it has not learnt to do without: it is asked about recordings without them only if all members have to
    be (`bfrb.predict.member`)."""


class Manifest(Spec):
    """What a bundle is: `bundle.json`."""

    format: int = FORMAT
    """Version of the layout."""
    version: Name
    """Version of this package that wrote it."""
    device: KnownDevice
    """The device whose recordings it understands; format 1 had the name of one that this package knows."""
    row_rate_hz: Annotated[float, Field(gt=0)]
    """Rows per second it was trained with."""
    rows: Aggregation = "nearest"
    """What a row is made of where samples come faster: the nearest of them, or their mean."""
    label_set: LabelSet
    """What it tells apart."""
    target_threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    """How probable all targets together have to be for one to be the answer; without, the most probable class is."""
    branches: dict[str, tuple[str, ...]]
    """Names of the features that enter every branch of the networks."""
    mirror_left_hand: bool = False
    """Whether recordings of left-handed subjects are mirrored first."""
    max_length: Annotated[int, Field(ge=1)]
    """Rows of a recording that are used."""
    keep: Keep = "last"
    """Which rows of a longer recording: the last ones, or the first as some imported networks expect."""
    members: Annotated[tuple[MemberSpec, ...], Field(min_length=1)]
    """The networks; their probabilities are averaged."""
    simulated: bool
    """Whether any training recording came from a simulator."""
    created: Name
    """When it was written, as ISO 8601 with a time zone."""
    provenance: dict[str, Any]
    """How it came about: data, seed, versions, seconds ..."""

    @model_validator(mode="after")
    def _check_members(self) -> Self:
        names = [member.name for member in self.members]
        if len(set(names)) < len(names):
            raise ValueError(f"expected a name of its own for every member, got {names}")
        return self

    def write(self, folder: Path) -> None:
        """Write the manifest into a bundle's folder."""
        (folder / MANIFEST).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Bundle:
    """An undamaged bundle; `Bundle.open` is how to get one."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """The bundle in a folder, every file of it checked.

        BundleError if there is none, it was written by a later version, or a file of it is missing or damaged.
        """
        if not isinstance(path, str | os.PathLike):
            problem = f"expected the path of a bundle, got {type(path).__name__}"
            raise BundleError(problem, remedy="name the folder that `bfrb train` wrote; recordings are for `predict`")
        folder = Path(path)
        values = _read_manifest(folder)
        checksums = _check_files(folder)
        try:
            bundle = cls(folder, Manifest.parse(values))
        except ConfigError as error:
            raise _unusable(folder, f"has an impossible manifest: {error.problem}") from None
        needed = [*_REQUIRED, *(member.graph for member in bundle.manifest.members)]
        if missing := [name for name in needed if name not in checksums]:
            raise _unusable(folder, f"lacks {_shown(missing)}")
        return bundle

    def __repr__(self) -> str:
        return f"<Bundle: {self.path}, {len(self.manifest.members)} networks for {self.device.name}>"

    @property
    def device(self) -> Device:
        """The device whose recordings it understands."""
        return self.manifest.device

    def check_device(self, device: Device) -> None:
        """Refuse recordings of another device. DataError if the bundle was not trained on recordings of this device."""
        if device.name != self.device.name:
            problem = f"expected recordings of the device {self.device.name!r}, got {device.name!r}"
            raise DataError(problem, remedy="use a bundle for this device, or describe the recordings' own")
        if abs(device.row_rate_hz / self.device.row_rate_hz - 1) > RATE_TOLERANCE:
            problem = f"expected {self.device.row_rate_hz:g} rows a second, got {device.row_rate_hz:g}"
            raise DataError(problem, remedy="read them for the bundle: open_source(..., device=bundle.device)")

    @property
    def label_set(self) -> LabelSet:
        """What it tells apart."""
        return self.manifest.label_set

    def file(self, name: str) -> Path:
        """Path of one of its files, such as `OUT_OF_FOLD`."""
        return self.path / name

    def only(self, number: int) -> Bundle:
        """The bundle with one of its members alone."""
        members = self.manifest.members[number : number + 1]
        return replace(self, manifest=self.manifest.model_copy(update={"members": members}))

    @cached_property
    def windows(self) -> WindowSpec:
        """How continuous recordings were cut for it."""
        values = tomllib.loads(self.file(SPEC).read_text(encoding="utf-8"))
        return WindowSpec.parse(values.get("windows", {}))


@contextmanager
def writing_bundle(out: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """A new folder to fill with a bundle's files; it takes its place at `out` only once it is complete and checked.

    Checksums are added here. After an error nothing is left behind, and an old bundle at `out` stays as it was. With
    `overwrite` a bundle that is there is replaced; anything that is no bundle never is. BundleError if something is at
    `out` already, or what was written is no complete bundle.
    """
    target = check_target(out, overwrite=overwrite)
    with writing_folder(target) as folder:
        yield folder
        _write_checksums(folder)
        Bundle.open(folder)
        check_target(target, overwrite=overwrite)


@contextmanager
def copying_bundle(bundle: Bundle, out: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """A copy of a bundle to change, which is written as by `writing_bundle`; parameters and errors are the same."""
    with writing_bundle(out, overwrite=overwrite) as folder:
        shutil.copytree(bundle.path, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(CHECKSUMS))
        yield folder


def check_target(out: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """The absolute path of a place that a bundle may be written to.

    BundleError if something is there that may not be replaced.
    """
    target = Path(os.path.abspath(out))  # noqa: PTH100  resolve() would follow a link and replace what it points to
    if not target.exists() and not target.is_symlink():
        return target
    if not target.is_dir() or target.is_symlink():
        raise BundleError(f"{target} is there and is no folder", remedy="choose another place for the bundle")
    if any(target.iterdir()) and not (target / MANIFEST).is_file():
        raise BundleError(f"the folder {target} has other files in it", remedy="choose another place for the bundle")
    if any(target.iterdir()) and not overwrite:
        raise BundleError(f"there is a bundle at {target} already", remedy="choose another place, or add --overwrite")
    return target


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_checksums(folder: Path) -> None:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / CHECKSUMS)
    text = json.dumps({path.relative_to(folder).as_posix(): _hash(path) for path in paths}, indent=2)
    (folder / CHECKSUMS).write_text(text + "\n", encoding="utf-8")


def _read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a bundle of a format that is read, without what version 0.1 wrote and nothing reads any more."""
    if not folder.exists():
        raise BundleError(f"there is no bundle at {folder}", remedy="check the path; `bfrb train` writes bundles")
    if not (folder / MANIFEST).is_file():
        problem = f"expected a bundle, but {folder} has no {MANIFEST}"
        remedy = "name the folder that `bfrb train` wrote, with all its files; it stands before recordings"
        raise BundleError(problem, remedy=remedy)
    values = _read_json(folder, MANIFEST)
    found = values.get("format")
    if type(found) is not int or found < 1:
        raise BundleError(f"expected the bundle {folder} to name its format, got {found!r}", remedy=_COPY_AGAIN)
    if found > FORMAT:
        later = values.get("version", "the one that wrote it")
        problem = f"has format {found}; this version of bfrb reads up to {FORMAT}"
        raise _unusable(folder, problem, f"install a later bfrb, such as {later}")
    if values.pop("upside_down_threshold", None) is not None:
        problem = "turns over devices that were worn upside down, which this version does not do"
        remedy = "train it anew without [wearing], or use the version that wrote it: pip install bfrb==0.1"
        raise _unusable(folder, problem, remedy)
    return values


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    try:
        values = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _unusable(folder, f"lacks {name}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise _unusable(folder, f"has a damaged {name}: {error}") from None
    if not isinstance(values, dict):
        raise _unusable(folder, f"has a damaged {name}: it is no object")
    return values


def _check_files(folder: Path) -> dict[str, str]:
    """The checksums of a bundle, once its files are known to have them."""
    checksums = _read_json(folder, CHECKSUMS)
    for name, checksum in checksums.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not isinstance(checksum, str):
            raise _unusable(folder, f"has a damaged {CHECKSUMS}: {name!r}")
    if missing := [name for name in checksums if not (folder / name).is_file()]:
        raise _unusable(folder, f"lacks {_shown(missing)}")
    if damaged := [name for name, expected in checksums.items() if _hash(folder / name) != expected]:
        raise _unusable(folder, f"is damaged: {_shown(damaged)} changed")
    return checksums


def _unusable(folder: Path, problem: str, remedy: str = _COPY_AGAIN) -> BundleError:
    return BundleError(f"the bundle {folder} {problem}", remedy=remedy)


def _shown(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
