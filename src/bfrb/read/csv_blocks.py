"""Tables of samples as apps write them, looked at first and then read block by block.

They have any separator, lines before the names, lines of units, decimal commas. A CSV parser fills a line that is too
short with nulls and says nothing, so a truncated file, or one in which a separator was lost, would pass: separators are
counted before a block is parsed, and a block with more, fewer, or anything unusual is looked at line by line.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Bools, Ints
from bfrb.errors import DataError
from bfrb.read.checks import LINE, ROW, convert
from bfrb.read.findings import Finding, Report, Severity
from bfrb.read.frames import PARQUET_MAGIC, refusing
from bfrb.study.description import FileSpec
from bfrb.study.recordings import Progress

BLOCK_BYTES = 30 << 20  # memory for 32 MiB and more would be cleared for every block
_COUNT_BYTES = 1 << 18  # small enough for the mask of a slice to stay in the processor's cache
_PARQUET_ROWS = 16_384
_QUOTED = re.compile(rb'"[^"]*"')
_HEAD_LINES, _HEAD_BYTES = 200, 1 << 18
_SEPARATORS = (",", ";", "\t", "|", " ")
_TERM = re.compile(r"\s*([+-])?\s*([^+\-\s]+)")
_NUMBER = re.compile(r"[+-]?[.,]?\d")

Types = Mapping[str, Any]
"""The polars type of every column that is read, by name: texts or floating point."""


@dataclass(frozen=True)
class TextTable:
    """A table file that was looked at, and what is known of such files."""

    path: Path
    spec: FileSpec
    names: tuple[str, ...]
    separator: str = ""
    """Between columns; an empty text for Parquet."""
    lines: int = 0
    start: int = 0
    """How many lines, and how many bytes, stand before the first row of values."""


def open_table(path: Path, spec: FileSpec, wanted: Sequence[str]) -> TextTable:
    """Look at a table: where its names are, what stands between its columns, where its values begin.

    The line that names all wanted columns is the line of names. Raises `DataError` if a file is neither text nor
    Parquet, or has no line with these names.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(PARQUET_MAGIC):
        with refusing(f"{path} to be a complete Parquet file"):
            names = tuple(pl.scan_parquet(path).collect_schema().names())
        check_wanted(path, names, wanted)
        return TextTable(path, spec, names)
    raw = head.split(b"\n", _HEAD_LINES)[:_HEAD_LINES]
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
    return TextTable(path, spec, names, separator, skip, sum(len(line) + 1 for line in raw[:skip]))


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
    """Refuse a table that lacks columns: the `DataError` names some of them, and some of those that are there."""
    if lost := _lacking(names, wanted):
        shown = ", ".join(names[:12])[:300] + (" ..." if len(names) > 12 else "")
        more = f" and {len(lost) - 4} more" if len(lost) > 4 else ""
        problem = f"{source}: expected the column {', '.join(map(repr, lost[:4]))}{more}, found {shown or 'no names'}"
        remedy = "correct the columns, or use the description of this device; a sensor needs all its columns"
        raise DataError(problem, remedy=remedy)


