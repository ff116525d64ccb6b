"""Write recordings in the layout of Kaggle's CMI 2025 data: a folder with `train` and `train_demographics.csv`.

Recordings for a test are written beside them, as Kaggle does: `test` without labels, and `test_demographics.csv`.
What Kaggle keeps for itself goes to `test_answers.csv`.
"""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from bfrb.files import writing_folder
from bfrb.read.demographics import MEASURES, SUBJECT
from bfrb.read.described_source import SIMULATED_MARK
from bfrb.read.store import check_place, columns_of
from bfrb.read.tables import appending, naming
from bfrb.study.recordings import Recordings

Format = Literal["csv", "parquet"]

ID, COUNTER = "sequence_id", "sequence_counter"
_LABELS = ("gesture", "sequence_type", "orientation", "behavior", "phase")

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
    """Write recordings of the Helios device part by part, in bounded memory: the whole folder or nothing.

    `test`: recordings for a test, written without their labels; `file_format`: of the recordings; demographics are
    always CSV; `mark`: text of the file that says that the recordings are simulated; without it none is written;
    `overwrite`: replace a folder of recordings that is there. Raises `DataError` if the place is taken.
    """
    check_place(out, overwrite, mark=SIMULATED_MARK)
    with writing_folder(out) as folder:
        if mark:
            (folder / SIMULATED_MARK).write_text(mark, encoding="utf-8")
        for name, some in (("train", parts), ("test", test)):
            _write_split(some, folder, out / f"{name}.{file_format}")
    return out


def _write_split(parts: Iterable[Recordings], folder: Path, path: Path) -> None:
    """Write the rows, the subjects and, of a test, the answers to a folder; nothing if there are no recordings."""
    parts = iter(parts)
    first = next(parts, None)
    if first is None:
        return
    tables: list[pl.DataFrame] = []
    is_test = path.stem == "test"
    with appending(folder / path.name, path) as append:
        for part in chain([first], parts):
            tables.append(part.table)
            rows = rows_of(part)
            append(rows.drop(*_LABELS) if is_test else rows)
    table = pl.concat(tables)
    subjects = table.select(SUBJECT, *MEASURES).unique(SUBJECT, keep="first", maintain_order=True)
    with naming(path):
        subjects.write_csv(folder / f"{path.stem}_demographics.csv")
        if is_test:
            table.select(pl.col("id").alias(ID), "gesture").write_csv(folder / "test_answers.csv")


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
    for name, annotation in recordings.annotations.items():
        names = pl.Series([*annotation.names, None], dtype=pl.String)  # UNKNOWN is its last
        columns[name] = names.gather(annotation.codes.astype(np.int64) % len(names))
    numbers = columns[COUNTER].cast(pl.String).str.zfill(6)
    columns["row_id"] = pl.select(pl.concat_str([columns[ID], numbers], separator="_")).to_series()
    frame = pl.DataFrame({name: columns[name] for name in _FIRST if name in columns})
    return frame.hstack(columns_of(recordings, recordings.device.sensors))
