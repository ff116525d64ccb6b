"""Stores: recordings as a folder of typed, compressed Parquet files that opens at once.

A store holds `rows/part-00000.parquet`, ... (the readings of whole recordings, a column per channel, null where nothing
was measured, and the row labels as codes), `recordings.parquet` (the table of recordings and their numbers of rows) and
`store.json` (device, names of the row labels, where everything came from, sizes and checksums).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import ValidationError

from bfrb.arrays import Array, Ints
from bfrb.errors import DataError
from bfrb.files import writing_folder
from bfrb.processes import check_threads
from bfrb.read.tables import naming
from bfrb.spec import Spec
from bfrb.study.device import Device, KnownDevice, Sensor
from bfrb.study.labels import LabelSet
from bfrb.study.recordings import BATCH_ROWS, Annotation, Progress, Recordings
from bfrb.study.stretches import STRETCH_ROWS, Stretch

FORMAT = 2
MANIFEST, TABLE, ROWS_FOLDER = "store.json", "recordings.parquet", "rows"
ROW_COUNT = "rows"
"""Column of the stored table of recordings."""

_LABEL_PREFIX = "label:"
"""Marks the columns of row labels, so that they cannot be taken for channels."""


class StoredFile(Spec):
    """A file of a store."""

    name: str
    rows: int
    recordings: int
    size: int
    crc32: int


class Manifest(Spec):
    """What `store.json` says."""

    format: int
    bfrb: str
    device: KnownDevice
    label_set: LabelSet | None = None
    annotations: dict[str, tuple[str, ...]]
    simulated: bool
    source: str
    source_bytes: int
    rows: int
    recordings: int
    table: StoredFile
    parts: tuple[StoredFile, ...]


@dataclass(frozen=True)
class Store:
    """An opened store, which is a `Source`. Whatever reads it raises a `DataError` where it is damaged."""

    path: Path
    manifest: Manifest
    skipped: int = 0
    """Recordings before the first, where only some of its parts are opened."""

    @classmethod
    def open(cls, path: Path | str, parts: slice = slice(None)) -> Store:
        """Open a store, or some of its parts as if they were all; only its manifest is read.

        Raises `DataError` if it is no store, was written by a newer version, or files are missing or have another size.
        """
        folder = Path(path)
        whole = read_manifest(folder)
        chosen, before = whole.parts[parts], whole.parts[: parts.start or 0]
        rows, recordings = (sum(getattr(part, what) for part in chosen) for what in ("rows", "recordings"))
        manifest = whole.model_copy(update={"parts": chosen, "rows": rows, "recordings": recordings})
        for file in (manifest.table, *manifest.parts):
            place = folder / file.name
            size = place.stat().st_size if place.is_file() else 0
            if size != file.size:
                raise _damaged(folder, f"{file.name} has {size} bytes instead of {file.size}")
        return cls(folder, manifest, sum(part.recordings for part in before))

    @property
    def device(self) -> Device:
        """The device the recordings are of."""
        return self.manifest.device

    @property
    def label_set(self) -> LabelSet | None:
        """The classes of its labels, if its source named them."""
        return self.manifest.label_set

    @property
    def simulated(self) -> bool:
        """Whether the recordings come from a simulator."""
        return self.manifest.simulated

    @property
    def paths(self) -> tuple[Path, ...]:
        """The folder that is read."""
        return (self.path,)

    def describe(self) -> str:
        """What it holds, in one line."""
        kind = "simulated recordings" if self.simulated else "recordings"
        return f"{self.path}: {self.manifest.recordings} {kind} from {self.manifest.source}"

    @cached_property
    def _table(self) -> pl.DataFrame:
        table = self._load(self.manifest.table).slice(self.skipped, self.manifest.recordings)
        if table.height != self.manifest.recordings or table[ROW_COUNT].sum() != self.manifest.rows:
            raise _damaged(self.path, "its table and its manifest do not agree")
        return table

    @property
    def table(self) -> pl.DataFrame:
        """The table of recordings."""
        return self._table.drop(ROW_COUNT)

    @property
    def lengths(self) -> Ints:
        """(R,) Rows per recording."""
        return self._table[ROW_COUNT].cast(pl.Int64).to_numpy()

    def read(self) -> Recordings:
        """All recordings."""
        sensors = {sensor.name: sensor.empty(self.manifest.rows) for sensor in self.device.sensors}
        codes = {name: np.empty(self.manifest.rows, np.int8) for name in self.manifest.annotations}
        done = 0
        for part in self.manifest.parts:
            rows = slice(done, done := done + part.rows)
            readings, labels = self._unpack(self._load(part))
            for name, values in readings.items():
                sensors[name][rows] = values
            for name, label in labels.items():
                codes[name][rows] = label.codes
        labels = {name: Annotation(codes[name], names) for name, names in self.manifest.annotations.items()}
        return self._recordings(self._table, sensors, labels)

    def batches(self, max_rows: int = BATCH_ROWS, progress: Progress | None = None) -> Iterator[Recordings]:
        """The recordings in batches of at most `max_rows` rows (or of one longer recording), in bounded memory."""
        rows = 0
        for number, part in enumerate(self.manifest.parts):
            yield from self.read_part(number).batches(max_rows)
            rows += part.rows
            if progress is not None:
                progress(rows / self.manifest.rows)

    def read_part(self, number: int) -> Recordings:
        """The recordings of one of the store's parts."""
        part = self.manifest.parts[number]
        first = sum(before.recordings for before in self.manifest.parts[:number])
        table = self._table[first : first + part.recordings]
        return self._recordings(table, *self._unpack(self._load(part)))

    def stretches(self, max_rows: int = STRETCH_ROWS, progress: Progress | None = None) -> Iterator[Stretch]:
        """The rows of all recordings, no more of them in memory than a stretch."""
        done, table = 0, self.table
        for part in self.manifest.parts:
            self._check_sum(part)
            rows = pl.scan_parquet(self.path / part.name)
            for first in range(0, part.rows, max_rows):
                frame = self._collect(rows.slice(first, max_rows), part)
                yield from self._split(frame, done, table)
                done += frame.height
                if progress is not None:
                    progress(done / self.manifest.rows)

    def _split(self, frame: pl.DataFrame, first: int, table: pl.DataFrame) -> Iterator[Stretch]:
        """Some rows of the store, from one on, as stretches of the recordings that they are of."""
        ends, stop, done = np.cumsum(self.lengths), first + frame.height, first
        sensors, labels = self._unpack(frame)
        while done < stop:
            number = int(np.searchsorted(ends, done, side="right"))
            begins, end = done == ends[number] - self.lengths[number], min(stop, int(ends[number]))
            rows = slice(done - first, end - first)
            readings = {name: values[rows] for name, values in sensors.items()}
            some = {name: label.take(rows) for name, label in labels.items()}
            yield Stretch(table.row(number, named=True), begins, None, readings, some, self.simulated)
            done = end

    def _unpack(self, frame: pl.DataFrame) -> tuple[dict[str, Array], dict[str, Annotation]]:
        """(N, *shape) readings of the sensors, and the row labels, in a stored frame."""
        sensors = {}
        for sensor in self.device.sensors:
            if sensor.columns[0] in frame.columns:
                filled = frame.select(pl.col(sensor.columns).fill_null(sensor.absent))
                sensors[sensor.name] = filled.to_numpy(order="c").reshape(-1, *sensor.shape)
        known = self.manifest.annotations.items()
        return sensors, {name: Annotation(frame[_LABEL_PREFIX + name].to_numpy(), names) for name, names in known}

    def _recordings(self, table: pl.DataFrame, sensors: dict[str, Array], labels: dict[str, Annotation]) -> Recordings:
        offsets = np.concatenate([[0], np.cumsum(table[ROW_COUNT].to_numpy())])
        return Recordings(self.device, sensors, offsets, table.drop(ROW_COUNT), labels, self.simulated)

    def _load(self, file: StoredFile) -> pl.DataFrame:
        self._check_sum(file)
        frame = self._collect(pl.scan_parquet(self.path / file.name), file)
        if frame.height != file.rows:
            raise _damaged(self.path, f"{file.name} has {frame.height} rows")
        return frame

    def _collect(self, rows: pl.LazyFrame, file: StoredFile) -> pl.DataFrame:
        check_threads()
        try:
            return rows.collect()
        except pl.exceptions.PolarsError as error:
            raise _damaged(self.path, f"{file.name}: {str(error).splitlines()[0]}") from None

    def _check_sum(self, file: StoredFile) -> None:
        if _crc32(self.path / file.name) != file.crc32:
            raise _damaged(self.path, f"{file.name} has changed since it was written")


