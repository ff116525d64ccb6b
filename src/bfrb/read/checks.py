"""Checks of frames that hold whole recordings: order, words and readings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Array, Bools, Ints
from bfrb.read.annotations import merged
from bfrb.read.columns import place_of, read_numbers, read_texts
from bfrb.read.findings import Finding, Report, Severity
from bfrb.study.description import WordsSpec
from bfrb.study.device import Sensor
from bfrb.study.readings import NORM_TOLERANCE

_REPAIR = "the source is damaged there: repair it, or leave the whole reading empty"


@dataclass(frozen=True)
class Checker:
    """Looks at the frames of one source, one after the other, and reports what is wrong.

    `strict`: whether incomplete readings and words that are no class are faults; `seen`: recordings that were there
    before.
    """

    report: Report
    strict: bool
    seen: set[tuple[Any, ...]] = field(default_factory=set)

    def with_texts(self, frame: pl.DataFrame, names: Sequence[str], needed: Sequence[str]) -> pl.DataFrame:
        """The frame with some columns as texts, without the rows that lack one of the needed columns."""
        frame = frame.clone()
        for name in names:  # much quicker than a query, where a server is asked about one recording
            frame.replace_column(frame.get_column_index(name), read_texts(frame, name, self.report))
        for name in needed:
            if frame[name].null_count():
                missing = frame[name].is_null().to_numpy()
                finding = _error("no id", f"a {name} in every row", "none", "fill the column, or remove these rows")
                self.tell(finding, frame, missing, name)
                frame = frame.filter(~missing)
        return frame

    def in_order(self, frame: pl.DataFrame, ids: Sequence[str], counter: str | None) -> pl.DataFrame:
        """The recordings whose rows stand next to each other and, with a counter, count 0, 1, 2, ..."""
        starts = run_starts(frame, ids)
        run = np.repeat(np.arange(len(starts)), np.diff(starts, append=frame.height))
        names = [tuple(frame[name][row] for name in ids) or ("all",) for row in starts.tolist()]
        broken = np.array([bool(ids) and self._is_repeated(name) for name in names])[run]
        if broken.any():
            finding = _error(
                "sequence in several places",
                "the rows of a recording next to each other",
                f"more rows of {names[run[broken.argmax()]][-1]!r} after other recordings",
                "sort the rows; if the file was appended to itself or joined with another, keep each recording once",
            )
            self.tell(finding, frame, broken)
        if counter is not None:
            numbers = read_numbers(frame, [counter], self.report, dtype=pl.Float64, whole=True)[:, 0]
            expected = np.arange(frame.height) - starts[run]
            wrong = (numbers != expected) & ~broken
            if wrong.any():
                first = int(wrong.argmax())
                finding = _error(
                    "row out of order",
                    f"a {counter} that counts 0, 1, 2, ... in every recording",
                    f"{numbers[first]:g} instead of {expected[first]} in {names[run[first]][-1]!r}",
                    "rows are missing, doubled or out of order: sort them, or remove the recording",
                )
                self.tell(finding, frame, wrong)
            broken = broken | wrong
        broken = np.logical_or.reduceat(broken, starts)[run]
        return frame.filter(~broken) if broken.any() else frame

    def _is_repeated(self, name: tuple[Any, ...]) -> bool:
        repeated = name in self.seen
        self.seen.add(name)
        return repeated

    def alike(self, frame: pl.DataFrame, columns: Sequence[str], starts: Ints) -> None:
        """Report columns that change within a recording."""
        for name in columns:
            changes = sorted(set(run_starts(frame, [name]).tolist()) - set(starts.tolist()))
            if changes:
                first = changes[0]
                finding = _error(
                    f"{name} changes",
                    f"one {name} in all rows of a recording",
                    f"{frame[name][first]!r} after {frame[name][first - 1]!r}",
                    "correct the rows, remove the recording, or name a column in id that tells recordings apart",
                )
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
        for fault in self._find_faults(sensor, numbers):
            row, column = (int(index) for index in np.argwhere(fault.where)[0])
            finding = replace(fault.finding, found=f"{fault.shown[row, column]:g}")
            finding = replace(finding, place=place_of(frame, row, columns[column]))
            self.report(replace(finding, count=int(fault.where.sum()) // fault.width))
            absent |= fault.where
        if sensor.unit_norm and (negative := numbers[:, 0] < 0).any():
            expected, remedy = "quaternions with w >= 0", "nothing: the sign has no meaning, and is turned in reading"
            self.tell(Finding("quaternion sign", "note", expected, "w < 0", remedy), frame, negative)
        values = np.where(absent, numbers.dtype.type(sensor.absent), numbers)
        return values if sensor.modality == "motion" else values.astype(sensor.dtype)

    def _find_faults(self, sensor: Sensor, numbers: Array) -> Iterator[_Fault]:
        """What is wrong among (N, C) readings, NaN where there is none; each fault that occurs."""
        missing = np.isnan(numbers)
        if sensor.no_response_code is not None:
            fractions = (np.trunc(numbers) != numbers) & ~missing
            if fractions.any():
                yield _Fault(_error("no whole number", f"a whole number of {sensor.name}"), fractions, numbers)
        outside = (numbers < sensor.low) | (numbers > sensor.high)
        if outside.any():
            expected = f"{sensor.name} between {sensor.low:g} and {sensor.high:g} {sensor.unit}"
            yield _Fault(_error("impossible value", expected), outside, numbers)
        if self.strict and missing.any():
            parts = missing.reshape(len(numbers), sensor.pieces, -1)
            size = parts.shape[2]
            some = parts.any(axis=2) & ~parts.all(axis=2)
            if some.any():
                expected = f"all {size} values of a reading of {sensor.name}, or none"
                given = np.repeat((~parts).sum(axis=2), size, axis=1)
                finding = _error(f"incomplete {sensor.name}", expected)
                yield _Fault(finding, np.repeat(some, size, axis=1), given, size)
        if sensor.unit_norm:
            norms = np.broadcast_to(np.linalg.norm(numbers, axis=1)[:, None], numbers.shape)
            off = np.abs(norms - 1.0) > NORM_TOLERANCE
            if off.any():
                finding = _error("wrong norm", f"{sensor.name} of norm 1")
                yield _Fault(finding, off, norms, numbers.shape[1])

    def tell(self, finding: Finding, frame: pl.DataFrame, rows: Bools, column: str = "") -> None:
        """Report something that is wrong in some rows."""
        self.report(replace(finding, place=place_of(frame, int(rows.argmax()), column), count=int(rows.sum())))


@dataclass(frozen=True)
class _Fault:
    """Readings that are not possible: (N, C) where and what is found there; so many values are wrong together."""

    finding: Finding
    where: Bools
    shown: Array
    width: int = 1


def _error(kind: str, expected: str, found: str = "", remedy: str = _REPAIR) -> Finding:
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
