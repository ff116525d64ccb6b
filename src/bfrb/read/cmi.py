"""Read recordings in the layout of Kaggle's CMI 2025 data: CSV, Parquet, or a frame."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl

from bfrb.errors import DataError
from bfrb.read.cmi_checks import VOCABULARY, Checker, run_starts
from bfrb.read.cmi_layout import (
    ANNOTATIONS,
    ID,
    IMAGES,
    LABELS,
    SUBJECT,
    check_columns,
    conform,
    expected_types,
    held_sensors,
    spread_images,
)
from bfrb.read.cmi_single import clean_recording
from bfrb.read.csv_blocks import ROW_NUMBER, Progress, iter_csv, open_csv
from bfrb.read.demographics import checked_demographics, find_demographics, read_demographics
from bfrb.read.findings import Finding, Report, refuse
from bfrb.read.frames import from_pandas, is_pandas
from bfrb.study.device import HELIOS
from bfrb.study.recordings import Annotation, Recordings

log = logging.getLogger(__name__)

_T = TypeVar("_T")

SIMULATED_MARK = "simulated.toml"
"""A file of this name in the folder says that the recordings come from a simulator."""

_STEMS = ("train", "train_sample", "test")
"""What is taken from a folder: the first of these that is there."""

DEFAULT_MAX_ROWS = 50_000
_PARQUET_ROWS = 16_384


@dataclass(frozen=True)
class CmiFile:
    """Recordings in the CMI layout on disk.

    Parameters
    ----------
    path
        A CSV or Parquet file.
    demographics
        The table of its subjects, if there is one.
    """

    path: Path
    demographics: Path | None

    @property
    def simulated(self) -> bool:
        """Whether the recordings come from a simulator."""
        return self.path.with_name(SIMULATED_MARK).is_file()


def find_cmi(path: Path | str, demographics: Path | str | None = None) -> CmiFile:
    """The recordings at a path: a file, or the one that is taken from a folder.

    In a folder the first of `train`, `train_sample` and `test` is taken, as CSV or Parquet. Demographics are found
    beside the file by name, such as `train_demographics.csv`, unless they are given.

    Raises
    ------
    DataError
        If there is nothing to read, or a choice has to be made.
    """
    source = Path(path)
    if source.is_dir():
        source = _choose(source)
    elif not source.is_file():
        raise DataError(f"{source}: no such file or folder", remedy="check the path")
    if demographics is None:
        return CmiFile(source, find_demographics(source))
    if not Path(demographics).is_file():
        raise DataError(f"{demographics}: no such file", remedy="check the path of the demographics")
    return CmiFile(source, Path(demographics))


def holds_cmi(folder: Path) -> bool:
    """Whether there is something to take from a folder."""
    return any(_candidates(folder, stem) for stem in _STEMS)


def list_some(folder: Path) -> str:
    """The first names in a folder, for messages."""
    return ", ".join(sorted(path.name for path in folder.iterdir())[:6]) or "nothing"


def _candidates(folder: Path, stem: str) -> list[Path]:
    return [path for suffix in (".csv", ".parquet") if (path := folder / f"{stem}{suffix}").is_file()]


def _choose(folder: Path) -> Path:
    for stem in _STEMS:
        found = _candidates(folder, stem)
        if len(found) > 1:
            raise DataError(
                f"{folder}: holds both {found[0].name} and {found[1].name}", remedy="name the file that is meant"
            )
        if found:
            log.info("reading %s", found[0])
            return found[0]
    raise DataError(
        f"{folder}: expected {', '.join(_STEMS)} (.csv or .parquet), found {list_some(folder)}",
        remedy="name the file itself, or the folder the recordings lie in",
    )


def read_cmi(path: Path | str, *, demographics: Path | str | None = None) -> Recordings:
    """All recordings of a file or folder in the CMI layout.

    Parameters
    ----------
    path
        A CSV or Parquet file, or a folder that holds one.
    demographics
        The table of subjects; looked for beside the file by default.

    Raises
    ------
    DataError
        If the file is damaged, a value cannot be read or is impossible, or sequences are not in order.
    """
    return Recordings.concat(list(iter_cmi(path, demographics=demographics)))


def iter_cmi(
    path: Path | str,
    *,
    demographics: Path | str | None = None,
    max_rows: int = DEFAULT_MAX_ROWS,
    progress: Progress | None = None,
) -> Iterator[Recordings]:
    """The recordings of a file or folder in batches, in bounded memory.

    Parameters
    ----------
    path, demographics
        As for `read_cmi`.
    max_rows
        Most rows of a batch, unless a single recording has more.
    progress
        Called with the share of the file that has been read.

    Raises
    ------
    DataError
        As for `read_cmi`, when the place is reached.
    """
    file = find_cmi(path, demographics)
    for batch in iter_file(file, refuse(str(file.path)), progress):
        yield from batch.batches(max_rows)


def iter_file(file: CmiFile, report: Report, progress: Progress | None = None) -> Iterator[Recordings]:
    """Recordings batch by batch; what is wrong goes to `report`, and if it returns, the rest is read."""
    subjects = None if file.demographics is None else read_demographics(file.demographics, report)
    table = checked_demographics(subjects, report)
    is_parquet = file.path.suffix == ".parquet" or _begins_with(file.path, b"PAR1")
    checker = Checker(report, "row" if is_parquet else "line")
    empty = True
    for frame in _whole_sequences(_frames(file.path, is_parquet, report, progress)):
        usable = checker.rows(frame)
        if usable.height:
            empty = False
            yield _recordings(usable, checker, table, file.simulated)
    if empty:
        raise DataError(f"{file.path}: holds no usable recordings", remedy="check that the file is complete")


def _frames(path: Path, is_parquet: bool, report: Report, progress: Progress | None) -> Iterator[pl.DataFrame]:
    """Typed frames, each read by a thread while the one before is used; what the thread finds is reported in order."""
    told: list[Finding] = []
    raw = _parquet_frames(path, progress) if is_parquet else _csv_frames(path, told.append, progress)
    typed = (conform(frame, told.append, "row" if is_parquet else "line") for frame in raw)
    try:
        for frame, findings in _ahead((frame, _take_all(told)) for frame in typed):
            _report_all(findings, report)
            yield frame
    except DataError:
        _report_all(told, report)
        raise
    _report_all(told, report)


def _ahead(items: Iterator[_T]) -> Iterator[_T]:
    """The same items, each made by a thread while the one before is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def _take_all(findings: list[Finding]) -> list[Finding]:
    taken = list(findings)
    findings.clear()
    return taken