def _crc32(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while block := file.read(1 << 24):
            crc = zlib.crc32(block, crc)
    return crc


def read_manifest(folder: Path) -> Manifest:
    """What the store in a folder says of itself; errors as of `Store.open`, but its files are not looked at."""
    place = folder / MANIFEST
    if not place.is_file():
        raise DataError(f"{folder}: expected a store, but it has no {MANIFEST}", remedy="make it with: bfrb ingest")
    try:
        manifest = Manifest.model_validate_json(place.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise _damaged(folder, f"{MANIFEST}: {'.'.join(map(str, first['loc']))} {first['msg']}") from None
    if manifest.format > FORMAT:
        written = f"a store of format {manifest.format}, written by bfrb {manifest.bfrb}"
        problem = f"{folder}: {written}; this version reads up to format {FORMAT}"
        raise DataError(problem, remedy="update bfrb, or ingest the source again")
    totals = [(sum(part.rows for part in manifest.parts)), sum(part.recordings for part in manifest.parts)]
    if totals != [manifest.rows, manifest.recordings] or not manifest.parts:
        raise _damaged(folder, f"{MANIFEST}: its parts do not add up")
    return manifest


def _damaged(folder: Path, how: str) -> DataError:
    return DataError(f"{folder}: the store is damaged: {how}", remedy="ingest the source again")


def write_store(
    batches: Iterable[Recordings],
    out: Path | str,
    *,
    source: str,
    source_bytes: int = 0,
    label_set: LabelSet | None = None,
    overwrite: bool = False,
) -> Store:
    """Write recordings of one device, ids unique over all, as a store, a folder to be made: whole, or not at all.

    `source`, `source_bytes`: where they come from, and its size, noted in the store; `label_set`: the classes of their
    labels, if known; `overwrite`: replace a store that is there already; nothing else ever is. Raises `DataError` if
    the place is taken, or there are no recordings.
    """
    folder = Path(out)
    check_place(folder, overwrite)
    with writing_folder(folder) as work:
        (work / ROWS_FOLDER).mkdir()
        parts: list[StoredFile] = []
        tables: list[pl.DataFrame] = []
        kinds: list[Recordings] = []
        for number, batch in enumerate(batches):
            name = f"{ROWS_FOLDER}/part-{number:05d}.parquet"
            columns = columns_of(batch, batch.device.sensors)
            columns += [pl.Series(_LABEL_PREFIX + label, each.codes) for label, each in batch.annotations.items()]
            parts.append(_write(work, folder, name, pl.DataFrame(columns), len(batch)))
            tables.append(batch.table.with_columns(pl.Series(ROW_COUNT, batch.lengths)))
            kinds.append(batch[:0])
        if not kinds:
            raise DataError("expected recordings, got none", remedy="check the source: it holds no rows")
        table = pl.concat(tables, how="diagonal_relaxed")
        if (twice := table["id"].filter(table["id"].is_duplicated())).len():
            raise DataError(f"the recording {twice[0]!r} comes twice", remedy="keep each recording once")
        manifest = Manifest(
            format=FORMAT,
            bfrb=version("bfrb"),
            device=kinds[0].device,
            label_set=label_set,
            annotations={name: annotation.names for name, annotation in kinds[0].annotations.items()},
            simulated=any(batch.simulated for batch in kinds),
            source=source,
            source_bytes=source_bytes,
            rows=int(table[ROW_COUNT].sum()),
            recordings=table.height,
            table=_write(work, folder, TABLE, table, table.height),
            parts=tuple(parts),
        )
        (work / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return Store.open(folder)


def check_place(folder: Path, overwrite: bool, reads: Iterable[Path] = (), mark: str = MANIFEST) -> None:
    """Refuse a place where no folder of recordings can be made, before any work is done for it.

    Only an empty folder, or one with the file `mark`, is replaced. Raises `DataError` if the place is taken, its folder
    does not exist, or what is read lies there.
    """
    if not folder.absolute().parent.is_dir():
        raise DataError(f"there is no folder {folder.parent} to make {folder.name} in", remedy="make that folder first")
    if any(path.resolve().is_relative_to(folder.resolve()) for path in reads):
        raise DataError(f"{folder} would take the place of its source", remedy="choose another place")
    ours, empty = (folder / mark).is_file(), folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not empty and not (overwrite and ours):
        what = "" if ours else f", and something else: it has no {mark}"
        more = ", or replace it with --overwrite" if ours else ""
        raise DataError(f"{folder} is there already{what}", remedy=f"choose another place{more}")


def _write(work: Path, out: Path, name: str, frame: pl.DataFrame, recordings: int) -> StoredFile:
    place = work / name
    with naming(out / name):
        frame.write_parquet(place, compression="lz4", statistics=False)
    sizes = {"size": place.stat().st_size, "crc32": _crc32(place)}
    return StoredFile(name=name, rows=frame.height, recordings=recordings, **sizes)


def columns_of(recordings: Recordings, sensors: Iterable[Sensor]) -> list[pl.Series]:
    """(N,) A column for every channel of some sensors, null where nothing was measured."""
    columns, rows = [], recordings.n_rows
    for sensor in sensors:
        values = recordings.sensors[sensor.name]
        # One series cut into columns: 320 made one by one, with their nulls, take several times as long.
        end_to_end = pl.Series(values.reshape(rows, -1).T.ravel())
        if sensor.no_response_code is None:
            end_to_end = end_to_end.fill_nan(None)
        elif values.min() == sensor.absent:
            end_to_end = end_to_end.set(end_to_end == sensor.absent, None)
        columns += [end_to_end.slice(at * rows, rows).alias(name) for at, name in enumerate(sensor.columns)]
    return columns
