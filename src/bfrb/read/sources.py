"""Sources: anything recordings can be read from, opened by one function."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from bfrb.errors import ConfigError, DataError
from bfrb.read.cmi import DEFAULT_MAX_ROWS, CmiFile, find_cmi, holds_cmi, iter_file, list_some
from bfrb.read.csv_blocks import Progress
from bfrb.read.findings import refuse
from bfrb.read.searle2021 import is_searle2021, read_searle2021
from bfrb.read.store import MANIFEST, Store
from bfrb.study.device import GALAXY_WATCH, HELIOS, Device
from bfrb.study.recordings import Recordings

Dataset = Literal["auto", "cmi", "searle2021"]
DATASETS: tuple[Dataset, ...] = ("auto", "cmi", "searle2021")


class Source(Protocol):
    """Recordings that can be read whole or batch by batch."""

    @property
    def device(self) -> Device:
        """The device they are of."""

    @property
    def simulated(self) -> bool:
        """Whether they come from a simulator."""

    def describe(self) -> str:
        """What is read, in one line."""

    def read(self) -> Recordings:
        """All recordings."""

    def batches(self, max_rows: int = DEFAULT_MAX_ROWS, progress: Progress | None = None) -> Iterator[Recordings]:
        """The recordings in batches of at most `max_rows` rows (or of one longer recording), in bounded memory."""


@dataclass(frozen=True)
class CmiSource:
    """Recordings in the CMI layout."""

    file: CmiFile

    @property
    def device(self) -> Device:
        """Always Helios."""
        return HELIOS

    @property
    def simulated(self) -> bool:
        """Whether they come from a simulator."""
        return self.file.simulated

    def describe(self) -> str:
        """The files that are read."""
        beside = self.file.demographics
        return f"{self.file.path} with {beside.name if beside else 'no demographics'}"

    def read(self) -> Recordings:
        """All recordings."""
        return Recordings.concat(list(iter_file(self.file, refuse(str(self.file.path)))))

    def batches(self, max_rows: int = DEFAULT_MAX_ROWS, progress: Progress | None = None) -> Iterator[Recordings]:
        """The recordings in batches, in bounded memory."""
        for batch in iter_file(self.file, refuse(str(self.file.path)), progress):
            yield from batch.batches(max_rows)


@dataclass(frozen=True)
class Searle2021Source:
    """The recordings of Searle et al. 2021; they are few, and read at once."""

    folder: Path

    @property
    def device(self) -> Device:
        """Always the Galaxy watch."""
        return GALAXY_WATCH

    @property
    def simulated(self) -> bool:
        """Never."""
        return False

    def describe(self) -> str:
        """The folder that is read."""
        return f"{self.folder} (Searle et al. 2021)"

    def read(self) -> Recordings:
        """All recordings."""
        return read_searle2021(self.folder)

    def batches(self, max_rows: int = DEFAULT_MAX_ROWS, progress: Progress | None = None) -> Iterator[Recordings]:
        """The recordings in batches."""
        yield from self.read().batches(max_rows)
        if progress is not None:
            progress(1.0)


@dataclass(frozen=True)
class HeldSource:
    """A source of recordings that are in memory already.

    Parameters
    ----------
    recordings
        The recordings.
    origin
        Where they come from.
    """

    recordings: Recordings
    origin: str

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

    def batches(self, max_rows: int = DEFAULT_MAX_ROWS, progress: Progress | None = None) -> Iterator[Recordings]:
        """Views of at most `max_rows` rows."""
        yield from self.recordings.batches(max_rows)
        if progress is not None:
            progress(1.0)


def open_source(path: Path | str, dataset: Dataset = "auto", demographics: Path | str | None = None) -> Source:
    """What lies at a path: a store, recordings in the CMI layout, or a cloned Searle 2021 folder.

    Parameters
    ----------
    path
        A file or a folder.
    dataset
        What to take it for: `"cmi"`, `"searle2021"`, or `"auto"` to look. A store is always recognised.
    demographics
        A table of subjects, for the CMI layout; by default the one found beside the recordings.

    Raises
    ------
    DataError
        If there is nothing that can be read.
    ConfigError
        If there is no such dataset.
    """
    if dataset not in DATASETS:
        raise ConfigError(f"no dataset {dataset!r}", remedy=f"choose {', '.join(DATASETS)}")
    place = Path(path)
    if not place.exists():
        raise DataError(f"{place}: no such file or folder", remedy="check the path")
    if (place / MANIFEST).is_file():
        return Store.open(place)
    if dataset == "searle2021" or (dataset == "auto" and is_searle2021(place)):
        return Searle2021Source(place)
    if dataset == "cmi" or place.is_file() or holds_cmi(place):
        return CmiSource(find_cmi(place, demographics))
    raise DataError(
        f"{place}: expected a store ({MANIFEST}), recordings in the CMI layout (train.csv, train_sample.csv or "
        f"test.csv, or .parquet) or a clone of the Searle 2021 data (exp-1/accLabeled.csv), found {list_some(place)}",
        remedy="name the folder or the file the recordings are in",
    )


def read(path: Path | str, dataset: Dataset = "auto", demographics: Path | str | None = None) -> Recordings:
    """All recordings at a path; parameters and errors are those of `open_source`."""
    return open_source(path, dataset, demographics).read()
