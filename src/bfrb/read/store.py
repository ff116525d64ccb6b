"""Stores: recordings as a folder of typed, compressed Parquet files that opens at once.

A store holds `rows/part-00000.parquet`, ... (the readings of whole recordings, a column per channel, null where nothing
was measured, and the row labels as codes), `recordings.parquet` (the table of recordings and their numbers of rows) and
`store.json` (device, names of the row labels, where everything came from, sizes and checksums). It is written beside
its place and renamed at the end: there is a whole store or none.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from bfrb.arrays import Array, Ints
from bfrb.errors import DataError
from bfrb.read.csv_blocks import Progress
from bfrb.study.device import DEVICES, Device, Sensor
from bfrb.study.recordings import Annotation, Recordings

FORMAT = 1
MANIFEST, TABLE, ROWS_FOLDER = "store.json", "recordings.parquet", "rows"
ROW_COUNT = "rows"
"""Column of the stored table of recordings."""

LABEL_PREFIX = "label:"
"""Marks the columns of row labels, so that they cannot be taken for channels."""


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StoredFile(_Closed):
    """A file of a store."""

    name: str
    rows: int
    recordings: int
    size: int
    crc32: int


class Manifest(_Closed):
    """What `store.json` says."""

    format: int
    bfrb: str
    device: str
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
    """An opened store.

    Parameters
    ----------
    path
        Its folder.
    manifest
        What it says of itself.
    """

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path | str) -> Store:
        """Open a store; only its manifest is read.

        Raises
        ------
        DataError
            If it is no store, was written by a newer version, or files are missing or have another size.
        """
        folder = Path(path)
        manifest = _read_manifest(folder)
        for file in (manifest.table, *manifest.parts):
            place = folder / file.name
            size = place.stat().st_size if place.is_file() else 0
            if size != file.size:
                raise _damaged(folder, f"{file.name} has {size} bytes instead of {file.size}")
        return cls(folder, manifest)

    @property
    def device(self) -> Device:
        """The device the recordings are of."""
        return DEVICES[self.manifest.device]

    @property
    def simulated(self) -> bool:
        """Whether the recordings come from a simulator."""
        return self.manifest.simulated

    def describe(self) -> str:
        """What it holds, in one line."""
        kind = "simulated recordings" if self.simulated else "recordings"
        return f"{self.path}: {self.manifest.recordings} {kind} from {self.manifest.source}"

    @cached_property
    def _table(self) -> pl.DataFrame:
        table = self._load(self.manifest.table)
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
        """All recordings.

        Raises
        ------
        DataError
            If the store is damaged.
        """
        sensors = {sensor.name: sensor.empty(self.manifest.rows) for sensor in self.device.sensors}
        codes = {name: np.empty(self.manifest.rows, np.int8) for name in self.manifest.annotations}
        done = 0
        for part in self.manifest.parts:
            frame = self._load(part)
            rows = slice(done, done := done + part.rows)
            for sensor in self.device.sensors:
                if sensor.columns[0] in frame.columns:
                    sensors[sensor.name][rows] = _to_values(frame, sensor)
            for name, array in codes.items():
                array[rows] = frame[LABEL_PREFIX + name].to_numpy()
        return self._recordings(self._table, sensors, codes)

    def batches(self, max_rows: int = 50_000, progress: Progress | None = None) -> Iterator[Recordings]:
        """The recordings in batches of at most `max_rows` rows (or of one longer recording), in bounded memory.

        Raises
        ------
        DataError
            If the store is damaged, when the place is reached.
        """
        rows = 0
        for number, part in enumerate(self.manifest.parts):
            yield from self.read_part(number).batches(max_rows)
            rows += part.rows
            if progress is not None:
                progress(rows / self.manifest.rows)

    def read_part(self, number: int) -> Recordings:
        """The recordings of one of the store's parts.

        Raises
        ------
        DataError
            If the store is damaged there.
        """
        part = self.manifest.parts[number]
        frame = self._load(part)
        first = sum(before.recordings for before in self.manifest.parts[:number])
        sensors = {
            sensor.name: _to_values(frame, sensor)
            for sensor in self.device.sensors
            if sensor.columns[0] in frame.columns
        }
        codes = {name: frame[LABEL_PREFIX + name].to_numpy() for name in self.manifest.annotations}
        return self._recordings(self._table[first : first + part.recordings], sensors, codes)

    def _recordings(self, table: pl.DataFrame, sensors: dict[str, Array], codes: dict[str, Array]) -> Recordings:
        offsets = np.concatenate([[0], np.cumsum(table[ROW_COUNT].to_numpy())])
        annotations = {name: Annotation(codes[name], names) for name, names in self.manifest.annotations.items()}
        return Recordings(self.device, sensors, offsets, table.drop(ROW_COUNT), annotations, self.simulated)

    def _load(self, file: StoredFile) -> pl.DataFrame:
        data = (self.path / file.name).read_bytes()
        if zlib.crc32(data) != file.crc32:
            raise _damaged(self.path, f"{file.name} has changed since it was written")
        try:
            frame = pl.read_parquet(BytesIO(data))
        except pl.exceptions.PolarsError as error:
            raise _damaged(self.path, f"{file.name}: {str(error).splitlines()[0]}") from None
        if frame.height != file.rows:
            raise _damaged(self.path, f"{file.name} has {frame.height} rows")
        return frame


def write_store(
    batches: Iterable[Recordings], out: Path | str, *, source: str, source_bytes: int = 0, overwrite: bool = False
) -> Store:
    """Write recordings as a store: whole, or not at all.

    Parameters
    ----------
    batches
        Recordings of one device, ids unique over all.
    out
        The folder to be made.
    source, source_bytes
        Where the recordings come from; noted in the store, as is its size.
    overwrite
        Whether a store that is there already is replaced; nothing else ever is.

    Raises
    ------
    DataError
        If the place is taken, or there are no recordings.
    """
    folder = Path(out)
    check_place(folder, overwrite)
    with _unfinished(folder) as work:
        (work / ROWS_FOLDER).mkdir()
        parts: list[StoredFile] = []
        tables: list[pl.DataFrame] = []
        first: Recordings | None = None
        simulated = False
        for part, batch in _write_parts(work, batches):
            first = first or batch[:1]
            simulated |= batch.simulated
            parts.append(part)
            tables.append(batch.table.with_columns(pl.Series(ROW_COUNT, batch.lengths)))
        if first is None:
            raise DataError("expected recordings, got none", remedy="check the source: it holds no rows")
        table = pl.concat(tables, how="diagonal_relaxed")
        _check_unique(table["id"])
        manifest = Manifest(
            format=FORMAT,
            bfrb=version("bfrb"),
            device=first.device.name,
            annotations={name: annotation.names for name, annotation in first.annotations.items()},
            simulated=simulated,
            source=source,
            source_bytes=source_bytes,
            rows=int(table[ROW_COUNT].sum()),
            recordings=table.height,
            table=_write(work, TABLE, table, table.height),
            parts=tuple(parts),
        )
        (work / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        _put_in_place(work, folder)
    return Store.open(folder)


def _write_parts(work: Path, batches: Iterable[Recordings]) -> Iterator[tuple[StoredFile, Recordings]]:
    """Write every batch as a part; a thread does so while the next ones are read."""

    def write(number: int, batch: Recordings) -> tuple[StoredFile, Recordings]:
        name = f"{ROWS_FOLDER}/part-{number:05d}.parquet"
        return _write(work, name, _to_frame(batch), len(batch)), batch

    with ThreadPoolExecutor(1) as pool:
        writing: Future[tuple[StoredFile, Recordings]] | None = None
        for number, batch in enumerate(batches):
            before, writing = writing, pool.submit(write, number, batch)
            if before is not None:
                yield before.result()
        if writing is not None:
            yield writing.result()


def _read_manifest(folder: Path) -> Manifest:
    place = folder / MANIFEST
    if not place.is_file():
        raise DataError(f"{folder}: expected a store, but it has no {MANIFEST}", remedy="make it with: bfrb ingest")
    try:
        manifest = Manifest.model_validate_json(place.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise _damaged(folder, f"{MANIFEST}: {'.'.join(map(str, first['loc']))} {first['msg']}") from None
    if manifest.format != FORMAT or manifest.device not in DEVICES:
        raise DataError(
            f"{folder}: a store of format {manifest.format} for the device {manifest.device!r}, written by bfrb "
            f"{manifest.bfrb}; this version reads format {FORMAT}",
            remedy="update bfrb, or ingest the source again",
        )
    totals = [(sum(part.rows for part in manifest.parts)), sum(part.recordings for part in manifest.parts)]
    if totals != [manifest.rows, manifest.recordings] or not manifest.parts:
        raise _damaged(folder, f"{MANIFEST}: its parts do not add up")
    return manifest


def _damaged(folder: Path, how: str) -> DataError:
    return DataError(f"{folder}: the store is damaged: {how}", remedy="ingest the source again")


_SLICE_ROWS = 256


def _to_frame(recordings: Recordings) -> pl.DataFrame:
    """Rows as they are stored: a column per channel of the sensors that measured anything, and one per row label."""
    columns: list[pl.Series] = []
    for sensor in recordings.device.sensors:
        columns += _to_columns(sensor, recordings.sensors[sensor.name])
    columns += [pl.Series(LABEL_PREFIX + name, label.codes) for name, label in recordings.annotations.items()]
    return pl.DataFrame(columns)


def _to_columns(sensor: Sensor, values: Array) -> list[pl.Series]:
    rows = len(values)
    # One series cut into columns: 320 made one by one, with their nulls, take several times as long.
    end_to_end = pl.Series(_by_column(values.reshape(rows, -1)).ravel())
    if sensor.no_response_code is None:
        end_to_end = end_to_end.fill_nan(None)
    elif values.min() == sensor.absent:
        end_to_end = end_to_end.set(end_to_end == sensor.absent, None)
    return [end_to_end.slice(start * rows, rows).alias(name) for start, name in enumerate(sensor.columns)]


def _by_column(values: Array) -> Array:
    """(C, N) The same (N, C) values, column by column in memory; turned in slices that fit the processor's cache."""
    turned = np.empty((values.shape[1], len(values)), values.dtype)
    for start in range(0, len(values), _SLICE_ROWS):
        turned[:, start : start + _SLICE_ROWS] = values[start : start + _SLICE_ROWS].T
    return turned


