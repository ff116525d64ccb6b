"""Recordings of any length read in stretches of rows, in bounded memory: for a detector that listens to all of them.

Beside everything that `open_source` reads, this reads *sample tables*: CSV or Parquet files of one recording, with the
device's columns, one of the columns `TIMES`, and rows that need not be regular.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Array
from bfrb.errors import DataError
from bfrb.read.columns import convert
from bfrb.read.csv_blocks import ROW_NUMBER, Progress, iter_csv, open_csv
from bfrb.read.findings import Findings
from bfrb.read.frames import refusing
from bfrb.read.sources import Dataset, Source, open_source
from bfrb.read.store import LABEL_PREFIX, Store, StoredFile
from bfrb.study.device import Device
from bfrb.study.recordings import Annotation, Recordings
from bfrb.study.stretches import STRETCH_ROWS, Stretch, cut_stretches
from bfrb.study.windows import WindowSpec, cut_continuous_stretches

log = logging.getLogger(__name__)

TIMES: Mapping[str, float] = MappingProxyType({"time_s": 1.0, "time_ms": 1e-3, "time_us": 1e-6, "time_ns": 1e-9})
"""Columns with the times of samples, and the seconds that 1 stands for."""

_CRC_BYTES = 1 << 24


def is_sample_table(path: Path) -> bool:
    """Whether a path is a CSV or Parquet file with a column of times."""
    return path.is_file() and path.suffix in (".csv", ".parquet") and bool(set(TIMES) & set(_header(path)))


def iter_stretches(
    path: Path, device: Device, dataset: Dataset = "auto", progress: Progress | None = None
) -> Iterator[Stretch]:
    """All rows at a path, recording after recording.

    Parameters
    ----------
    path
        A sample table, or what `open_source` reads.
    device
        The device that the rows have to be of.
    dataset
        As for `open_source`.
    progress
        Told the share that has been read.

    Raises
    ------
    DataError
        If there is nothing that can be read, it is of another device, or damaged.
    """
    if dataset == "auto" and is_sample_table(path):
        yield from _table_stretches(path, device, progress)
        return
    source = open_source(path, dataset)
    if source.device.name != device.name:
        raise DataError(
            f"expected recordings of the device {device.name!r}, got {source.device.name!r}",
            remedy="use a bundle that was trained on recordings of this device",
        )
    yield from source_stretches(source, progress)


def source_stretches(source: Source, progress: Progress | None = None) -> Iterator[Stretch]:
    """All rows of a source, recording after recording."""
    if isinstance(source, Store):
        return _store_stretches(source, progress)
    return cut_stretches(source.batches(progress=progress))


def iter_judged(source: Source, spec: WindowSpec) -> Iterator[Recordings]:
    """Recordings as networks judge them, in bounded memory: labelled windows of continuous ones, others as they are."""
    first = next(source_stretches(source), None)
    if first is not None and "gesture" in first.annotations and first.about.get("gesture") is None:
        return cut_continuous_stretches(source_stretches(source), source.device, spec)
    return source.batches()


def _store_stretches(store: Store, progress: Progress | None) -> Iterator[Stretch]:
    """Rows of a store, no more of a part in memory than is asked for."""
    table, ends, done = store.table, np.cumsum(store.lengths), 0
    for part in store.manifest.parts:
        _check_part(store, part)
        rows = pl.scan_parquet(store.path / part.name)
        for first in range(0, part.rows, STRETCH_ROWS):
            with refusing(f"a part of the store {store.path}"):
                frame = rows.slice(first, STRETCH_ROWS).collect()
            sensors, stop = _sensors_in(frame, store.device), done + frame.height
            labels = {name: frame[LABEL_PREFIX + name].to_numpy() for name in store.manifest.annotations}
            while done < stop:
                number = int(np.searchsorted(ends, done, side="right"))
                size = min(stop, int(ends[number])) - done
                place = slice(frame.height - (stop - done), frame.height - (stop - done) + size)
                yield Stretch(
                    table.row(number, named=True),
                    done == ends[number] - store.lengths[number],
                    None,
                    {name: values[place] for name, values in sensors.items()},
                    {name: Annotation(labels[name][place], store.manifest.annotations[name]) for name in labels},
                    store.simulated,
                )
                done += size
            if progress is not None:
                progress(done / store.manifest.rows)


def _check_part(store: Store, part: StoredFile) -> None:
    crc = 0
    with (store.path / part.name).open("rb") as file:
        while block := file.read(_CRC_BYTES):
            crc = zlib.crc32(block, crc)
    if crc != part.crc32:
        raise DataError(
            f"{store.path}: the store is damaged: {part.name} has changed since it was written",
            remedy="ingest the source again",
        )


def _sensors_in(frame: pl.DataFrame, device: Device) -> dict[str, Array]:
    """(n, *shape) readings of the sensors that have columns in a frame, in their dtype."""
    sensors = {}
    for sensor in device.sensors:
        if all(name in frame.columns for name in sensor.columns):
            filled = frame.select(pl.col(sensor.columns).fill_null(sensor.absent))
            sensors[sensor.name] = filled.to_numpy(order="c").reshape(-1, *sensor.shape)
    return sensors


def _table_stretches(path: Path, device: Device, progress: Progress | None) -> Iterator[Stretch]:
    header = _header(path)
    time = next(name for name in TIMES if name in header)
    sensors = [sensor for sensor in device.sensors if all(name in header for name in sensor.columns)]
    if not sensors:
        lacking = ", ".join(device.sensors[0].columns)
        raise DataError(
            f"{path}: expected columns of the device {device.name!r} such as {lacking}, found {', '.join(header[:8])}",
            remedy="name the columns as the device does, or use a bundle for another device",
        )
    # As numbers with a fraction: what is impossible is found, and counted, by whoever takes the samples.
    types: dict[str, Any] = {name: pl.Float64 for sensor in sensors for name in sensor.columns} | {time: pl.Float64}
    findings, begins = Findings(), True
    for frame in _frames(path, types, findings, progress):
        typed = convert(frame, types, findings, "line")
        for rows in typed.iter_slices(STRETCH_ROWS):
            time_s = rows[time].fill_null(np.nan).to_numpy() * TIMES[time]
            readings = {
                sensor.name: rows.select(pl.col(sensor.columns).fill_null(np.nan)).to_numpy(order="c")
                for sensor in sensors
            }
            yield Stretch({"id": path.stem, "subject": path.stem}, begins, time_s, readings)
            begins = False
    for finding in findings:
        log.warning("%s: %s", path, finding.sentence)


def _frames(path: Path, types: dict[str, Any], findings: Findings, progress: Progress | None) -> Iterator[pl.DataFrame]:
    if path.suffix == ".csv":
        yield from iter_csv(open_csv(path), types, findings, progress)
        return
    with refusing(f"{path} as Parquet"):
        rows = int(pl.scan_parquet(path).select(pl.len()).collect().item())
    for start in range(0, rows, STRETCH_ROWS):
        with refusing(f"{path} as Parquet"):
            frame = pl.scan_parquet(path).select(list(types)).slice(start, STRETCH_ROWS).collect()
        yield frame.with_columns(pl.Series(ROW_NUMBER, np.arange(start, start + frame.height)))
        if progress is not None:
            progress((start + frame.height) / rows)


def _header(path: Path) -> tuple[str, ...]:
    if path.suffix == ".csv":
        return open_csv(path).header
    with refusing(f"{path} as Parquet"):
        return tuple(pl.read_parquet_schema(path))