def _report_all(findings: list[Finding], report: Report) -> None:
    for finding in _take_all(findings):
        report(finding)


def recordings_from_frame(frame: Any, demographics: Any = None, report: Report | None = None) -> Recordings:
    """Recordings of one or more sequences in a polars or pandas frame, as the Kaggle gateway sends them.

    Parameters
    ----------
    frame
        Rows in the CMI layout. Columns may come in any order, as numbers or as strings; thermopile and time-of-flight
        columns may be null or absent; others are ignored.
    demographics
        A frame with a row per subject; may be None or empty.
    report
        Told of impossible values, which then count as not measured; without it they are refused.

    Raises
    ------
    DataError
        If the frame has no rows, lacks columns, or holds impossible values.
    """
    rows, subjects = _as_polars(frame, "the frame"), _as_polars(demographics, "the demographics")
    clean = clean_recording(rows, subjects)
    return clean if clean is not None else _checked_recordings(rows, subjects, report or refuse("the frame"))


def _checked_recordings(rows: pl.DataFrame, subjects: pl.DataFrame, report: Report) -> Recordings:
    check_columns(rows.columns, "the frame")
    numbered = rows.select(list(expected_types(rows.columns))).with_row_index(ROW_NUMBER, offset=1)
    checker = Checker(report, "row")
    table = checked_demographics(subjects, report)
    usable = checker.rows(conform(numbered, report, "row"))
    if not usable.height:
        raise DataError("the frame has no rows", remedy="give all rows of at least one sequence")
    return _recordings(usable, checker, table, simulated=False)


def _as_polars(frame: Any, what: str) -> pl.DataFrame:
    if frame is None:
        return pl.DataFrame()
    if isinstance(frame, pl.DataFrame):
        return frame
    if is_pandas(frame):
        return from_pandas(frame)
    raise DataError(f"expected {what} as a polars or pandas frame, got {type(frame).__name__}", remedy="give a frame")


def _begins_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _csv_frames(path: Path, report: Report, progress: Progress | None) -> Iterator[pl.DataFrame]:
    file = open_csv(path)
    check_columns(file.header, str(path))
    return iter_csv(file, expected_types(file.header), report, progress, IMAGES)


def _parquet_frames(path: Path, progress: Progress | None) -> Iterator[pl.DataFrame]:
    try:
        lazy = pl.scan_parquet(path)
        columns = lazy.collect_schema().names()
        check_columns(columns, str(path))
        rows = lazy.select(pl.len()).collect().item()
        done = 0
        lazy = lazy.select(list(expected_types(columns)))
        for frame in lazy.collect_batches(chunk_size=_PARQUET_ROWS, maintain_order=True):
            yield frame.with_row_index(ROW_NUMBER, offset=done + 1)
            done += frame.height
            if progress is not None:
                progress(done / rows)
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{path}: expected a complete Parquet file, but {str(error).splitlines()[0]}",
            remedy="the file is cut off or damaged: copy it again",
        ) from None


def _whole_sequences(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same rows, cut between sequences: the last sequence of a frame waits for the next frame."""
    carried: list[pl.DataFrame] = []
    for frame in frames:
        last = int(run_starts(frame[ID])[-1]) if frame.height else 0
        if last:
            yield _joined([*carried, frame[:last]])
            carried = []
        carried.append(frame[last:])
    if carried:
        yield _joined(carried)


def _joined(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """One frame of several, in some of which the images may be one column."""
    alike = len({IMAGES.name in frame.columns for frame in frames}) == 1
    return pl.concat(frames if alike else map(spread_images, frames))


def _recordings(frame: pl.DataFrame, checker: Checker, subjects: pl.DataFrame, simulated: bool) -> Recordings:
    starts = run_starts(frame[ID])
    sensors = {sensor.name: checker.readings(frame, sensor) for sensor in held_sensors(frame)}
    labels = [name for name in LABELS if name in frame.columns]
    table = frame.select(pl.col(ID).alias("id"), SUBJECT, *labels)[starts]
    return Recordings(
        HELIOS,
        sensors,
        np.append(starts, frame.height),
        table.join(subjects, on=SUBJECT, how="left", maintain_order="left"),
        {name: _annotation(frame[name]) for name in ANNOTATIONS if name in frame.columns},
        simulated,
    )


def _annotation(column: pl.Series) -> Annotation:
    names = VOCABULARY[column.name]
    codes = column.replace_strict(names, range(len(names)), default=-1, return_dtype=pl.Int8)
    return Annotation(codes.to_numpy(), names)
