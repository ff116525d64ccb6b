"""Columns of any type turned into columns of the type that is wanted, with every value that does not fit reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from bfrb.read.csv_blocks import ROW_NUMBER
from bfrb.read.findings import Finding, Report

MISSING_WORDS = ("", "nan", "na", "null", "none", "<na>")
"""Words, in lower case, that stand for "no value" in columns that should hold numbers."""


def convert(frame: pl.DataFrame, types: Mapping[str, Any], report: Report, unit: str) -> pl.DataFrame:
    """The columns named in `types` and of these types, after the `ROW_NUMBER`.

    Numbers may come as strings. Values that do not fit are reported and become null, as do empty texts and NaN in
    columns of whole numbers.

    Parameters
    ----------
    types
        `pl.String`, or a numeric type, by name.
    unit
        What a row number counts, "line" or "row".

    Examples
    --------
    >>> frame = pl.DataFrame({ROW_NUMBER: [1, 2], "step": ["7.0", ""]})
    >>> convert(frame, {"step": pl.Int16}, print, "row")["step"].to_list()
    [7, None]
    """
    frame = _plain(frame, types, report, unit)
    texts = [name for name, dtype in types.items() if dtype == pl.String]
    groups = _groups(frame, {name: dtype for name, dtype in types.items() if dtype != pl.String})
    typed = frame.select(pl.col(ROW_NUMBER), _text(texts), *(group.converted for group in groups))
    for group in groups:
        for name in group.names_that_failed(frame, typed):
            report(group.unreadable(frame, typed, name, unit))
    return typed


def _plain(frame: pl.DataFrame, types: Mapping[str, Any], report: Report, unit: str) -> pl.DataFrame:
    """The frame; columns whose values are neither numbers nor text, such as lists, are reported and become null."""
    strange = [name for name in types if frame.schema[name].is_nested() or frame.schema[name] in (pl.Binary, pl.Object)]
    for name in strange:
        given = frame[name].is_not_null()
        if given.any():
            report(_strange(frame, name, types[name], given, unit))
    return frame.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in strange)


def _strange(frame: pl.DataFrame, name: str, dtype: Any, given: pl.Series, unit: str) -> Finding:
    first = int(given.arg_true()[0])
    return Finding(
        "unreadable value",
        "error",
        "text" if dtype == pl.String else "a whole number" if dtype.is_integer() else "a number",
        f"a value of the type {frame.schema[name]}",
        "write the column again with plain values",
        f"{unit} {frame[ROW_NUMBER][first]:,}, column {name}",
        int(given.sum()),
    )


def _text(names: list[str]) -> pl.Expr:
    text = pl.col(names).cast(pl.String)
    return pl.when(text != "").then(text)


@dataclass(frozen=True)
class _Group:
    """Columns of numbers that have one type before, and one after."""

    names: tuple[str, ...]
    raw: Any
    dtype: Any

    @property
    def number(self) -> pl.Expr:
        """The values as numbers, if need be parsed."""
        column = pl.col(self.names)
        return column if self.raw.is_numeric() else _word(column).cast(pl.Float32, strict=False)

    @property
    def converted(self) -> pl.Expr:
        """The values with their type; null where there is none, or one that does not fit."""
        number = self.number
        if self.dtype.is_float():
            return number.cast(self.dtype)
        whole = number.cast(self.dtype, strict=False)
        return whole if self.raw.is_integer() else pl.when(whole == number).then(whole)

    @property
    def given(self) -> pl.Expr:
        """Whether there is something to convert."""
        column = pl.col(self.names)
        if self.raw.is_float():
            return column.is_not_nan()
        if self.raw.is_numeric():
            return column.is_not_null()
        return ~_word(column).str.to_lowercase().is_in(MISSING_WORDS)

    def names_that_failed(self, raw: pl.DataFrame, typed: pl.DataFrame) -> list[str]:
        """The columns in which something given was not converted."""
        if self.raw.is_numeric() and self.dtype.is_float():
            return []
        given = raw.select(self.given.sum()).row(0)
        converted = typed.select(pl.col(self.names).is_not_null().sum()).row(0)
        return [name for name, some, more in zip(self.names, converted, given, strict=True) if some < more]

    def unreadable(self, raw: pl.DataFrame, typed: pl.DataFrame, name: str, unit: str) -> Finding:
        """What is wrong in one of the columns that failed."""
        failed = raw.select(replace(self, names=(name,)).given).to_series() & typed[name].is_null()
        first = int(failed.arg_true()[0])
        return Finding(
            "unreadable value",
            "error",
            "a whole number" if self.dtype.is_integer() else "a number",
            repr(raw[name][first]),
            "repair the value or leave it empty; the file may be damaged",
            f"{unit} {raw[ROW_NUMBER][first]:,}, column {name}",
            int(failed.sum()),
        )


def _word(column: pl.Expr) -> pl.Expr:
    return column.cast(pl.String, strict=False).str.strip_chars()


def _groups(frame: pl.DataFrame, types: Mapping[str, Any]) -> list[_Group]:
    schema = frame.schema
    kinds: dict[tuple[Any, Any], list[str]] = {}
    for name, dtype in types.items():
        kinds.setdefault((schema[name], dtype), []).append(name)
    return [_Group(tuple(names), raw, dtype) for (raw, dtype), names in kinds.items()]
