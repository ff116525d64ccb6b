"""Recordings of any length read in stretches of rows, in bounded memory: for a detector that listens to all of them.

Beside everything that `open_source` reads, this reads *sample tables*: CSV or Parquet files of one recording, with the
device's columns, one of the columns `TIMES`, and rows that need not be regular.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl

from bfrb.errors import DataError
from bfrb.read.checks import read_numbers
from bfrb.read.csv_blocks import TextTable, iter_frames, open_table
from bfrb.read.described_source import DescribedSource
from bfrb.read.findings import Findings
from bfrb.read.sources import Source, open_source
from bfrb.study.description import FileSpec
from bfrb.study.device import Device
from bfrb.study.recordings import Progress, Recordings
from bfrb.study.rows import Aggregation
from bfrb.study.stretches import STRETCH_ROWS, Stretch
from bfrb.study.windows import WindowSpec, cut_continuous_stretches

log = logging.getLogger(__name__)

TIMES: Mapping[str, float] = MappingProxyType({"time_s": 1.0, "time_ms": 1e-3, "time_us": 1e-6, "time_ns": 1e-9})
"""Columns with the times of samples, and the seconds that 1 stands for."""


def iter_stretches(
    path: Path, device: Device, description: str = "auto", progress: Progress | None = None, how: Aggregation = "mean"
) -> Iterator[Stretch]:
    """All samples or rows at a path, a sample table or what `open_source` reads, recording after recording.

    Raises `DataError` if there is nothing that can be read, or it is of another device than the given one, or damaged.
    """
    samples = find_sample_table(path) if description == "auto" else None
    if samples is not None:
        return _table_stretches(*samples, device, progress)
    source = open_source(path, description, device=device, how=how)
    if source.device.name != device.name:
        problem = f"expected recordings of the device {device.name!r}, got {source.device.name!r}"
        raise DataError(problem, remedy="use a bundle that was trained on recordings of this device")
    return sample_stretches(source, progress)


def sample_stretches(source: Source, progress: Progress | None = None) -> Iterator[Stretch]:
    """All samples of a source, as a stream would get them, or its rows where these are all that there is."""
    told = source.sample_stretches if isinstance(source, DescribedSource) else source.stretches
    return told(progress=progress)


def iter_judged(source: Source, spec: WindowSpec) -> Iterator[Recordings]:
    """Recordings as networks judge them, in bounded memory: labelled windows of continuous ones, others as they are."""
    first = next(source.stretches(), None)
    if first is not None and "gesture" in first.annotations and first.about.get("gesture") is None:
        return cut_continuous_stretches(source.stretches(), source.device, spec)
    return source.batches()


def find_sample_table(path: Path) -> tuple[TextTable, str] | None:
    """The table at a path and its column of times; None if it is no CSV or Parquet file with such a column."""
    if path.is_file() and path.suffix in (".csv", ".parquet"):
        for time in TIMES:
            with suppress(DataError):
                return open_table(path, FileSpec(), [time]), time
    return None


def _table_stretches(table: TextTable, time: str, device: Device, progress: Progress | None) -> Iterator[Stretch]:
    path = table.path
    sensors = [sensor for sensor in device.sensors if set(sensor.columns) <= set(table.names)]
    if not sensors:
        lacking, found = ", ".join(device.sensors[0].columns), ", ".join(table.names[:8])
        problem = f"{path}: expected columns of the device {device.name!r} such as {lacking}, found {found}"
        raise DataError(problem, remedy="name the columns as the device does, or use a bundle for another device")
    names = [time, *(name for sensor in sensors for name in sensor.columns)]
    findings, begins = Findings(), True
    for frame in iter_frames(table, dict.fromkeys(names, pl.Float64), findings, progress):
        for rows in frame.iter_slices(STRETCH_ROWS):
            # As numbers with a fraction: what is impossible is found, and counted, by whoever takes the samples.
            numbers = read_numbers(rows, names, findings, dtype=pl.Float64)
            ends = np.cumsum([1, *(len(sensor.columns) for sensor in sensors)])
            parts = np.split(numbers, ends[:-1], axis=1)[1:]
            shaped = zip(sensors, parts, strict=True)
            readings = {sensor.name: part.reshape(-1, *sensor.shape) for sensor, part in shaped}
            about = {"id": path.stem, "subject": path.stem}
            yield Stretch(about, begins, numbers[:, 0] * TIMES[time], readings)
            begins = False
    for finding in findings:
        log.warning("%s: %s", path, finding.sentence)
