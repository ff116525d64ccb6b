"""Tables of samples as apps write them: any separator, lines before the names, lines of units, decimal commas."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from bfrb.errors import DataError
from bfrb.read.frames import PARQUET_MAGIC, refusing
from bfrb.study.description import FileSpec

_MOST_LINES = 200
"""Lines that are looked at."""
_HEAD_BYTES = 1 << 18
_SEPARATORS = (",", ";", "\t", "|", " ")
_TERM = re.compile(r"\s*([+-])?\s*([^+\-\s]+)")


@dataclass(frozen=True)
class TextTable:
    """A table file that was looked at.

    `path`: its path; `names`: names of its columns; `separator`: between columns; an empty text for Parquet; `lines`,
    `start`: how many lines stand before the first row of values, and how many bytes; `spec`: what is known of such
    files.
    """

    path: Path
    names: tuple[str, ...]
    separator: str
    lines: int
    start: int
    spec: FileSpec

    @property
    def is_parquet(self) -> bool:
        """Whether it is a Parquet file."""
        return not self.separator


def open_table(path: Path, spec: FileSpec, wanted: Sequence[str]) -> TextTable:
    """Look at a table: where its names are, what stands between its columns, where its values begin.

    `path`: a CSV, TSV or Parquet file; `spec`: how it is laid out, as far as that is known; `wanted`: columns that it
    has to have; the line that names them all is the line of names. Raises `DataError` if it is no text, or has no line
    with these names.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(PARQUET_MAGIC):
        with refusing(f"{path} to be a complete Parquet file"):
            names = tuple(pl.scan_parquet(path).collect_schema().names())
        check_wanted(path, names, wanted)
        return TextTable(path, names, "", 0, 0, spec)
    raw = head.split(b"\n", _MOST_LINES)[:_MOST_LINES]
    lines = [line.decode("utf-8-sig", errors="replace").removesuffix("\r") for line in raw]
    _check_head(path, head, lines)
    if spec.columns:
        separator = spec.separator or _guess_separator(lines[spec.skip :])
        names, skip = _named_so_far(path, lines[spec.skip], separator, spec.columns), spec.skip
    else:
        at, separator, names = _find_names(path, lines, spec, wanted)
        skip = at + 1 + (0 if spec.strict else _count_unit_lines(lines[at + 1 :], separator, names, wanted))
    twice = [name for name in names if names.count(name) > 1 and (spec.strict or name in wanted)]
    if twice:
        raise DataError(f"{path}: the column {twice[0]!r} comes twice", remedy="give every column a name of its own")
    return TextTable(path, names, separator, skip, sum(len(line) + 1 for line in raw[:skip]), spec)


def terms_of(column: str, names: Sequence[str]) -> list[tuple[int, str]]:
    """Signs and names of the columns that a text such as `gravityX + accelerationX` adds up.

    >>> terms_of("gravityX + accelerationX", ["gravityX", "accelerationX"])
    [(1, 'gravityX'), (1, 'accelerationX')]
    >>> terms_of("Acceleration x (m/s^2)", ["Acceleration x (m/s^2)"])
    [(1, 'Acceleration x (m/s^2)')]
    """
    if column in names or not re.search(r"[+-]", column):
        return [(1, column)]
    return [(-1 if sign == "-" else 1, name) for sign, name in _TERM.findall(column)]


def check_wanted(source: Path | str, names: Sequence[str], wanted: Sequence[str]) -> None:
    """Refuse a table that lacks columns.

    Raises `DataError` naming some of them, and some of those that are there.
    """
    known = set(names)
    lost = [name for column in wanted for _, name in terms_of(column, names) if name not in known]
    if lost:
        shown = ", ".join(names[:12])[:300] + (" ..." if len(names) > 12 else "")
        more = f" and {len(lost) - 4} more" if len(lost) > 4 else ""
        raise DataError(
            f"{source}: expected the column {', '.join(map(repr, lost[:4]))}{more}, found {shown or 'no names'}",
            remedy="correct the columns, or use the description of this device; a sensor needs all its columns",
        )


def _check_head(path: Path, head: bytes, lines: list[str]) -> None:
    if b"\0" in head[:4096]:
        raise DataError(
            f"{path}: expected a table of text, found binary data or another encoding than UTF-8",
            remedy="unpack compressed files, save text as UTF-8, or name its format in [file]",
        )
    if not head.strip():
        raise DataError(f"{path}: the file is empty", remedy="copy it again")
    if "\r" in lines[0]:
        raise DataError(
            f"{path}: expected a line of names, found a carriage return in it",
            remedy="save the file with the line ends of Unix or Windows",
        )


def _find_names(
    path: Path, lines: list[str], spec: FileSpec, wanted: Sequence[str]
) -> tuple[int, str, tuple[str, ...]]:
    """Number of the line with all wanted names, from 0, what separates them, and the names."""
    separators = (spec.separator,) if spec.separator else _SEPARATORS
    best: tuple[int, tuple[str, ...]] = (0, ())
    for number, line in enumerate(lines):
        for separator in separators:
            names = _split(line, separator)
            if number >= spec.skip and (
                _holds(names, wanted) if wanted else _could_be_names(names, lines[number + 1 :][:6], separator)
            ):
                return number, separator, names
            hits = sum(name in names for name in wanted)
            best = max(best, (hits, names), key=lambda found: found[0])
    check_wanted(path, best[1] or _split(lines[spec.skip], _guess_separator(lines[spec.skip :])), wanted)
    raise DataError(f"{path}: no line names the columns", remedy="give their names as columns in [file]")


def _holds(names: Sequence[str], wanted: Sequence[str]) -> bool:
    return all(name in names for column in wanted for _, name in terms_of(column, names))


def _could_be_names(cells: Sequence[str], below: Sequence[str], separator: str) -> bool:
    """Whether there are three or more, none of them a number, and as many cells below, with numbers among them."""
    rows = [row for line in below if len(row := _split(line, separator)) == len(cells)]
    numbers = [any(re.match(r"[+-]?[.,]?\d", cell) for cell in row) for row in (cells, *rows)]
    return len(cells) >= 3 and not numbers[0] and (any(numbers) or not any(below))


def _split(line: str, separator: str) -> tuple[str, ...]:
    try:
        cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
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
    """Lines below the names in which few wanted cells are numbers: units, 1 among them, and what repeats them."""
    places = [names.index(name) for column in wanted or names for _, name in terms_of(column, names)]
    for number, line in enumerate(lines[:5]):
        cells = _split(line, separator)
        some = [cells[place] for place in places if place < len(cells)]
        if 2 * sum(not cell or bool(re.match(r"[+-]?[.,]?\d", cell)) for cell in some) >= len(some):
            return number
    return 0
