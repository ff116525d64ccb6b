"""Read recordings in the layout of Kaggle's CMI 2025 data: CSV, Parquet, or a frame."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Ints
from bfrb.errors import DataError
from bfrb.read.batches import ReadInBatches
from bfrb.read.cmi_checks import Checker, run_starts
from bfrb.read.cmi_layout import (
    ANNOTATIONS,
    ID,
    SUBJECT,
    VOCABULARY,
    Layout,
    check_columns,
    expected_types,
    find_layout,
)
from bfrb.read.columns import ROW_NUMBER, read_texts
from bfrb.read.csv_blocks import Progress, iter_csv, open_csv
from bfrb.read.demographics import Demographics, find_demographics, read_demographics
from bfrb.read.findings import Report, refuse
from bfrb.read.frames import from_pandas, is_pandas
from bfrb.study.device import HELIOS, Device
from bfrb.study.labels import CMI_GESTURES, LabelSet
from bfrb.study.recordings import BATCH_ROWS, Annotation, Recordings

log = logging.getLogger(__name__)

SIMULATED_MARK = "simulated.toml"
"""A file of this name in the folder says that the recordings come from a simulator."""

_STEMS = ("train", "train_sample", "test")
"""What is taken from a folder: the first of these that is there."""

_PARQUET_ROWS = 16_384


@dataclass(frozen=True)
class CmiSource(ReadInBatches):
    """Recordings in the CMI layout on disk.

    Parameters
    ----------
    path
        A CSV or Parquet file.
    demographics
        The table of its subjects, if there is one.
    report
        Told what is wrong; if it returns, the rest is read. By default the first error is raised.
    """

    path: Path
    demographics: Path | None = None
    report: Report | None = None

    @property
    def device(self) -> Device:
        """Always Helios."""
        return HELIOS

    @property
    def label_set(self) -> LabelSet:
        """Always the study's 18 gestures."""
        return CMI_GESTURES

    @property
    def simulated(self) -> bool:
        """Whether the recordings come from a simulator."""
        return self.path.with_name(SIMULATED_MARK).is_file()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are read."""
        return (self.path, *([self.demographics] if self.demographics else []))

    def describe(self) -> str:
        """The files that are read."""
        beside = self.demographics
        return f"{self.path} with {beside.name if beside else 'no demographics'}"

    def read(self) -> Recordings:
        """All recordings."""
        return Recordings.concat(list(self._frames_read()))

    def batches(self, max_rows: int = BATCH_ROWS, progress: Progress | None = None) -> Iterator[Recordings]:
        """The recordings in batches, in bounded memory."""
        for recordings in self._frames_read(progress):
            yield from recordings.batches(max_rows)

    def _frames_read(self, progress: Progress | None = None) -> Iterator[Recordings]:
        report = self.report or refuse(str(self.path))
        told = None if self.demographics is None else read_demographics(self.demographics, report)
        subjects = Demographics(report, told)
        is_parquet = self.path.suffix == ".parquet" or _begins_with(self.path, b"PAR1")
        checker = Checker(report, "row" if is_parquet else "line")
        frames = (_parquet_frames if is_parquet else _csv_frames)(self.path, report, progress)
        empty = True
        for frame in _whole_sequences(frames):
            layout = find_layout(frame.columns)
            usable = checker.rows(frame, layout.labels)
            if usable.height:
                empty = False
                yield _recordings(usable, layout, checker, subjects, simulated=self.simulated)
        if empty:
            raise DataError(f"{self.path}: holds no usable recordings", remedy="check that the file is complete")
        subjects.finish()


def find_cmi(path: Path | str, demographics: Path | str | None = None, report: Report | None = None) -> CmiSource:
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
    if demographics is None:
        return CmiSource(source, find_demographics(source), report)
    if not Path(demographics).is_file():
        raise DataError(f"{demographics}: no such file", remedy="check the path of the demographics")
    return CmiSource(source, Path(demographics), report)


def _choose(folder: Path) -> Path:
    for stem in _STEMS:
        found = [path for suffix in (".csv", ".parquet") if (path := folder / f"{stem}{suffix}").is_file()]
        if len(found) > 1:
            names = f"both {found[0].name} and {found[1].name}"
            raise DataError(f"{folder}: holds {names}", remedy="name the file that is meant")
        if found:
            log.info("reading %s", found[0])
            return found[0]
    some = ", ".join(sorted(path.name for path in folder.iterdir())[:6]) or "nothing"
    raise DataError(
        f"{folder}: expected a store (store.json), recordings in the CMI layout ({', '.join(_STEMS)} as .csv or "
        f".parquet) or a clone of the Searle 2021 data (exp-1/accLabeled.csv), found {some}",
        remedy="name the folder or the file the recordings are in",
    )


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
    report = report or refuse("the frame")
    rows = _as_polars(frame, "the frame")
    layout = check_columns(rows.columns, "the frame", report)
    subjects = Demographics(report, _as_polars(demographics, "the demographics"))
    checker = Checker(report, "row")
    usable = checker.rows(rows.with_row_index(ROW_NUMBER, offset=1), layout.labels)
    if not usable.height:
        raise DataError("the frame has no rows", remedy="give all rows of at least one sequence")
    recordings = _recordings(usable, layout, checker, subjects, simulated=False)
    subjects.finish()
    return recordings


def _as_polars(frame: Any, what: str) -> pl.DataFrame:
    if frame is None:
        return pl.DataFrame()
    if isinstance(frame, pl.DataFrame):
        return frame
    if not is_pandas(frame):
        raise DataError(
            f"expected {what} as a polars or pandas frame, got {type(frame).__name__}", remedy="give a frame"
        )
    names = [str(name) for name in getattr(frame, "columns", ())]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{what}: the column {twice!r} comes twice", remedy="give every column a name of its own")
    return from_pandas(frame)


def _begins_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _csv_frames(path: Path, report: Report, progress: Progress | None) -> Iterator[pl.DataFrame]:
    file = open_csv(path)
    check_columns(file.header, str(path), report)
    return iter_csv(file, expected_types(file.header), report, progress)


def _parquet_frames(path: Path, report: Report, progress: Progress | None) -> Iterator[pl.DataFrame]:
    try:
        lazy = pl.scan_parquet(path)
        columns = lazy.collect_schema().names()
        check_columns(columns, str(path), report)
        rows = lazy.select(pl.len()).collect().item()
        done = 0
        lazy = lazy.select(list(expected_types(columns)))
        for frame in lazy.collect_batches(chunk_size=_PARQUET_ROWS, maintain_order=True):
            numbered = frame.with_row_index(ROW_NUMBER, offset=done + 1)
            yield numbered.with_columns(read_texts(numbered, ID, report, "row"))
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
            yield pl.concat([*carried, frame[:last]])
            carried = []
        carried.append(frame[last:])
    if carried:
        yield pl.concat(carried)


def _recordings(
    frame: pl.DataFrame, layout: Layout, checker: Checker, subjects: Demographics, *, simulated: bool
) -> Recordings:
    starts = run_starts(frame[ID])
    labels = [name for name in layout.labels if name not in ANNOTATIONS]
    columns = [_values_at(frame[name], starts) for name in (ID, SUBJECT, *labels)]
    columns[0] = columns[0].alias("id")
    return Recordings(
        HELIOS,
        {sensor.name: checker.readings(frame, sensor) for sensor in layout.sensors},
        np.append(starts, frame.height),
        pl.DataFrame([*columns, *subjects.of(columns[1])]),
        {name: _annotation(frame[name]) for name in ANNOTATIONS if name in layout.labels},
        simulated,
    )


def _values_at(column: pl.Series, rows: Ints) -> pl.Series:
    values = column.to_list()
    return pl.Series(column.name, [values[row] for row in rows], dtype=pl.String)


def _annotation(column: pl.Series) -> Annotation:
    names = VOCABULARY[column.name]
    codes = column.replace_strict(names, range(len(names)), default=-1, return_dtype=pl.Int8)
    return Annotation(codes.to_numpy(), names)
