"""Write recordings in the layout of Kaggle's CMI 2025 data: a folder with `train` and `train_demographics.csv`.

Recordings for a test are written beside them, as Kaggle does: `test` without labels, and `test_demographics.csv`.
What Kaggle keeps for itself goes to `test_answers.csv`.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

import numpy as np
import polars as pl

from bfrb.errors import DataError
from bfrb.read.cmi import SIMULATED_MARK
from bfrb.read.cmi_layout import ANNOTATIONS, COUNTER, ID, LABELS, SUBJECT
from bfrb.read.demographics import MEASURES
from bfrb.study.device import Sensor
from bfrb.study.recordings import Annotation, Recordings

Format = Literal["csv", "parquet"]

_FIRST = ("row_id", "sequence_type", ID, COUNTER, SUBJECT, "orientation", "behavior", "phase", "gesture")
"""The columns before those of the sensors, in their order."""


def write_cmi(
    parts: Iterable[Recordings],
    out: Path,
    *,
    test: Iterable[Recordings] = (),
    file_format: Format = "csv",
    mark: str = "",
    overwrite: bool = False,
) -> Path:
    """Write recordings part by part, in bounded memory: the whole folder or nothing.

    Parameters
    ----------
    parts
        Recordings of the Helios device.
    out
        The folder to make.
    test
        Recordings of the same device for a test, written without their labels.
    file_format
        Of the recordings; demographics are always CSV.
    mark
        Text of the file that says that the recordings are simulated; without it none is written.
    overwrite
        Replace a folder of recordings that is there.

    Raises
    ------
    DataError
        If the folder is there already, or its parent is not.
    """
    with new_folder(out, overwrite) as folder:
        if mark:
            (folder / SIMULATED_MARK).write_text(mark, encoding="utf-8")
        for name, some in (("train", parts), ("test", test)):
            _write_split(some, folder, name, file_format)
    return out


@contextmanager
def new_folder(out: Path, overwrite: bool) -> Iterator[Path]:
    """A folder beside `out` that takes its place when all is done, and is removed when something fails.

    Raises
    ------
    DataError
        If `out` may not be made.
    """
    check_new_folder(out, overwrite)
    unfinished = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    unfinished.mkdir()
    try:
        yield unfinished
        if out.is_dir():
            replaced = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
            out.rename(replaced)
            unfinished.rename(out)
            shutil.rmtree(replaced)
        else:
            unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def check_new_folder(out: Path, overwrite: bool) -> None:
    """Refuse a place where no folder of recordings can be made, before any work is done for it.

    Raises
    ------
    DataError
        If something is there that may not be replaced, or the parent is no folder.
    """
    if not out.absolute().parent.is_dir():
        raise DataError(f"there is no folder {out.parent} to make {out.name} in", remedy="make that folder first")
    if not out.exists():
        return
    ours = out.is_dir() and (not any(out.iterdir()) or (out / SIMULATED_MARK).is_file())
    if not ours:
        raise DataError(f"{out} is there and holds no simulated study", remedy="choose another folder")
    if not overwrite and any(out.iterdir()):
        raise DataError(f"{out} is there already", remedy="choose another folder, or replace it with --overwrite")


def check_format(name: str) -> Format:
    """The file format of that name.

    Raises
    ------
    DataError
        If there is none.
    """
    if name == "csv":
        return "csv"
    if name == "parquet":
        return "parquet"
    raise DataError(f"unknown file format {name!r}", remedy="choose csv or parquet")


def _write_split(parts: Iterable[Recordings], folder: Path, name: str, file_format: Format) -> None:
    """Write the rows, the subjects and, of a test, the answers; nothing if there are no recordings."""
    tables: list[pl.DataFrame] = []
    frames = (_shown(part, name, tables) for part in parts)
    if file_format == "csv":
        with (folder / f"{name}.csv").open("wb") as file:
            for frame in frames:
                _append_csv(frame, file)
    else:
        _write_parquet(frames, folder, name)
    if not tables:
        (folder / f"{name}.{file_format}").unlink(missing_ok=True)
        return
    table = pl.concat(tables)
    table.select(SUBJECT, *MEASURES).unique(SUBJECT, keep="first", maintain_order=True).write_csv(
        folder / f"{name}_demographics.csv"
    )
    if name == "test":
        table.select(pl.col("id").alias(ID), "gesture").write_csv(folder / "test_answers.csv")


def _shown(part: Recordings, name: str, tables: list[pl.DataFrame]) -> pl.DataFrame:
    """The rows of some recordings, of a test without labels; their table is added to `tables`."""
    tables.append(part.table)
    rows = rows_of(part)
    return rows.drop(*LABELS, *ANNOTATIONS) if name == "test" else rows


def _write_parquet(frames: Iterable[pl.DataFrame], folder: Path, name: str) -> None:
    """Write frames as they come as one file, through a piece for each."""
    for number, frame in enumerate(frames):
        frame.write_parquet(folder / f"part-{number:06d}.parquet")
    pieces = sorted(folder.glob("part-*.parquet"))
    if pieces:
        pl.scan_parquet(pieces).sink_parquet(folder / f"{name}.parquet", compression="zstd", maintain_order=True)
    for piece in pieces:
        piece.unlink()


def _append_csv(rows: pl.DataFrame, file: IO[bytes]) -> None:
    rows.write_csv(file, include_header=file.tell() == 0)


def rows_of(recordings: Recordings) -> pl.DataFrame:
    """A frame with all columns of the CMI layout, one row per reading, null where nothing was measured."""
    lengths = recordings.lengths
    table = recordings.table
    counter = np.arange(recordings.n_rows) - np.repeat(recordings.offsets[:-1], lengths)
    columns = {
        name: table[source].gather(np.repeat(np.arange(len(recordings)), lengths))
        for name, source in ((ID, "id"), (SUBJECT, SUBJECT), *((name, name) for name in _FIRST))
        if source in table.columns
    }
    columns[COUNTER] = pl.Series(counter.astype(np.int32))
    columns |= {name: _texts(annotation) for name, annotation in recordings.annotations.items()}
    columns["row_id"] = _row_ids(columns[ID], columns[COUNTER])
    frame = pl.DataFrame({name: columns[name] for name in _FIRST if name in columns})
    readings = [_readings(sensor, recordings.sensors[sensor.name]) for sensor in recordings.device.sensors]
    return pl.concat([frame, *readings], how="horizontal")


def _row_ids(ids: pl.Series, counter: pl.Series) -> pl.Series:
    return pl.select(pl.format("{}_{}", ids, counter.cast(pl.String).str.zfill(6))).to_series()


def _texts(annotation: Annotation) -> pl.Series:
    names = pl.Series([*annotation.names, None], dtype=pl.String)
    codes = annotation.codes.astype(np.int64)
    return names.gather(np.where(codes < 0, len(annotation.names), codes))


def _readings(sensor: Sensor, values: np.ndarray) -> pl.DataFrame:
    flat = values.reshape(len(values), -1)
    frame = pl.from_numpy(flat, schema=list(sensor.columns), orient="row")
    if sensor.no_response_code is None:
        return frame.fill_nan(None)
    return frame.with_columns(pl.all().replace(sensor.absent, None)) if (flat == sensor.absent).any() else frame
