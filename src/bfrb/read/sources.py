"""Sources: anything recordings can be read from, opened by one function."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
import polars as pl
from pydantic import Field

from bfrb.errors import ConfigError, DataError
from bfrb.files import bytes_of
from bfrb.processes import check_threads
from bfrb.read.described_source import DescribedSource, recordings_from_frame
from bfrb.read.findings import Report
from bfrb.read.frames import as_polars
from bfrb.read.store import MANIFEST, Store, check_place, write_store
from bfrb.read.study_files import describe_source, find_files
from bfrb.spec import Positive, Spec, read_toml
from bfrb.study.description import Description, find_description
from bfrb.study.device import Device
from bfrb.study.labels import LabelSet
from bfrb.study.recordings import BATCH_ROWS, UNKNOWN, Annotation, Progress, Recordings
from bfrb.study.rows import Aggregation
from bfrb.study.stretches import STRETCH_ROWS, BatchSource, Stretch

PART_ROWS = 30_000
"""Most rows of a part of a store: smaller ones take longer to write and compress less, larger ones more memory."""


class Source(Protocol):
    """Recordings that can be read whole, batch by batch, or some rows at a time."""

    @property
    def device(self) -> Device:
        """The device they are of."""

    @property
    def label_set(self) -> LabelSet | None:
        """The classes of their labels; None where nobody named them."""

    @property
    def simulated(self) -> bool:
        """Whether they come from a simulator."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files and folders that are read, the recordings' first; none if they are in memory."""

    def describe(self) -> str:
        """What is read, in one line."""

    def read(self) -> Recordings:
        """All recordings."""

    def batches(self, max_rows: int = BATCH_ROWS, progress: Progress | None = None) -> Iterator[Recordings]:
        """The recordings in batches of at most `max_rows` rows (or of one longer recording), in bounded memory."""

    def stretches(self, max_rows: int = STRETCH_ROWS, progress: Progress | None = None) -> Iterator[Stretch]:
        """All rows, one recording after the other, in stretches of at most `max_rows`."""


@dataclass(frozen=True)
class HeldSource(BatchSource):
    """A source of recordings that are in memory already, and where they come from."""

    recordings: Recordings
    origin: str
    paths: tuple[Path, ...] = ()
    label_set: LabelSet | None = None

    @property
    def device(self) -> Device:
        """The device they are of."""
        return self.recordings.device

    @property
    def simulated(self) -> bool:
        """Whether they come from a simulator."""
        return self.recordings.simulated

    def describe(self) -> str:
        """Where they come from."""
        return self.origin

    def read(self) -> Recordings:
        """All of them."""
        return self.recordings

    def batches(self, max_rows: int = BATCH_ROWS, progress: Progress | None = None) -> Iterator[Recordings]:
        """Views of at most `max_rows` rows."""
        yield from self.recordings.batches(max_rows)
        if progress is not None:
            progress(1.0)


class StudySpec(Spec):
    """One of several studies that are read as one."""

    name: str
    """Comes before the names of its people and recordings."""
    data: str
    """Where its recordings are, seen from the file that lists it."""
    description: str = "auto"
    """How they are read, as for `open_source`; files are looked for beside the list."""
    merge: dict[str, str] = Field(default_factory=dict)
    """Its labels and the class that each becomes; `*` stands for all others, an empty text for unknown."""

    def meaning(self, label: str) -> str | None:
        """The class that a label becomes; None where it stands for unknown."""
        return self.merge.get(label, self.merge.get("*", label)) or None


class StudiesSpec(Spec):
    """Several studies that are read as one: a TOML file that lists them.

    >>> listed = StudiesSpec.from_toml('''
    ... name = "wrist"
    ... rate_hz = 20
    ... sensors = ["acc"]
    ... targets = ["scratching"]
    ... [[studies]]
    ... name = "ha24"
    ... data = "ha24_watch"
    ... description = "ha24.toml"
    ... merge = { "*" = "other", scratching = "scratching" }
    ... ''')
    >>> listed.studies[0].meaning("typing"), listed.studies[0].meaning("scratching")
    ('other', 'scratching')
    """

    name: str = Field(min_length=1)
    """Of the label set and of the device that all were worn as."""
    rate_hz: Positive | None = None
    """Rows a second of all; by default as of the first study."""
    sensors: tuple[str, ...] = ()
    """What is kept of the first study's device; what another study lacks of it was not measured there."""
    targets: tuple[str, ...] = Field(min_length=1)
    """The classes looked for."""
    studies: tuple[StudySpec, ...] = Field(min_length=1)

    def device(self, first: Device) -> Device:
        """The device of all, given that of the first study."""
        if strange := sorted(set(self.sensors) - set(first.sensor_names)):
            raise ConfigError(f"{self.name} asks for {strange[0]}", remedy=f"choose {', '.join(first.sensor_names)}")
        kept = first.with_sensors(map(first.sensor, self.sensors)) if self.sensors else first
        return kept.model_copy(update={"name": self.name, "row_rate_hz": self.rate_hz or first.row_rate_hz})


