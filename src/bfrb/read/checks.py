"""Checks of frames: columns of any type turned into numbers or texts, the order of rows, words and readings.

Every frame that is read begins with a column that counts its rows from 1, `LINE` or `ROW`: it says where something is.
Whatever does not fit is reported, and left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Array, Bools, Ints
from bfrb.processes import check_threads
from bfrb.read.annotations import merged
from bfrb.read.findings import Finding, Report, Severity
from bfrb.study.description import WordsSpec
from bfrb.study.device import NORM_TOLERANCE, Sensor

LINE, ROW = "line number", "row number"
"""First column of every frame: the line (of text) or the row (of other sources)."""

MISSING_WORDS = ("", "nan", "na", "n/a", "null", "none", "<na>", "-")
"""Words, in lower case, that stand for "no value" in columns that should hold numbers."""

_TEXTS = {pl.String, pl.Categorical, pl.Enum, pl.Boolean}
_REPAIR = "repair it, or leave the whole reading empty; if most are like this, another unit or scale is meant: say it"


def place_of(frame: pl.DataFrame, row: int, column: str = "") -> str:
    """Where a value stands in its source, such as "line 1,234, column acc_x"."""
    place = f"{frame.columns[0].partition(' ')[0]} {frame.to_series()[row]:,}"
    return f"{place}, column {column}" if column else place


def convert(frame: pl.DataFrame, types: Mapping[str, Any], report: Report) -> pl.DataFrame:
    """The columns named in `types` and of these types (texts or floats), after the number of the line or row.

    Numbers may come as strings. Values that do not fit are reported and become NaN, as do empty texts.

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
    if not (column.dtype.is_numeric() or column.dtype.base_type() in {*_TEXTS, pl.Null}):
        _report_type(frame, column, "text", report)
        return pl.Series(name, [None] * frame.height, dtype=pl.String)
    texts = column.cast(pl.String)
    return texts.set(texts == "", None) if texts.min() == "" else texts


def read_numbers(
    frame: pl.DataFrame, names: Sequence[str], report: Report, *, dtype: Any = pl.Float32, whole: bool = False
) -> Array:
    """(N, C) The named columns as numbers, NaN where there is none; if they shall be whole, others are reported too."""
    numbers = _numbers(frame, names, report, dtype)
    if not whole:
        return numbers
    wrong = ~(np.isnan(numbers) | (np.isfinite(numbers) & (np.trunc(numbers) == numbers)))
    _report_values(frame, names, wrong, "a whole number", report)
    return np.where(wrong, np.nan, numbers)


def _numbers(frame: pl.DataFrame, names: Sequence[str], report: Report, dtype: Any) -> Array:
    # All at once where they are alike: hundreds of short columns one by one would take many times as long. Casts and
    # columns of frames are for polars' threads, which the child of a fork lacks; rows and series are not.
    part = frame[:, list(names)]
    kinds: set[Any] = set(map(type, part.dtypes))
    if kinds <= _TEXTS:
        return _parse(frame, [column.cast(pl.String) for column in part], report, dtype)
    if len(names) > 1:
        if all(kind.is_numeric() and kind != pl.Decimal for kind in kinds):
            return _as(dtype, part.to_numpy(order="c"))
        return np.concatenate([_numbers(frame, [name], report, dtype) for name in names], axis=1)
    if kinds <= {pl.Decimal, pl.Null}:
        return part.to_series().cast(dtype).to_numpy()[:, None]
    if part.to_series().dtype.is_numeric():
        return _as(dtype, part.to_series().to_numpy()[:, None])
    _report_type(frame, part.to_series(), "a number", report)
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
        check_threads()
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


