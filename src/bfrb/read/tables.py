"""Small tables of results, such as predictions: columns to a frame, and frames to and from CSV or Parquet."""

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import Any

import polars as pl

from bfrb.errors import DataError
from bfrb.files import writing_file
from bfrb.processes import check_threads

Table = pl.DataFrame
"""A small table."""

SUFFIXES = (".csv", ".parquet")
"""File types that tables are read from and written to."""

IDS = ("id", "recording", "row_id", "sequence_id", "subject")
"""Columns that are read as text: 01 and 1 are two people."""


def make_table(columns: Mapping[str, Any], *, nan_to_null: bool = False) -> Table:
    """A table of columns of equal length; NaN in arrays is nothing known, or stays."""
    return pl.DataFrame(dict(columns), nan_to_null=nan_to_null)


def stack_tables(tables: Sequence[Table]) -> Table:
    """Tables of the same columns one below the other."""
    return pl.concat(tables, how="vertical_relaxed")


def check_file_paths(*paths: Path, suffixes: Sequence[str] = SUFFIXES) -> None:
    """Raise a `DataError` where no files can be written, such as tables, before any work is done for them.

    A name has to end in a suffix, not to be a folder's and not to come twice; its folder has to be there.
    """
    for path in paths:
        if path.suffix not in suffixes:
            problem = f"expected an output that ends in {' or '.join(suffixes)}, got {path.name!r}"
            raise DataError(problem, remedy="rename the output")
        if path.is_dir():
            raise DataError(f"expected a file for the output, but {path} is a folder", remedy="name a file in it")
        if not path.parent.is_dir():
            raise DataError(f"there is no folder {path.parent} to write {path.name} in", remedy="make the folder first")
    if len({path.resolve() for path in paths}) < len(paths):
        names = " and ".join(map(str, paths))
        raise DataError(f"expected a file of its own for each output, got {names}", remedy="give them different names")


def write_table(table: Table, path: Path) -> None:
    """Write a table as CSV or Parquet, by the path's suffix: whole or not at all; a file that is there is replaced."""
    write_tables([table], path)


def write_tables(parts: Iterable[Table], path: Path) -> None:
    """Write tables of the same columns one below the other, as `write_table` does, with one in memory at a time.

    Raises `DataError` if no table can be written to the place, or there is none.
    """
    check_file_paths(path)
    parts = iter(parts)
    first = next(parts, None)
    if first is None:
        raise DataError("expected tables to write, got none", remedy="check the source: it holds no rows")
    with writing_file(path) as unfinished, appending(unfinished, path) as append:
        for part in chain([first], parts):
            append(part)


@contextmanager
def appending(place: Path, path: Path) -> Iterator[Callable[[Table], None]]:
    """A function that writes tables one below the other to a file at `place`, which shall be called `path`."""

    def write(how: Callable[..., object], *arguments: object, **options: object) -> None:
        with naming(path):
            how(*arguments, **options)

    if path.suffix == ".csv":
        with place.open("wb", buffering=0) as file:
            yield lambda part: write(part.write_csv, file, include_header=not file.tell())
        return
    # A Parquet file ends with its contents: the tables lie in a folder beside it until all are there.
    folder = place.with_name(f"{place.name}.parts")
    folder.mkdir()
    names = (folder / f"{number:06d}.parquet" for number in count())
    try:
        yield lambda part: write(part.write_parquet, next(names))
        rows = pl.scan_parquet(sorted(folder.iterdir()))
        write(rows.sink_parquet, place, compression="zstd", maintain_order=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Say of what cannot be written here, such as on a full disk, that it should have become `path`: a `DataError`."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise DataError(f"{path} cannot be written: {reason}", remedy="check rights and space on the disk") from None


def read_table(path: Path, texts: Collection[str] = IDS) -> Table:
    """Read a CSV or Parquet file; a `DataError` if it is missing, of another type, empty or damaged.

    In a CSV a column is text unless it is numbers and nothing else: 01 is none. Those named in `texts` always are.
    """
    if path.suffix not in SUFFIXES or not path.is_file():
        problem = f"expected a file that ends in {' or '.join(SUFFIXES)}, got {path}"
        raise DataError(problem, remedy="check the path and its ending")
    check_threads()
    try:
        if path.suffix == ".parquet":
            table = pl.read_parquet(path)
            numbers = [name for name in texts if name in table.columns and table.schema[name].is_numeric()]
            return table.with_columns(pl.col(numbers).cast(pl.String))
        table = pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        first_line = str(error).partition("\n")[0]
        raise DataError(f"{path} cannot be read as {path.suffix[1:]}: {first_line}", remedy="repair the file") from None
    return table.with_columns(_as_number(table[name]) for name in table.columns if name not in texts)


def _as_number(column: pl.Series) -> pl.Series:
    """A column of texts as numbers, if it is nothing else and nothing of it would be lost."""
    if column.null_count() == len(column) or column.str.contains(r"^[+-]?0\d|^\s|\s$").any():
        return column
    for dtype in (pl.Int64, pl.Float64):
        numbers = column.cast(dtype, strict=False)
        if numbers.null_count() == column.null_count():
            return numbers
    return column
