"""Tables read block by block: bounded memory, and every damaged line found and named.

A CSV parser fills a line that is too short with nulls and says nothing, so a truncated file, or one in which a
separator was lost, would pass. So separators are counted before a block is parsed, and a block with more, fewer, or
anything unusual is looked at line by line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Ints
from bfrb.errors import DataError
from bfrb.read.columns import LINE, ROW, convert
from bfrb.read.findings import Finding, Report
from bfrb.read.frames import refusing
from bfrb.read.text_tables import TextTable

BLOCK_BYTES = 30 << 20  # memory for 32 MiB and more would be cleared for every block
_COUNT_BYTES = 1 << 18  # small enough for the mask of a slice to stay in the processor's cache
_PARQUET_ROWS = 16_384
_QUOTED = re.compile(rb'"[^"]*"')

Progress = Callable[[float], None]

Types = Mapping[str, Any]
"""The polars type of every column that is read, by name: texts or floating point."""


def iter_frames(
    table: TextTable, types: Types, report: Report, progress: Progress | None = None
) -> Iterator[pl.DataFrame]:
    """The rows of a table in frames of some thousand, with the named columns after the number of the line or row.

    `table`: what `open_table` found; `types`: of the columns that are read; those of a Parquet file keep their own.
    """
    if table.is_parquet:
        return _iter_parquet(table, types, progress)
    return _iter_text(table, types, report, progress)


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
    line, tail = table.lines + 1, b""
    for block, share in _iter_blocks(table):
        text = block if block.endswith(b"\n") else block + b"\n"
        lines = _count(text, b"\n")
        frame = None
        if table.spec.decimal == "." and _is_plain(text, table.separator.encode(), lines * (len(table.names) - 1)):
            frame = _parse(table, text, types, np.arange(line, line + lines))
        frame = _read_damaged(table, text, types, line, report) if frame is None else frame
        if frame.height:
            yield frame
        line += lines
        tail = (tail + block[-_COUNT_BYTES:])[-_COUNT_BYTES:]
        if progress is not None:
            progress(share)
    if table.spec.strict and tail and not tail.endswith(b"\n"):
        _check_last_line(tail.split(b"\n")[-2:], f"line {line - 1}", table.separator.encode(), report)


def _iter_blocks(table: TextTable) -> Iterator[tuple[bytes, float]]:
    """Blocks of whole lines and the share of the file that is done; blank lines at the end are left out."""
    size = table.path.stat().st_size
    with table.path.open("rb") as stream:
        stream.seek(table.start)
        while block := stream.read(BLOCK_BYTES) + stream.readline():
            done = stream.tell()
            if done == size:
                rows = block.rstrip(b"\r\n")
                block = rows + b"\n" if rows and len(rows) < len(block) else rows
            if block:
                yield block, done / size


def _is_plain(block: bytes, separator: bytes, expected: int) -> bool:
    """Whether the separators are as many as they should be, and nothing in a block has to be looked at.

    A line with a field too many could hide one with a field too few, but the parser refuses the former.
    """
    if b'"' in block or b"\0" in block or _count(block, separator) != expected:
        return False
    try:
        return block.isascii() or bool(block.decode("utf-8"))
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
        raise DataError(
            f"{table.path}: lines {numbers[0]} to {numbers[-1]} cannot be read as a table",
            remedy="the file is damaged there: copy it again, or remove the damaged lines",
        )
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
        report(_not_text(lines[odd[0]], texts[odd[0]], first + odd[0], len(odd)))
    columns = len(table.names)
    wrong = fields != columns
    # Elsewhere a line that ends early is left out: a logger lost its power, or began anew.
    bad = wrong & ((fields > columns) | (fields == 0) | table.spec.strict)
    for where, severity in ((bad, "error"), (wrong & ~bad, "warning")):
        if where.any():
            at = int(where.argmax())
            report(_ragged(severity, columns, int(fields[at]), first + at, int(where.sum())))
    whole = np.flatnonzero(~wrong)
    return b"\n".join(texts[number] for number in whole), first + whole


def _count_fields(line: bytes, separator: bytes) -> int:
    """Fields of a line, separators in quotes not counted; 0 if a quote stays open."""
    plain = _QUOTED.sub(b"", line) if b'"' in line else line
    return 0 if b'"' in plain else plain.count(separator) + 1


def _not_text(line: bytes, text: bytes, number: int, count: int) -> Finding:
    byte = next(before for before, after in zip(line, text, strict=False) if before != after)
    remedy = "unpack compressed files, save text as UTF-8, or copy the file again"
    return Finding("not text", "error", "text in UTF-8", f"the byte 0x{byte:02x}", remedy, f"line {number}", count)


def _ragged(severity: Any, columns: int, fields: int, line: int, count: int) -> Finding:
    return Finding(
        "wrong number of fields",
        severity,
        f"{columns} fields in every line, as many as there are names",
        f"{fields}" if fields else "a quote that stays open",
        "the file is cut off or damaged: copy it again, or remove these lines",
        f"line {line}",
        count,
    )


def _check_last_line(lines: Sequence[bytes], place: str, separator: bytes, report: Report) -> None:
    """A last line without its line end may have been cut off inside its last value; the line before may tell."""
    last = [line.rpartition(separator)[2].strip() for line in lines]
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
