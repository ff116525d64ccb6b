"""Columns of any type turned into numbers or texts, with every value that does not fit reported.

Every frame that is read begins with a column that counts its rows from 1, `LINE` or `ROW`: it says where something is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Array, Bools
from bfrb.read.findings import Finding, Report

LINE, ROW = "line number", "row number"
"""First column of every frame: the line (of text) or the row (of other sources)."""

MISSING_WORDS = ("", "nan", "na", "n/a", "null", "none", "<na>", "-")
"""Words, in lower case, that stand for "no value" in columns that should hold numbers."""

_TEXTS = (pl.String, pl.Categorical, pl.Enum, pl.Boolean)


def place_of(frame: pl.DataFrame, row: int, column: str = "") -> str:
    """Where a value stands in its source, such as "line 1,234, column acc_x"."""
    place = f"{frame.columns[0].partition(' ')[0]} {frame.to_series()[row]:,}"
    return f"{place}, column {column}" if column else place


def convert(frame: pl.DataFrame, types: Mapping[str, Any], report: Report) -> pl.DataFrame:
    """The columns named in `types` and of these types, after the number of the line or row.

    Numbers may come as strings. Values that do not fit are reported and become NaN, as do empty texts.

    `types`: `pl.String`, `pl.Float32` or `pl.Float64`, by name.

    >>> frame = pl.DataFrame({ROW: [1, 2], "step": ["7.0", ""]})
    >>> convert(frame, {"step": pl.Float64}, print)["step"].to_list()
    [7.0, nan]
    """
    columns = [frame.to_series()]
    for name, dtype in types.items():
        if dtype == pl.String:
            columns.append(read_texts(frame, name, report))
        else:
            columns.append(pl.Series(name, read_numbers(frame, [name], report, dtype=dtype)[:, 0]))
    return pl.DataFrame(columns)


def read_texts(frame: pl.DataFrame, name: str, report: Report) -> pl.Series:
    """A column as strings, null where it is empty; parameters are those of `convert`."""
    column = frame[name]
    if not (column.dtype.is_numeric() or column.dtype.base_type() in (*_TEXTS, pl.Null)):
        _report_type(frame, column, "text", report)
        return pl.Series(name, [None] * frame.height, dtype=pl.String)
    texts = column.cast(pl.String)
    empty = texts == ""
    return texts.set(empty, None) if empty.any() else texts


def read_numbers(
    frame: pl.DataFrame, names: Sequence[str], report: Report, *, dtype: Any = pl.Float32, whole: bool = False
) -> Array:
    """(N, C) The named columns as numbers, NaN where there is none; parameters are those of `convert`.

    `dtype`: `pl.Float32` or `pl.Float64`, which is also what texts are read as; `whole`: whether numbers with a
    fraction are reported too.
    """
    numbers = _numbers(frame, names, report, dtype)
    if not whole:
        return numbers
    wrong = ~(np.isnan(numbers) | (np.isfinite(numbers) & (np.trunc(numbers) == numbers)))
    _report_values(frame, names, wrong, "a whole number", report)
    return np.where(wrong, np.nan, numbers)


def _numbers(frame: pl.DataFrame, names: Sequence[str], report: Report, dtype: Any) -> Array:
    if len(names) == 1:
        return _numbers_of_one(frame, frame[names[0]], report, dtype)
    # All at once: hundreds of short columns one by one would take many times as long.
    part = frame[list(names)]
    if part.to_series().dtype.is_numeric():
        numbers = part.to_numpy(order="c")
        if numbers.dtype.kind in "fiu":
            return _as(dtype, numbers)
    elif part.to_series().dtype == pl.String:
        with suppress(pl.exceptions.SchemaError):  # not all are texts
            return _parse(frame, part.get_columns(), report, dtype)
    return np.concatenate([_numbers(frame, [name], report, dtype) for name in names], axis=1)


def _numbers_of_one(frame: pl.DataFrame, column: pl.Series, report: Report, dtype: Any) -> Array:
    """(N, 1) The numbers in a column."""
    kind = column.dtype.base_type()
    if kind in _TEXTS:
        return _parse(frame, [column.cast(pl.String)], report, dtype)
    if kind in (pl.Decimal, pl.Null):
        return column.cast(dtype).to_numpy()[:, None]
    if kind.is_numeric():
        return _as(dtype, column.to_numpy()[:, None])
    _report_type(frame, column, "a number", report)
    return _as(dtype, np.full((frame.height, 1), np.nan))


def _as(dtype: Any, numbers: Array) -> Array:
    with np.errstate(over="ignore"):  # what is too large becomes infinite, which no sensor can have given
        return numbers.astype(np.float32 if dtype == pl.Float32 else np.float64, copy=False)


def _parse(frame: pl.DataFrame, columns: list[pl.Series], report: Report, dtype: Any) -> Array:
    """(N, C) The numbers in columns of strings."""
    texts = pl.concat(columns)
    if texts.null_count() == len(texts):
        return _as(dtype, np.full((frame.height, len(columns)), np.nan))
    parsed = texts.cast(dtype, strict=False)
    if parsed.null_count() > texts.null_count():
        texts = texts.str.strip_chars()
        parsed = texts.cast(dtype, strict=False)
        failed = parsed.is_null() & texts.is_not_null() & ~texts.str.to_lowercase().is_in(MISSING_WORDS)
        wrong = failed.to_numpy().reshape(len(columns), -1).T
        _report_values(frame, [column.name for column in columns], wrong, "a number", report)
    return parsed.to_numpy().reshape(len(columns), -1).T


def _report_values(frame: pl.DataFrame, names: Sequence[str], wrong: Bools, expected: str, report: Report) -> None:
    if not wrong.any():
        return
    row, position = (int(index) for index in np.argwhere(wrong)[0])
    name = names[position]
    remedy = "repair the value or leave it empty, or name another column, unit or decimal sign in the description"
    place = place_of(frame, row, name)
    report(Finding("unreadable value", "error", expected, repr(frame[name][row]), remedy, place, int(wrong.sum())))


def _report_type(frame: pl.DataFrame, column: pl.Series, expected: str, report: Report) -> None:
    given = column.is_not_null()
    if given.any():
        place = place_of(frame, int(given.arg_true()[0]), column.name)
        found, remedy = f"a value of the type {column.dtype}", "write the column again with plain values"
        report(Finding("unreadable value", "error", expected, found, remedy, place, int(given.sum())))
