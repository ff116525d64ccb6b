"""Small tables of results, such as predictions: columns to a frame, and frames to and from CSV or Parquet."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from bfrb.errors import DataError

Table = pl.DataFrame
"""A small table."""

SUFFIXES = (".csv", ".parquet")
"""File types that tables are read from and written to."""


def make_table(columns: Mapping[str, Any]) -> Table:
    """A table of columns of equal length."""
    return pl.DataFrame(dict(columns))


def check_table_path(path: Path) -> None:
    """Refuse a place where no table can be written, before any work is done for it.

    Raises
    ------
    DataError
        If the name does not end in `.csv` or `.parquet`, is a folder's, or its folder does not exist.
    """
    if path.suffix not in SUFFIXES:
        raise DataError(
            f"expected an output that ends in {' or '.join(SUFFIXES)}, got {path.name!r}", remedy="rename the output"
        )
    if path.is_dir():
        raise DataError(f"expected a file for the output, but {path} is a folder", remedy="name a file in it")
    if not path.parent.is_dir():
        raise DataError(f"there is no folder {path.parent} to write {path.name} in", remedy="make the folder first")


def write_table(table: Table, path: Path) -> None:
    """Write a table as CSV or Parquet, by the path's suffix: whole or not at all; a file that is there is replaced.

    Raises
    ------
    DataError
        If no table can be written there.
    """
    write_tables([table], path)


def write_tables(parts: Iterable[Table], path: Path) -> None:
    """Write tables of the same columns one below the other, as `write_table` does, with one in memory at a time.

    Raises
    ------
    DataError
        If no table can be written there, or there is none.
    """
    check_table_path(path)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        count = _write_csv(parts, unfinished) if path.suffix == ".csv" else _write_parquet(parts, unfinished)
        if not count:
            raise DataError("expected tables to write, got none", remedy="check the source: it holds no rows")
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _write_csv(parts: Iterable[Table], path: Path) -> int:
    """The number of tables that were written."""
    count = 0
    with path.open("wb") as file:
        for count, part in enumerate(parts, 1):
            part.write_csv(file, include_header=count == 1)
    return count


def _write_parquet(parts: Iterable[Table], path: Path) -> int:
    """The number of tables that were written; they lie in a folder beside the file until all are there."""
    folder = path.with_name(f"{path.name}.parts")
    folder.mkdir()
    try:
        files: list[Path] = []
        for part in parts:
            files.append(folder / f"{len(files)}.parquet")
            part.write_parquet(files[-1])
        if files:
            pl.scan_parquet(files).sink_parquet(path)
        return len(files)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def read_table(path: Path) -> Table:
    """Read a CSV or Parquet file; in a CSV every column is read as text where it is not plainly numeric.

    Raises
    ------
    DataError
        If the file is missing, of another type, empty or damaged.
    """
    if path.suffix not in SUFFIXES or not path.is_file():
        raise DataError(
            f"expected a file that ends in {' or '.join(SUFFIXES)}, got {path}", remedy="check the path and its ending"
        )
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        return pl.read_csv(path, infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError) as error:
        first_line = str(error).partition("\n")[0]
        raise DataError(f"{path} cannot be read as {path.suffix[1:]}: {first_line}", remedy="repair the file") from None