def _lacking(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    known = set(names)
    return [name for column in wanted for _, name in terms_of(column, names) if name not in known]


def _check_head(path: Path, head: bytes, lines: list[str]) -> None:
    if b"\0" in head[:4096]:
        problem = f"{path}: expected a table of text, found binary data or another encoding than UTF-8"
        raise DataError(problem, remedy="unpack compressed files, save text as UTF-8, or name its format in [file]")
    if not head.strip():
        raise DataError(f"{path}: the file is empty", remedy="copy it again")
    if "\r" in lines[0]:
        problem = f"{path}: expected a line of names, found a carriage return in it"
        raise DataError(problem, remedy="save the file with the line ends of Unix or Windows")


def _find_names(
    path: Path, lines: list[str], spec: FileSpec, wanted: Sequence[str]
) -> tuple[int, str, tuple[str, ...]]:
    """Number of the line with all wanted names, from 0, what separates them, and the names."""
    separators = (spec.separator,) if spec.separator else _SEPARATORS
    best: tuple[int, tuple[str, ...]] = (0, ())
    for number, line in enumerate(lines):
        for separator in separators:
            names = _split(line, separator)
            below = lines[number + 1 :][:6]
            fits = not _lacking(names, wanted) if wanted else _could_be_names(names, below, separator)
            if fits and number >= spec.skip:
                return number, separator, names
            hits = sum(name in names for name in wanted)
            best = max(best, (hits, names), key=lambda found: found[0])
    found = _guess_separator(lines[spec.skip :])
    check_wanted(path, best[1] or _split(lines[spec.skip], found), wanted)
    if spec.separator and found != spec.separator:
        problem = f"{path}: expected {spec.separator!r} between the columns, found {found!r}"
        raise DataError(problem, remedy="save the table so, with a decimal point, or name its separator in [file]")
    raise DataError(f"{path}: no line names the columns", remedy="give their names as columns in [file]")


def _could_be_names(cells: Sequence[str], below: Sequence[str], separator: str) -> bool:
    """Whether there are three or more, none of them a number, and as many cells below, with numbers among them."""
    rows = [row for line in below if len(row := _split(line, separator)) == len(cells)]
    numbers = [any(map(_NUMBER.match, row)) for row in (cells, *rows)]
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
        problem = f"{path}: expected {len(columns)} columns ({', '.join(columns)}), found {cells}"
        raise DataError(problem, remedy="correct columns, separator or skip in [file]")
    return (*columns, *(f"column_{number}" for number in range(len(columns) + 1, cells + 1)))


def _count_unit_lines(lines: list[str], separator: str, names: tuple[str, ...], wanted: Sequence[str]) -> int:
    """Lines below the names in which few wanted cells are numbers: units, 1 among them, and what repeats them."""
    places = [names.index(name) for column in wanted or names for _, name in terms_of(column, names)]
    for number, line in enumerate(lines[:5]):
        cells = _split(line, separator)
        some = [cells[place] for place in places if place < len(cells)]
        if 2 * sum(not cell or bool(_NUMBER.match(cell)) for cell in some) >= len(some):
            return number
    return 0


def iter_frames(
    table: TextTable, types: Types, report: Report, progress: Progress | None = None
) -> Iterator[pl.DataFrame]:
    """The rows of a table in frames of some thousand, with the typed columns after the number of the line or row.

    Those of a Parquet file keep their own types.
    """
    if table.separator:
        return _iter_text(table, types, report, progress)
    return _iter_parquet(table, types, progress)


def _iter_parquet(table: TextTable, types: Types, progress: Progress | None) -> Iterator[pl.DataFrame]:
    with refusing(f"{table.path} to be a complete Parquet file"):
        lazy = pl.scan_parquet(table.path)
        rows = lazy.select(pl.len()).collect().item()
        done = 0
        for frame in lazy.select(list(types)).collect_batches(chunk_size=_PARQUET_ROWS, maintain_order=True):
            yield frame.with_row_index(ROW, offset=done + 1)
            done += frame.height
            if progress is not None:
                progress(done / rows)


def _iter_text(table: TextTable, types: Types, report: Report, progress: Progress | None) -> Iterator[pl.DataFrame]:
    block, lines, blocks = b"\n", np.arange(0), _iter_blocks(table, types)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, blocks, None)
        while found := coming.result():
            coming = pool.submit(next, blocks, None)  # parsed while this one is used
            block, lines, parsed, share = found
            frame = _read_damaged(table, block, types, int(lines[0]), report) if parsed is None else parsed
            if frame.height:
                yield frame
            if progress is not None:
                progress(share)
    if table.spec.strict and not block.endswith(b"\n"):
        _tell_open_end(block.rsplit(b"\n", 2)[-2:], f"line {lines[-1]}", table.separator.encode(), report)


def _iter_blocks(table: TextTable, types: Types) -> Iterator[tuple[bytes, Ints, pl.DataFrame | None, float]]:
    """Blocks of whole lines, no blank ones at the end: bytes, numbers, frame if plain, and the share that is done."""
    size, first = table.path.stat().st_size, table.lines + 1
    with table.path.open("rb") as stream:
        stream.seek(table.start)
        while block := stream.read(BLOCK_BYTES) + stream.readline():
            done = stream.tell()
            if done == size:
                rows = block.rstrip(b"\r\n")
                block = rows + b"\n" if rows and len(rows) < len(block) else rows
            if block:
                text = block if block.endswith(b"\n") else block + b"\n"
                lines = first + np.arange(_count(text, b"\n"))
                frame = _parse(table, text, types, lines) if _is_plain(table, text, len(lines)) else None
                yield block, lines, frame, done / size
                first += len(lines)


def _is_plain(table: TextTable, block: bytes, lines: int) -> bool:
    """Whether the separators are as many as they should be, and nothing in a block has to be looked at.

    A line with a field too many could hide one with a field too few, but the parser refuses the former.
    """
    if table.spec.decimal != "." or b'"' in block or b"\0" in block:
        return False
    try:
        expected = lines * (len(table.names) - 1)
        return _count(block, table.separator.encode()) == expected and (block.isascii() or bool(block.decode("utf-8")))
    except UnicodeDecodeError:
        return False


