"""Small tables of results, such as predictions: columns to a frame, and frames to and from CSV or Parquet."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

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


def check_table_paths(paths: Sequence[Path]) -> None:
    """Refuse places for several tables like `check_table_path`, and one that is given twice.

    Raises
    ------
    DataError
        If no table can be written to one of them, or two are the same.
    """
    for path in paths:
        check_table_path(path)
    if len({path.resolve() for path in paths}) < len(paths):
        names = " and ".join(map(str, paths))
        raise DataError(f"expected a file of its own for each table, got {names}", remedy="give them different names")


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
    write_side_by_side(((part,) for part in parts), [path])


def write_side_by_side(groups: Iterable[Sequence[Table]], paths: Sequence[Path]) -> None:
    """Write tables to several files, as `write_tables` does to one: each group has a table for every file.

    All files are written, or none: they take their places once the last of them is whole.

    Raises
    ------
    DataError
        If no table can be written to one of the places, two are the same, or there is no group.
    """
    check_table_paths(paths)
    unfinished = [path.with_name(f".{path.name}.{secrets.token_hex(4)}") for path in paths]
    try:
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(_opened(*both)) for both in zip(unfinished, paths, strict=True)]
            for group in groups:
                for file, part in zip(files, group, strict=True):
                    file.add(part)
            for file in files:
                file.finish()
        for made, path in zip(unfinished, paths, strict=True):
            made.replace(path)
    finally:
        for made in unfinished:
            made.unlink(missing_ok=True)


def _opened(made: Path, path: Path) -> _Writer:
    return _Csv(made) if path.suffix == ".csv" else _Parquet(made)


class _Writer(Protocol):
    """A file that is being written."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def add(self, part: Table) -> None:
        """Add a table."""

    def finish(self) -> None:
        """See to it that the file is whole and on the disk."""


class _Csv:
    """Tables one below the other in a CSV file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, part: Table) -> None:
        part.write_csv(self._file, include_header=not self._count)
        self._count += 1

    def finish(self) -> None:
        _check_some(self._count)
        self._file.flush()
        os.fsync(self._file.fileno())


class _Parquet:
    """Tables one below the other in a Parquet file; they lie in a folder beside it until all are there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = path.with_name(f"{path.name}.parts")
        self._folder.mkdir()
        self._files: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, part: Table) -> None:
        self._files.append(self._folder / f"{len(self._files)}.parquet")
        part.write_parquet(self._files[-1])

    def finish(self) -> None:
        _check_some(len(self._files))
        pl.scan_parquet(self._files).sink_parquet(self._path)
        with self._path.open("rb") as file:
            os.fsync(file.fileno())


def _check_some(count: int) -> None:
    if not count:
        raise DataError("expected tables to write, got none", remedy="check the source: it holds no rows")


IDS = ("id", "recording", "row_id", "sequence_id", "subject")
"""Columns that are read as text: 01 and 1 are two people."""


def read_table(path: Path, texts: Collection[str] = IDS) -> Table:
    """Read a CSV or Parquet file; in a CSV every column is read as text where it is not plainly numeric.

    Parameters
    ----------
    texts
        Columns that are text even if they look like numbers.

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
        return pl.read_csv(path, infer_schema_length=None, schema_overrides=dict.fromkeys(texts, pl.String))
    except (pl.exceptions.PolarsError, OSError) as error:
        first_line = str(error).partition("\n")[0]
        raise DataError(f"{path} cannot be read as {path.suffix[1:]}: {first_line}", remedy="repair the file") from None