@dataclass(frozen=True)
class JoinedSource(BatchSource):
    """Several studies, read as one: the file that lists them, what it says, and the studies by name.

    They are brought to the device that all were worn as.
    """

    path: Path
    spec: StudiesSpec
    device: Device
    sources: Mapping[str, Source]

    @cached_property
    def label_set(self) -> LabelSet:
        """The classes of all studies, in the order in which they come."""
        sets = [(study, self.sources[study.name].label_set) for study in self.spec.studies]
        found = [study.meaning(name) for study, labels in sets if labels is not None for name in labels.classes]
        classes = tuple(dict.fromkeys(name for name in found if name is not None))
        return LabelSet(self.spec.name, classes, frozenset(self.spec.targets))

    @property
    def simulated(self) -> bool:
        """Whether any comes from a simulator."""
        return any(source.simulated for source in self.sources.values())

    @property
    def paths(self) -> tuple[Path, ...]:
        """The list, and what it lists."""
        return (self.path, *(path for source in self.sources.values() for path in source.paths))

    def describe(self) -> str:
        """What is read, in one line."""
        return "; ".join(source.describe() for source in self.sources.values())

    def batches(self, max_rows: int = BATCH_ROWS, progress: Progress | None = None) -> Iterator[Recordings]:
        """The recordings in batches, study by study."""
        for number, study in enumerate(self.spec.studies):
            yield from (self._joined(study, batch) for batch in self.sources[study.name].batches(max_rows))
            if progress is not None:
                progress((number + 1) / len(self.sources))

    def _joined(self, study: StudySpec, batch: Recordings) -> Recordings:
        """A study's recordings with the names, the classes and the device of all."""
        renamed = [(pl.lit(f"{study.name}/") + pl.col(column)).alias(column) for column in ("id", "subject")]
        table, classes = batch.table.with_columns(renamed), self.label_set.classes
        if batch.gestures is not None:
            known = [None if label is None else study.meaning(label) for label in batch.gestures]
            table = table.with_columns(pl.Series("gesture", known, dtype=pl.String))
        annotations = {}
        if (labels := batch.annotations.get("gesture")) is not None:
            meanings = [study.meaning(label) for label in labels.names]
            codes = [UNKNOWN if meaning is None else classes.index(meaning) for meaning in meanings]
            annotations["gesture"] = Annotation(np.array([*codes, UNKNOWN], dtype=np.int8)[labels.codes], classes)
        return replace(batch, device=self.device, table=table, annotations=annotations)


def _open_studies(path: Path, wanted: Device | None, how: Aggregation) -> JoinedSource:
    spec, folder = StudiesSpec.from_toml(read_toml(path)), path.parent
    named = {}
    for one in spec.studies:
        beside = folder / one.description
        named[one.name] = (folder / one.data, str(beside) if beside.is_file() else one.description)
    device = wanted or spec.device(open_source(*next(iter(named.values()))).device)
    sources = {name: open_source(*told, device=device, how=how) for name, told in named.items()}
    for name, source in sources.items():
        if source.device != device:
            problem = f"{name}: its recordings stay rows of {source.device.name!r} at {source.device.row_rate_hz:g} Hz"
            remedy = "say steady = false in [time] of its description, so that its samples become rows of all"
            raise DataError(problem, remedy=remedy)
    return JoinedSource(path, spec, device, sources)