@dataclass(frozen=True)
class Checker:
    """Looks at the frames of one source, one after the other, and reports what is wrong.

    Where it is strict, incomplete readings and words that are no class are faults.
    """

    report: Report
    strict: bool
    seen: set[tuple[Any, ...]] = field(default_factory=set)

    def with_texts(self, frame: pl.DataFrame, names: Sequence[str], needed: Sequence[str]) -> pl.DataFrame:
        """The frame with some columns as texts, without the rows that lack one of the needed columns."""
        for name in names:  # much quicker than a query, where a server is asked about one recording
            column, texts = frame[name], read_texts(frame, name, self.report)
            if column.dtype != pl.String or column.null_count() < texts.null_count():
                frame = frame.clone().replace_column(frame.get_column_index(name), texts)
        for name in needed:
            if frame[name].null_count():
                missing = frame[name].is_null().to_numpy()
                finding = _error("no id", f"a {name} in every row", "none", "fill the column, or remove these rows")
                self.tell(finding, frame, missing, name)
                frame = frame.filter(~missing)
        return frame

    def in_order(self, frame: pl.DataFrame, ids: Sequence[str], counter: str | None) -> tuple[pl.DataFrame, Ints]:
        """The recordings whose rows stand together and, with a counter, count 0, 1, 2, ...; and where they start."""
        starts = run_starts(frame, ids)
        run = np.searchsorted(starts, np.arange(frame.height), side="right") - 1
        names = [tuple(frame[name][row] for name in ids) or ("all",) for row in starts.tolist()]
        repeated = []
        for name in names:
            repeated.append(bool(ids) and name in self.seen)
            self.seen.add(name)
        broken = np.array(repeated)[run]
        if broken.any():
            expected = "the rows of a recording next to each other"
            found = f"more rows of {names[run[broken.argmax()]][-1]!r} after other recordings"
            remedy = "sort the rows; if a file was appended to itself or joined with another, keep each recording once"
            self.tell(_error("sequence in several places", expected, found, remedy), frame, broken)
        if counter is not None:
            numbers = read_numbers(frame, [counter], self.report, dtype=pl.Float64, whole=True)[:, 0]
            places = np.arange(frame.height) - starts[run]
            wrong = (numbers != places) & ~broken
            if wrong.any():
                first = int(wrong.argmax())
                expected = f"a {counter} that counts 0, 1, 2, ... in every recording"
                found = f"{numbers[first]:g} instead of {places[first]} in {names[run[first]][-1]!r}"
                remedy = "rows are missing, doubled or out of order: sort them, or remove the recording"
                self.tell(_error("row out of order", expected, found, remedy), frame, wrong)
            broken = broken | wrong
        if not broken.any():
            return frame, starts
        frame = frame.filter(~np.logical_or.reduceat(broken, starts)[run])
        return frame, run_starts(frame, ids)

    def alike(self, frame: pl.DataFrame, columns: Sequence[str], starts: Ints) -> None:
        """Report columns that change within a recording."""
        for name in columns:
            changes = sorted(set(run_starts(frame, [name]).tolist()) - set(starts.tolist()))
            if changes:
                found = f"{frame[name][changes[0]]!r} after {frame[name][changes[0] - 1]!r}"
                remedy = "correct the rows, remove the recording, or name a column in id that tells recordings apart"
                finding = _error(f"{name} changes", f"one {name} in all rows of a recording", found, remedy)
                self.tell(finding, frame, np.isin(np.arange(frame.height), changes), name)

    def words(self, frame: pl.DataFrame, name: str, spec: WordsSpec) -> pl.Series:
        """(N,) the classes that a column of words stands for, null where it is none."""
        texts = _merge(frame[spec.column or name], spec.merge)
        strange = set(texts.to_list()) - {*spec.classes, None} if spec.classes else set()
        if not strange:
            return texts
        unknown = texts.is_in(list(strange))
        keep = spec.others == "keep"
        if self.strict:
            severity: Severity = "warning" if keep else "error"
            expected = f"one of the {len(spec.classes)} words of {name}"
            remedy = f"correct or remove these rows; known are: {'; '.join(spec.classes)}"
            finding = Finding(f"unknown {name}", severity, expected, repr(texts.filter(unknown)[0]), remedy)
            self.tell(finding, frame, unknown.fill_null(value=False).to_numpy(), spec.column or name)
        return texts if keep else texts.set(unknown, None)

    def readings(self, frame: pl.DataFrame, sensor: Sensor, columns: Sequence[str], numbers: Array) -> Array:
        """(N, C) readings of a sensor without those that are not possible, which are reported.

        `sensor`: with its limits in the unit of the file; `columns`: where the readings are; `numbers`: (N, C) what
        stands there, NaN where nothing does.
        """
        absent = np.isnan(numbers)
        for kind, expected, wrong, shown, width in self._find_faults(sensor, numbers):
            row, column = (int(index) for index in np.argwhere(wrong)[0])
            place, count = place_of(frame, row, columns[column]), int(wrong.sum()) // width
            self.report(Finding(kind, "error", expected, f"{shown[row, column]:g}", _REPAIR, place, count))
            absent |= wrong
        if sensor.unit_norm and (negative := numbers[:, 0] < 0).any():
            expected, remedy = "quaternions with w >= 0", "nothing: the sign has no meaning, and is turned in reading"
            self.tell(Finding("quaternion sign", "note", expected, "w < 0", remedy), frame, negative)
        values = np.where(absent, numbers.dtype.type(sensor.absent), numbers) if absent.any() else numbers
        return np.ascontiguousarray(values, None if sensor.modality == "motion" else sensor.dtype)

    def _find_faults(self, sensor: Sensor, numbers: Array) -> Iterator[tuple[str, str, Bools, Array, int]]:
        """Of each fault that occurs the kind, what was expected, (N, C) where, what is there; values wrong together."""
        missing = np.isnan(numbers)
        if sensor.no_response_code is not None and (broken := (np.trunc(numbers) != numbers) & ~missing).any():
            yield "no whole number", f"a whole number of {sensor.name}", broken, numbers, 1
        outside = (numbers < sensor.low) | (numbers > sensor.high)
        if outside.any():
            expected = f"{sensor.name} between {sensor.low:g} and {sensor.high:g} {sensor.unit}".removesuffix(" 1")
            yield "impossible value", expected, outside, numbers, 1
        if self.strict and missing.any():
            parts = missing.reshape(len(numbers), sensor.pieces, -1)
            size = parts.shape[2]
            some = np.repeat(parts.any(axis=2) & ~parts.all(axis=2), size, axis=1)
            if some.any():
                given = np.repeat((~parts).sum(axis=2), size, axis=1)
                expected = f"all {size} values of a reading of {sensor.name}, or none"
                yield f"incomplete {sensor.name}", expected, some, given, size
        if sensor.unit_norm:
            norms = np.linalg.norm(numbers, axis=1)
            if (off := np.abs(norms - 1.0) > NORM_TOLERANCE).any():
                off, norms = (np.repeat(one[:, None], numbers.shape[1], axis=1) for one in (off, norms))
                yield "wrong norm", f"{sensor.name} of norm 1", off, norms, numbers.shape[1]

    def tell(self, finding: Finding, frame: pl.DataFrame, rows: Bools, column: str = "") -> None:
        """Report something that is wrong in some rows."""
        self.report(replace(finding, place=place_of(frame, int(rows.argmax()), column), count=int(rows.sum())))


def _error(kind: str, expected: str, found: str, remedy: str) -> Finding:
    return Finding(kind, "error", expected, found, remedy)


def _merge(texts: pl.Series, merge: Mapping[str, str]) -> pl.Series:
    """Texts as the classes that they become."""
    if not merge:
        return texts
    found = texts.drop_nulls().unique().to_list()
    return texts.replace_strict(found, [merged(name, merge) for name in found], default=None, return_dtype=pl.String)


def run_starts(frame: pl.DataFrame, columns: Sequence[str]) -> Ints:
    """First row of every run of rows that are equal in some columns; of all rows together without columns."""
    changed = np.zeros(max(frame.height - 1, 0), dtype=bool)
    for name in columns:
        values = np.fromiter(frame[name].to_list(), dtype=object, count=frame.height)
        changed |= values[1:] != values[:-1]
    return np.append(np.zeros(min(frame.height, 1), np.int64), np.flatnonzero(changed) + 1)