def _to_values(frame: pl.DataFrame, sensor: Sensor) -> Array:
    """(N, *shape) readings of a sensor in a stored frame."""
    filled = frame.select(pl.col(sensor.columns).fill_null(sensor.absent))
    return filled.to_numpy(order="c").reshape(-1, *sensor.shape)


def _write(work: Path, name: str, frame: pl.DataFrame, recordings: int) -> StoredFile:
    buffer = BytesIO()
    frame.write_parquet(buffer, compression="lz4", statistics=False)
    data = buffer.getbuffer()
    with (work / name).open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return StoredFile(name=name, rows=frame.height, recordings=recordings, size=len(data), crc32=zlib.crc32(data))


def _check_unique(ids: pl.Series) -> None:
    if ids.n_unique() != len(ids):
        raise DataError(
            f"the recording {ids.filter(ids.is_duplicated())[0]!r} comes twice", remedy="keep each recording once"
        )


def check_place(folder: Path, overwrite: bool) -> None:
    """Refuse a place where no store can be made, before any work is done for it.

    Raises
    ------
    DataError
        If it is taken, or its folder does not exist.
    """
    if not folder.absolute().parent.is_dir():
        raise DataError(f"there is no folder {folder.parent} to put the store in", remedy="make it first")
    if not folder.exists() or (overwrite and (folder / MANIFEST).is_file()):
        return
    what = "a store" if (folder / MANIFEST).is_file() else "something else"
    raise DataError(
        f"{folder}: there is {what} already",
        remedy="choose another place" if what != "a store" else "choose another place, or replace it with --overwrite",
    )


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """A hidden folder beside the place of a store, removed however the work ends."""
    work = folder.absolute().with_name(f".{folder.absolute().name}.{os.getpid()}.unfinished")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _put_in_place(work: Path, folder: Path) -> None:
    replaced = work.with_name(work.name + ".replaced")
    if folder.exists():
        folder.rename(replaced)
    work.rename(folder)
    shutil.rmtree(replaced, ignore_errors=True)
