"""Recordings in the bodies of requests: JSON, CSV, Parquet and Arrow, from senders that are not trusted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from bfrb.errors import DataError
from bfrb.read.cmi import recordings_from_frame
from bfrb.read.cmi_layout import COUNTER, ID, SUBJECT, expected_types
from bfrb.read.demographics import MEASURES
from bfrb.read.frames import read_arrow, read_parquet, refusing
from bfrb.study.recordings import Recordings

MAX_ROWS = 100_000
"""Most rows of a request."""

MAX_COLUMNS = 1000
MAX_JSON_BYTES = 8 << 20
"""JSON takes many times its size in memory."""

JSON, CSV = "application/json", "text/csv"
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"

_ONE_ID, _ONE_SUBJECT = "recording", "unknown"
_SPLIT = "send fewer recordings at a time"


@dataclass(frozen=True)
class Part:
    """Some bytes, and what they are said to be."""

    body: bytes
    media_type: str


def read_body(rows: Part, demographics: Part | None, measures: Mapping[str, str]) -> Recordings:
    """The recordings of a request.

    Rows are in the CMI layout. Where there is no sequence id, all rows are one recording; subject and counter may be
    left out too. JSON holds `{"rows": ..., "demographics": ...}`, either as a list of objects, one per row, or as an
    object of lists, one per column.

    Parameters
    ----------
    rows
        The recordings.
    demographics
        A table with a row per subject, if it comes by itself.
    measures
        What is known of the only subject, by the names of the demographics' columns, as text.

    Raises
    ------
    DataError
        If it cannot be read, holds more than may be sent at once, or is no possible recording.
    """
    tables = {"rows": _read(rows)} if rows.media_type != JSON else read_json(rows.body)
    if demographics is not None:
        tables["demographics"] = _read(demographics, "demographics")
    with refusing("rows of recordings"):
        frame = _completed(tables["rows"])
        subjects = _with_measures(tables.get("demographics"), frame, measures)
        return recordings_from_frame(frame, subjects)


def _read(part: Part, table: str = "rows") -> pl.DataFrame:
    if part.media_type == JSON:
        return read_json(part.body, table)[table]
    return _READERS[part.media_type](part.body)


def read_csv(body: bytes) -> pl.DataFrame:
    """A frame of texts from CSV.

    Raises
    ------
    DataError
        If it is not CSV, or too large.
    """
    header = body.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].strip()
    # Compressed bytes would be unpacked, whatever their size.
    if not header.isascii() or not header.decode("ascii", "replace").isprintable():
        raise DataError("expected CSV with a line of column names", remedy="send plain CSV, not compressed")
    _check_size(body.count(b"\n"), header.count(b",") + 1)
    with refusing("CSV"):
        return pl.read_csv(body, infer_schema=False)


def read_json(body: bytes, default: str = "rows") -> dict[str, pl.DataFrame]:
    """The tables of a JSON document by name: `rows`, and `demographics` if there are any.

    Raises
    ------
    DataError
        If it is not JSON, of another form, or too large.
    """
    if len(body) > MAX_JSON_BYTES or body.count(b"{") + body.count(b"[") > 2 * MAX_ROWS:
        raise DataError(
            f"expected at most {MAX_JSON_BYTES >> 20} MiB and {MAX_ROWS:,} rows of JSON, got more", remedy=_SPLIT
        )
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DataError(f"expected JSON, but {str(error)[:200]}", remedy="send one whole JSON document") from None
    if not isinstance(document, dict) or default not in document:
        document = {default: document}
    unknown = sorted(set(document) - {"rows", "demographics"})
    if unknown:
        raise DataError(
            f"expected the keys rows and demographics, got {unknown[0][:100]!r}", remedy='send {"rows": [{...}, ...]}'
        )
    return {name: _table(name, value) for name, value in document.items() if value is not None}


def _table(name: str, value: Any) -> pl.DataFrame:
    """A frame from a list of rows, a row, or lists by column; columns that nobody reads are left out."""
    if isinstance(value, dict) and value and not any(isinstance(column, list) for column in value.values()):
        value = [value]
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        names = list(dict.fromkeys(key for row in value[:10] for key in row))
        _check_size(len(value), len(names))
        value = {key: [row.get(key) for row in value] for key in names}
    if not isinstance(value, dict) or not value or not all(isinstance(column, list) for column in value.values()):
        raise DataError(
            f"expected {name} as a list of objects or as an object of lists", remedy='send {"rows": [{...}, ...]}'
        )
    known = set(expected_types(value)) | set(MEASURES)
    with refusing(f"{name} of texts and numbers"):
        _check_size(max(map(len, value.values())), len(value))
        return pl.DataFrame([_column(key, values) for key, values in value.items() if key in known])


def _column(name: str, values: list[Any]) -> pl.Series:
    given = next((value for value in values if value is not None), None)
    number = pl.Int64 if name == COUNTER else pl.Float64
    try:
        return pl.Series(name, values, dtype=pl.String if isinstance(given, str) else number, strict=True)
    except (TypeError, OverflowError) as error:
        reason = str(error).partition("\n")[0][:100]
        raise DataError(
            f"expected texts or numbers in the column {name}, but {reason}", remedy="send null where nothing is known"
        ) from None


def _check_size(rows: int, columns: int) -> None:
    if rows > MAX_ROWS or columns > MAX_COLUMNS:
        raise DataError(
            f"expected at most {MAX_ROWS:,} rows and {MAX_COLUMNS:,} columns, got {rows:,} and {columns:,}",
            remedy=_SPLIT,
        )


def _completed(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows with an id, a subject and a counter, if the sender had no use for them."""
    _check_size(frame.height, frame.width)
    for name, value in ((ID, _ONE_ID), (SUBJECT, _ONE_SUBJECT)):
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(value).alias(name))
    if COUNTER not in frame.columns:
        frame = frame.with_columns(pl.int_range(pl.len()).over(ID).alias(COUNTER))
    return frame


def _with_measures(
    subjects: pl.DataFrame | None, frame: pl.DataFrame, measures: Mapping[str, str]
) -> pl.DataFrame | None:
    """The demographics, those of the only subject with what else is known of it."""
    unknown = sorted(set(measures) - set(MEASURES))
    if unknown:
        raise DataError(f"no parameter {unknown[0][:100]!r}", remedy=f"give any of {', '.join(MEASURES)}")
    if not measures and (subjects is None or SUBJECT in subjects.columns):
        return subjects
    names = frame[SUBJECT].unique().to_list()
    if len(names) != 1 or (subjects is not None and subjects.height != 1):
        raise DataError(
            f"expected one subject where demographics name none, got {len(names)}",
            remedy=f"send demographics with a column {SUBJECT}",
        )
    known = {} if subjects is None else subjects.row(0, named=True)
    merged = {SUBJECT: names[0]} | known | dict(measures)
    return pl.DataFrame({name: [value] for name, value in merged.items()})


_READERS: dict[str, Callable[[bytes], pl.DataFrame]] = {CSV: read_csv, PARQUET: read_parquet, ARROW: read_arrow}

MEDIA_TYPES = (JSON, *_READERS)
"""What a body may be."""