def _count(block: bytes, byte: bytes) -> int:
    array = np.frombuffer(block, np.uint8)
    slices = range(0, len(array), _COUNT_BYTES)
    return sum(int(np.count_nonzero(array[start : start + _COUNT_BYTES] == byte[0])) for start in slices)


def _read_damaged(table: TextTable, block: bytes, types: Types, first: int, report: Report) -> pl.DataFrame:
    """The frame of a block in which something is wrong or unusual; what is wrong is reported."""
    text, numbers = _inspect(table, block, first, report)
    if not len(numbers):
        return pl.DataFrame()
    comma = table.spec.decimal == ","
    frame = None if comma else _parse(table, text, types, numbers)
    if frame is not None:
        return frame
    raw = _parse(table, text, dict.fromkeys(types, pl.String), numbers)
    if raw is None:
        problem = f"{table.path}: lines {numbers[0]} to {numbers[-1]} cannot be read as a table"
        raise DataError(problem, remedy="the file is damaged there: copy it again, or remove the damaged lines")
    if comma:
        floats = [name for name, dtype in types.items() if dtype != pl.String]
        raw = raw.with_columns(pl.col(floats).str.replace(",", ".", literal=True))
    return convert(raw, types, report)


def _parse(table: TextTable, text: bytes, types: Types, numbers: Ints) -> pl.DataFrame | None:
    """The frame of some lines, `numbers` of the file; None if a line or a value does not parse."""
    # Names that come twice are of columns that nobody wants.
    unique = [name if name in types else f"{position}" for position, name in enumerate(table.names)]
    schema = {name: types.get(name, pl.String) for name in unique}
    columns = [position for position, name in enumerate(table.names) if name in types]
    try:
        frame = pl.read_csv(text, has_header=False, schema=schema, columns=columns, separator=table.separator)
        return frame.insert_column(0, pl.Series(LINE, numbers))
    except pl.exceptions.PolarsError:
        return None


def _inspect(table: TextTable, block: bytes, first: int, report: Report) -> tuple[bytes, Ints]:
    """The lines with as many fields as there are names, and their numbers; what is no text is replaced."""
    lines = block.removesuffix(b"\n").split(b"\n")
    texts = [line.replace(b"\0", b"?").decode("utf-8", errors="replace").encode() for line in lines]
    fields = np.array([_count_fields(text, table.separator.encode()) for text in texts])
    odd = [number for number, line in enumerate(lines) if texts[number] != line]
    if odd and table.spec.strict:
        at = odd[0]
        byte = next(before for before, after in zip(lines[at], texts[at], strict=False) if before != after)
        remedy, place = "unpack compressed files, save text as UTF-8, or copy the file again", f"line {first + at}"
        report(Finding("not text", "error", "text in UTF-8", f"the byte 0x{byte:02x}", remedy, place, len(odd)))
    wrong = fields != len(table.names)
    # Elsewhere a line that ends early is left out: a logger lost its power, or began anew.
    bad = wrong & ((fields > len(table.names)) | (fields == 0) | table.spec.strict)
    kinds: tuple[tuple[Bools, Severity], ...] = (bad, "error"), (wrong & ~bad, "warning")
    for where, severity in kinds:
        if where.any():
            at = int(where.argmax())
            expected = f"{len(table.names)} fields in every line, as many as there are names"
            found = f"{fields[at]}" if fields[at] else "a quote that stays open"
            remedy = "the file is cut off or damaged: copy it again, or remove these lines"
            place, count = f"line {first + at}", int(where.sum())
            report(Finding("wrong number of fields", severity, expected, found, remedy, place, count))
    whole = np.flatnonzero(~wrong)
    return b"\n".join(texts[number] for number in whole), first + whole


def _count_fields(line: bytes, separator: bytes) -> int:
    """Fields of a line, separators in quotes not counted; 0 if a quote stays open."""
    plain = _QUOTED.sub(b"", line) if b'"' in line else line
    return 0 if b'"' in plain else plain.count(separator) + 1


def _tell_open_end(lines: Sequence[bytes], place: str, separator: bytes, report: Report) -> None:
    """A last line without its line end may have been cut off inside its last value; the line before may tell."""
    last = [line.rpartition(separator)[2].strip() for line in lines]
    cut = len({len(value.partition(b".")[2]) for value in last}) > 1
    found = f"the end of the file after {last[-1].decode(errors='replace')!r}"
    remedy = "the file may have been cut off: copy it again, or, if it is complete, add the line end"
    severity: Severity = "error" if cut else "warning"
    report(Finding("no line end at the end", severity, "a line end after the last line", found, remedy, place))