def open_source(
    path: Path | str,
    description: str | Path | Description = "auto",
    demographics: Path | str | None = None,
    report: Report | None = None,
    device: Device | None = None,
    how: Aggregation = "mean",
) -> Source:
    """What lies at a path: a store, or recordings that a description of the package or of the folder tells of.

    Raises `DataError` or `ConfigError` if there is nothing that can be read, or no such description.

    Parameters
    ----------
    path
        A file or a folder; a `.toml` file lists several studies that are read as one (`StudiesSpec`).
    description
        A description, its name (`bfrb devices`) or its `.toml` file; or `"auto"` to look. A store is always recognised,
        and so is a folder with a `study.toml`.
    demographics
        A table of subjects; by default the one that the description speaks of.
    report
        Told what is wrong while it is read; if it returns, the rest is read. By default the first error is raised.
    device, how
        The device of a bundle that is to answer, and what its rows hold if several samples fall into one: described
        recordings are brought to its rate and sensors.
    """
    place = Path(path)
    if not place.exists():
        raise DataError(f"{place}: no such file or folder", remedy="check the path")
    check_threads()
    if (place / MANIFEST).is_file():
        return Store.open(place)
    if place.suffix == ".toml":
        return _open_studies(place, device, how)
    description = describe_source(place, description)
    if place.is_dir() and description.file.first:
        place = find_files(place, description)[0].path
    if demographics is not None and not Path(demographics).is_file():
        raise DataError(f"{demographics}: no such file", remedy="check the path of the demographics")
    beside = None if demographics is None else Path(demographics)
    return DescribedSource(place, description, device, how, demographics=beside, report=report)


def read(
    source: Any,
    description: str | Path | Description = "auto",
    demographics: Any = None,
    device: Device | None = None,
    how: Aggregation = "mean",
) -> Recordings:
    """All recordings at a path, or in a polars or pandas frame; also called as `bfrb.read`.

    Parameters are those of `open_source`; a frame is in the CMI layout, or as a description says, and beside one in the
    CMI layout demographics may be a frame. Raises `DataError` if anything is damaged, or lacks columns.

    >>> import polars as pl
    >>> rows = pl.DataFrame({"sequence_id": ["a", "a"], "sequence_counter": [0, 1], "subject": ["s", "s"]})
    >>> read(rows.with_columns(acc_x=pl.lit(0.0), acc_y=pl.lit(0.0), acc_z=pl.lit(9.8)))
    <Recordings: 1 of helios, 1 subject, 2 rows, acc>

    Anything else has a description:

    >>> watch = Description.parse(
    ...     {
    ...         "name": "my watch",
    ...         "time": {"column": "ms", "unit": "ms"},
    ...         "acc": {"columns": ["ax", "ay", "az"], "unit": "g"},
    ...         "recordings": {"id": "{session}", "subject": "{who}"},
    ...     }
    ... )
    >>> rows = pl.DataFrame({"session": ["a", "a", "b"], "who": ["s", "s", "t"], "ms": [0, 20, 0]})
    >>> read(rows.with_columns(ax=pl.lit(0.0), ay=pl.lit(0.0), az=pl.lit(1.0)), watch)
    <Recordings: 2 of my watch, 2 subjects, 3 rows, acc>
    """
    if not isinstance(description, str | Path | Description):
        problem = f"expected a description, its name or its file, got {type(description).__name__}"
        raise ConfigError(problem, remedy="give what is known of subjects as demographics=...")
    if isinstance(source, str | os.PathLike):
        if not isinstance(demographics, str | Path | None):
            problem = f"expected a file of demographics beside a path, got {type(demographics).__name__}"
            raise ConfigError(problem, remedy="name their file, or read the recordings as a frame, too")
        return open_source(Path(source), description, demographics, device=device, how=how).read()
    if description in ("auto", "cmi"):
        return recordings_from_frame(source, demographics)
    with TemporaryDirectory() as folder:
        path = Path(folder, "frame", "frame.parquet")  # what `{file}`, `{folder}` and `{path}` of a description are
        path.parent.mkdir()
        as_polars(source, "a path, or the rows").write_parquet(path)
        return DescribedSource(path, find_description(description), device, how).read()


def size_bytes(source: Source) -> int:
    """Size of the files with the recordings; 0 if they are in memory."""
    return sum(map(bytes_of, source.paths[:1]))


def ingest(
    source: Path | str,
    out: Path | str,
    *,
    description: str = "auto",
    demographics: Path | str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Store:
    """Stream recordings into a store, a folder to be made; parameters as of `open_source` and `write_store`.

    Raises `DataError` if the source cannot be used, or the place is taken or is that of the source; nothing is left
    behind then.
    """
    opened = open_source(source, description, demographics)
    check_place(Path(out), overwrite, opened.paths)
    parts, size = opened.batches(PART_ROWS, progress), size_bytes(opened)
    name = opened.paths[0].resolve().name
    return write_store(parts, out, source=name, source_bytes=size, label_set=opened.label_set, overwrite=overwrite)
