"""CSV files read block by block: bounded memory, and every damaged line found and named.

A CSV parser fills a line that is too short with nulls and says nothing, so a truncated file, or one in which a comma
was lost, would pass. So commas are counted before a block is parsed, and a block with more, fewer, or anything unusual
is looked at line by line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Ints
from bfrb.errors import DataError
from bfrb.read.columns import ROW_NUMBER, convert
from bfrb.read.findings import Finding, Report

BLOCK_BYTES = 30 << 20  # memory for 32 MiB and more would be cleared for every block
_COUNT_BYTES = 1 << 18  # small enough for the mask of a slice to stay in the processor's cache
_HEADER_BYTES = 1 << 20
_QUOTED = re.compile(rb'"[^"]*"')
_BOM = b"\xef\xbb\xbf"

Progress = Callable[[float], None]


@dataclass(frozen=True)
class CsvFile:
    """A CSV file whose header has been read.

    Parameters
    ----------
    path
        The file.
    header
        Its column names.
    start
        Position in bytes of the first row.
    """

    path: Path
    header: tuple[str, ...]
    start: int


def open_csv(path: Path) -> CsvFile:
    """Read the header of a CSV file.

    Raises
    ------
    DataError
        If the file is empty, binary, not UTF-8, has no comma-separated header, or names a column twice.
    """
    with path.open("rb") as file:
        line = file.readline(_HEADER_BYTES)
    text = line.removeprefix(_BOM).decode("utf-8", errors="replace").removesuffix("\n").removesuffix("\r")
    if not line:
        raise _no_header(path, "an empty file", "copy the file again")
    if "\0" in text or "\N{REPLACEMENT CHARACTER}" in text:
        found = "binary data or another encoding than UTF-8"
        raise _no_header(path, found, "unpack compressed files; save text as UTF-8")
    if "\r" in text:
        raise _no_header(path, "a carriage return in it", "save the file with the line ends of Unix or Windows")
    try:
        header = next(csv.reader([text]), [])
    except csv.Error as error:
        raise _no_header(path, f"a {error}", "export the table again") from None
    if len(header) < 2:
        raise _no_header(path, repr(text[:60]), "export the table as CSV with commas and a header line")
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise _no_header(path, f"that {twice[0]!r} comes twice", "give every column a name of its own")
    return CsvFile(path, tuple(header), len(line))


def _no_header(path: Path, found: str, remedy: str) -> DataError:
    return DataError(f"{path}: expected column names with commas in the first line, found {found}", remedy=remedy)


def iter_csv(
    file: CsvFile, types: Mapping[str, Any], report: Report, progress: Progress | None = None
) -> Iterator[pl.DataFrame]:
    """Frames of the columns in `types`, in file order, each with its `ROW_NUMBER`.

    Lines with too many or too few fields, and values that do not parse as their type, are reported; the lines are left
    out, the values become null.

    Parameters
    ----------
    types
        Polars type by name, for columns of the file.
    progress
        Called with the share of the file that has been read.
    """
    line, before = 2, b""
    for block, share in _read_blocks(file):
        lines = _count(block, b"\n") + (not block.endswith(b"\n"))
        frame = None
        if _is_plain(block, lines * (len(file.header) - 1)):
            frame = _parse(file, block, types, np.arange(line, line + lines))
        if frame is None:
            frame = _read_damaged(file, block, types, line, report)
        if not block.endswith(b"\n"):
            _check_last_line((before + block).split(b"\n")[-2:], f"line {line + lines - 1}", report)
        if frame.height:
            yield frame
        line, before = line + lines, block[block.rfind(b"\n", 0, -1) + 1 :]
        if progress is not None:
            progress(share)


def _read_blocks(file: CsvFile) -> Iterator[tuple[bytes, float]]:
    """Blocks of whole lines, and the share of the file that is read then; blank lines at the end are left out."""
    size = file.path.stat().st_size
    with file.path.open("rb") as stream:
        stream.seek(file.start)
        while block := stream.read(BLOCK_BYTES) + stream.readline():
            done = stream.tell()
            if done == size:
                rows = block.rstrip(b"\r\n")
                block = rows + b"\n" if rows and len(rows) < len(block) else rows
            if block:
                yield block, done / size


def _is_plain(block: bytes, commas: int) -> bool:
    """Whether the commas are as many as they should be, and nothing in a block has to be looked at.

    A line with a field too many could hide one with a field too few, but the parser refuses the former.
    """
    return b'"' not in block and b"\0" not in block and _count(block, b",") == commas and _is_text(block)


def _is_text(block: bytes) -> bool:
    try:
        return block.isascii() or bool(block.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _count(block: bytes, byte: bytes) -> int:
    array = np.frombuffer(block, np.uint8)
    slices = range(0, len(array), _COUNT_BYTES)
    return sum(int(np.count_nonzero(array[start : start + _COUNT_BYTES] == byte[0])) for start in slices)


def _inspect(block: bytes, first: int, columns: int, report: Report) -> tuple[bytes, Ints]:
    """The lines with as many fields as the header, and their numbers; what is no text is reported and replaced."""
    lines = block.removesuffix(b"\n").split(b"\n")
    texts = [line.replace(b"\0", b"?").decode("utf-8", errors="replace").encode() for line in lines]
    fields = np.array([_count_fields(text) for text in texts])
    odd = [number for number, line in enumerate(lines) if texts[number] != line]
    if odd:
        report(_not_text(lines[odd[0]], texts[odd[0]], first + odd[0], len(odd)))
    wrong = np.flatnonzero(fields != columns)
    if len(wrong):
        report(_ragged(columns, int(fields[wrong[0]]), first + int(wrong[0]), len(wrong)))
    whole = np.flatnonzero(fields == columns)
    return b"\n".join(texts[number] for number in whole), first + whole


def _count_fields(line: bytes) -> int:
    """Fields of a line, commas in quotes not counted; 0 if a quote stays open."""
    plain = _QUOTED.sub(b"", line) if b'"' in line else line
    return 0 if b'"' in plain else plain.count(b",") + 1


def _not_text(line: bytes, text: bytes, number: int, count: int) -> Finding:
    byte = next(before for before, after in zip(line, text, strict=False) if before != after)
    remedy = "unpack compressed files, save text as UTF-8, or copy the file again"
    return Finding("not text", "error", "text in UTF-8", f"the byte 0x{byte:02x}", remedy, f"line {number}", count)


def _ragged(columns: int, fields: int, line: int, count: int) -> Finding:
    return Finding(
        "wrong number of fields",
        "error",
        f"{columns} fields in every line, as in the header",
        f"{fields}" if fields else "a quote that stays open",
        "the file is cut off or damaged: copy it again, or remove these lines",
        f"line {line}",
        count,
    )


def _check_last_line(lines: Sequence[bytes], place: str, report: Report) -> None:
    """A last line without its line end may have been cut off inside its last value; the line before may tell."""
    last = [line.rpartition(b",")[2].strip() for line in lines]
    cut = len({len(value.partition(b".")[2]) for value in last}) > 1
    report(
        Finding(
            "no line end at the end",
            "error" if cut else "warning",
            "a line end after the last line",
            f"the end of the file after {last[-1].decode(errors='replace')!r}",
            "the file may have been cut off: copy it again, or, if it is complete, add the line end",
            place,
        )
    )


def _read_damaged(file: CsvFile, block: bytes, types: Mapping[str, Any], first: int, report: Report) -> pl.DataFrame:
    """The frame of a block in which something is wrong or unusual; what is wrong is reported."""
    text, numbers = _inspect(block, first, len(file.header), report)
    if not len(numbers):
        return pl.DataFrame()
    frame = _parse(file, text, types, numbers)
    if frame is not None:
        return frame
    raw = _parse(file, text, dict.fromkeys(types, pl.String), numbers)
    if raw is None:
        raise DataError(
            f"{file.path}: lines {numbers[0]} to {numbers[-1]} cannot be read as CSV",
            remedy="the file is damaged there: copy it again, or remove the damaged lines",
        )
    return convert(raw, types, report, "line")


def _parse(file: CsvFile, text: bytes, types: Mapping[str, Any], numbers: Ints) -> pl.DataFrame | None:
    """The frame of some lines, `numbers` of the file; None if a line or a value does not parse."""
    schema = {name: types.get(name, pl.String) for name in file.header}
    columns = [position for position, name in enumerate(file.header) if name in types]
    try:
        frame = pl.read_csv(text, has_header=False, schema=schema, columns=columns)
        return frame.with_columns(pl.Series(ROW_NUMBER, numbers))
    except pl.exceptions.PolarsError:
        return None
