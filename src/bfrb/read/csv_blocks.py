"""CSV files read block by block: bounded memory, and every damaged line found and named.

A CSV parser fills a line that is too short with nulls and says nothing, so a truncated file, or one in which a comma
was lost, would pass. Here fields are counted on the raw bytes before a block is parsed.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from bfrb.arrays import Bools, Ints
from bfrb.errors import DataError
from bfrb.processes import usable_processors
from bfrb.read.csv_runs import PARTS, PlacedRun, Run
from bfrb.read.findings import Finding, Report

ROW_NUMBER = "row number"
"""Column added to every frame: the line (CSV) or row (other sources) of the source, counted from 1."""

BLOCK_BYTES = 30 << 20  # smaller blocks compress less; memory for 32 MiB and more would be cleared for every one
_COUNT_BYTES = 1 << 18  # small enough for the mask of a slice to stay in the processor's cache
_THREADS = min(usable_processors(), PARTS)
_TAIL_BYTES = 1 << 17  # surely holds the last two lines
_COMMA, _QUOTE, _NEWLINE, _NUL = b',"\n\0'
_BOM = b"\xef\xbb\xbf"

Progress = Callable[[float], None]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class CsvFile:
    """A CSV file whose header has been read.

    Parameters
    ----------
    path
        The file.
    header
        Its column names.
    start, end
        Position in bytes of the first row, and of the end of the last; blank lines after it do not count.
    """

    path: Path
    header: tuple[str, ...]
    start: int
    end: int


def open_csv(path: Path) -> CsvFile:
    """Read the header of a CSV file.

    Raises
    ------
    DataError
        If the file is empty, binary, not UTF-8, has no comma-separated header, or names a column twice.
    """
    with path.open("rb") as file:
        line = file.readline(1 << 20)
    if not line:
        raise DataError(f"{path}: expected a CSV file, found an empty file", remedy="copy the file again")
    text = _decode_header(path, line)
    header = next(csv.reader([text]), [])
    if len(header) < 2:
        raise DataError(
            f"{path}: expected column names with commas between them, found {text[:60]!r}",
            remedy="export the table as CSV with commas and a header line",
        )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{path}: the column {twice[0]!r} comes twice", remedy="give every column a name of its own")
    return CsvFile(path, tuple(header), len(line), max(len(line), _end_of_rows(path)))


def _end_of_rows(path: Path) -> int:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 4096))
        tail = file.read()
    blank = tail[len(tail.rstrip(b"\r\n")) :]
    return size - len(blank) + blank.find(b"\n") + 1


def _decode_header(path: Path, line: bytes) -> str:
    try:
        text = line.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DataError(
            f"{path}: expected a CSV file in UTF-8, found binary data or another encoding",
            remedy="unpack compressed files; save text as UTF-8",
        )
    return text.rstrip("\r\n")


def iter_csv(
    file: CsvFile,
    types: Mapping[str, Any],
    report: Report,
    progress: Progress | None = None,
    run: Run | None = None,
) -> Iterator[pl.DataFrame]:
    """Frames of the columns in `types`, in file order, each with its `ROW_NUMBER`.

    A block with a value that does not parse as its type comes with strings in all columns. Lines with too many or too
    few fields are reported and left out.

    Parameters
    ----------
    types
        Polars type by name, for columns of the file.
    progress
        Called with the share of the file that has been read.
    run
        Columns among `types` that a frame has as one column of arrays, if its block allows it.
    """
    placed = None if run is None else run.place(file.header)
    line, done = 2, file.start
    with ThreadPoolExecutor(_THREADS) as pool:
        for block in _read_blocks(file):
            frame = None if placed is None else _parse_run(placed, block, types, pool)
            lines = _count_lines(block) if frame is None else frame.height
            numbers, text = np.arange(line, line + lines), block
            if frame is None:
                text, numbers = _whole_lines(file, _as_text(block, line, report), range(line, line + lines), report)
            if not block.endswith(b"\n"):
                _check_last_line(file, line + lines - 1, report)
            if len(numbers):
                frame = _parse(file, text, types, numbers) if frame is None else frame
                yield frame.with_columns(pl.Series(ROW_NUMBER, numbers))
            line, done = line + lines, done + len(block)
            if progress is not None:
                progress(done / file.end)


def _read_blocks(file: CsvFile) -> Iterator[bytes]:
    """Blocks of whole lines; only the last may lack its line end."""
    begin = file.start
    with file.path.open("rb") as stream:
        while begin < file.end:
            stream.seek(begin + BLOCK_BYTES)
            stream.readline()
            end = min(stream.tell(), file.end)
            stream.seek(begin)
            yield stream.read(end - begin)
            begin = end


def _as_text(block: bytes, line: int, report: Report) -> bytes:
    """The block, with what is no UTF-8 text reported and replaced."""
    if _NUL in block:
        before = block[: block.find(_NUL)]
        report(_not_text(line + before.count(b"\n"), "binary data", block.count(_NUL)))
        block = block.replace(b"\0", b"?")
    if block.isascii():
        return block
    try:
        block.decode("utf-8")
    except UnicodeDecodeError as error:
        mended = block.decode("utf-8", errors="replace")
        byte = f"the byte 0x{block[error.start]:02x}"
        report(_not_text(line + block[: error.start].count(b"\n"), byte, mended.count("\N{REPLACEMENT CHARACTER}")))
        return mended.encode()
    return block


def _not_text(line: int, found: str, count: int) -> Finding:
    return Finding(
        "not text",
        "error",
        "text in UTF-8",
        found,
        "copy the file again, or save it as UTF-8",
        f"line {line}",
        count,
    )


def _whole_lines(file: CsvFile, block: bytes, lines: range, report: Report) -> tuple[bytes, Ints]:
    """The lines with as many fields as the header, and their line numbers."""
    columns = len(file.header)
    if b'"' not in block and _count(block, _COMMA) == len(lines) * (columns - 1):
        # A line with a field too many could hide one with a field too few, but the parser refuses the former.
        return block, np.arange(lines.start, lines.stop)
    array = np.frombuffer(block, np.uint8)
    starts = np.concatenate([[0], np.flatnonzero(array == _NEWLINE) + 1])[: len(lines)]
    fields, closed = _fields_per_line(array, starts)
    whole = (fields == columns) & closed
    if whole.all():
        return block, np.arange(lines.start, lines.stop)
    first = int(np.flatnonzero(~whole)[0])
    report(_ragged(columns, int(fields[first]), lines[first], int((~whole).sum())))
    lengths = np.diff(np.append(starts, len(array)))
    return array[np.repeat(whole, lengths)].tobytes(), lines.start + np.flatnonzero(whole)


def _fields_per_line(array: Bytes, starts: Ints) -> tuple[Ints, Bools]:
    """Fields in every line, and whether its quotes are closed; commas in quotes do not count."""
    quotes = (array == _QUOTE).view(np.uint8)
    comma = array == _COMMA
    if quotes.any():
        comma &= np.cumsum(quotes, dtype=np.uint8) & 1 == 0
    fields = np.add.reduceat(comma, starts, dtype=np.int64) + 1
    return fields, np.add.reduceat(quotes, starts, dtype=np.int64) % 2 == 0


def _ragged(columns: int, fields: int, line: int, count: int) -> Finding:
    return Finding(
        "wrong number of fields",
        "error",
        f"{columns} fields in every line, as in the header",
        f"{fields}",
        "the file is cut off or damaged: copy it again, or remove these lines",
        f"line {line}",
        count,
    )


def _check_last_line(file: CsvFile, line: int, report: Report) -> None:
    """A last line without its line end may have been cut off inside its last value."""
    with file.path.open("rb") as stream:
        stream.seek(max(file.start, file.end - _TAIL_BYTES))
        tail = stream.read(file.end - stream.tell())
    last = [text.rpartition(b",")[2].strip() for text in tail.split(b"\n")[-2:]]
    cut = len({len(text.partition(b".")[2]) for text in last}) > 1
    report(
        Finding(
            "no line end at the end",
            "error" if cut else "warning",
            "a line end after the last line",
            f"the end of the file after {last[-1].decode(errors='replace')!r}",
            "the file may have been cut off: copy it again, or, if it is complete, add the line end",
            f"line {line}, column {file.header[-1]}",
        )
    )


def _parse_run(placed: PlacedRun, block: bytes, types: Mapping[str, Any], pool: Executor) -> pl.DataFrame | None:
    """A frame with the run as one column; None if anything in the block is not plain."""
    split = placed.split(block, pool)
    if split is None:
        return None
    slices, rest = split
    try:
        frame = _read_typed(placed.rest, rest, types)
    except pl.exceptions.PolarsError:
        return None
    numbers = pl.concat([pl.Series(placed.run.name, numbers) for numbers in slices])
    return frame.with_columns(numbers) if frame.height == len(numbers) else None


def _parse(file: CsvFile, block: bytes, types: Mapping[str, Any], numbers: Ints) -> pl.DataFrame:
    try:
        frame = _read_typed(file.header, block, types)
    except pl.exceptions.PolarsError:
        try:
            frame = _read_typed(file.header, block, dict.fromkeys(types, pl.String))
        except pl.exceptions.PolarsError as error:
            raise _unreadable(file, numbers, str(error).splitlines()[0]) from None
    if frame.height != len(numbers):
        raise _unreadable(file, numbers, f"{frame.height} rows in {len(numbers)} lines")
    return frame


def _read_typed(header: Sequence[str], block: bytes, types: Mapping[str, Any]) -> pl.DataFrame:
    schema = {name: types.get(name, pl.String) for name in header}
    columns = [position for position, name in enumerate(header) if name in types]
    return pl.read_csv(block, has_header=False, schema=schema, columns=columns, low_memory=False)


def _unreadable(file: CsvFile, numbers: Ints, why: str) -> DataError:
    return DataError(
        f"{file.path}: lines {numbers[0]} to {numbers[-1]} cannot be read as CSV: {why}",
        remedy="the file is damaged there: copy it again, or remove the damaged lines",
    )


def _count_lines(block: bytes) -> int:
    return _count(block, _NEWLINE) + (not block.endswith(b"\n"))


def _count(block: bytes, byte: int) -> int:
    array = np.frombuffer(block, np.uint8)
    slices = range(0, len(array), _COUNT_BYTES)
    return sum(int(np.count_nonzero(array[start : start + _COUNT_BYTES] == byte)) for start in slices)
