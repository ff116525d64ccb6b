"""Recordings of any length read in stretches of rows, in bounded memory: for a detector that listens to all of them.

Beside everything that `open_source` reads, this reads *sample tables*: CSV or Parquet files of one recording, with the
device's columns, one of the columns `TIMES`, and rows that need not be regular.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from bfrb.errors import DataError
from bfrb.read.columns import ROW_NUMBER, read_numbers
from bfrb.read.csv_blocks import Progress, iter_csv, open_csv
from bfrb.read.findings import Findings
from bfrb.read.frames import refusing
from bfrb.read.sources import Source, open_source
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings
from bfrb.study.rows import Aggregation
from bfrb.study.stretches import STRETCH_ROWS, Stretch
from bfrb.study.windows import WindowSpec, cut_continuous_stretches

log = logging.getLogger(__name__)

TIMES: Mapping[str, float] = MappingProxyType({"time_s": 1.0, "time_ms": 1e-3, "time_us": 1e-6, "time_ns": 1e-9})
"""Columns with the times of samples, and the seconds that 1 stands for."""


def iter_stretches(
    path: Path,
    device: Device,
    dataset: str = "auto",
    progress: Progress | None = None,
    how: Aggregation = "mean",
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
    how
        As for `open_source`.

    Raises
    ------
    DataError
        If there is nothing that can be read, it is of another device, or damaged.
    """
    if dataset == "auto" and is_sample_table(path):
        return _table_stretches(path, device, progress)
    source = open_source(path, dataset, device=device, how=how)
    if source.device.name != device.name:
        raise DataError(
            f"expected recordings of the device {device.name!r}, got {source.device.name!r}",
            remedy="use a bundle that was trained on recordings of this device",
        )
    return source.stretches(progress=progress)


def iter_judged(source: Source, spec: WindowSpec) -> Iterator[Recordings]:
    """Recordings as networks judge them, in bounded memory: labelled windows of continuous ones, others as they are."""
    first = next(source.stretches(), None)
    if first is not None and "gesture" in first.annotations and first.about.get("gesture") is None:
        return cut_continuous_stretches(source.stretches(), source.device, spec)
    return source.batches()


def is_sample_table(path: Path) -> bool:
    """Whether a path is a CSV or Parquet file with a column of times."""
    return path.is_file() and path.suffix in (".csv", ".parquet") and not set(TIMES).isdisjoint(_header(path))


def _header(path: Path) -> tuple[str, ...]:
    if path.suffix == ".csv":
        return open_csv(path).header
    with refusing(f"{path} as Parquet"):
        return tuple(pl.read_parquet_schema(path))


def _table_stretches(path: Path, device: Device, progress: Progress | None) -> Iterator[Stretch]:
    header = _header(path)
    time = next(name for name in TIMES if name in header)
    sensors = [sensor for sensor in device.sensors if set(sensor.columns) <= set(header)]
    if not sensors:
        lacking = ", ".join(device.sensors[0].columns)
        raise DataError(
            f"{path}: expected columns of the device {device.name!r} such as {lacking}, found {', '.join(header[:8])}",
            remedy="name the columns as the device does, or use a bundle for another device",
        )
    names = [time, *(name for sensor in sensors for name in sensor.columns)]
    findings, begins = Findings(), True
    for frame in _frames(path, names, findings, progress):
        for rows in frame.iter_slices(STRETCH_ROWS):
            # As numbers with a fraction: what is impossible is found, and counted, by whoever takes the samples.
            numbers = read_numbers(rows, names, findings, "line", dtype=pl.Float64)
            ends = np.cumsum([1, *(len(sensor.columns) for sensor in sensors)])
            parts = np.split(numbers, ends[:-1], axis=1)[1:]
            readings = {
                sensor.name: part.reshape(-1, *sensor.shape) for sensor, part in zip(sensors, parts, strict=True)
            }
            about = {"id": path.stem, "subject": path.stem}
            yield Stretch(about, begins, numbers[:, 0] * TIMES[time], readings)
            begins = False
    for finding in findings:
        log.warning("%s: %s", path, finding.sentence)


def _frames(path: Path, names: list[str], findings: Findings, progress: Progress | None) -> Iterator[pl.DataFrame]:
    if path.suffix == ".csv":
        types: dict[str, Any] = dict.fromkeys(names, pl.Float64)
        yield from iter_csv(open_csv(path), types, findings, progress)
        return
    with refusing(f"{path} as Parquet"):
        rows = int(pl.scan_parquet(path).select(pl.len()).collect().item())
    for start in range(0, rows, STRETCH_ROWS):
        with refusing(f"{path} as Parquet"):
            frame = pl.scan_parquet(path).select(names).slice(start, STRETCH_ROWS).collect()
        yield frame.with_row_index(ROW_NUMBER, offset=start + 1)
        if progress is not None:
            progress((start + frame.height) / rows)
