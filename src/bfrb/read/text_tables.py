"""Tables of samples as apps write them: any separator, lines before the names, lines of units, decimal commas.

Every value is read as text and turned into a number here, so that one that is none is named with its line.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from bfrb.errors import DataError
from bfrb.study.description import TIME_UNITS_S, FileSpec, TimeSpec

LINE = "line"
"""Column with the number of the line (of the row in Parquet), from 1."""

_MOST_HEADER_LINES = 200
_SEPARATORS = (",", ";", "\t", "|", " ")
_TERM = re.compile(r"\s*([+-])?\s*([^+\-\s]+)")
_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True)
class TextTable:
    """A table file that was looked at.

    Parameters
    ----------
    path
        Its path.
    names
        Names of its columns.
    separator
        Between columns; an empty text for Parquet.
    skip
        Lines before the first row of values.
    """

    path: Path
    names: tuple[str, ...]
    separator: str
    skip: int

    @property
    def is_parquet(self) -> bool:
        """Whether it is a Parquet file."""
        return not self.separator


def is_parquet(path: Path) -> bool:
    """Whether a file begins as Parquet files do."""
    with path.open("rb") as file:
        return file.read(4) == _PARQUET_MAGIC


def open_table(path: Path, spec: FileSpec, wanted: Sequence[str]) -> TextTable:
    """Look at a table: where its names are, what stands between its columns, where its values begin.

    Parameters
    ----------
    path
        A CSV, TSV or Parquet file.
    spec
        How it is laid out, as far as that is known.
    wanted
        Columns that it has to have; the line that names them all is the line of names.

    Raises
    ------
    DataError
        If it is no text, or has no line with these names.
    """
    if is_parquet(path):
        names = tuple(pl.scan_parquet(path).collect_schema().names())
        _check_wanted(path, names, wanted)
        return TextTable(path, names, "", 0)
    lines = _first_lines(path)
    if spec.columns:
        separator = spec.separator or _guess_separator(lines[spec.skip :])
        return TextTable(path, _named_so_far(path, lines[spec.skip], separator, spec.columns), separator, spec.skip)
    at, separator, names = _find_names(path, lines, spec, wanted)
    return TextTable(path, names, separator, at + 1 + _count_unit_lines(lines[at + 1 :], separator, names, wanted))


def read_columns(table: TextTable, wanted: Sequence[str]) -> pl.DataFrame:
    """The wanted columns as texts (or as they are in Parquet), and `LINE`.

    Raises
    ------
    DataError
        If a line is damaged.
    """
    columns = list(dict.fromkeys(wanted))
    if table.is_parquet:
        try:
            return pl.read_parquet(table.path, columns=columns).with_row_index(LINE, offset=1)
        except pl.exceptions.PolarsError as error:
            raise _unreadable(table.path, error) from None
    try:
        frame = pl.read_csv(
            table.path,
            separator=table.separator,
            has_header=False,
            new_columns=list(table.names),
            skip_lines=table.skip,
            infer_schema=False,
            truncate_ragged_lines=False,
            encoding="utf8-lossy",
        )
    except pl.exceptions.PolarsError as error:
        raise _damaged(table, error) from None
    return frame.select(columns).with_row_index(LINE, offset=table.skip + 1)


def to_numbers(frame: pl.DataFrame, column: str, spec: FileSpec, path: Path) -> pl.Series:
    """(N,) float64 values of a column or of a sum of columns, null where there is none.

    Raises
    ------
    DataError
        If a value is no number.
    """
    total: pl.Series | None = None
    for sign, name in terms_of(column, frame.columns):
        values = _numbers_of(frame, name, spec, path)
        signed = -values if sign < 0 else values
        total = signed if total is None else total + signed
    return total if total is not None else pl.Series(column, [], dtype=pl.Float64)


def terms_of(column: str, names: Sequence[str]) -> list[tuple[int, str]]:
    """Signs and names of the columns that a text such as `gravityX + accelerationX` adds up.

    Examples
    --------
    >>> terms_of("gravityX + accelerationX", ["gravityX", "accelerationX"])
    [(1, 'gravityX'), (1, 'accelerationX')]
    >>> terms_of("Acceleration x (m/s^2)", ["Acceleration x (m/s^2)"])
    [(1, 'Acceleration x (m/s^2)')]
    """
    if column in names or not re.search(r"[+-]", column):
        return [(1, column)]
    return [(-1 if sign == "-" else 1, name) for sign, name in _TERM.findall(column)]


def to_seconds(frame: pl.DataFrame, spec: TimeSpec, file: FileSpec, path: Path) -> pl.Series:
    """(N,) float64 times in seconds, of the column that the description names.

    Raises
    ------
    DataError
        If a time cannot be read.
    """
    column = spec.column or ""
    if spec.unit != "iso8601":
        return _numbers_of(frame, column, file, path) * TIME_UNITS_S[spec.unit]
    texts = frame[column]
    stamps = texts if texts.dtype.is_temporal() else _stamps(texts.str.strip_chars(), spec.zone)
    _refuse_lost(frame, texts, stamps.is_null(), path, "a time such as 2024-05-01T12:00:00.000+02:00")
    return stamps.dt.epoch("us").cast(pl.Float64) * 1e-6


def _stamps(texts: pl.Series, zone: str | None) -> pl.Series:
    """Moments of texts, with a zone of their own or else the given one; null for what is none."""
    told = bool(texts.drop_nulls().head(1).str.contains(r"(Z|[+-]\d\d:?\d\d)$").any())
    try:
        read = texts.str.to_datetime(strict=False, time_unit="us", time_zone="UTC" if told else None)
    except pl.exceptions.PolarsError:  # no format fits the first of them
        return pl.Series(texts.name, [None] * len(texts), dtype=pl.Datetime("us", "UTC"))
    return read if told else read.dt.replace_time_zone(zone or "UTC", ambiguous="earliest", non_existent="null")


def _numbers_of(frame: pl.DataFrame, name: str, spec: FileSpec, path: Path) -> pl.Series:
    column = frame[name]
    if column.dtype != pl.String:
        if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
            raise DataError(f"{path}: expected numbers in {name!r}, got {column.dtype}", remedy="name another column")
        return column.cast(pl.Float64).fill_nan(None)
    texts = column.str.strip_chars()
    if spec.decimal == ",":
        texts = texts.str.replace(",", ".", literal=True)
    numbers = texts.cast(pl.Float64, strict=False)
    lost = numbers.is_null() & ~texts.is_in(["", "NA", "nan", "NaN", "null", "None", "-"]) & texts.is_not_null()
    _refuse_lost(frame, column, lost, path, f"numbers in {name!r}")
    return numbers.fill_nan(None)


def _refuse_lost(frame: pl.DataFrame, texts: pl.Series, lost: pl.Series, path: Path, expected: str) -> None:
    if lost.any():
        first = lost.arg_true()[0]
        raise DataError(
            f"{path}, line {frame[LINE][first]}: expected {expected}, found {texts[first]!r} "
            f"(and in {int(lost.sum()) - 1} more lines)",
            remedy="repair the file, or name the unit, the decimal sign or the column in its description",
        )


def _first_lines(path: Path) -> list[str]:
    with path.open("rb") as file:
        head = file.read(1 << 18)
    if b"\0" in head:
        raise DataError(
            f"{path}: expected a table of text, found binary data",
            remedy="name its format in [file], or export it from the device's own program as CSV",
        )
    text = head.decode("utf-8-sig", errors="replace")
    lines = io.StringIO(text, newline=None).read().split("\n")
    if not text.strip():
        raise DataError(f"{path}: the file is empty", remedy="copy it again")
    return lines


def _find_names(
    path: Path, lines: list[str], spec: FileSpec, wanted: Sequence[str]
) -> tuple[int, str, tuple[str, ...]]:
    """Number of the line with all wanted names, from 0, what separates them, and the names."""
    separators = (spec.separator,) if spec.separator else _SEPARATORS
    best: tuple[int, tuple[str, ...]] = (0, ())
    for number, line in enumerate(lines[:_MOST_HEADER_LINES]):
        for separator in separators:
            names = _split(line, separator)
            if number >= spec.skip and (_holds(names, wanted) if wanted else _could_be_names(names)):
                return number, separator, names
            hits = sum(name in names for name in wanted)
            best = max(best, (hits, names), key=lambda found: found[0])
    _check_wanted(path, best[1] or _split(lines[spec.skip], _guess_separator(lines[spec.skip :])), wanted)
    raise DataError(f"{path}: no line names the columns", remedy="give their names as columns in [file]")


def _holds(names: Sequence[str], wanted: Sequence[str]) -> bool:
    return all(name in names for column in wanted for _, name in terms_of(column, names))


def _could_be_names(cells: Sequence[str]) -> bool:
    return len(cells) >= 3 and not any(re.match(r"[+-]?[.,]?\d", cell) for cell in cells)


def _check_wanted(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    lost = [name for column in wanted for _, name in terms_of(column, names) if name not in names]
    if lost:
        shown = ", ".join(names[:12]) + (" ..." if len(names) > 12 else "")
        raise DataError(
            f"{path}: expected the column {', '.join(map(repr, lost[:4]))}, found {shown or 'no names'}",
            remedy="correct the columns in the description, or use the description of this device",
        )


def _split(line: str, separator: str) -> tuple[str, ...]:
    try:
        cells = next(csv.reader([line.strip("\r")], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        return ()
    return tuple(cell.strip() for cell in cells)


def _guess_separator(lines: Sequence[str]) -> str:
    counts = {separator: lines[0].count(separator) if lines else 0 for separator in _SEPARATORS[:4]}
    best = max(counts, key=lambda separator: counts[separator])
    return best if counts[best] else " "


def _named_so_far(path: Path, line: str, separator: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    cells = len(_split(line, separator))
    if cells < len(columns):
        raise DataError(
            f"{path}: expected {len(columns)} columns ({', '.join(columns)}), found {cells}",
            remedy="correct columns, separator or skip in [file]",
        )
    return (*columns, *(f"column_{number}" for number in range(len(columns) + 1, cells + 1)))


def _count_unit_lines(lines: list[str], separator: str, names: tuple[str, ...], wanted: Sequence[str]) -> int:
    """Lines below the names in which no wanted cell is a number: units, and what programs repeat of them."""
    places = [names.index(name) for column in wanted or names for _, name in terms_of(column, names)]
    for number, line in enumerate(lines[:5]):
        cells = _split(line, separator)
        some = [cells[place] for place in places if place < len(cells)]
        if not some or any(re.match(r"[+-]?[.,]?\d", cell) or not cell for cell in some):
            return number
    return 0


def _damaged(table: TextTable, error: Exception) -> DataError:
    """The first line with more values than there are names, or else what the reader says."""
    with table.path.open(encoding="utf-8", errors="replace", newline="") as file:
        for number, line in enumerate(file, 1):
            if number > table.skip and len(_split(line.rstrip("\n"), table.separator)) > len(table.names):
                return DataError(
                    f"{table.path}, line {number}: expected {len(table.names)} values, found more",
                    remedy="repair or remove that line",
                )
    return _unreadable(table.path, error)


def _unreadable(path: Path, error: Exception) -> DataError:
    first_line = str(error).partition("\n")[0]
    return DataError(f"{path} cannot be read: {first_line}", remedy="the file is damaged: copy it again")
