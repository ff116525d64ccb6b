"""Checks of frames that hold whole sequences: order, labels and readings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from bfrb.arrays import Array, Bools, Ints
from bfrb.read.cmi_layout import COUNTER, DESCRIPTIVE, ID, LABELS, SUBJECT, VOCABULARY
from bfrb.read.columns import ROW_NUMBER, read_numbers, read_texts
from bfrb.read.findings import Finding, Report
from bfrb.study.device import Sensor
from bfrb.study.readings import NORM_TOLERANCE


@dataclass
class Checker:
    """Looks at the frames of one source, one after the other, and reports what is wrong.

    Parameters
    ----------
    report
        Told of every finding.
    unit
        What a row number counts, "line" or "row".
    """

    report: Report
    unit: str
    _seen: set[str] = field(default_factory=set)

    def rows(self, frame: pl.DataFrame, labels: Sequence[str]) -> pl.DataFrame:
        """The frame without rows and sequences that cannot be used; the others are in order and labelled alike.

        Texts and the counter get their types; readings stay as they are.

        Parameters
        ----------
        labels
            Its columns of labels.
        """
        texts = [read_texts(frame, name, self.report, self.unit) for name in (ID, SUBJECT, *labels)]
        numbers = read_numbers(frame, [COUNTER], self.report, self.unit, dtype=pl.Float64, whole=True)
        counter = pl.Series(COUNTER, numbers[:, 0], nan_to_null=True).cast(pl.Int64)
        frame = frame.clone()
        for column in (*texts, counter):  # much quicker than a query, where a server is asked about one recording
            frame.replace_column(frame.get_column_index(column.name), column)
        frame = self._identified(frame)
        if frame.height:
            frame = self._in_order(frame)
            self._alike(frame, [SUBJECT, *(name for name in labels if name in LABELS)])
        return self._in_vocabulary(frame, labels)

    def readings(self, frame: pl.DataFrame, sensor: Sensor, columns: Sequence[str] = ()) -> Array:
        """(N, *shape) readings of a sensor; those that are not possible are reported, and taken as not measured.

        Parameters
        ----------
        columns
            Where the readings are, if not in the sensor's own columns.
        """
        names = columns or sensor.columns
        numbers = read_numbers(frame, names, self.report, self.unit)
        absent = np.isnan(numbers)
        for fault in _find_faults(sensor, numbers):
            row, column = (int(index) for index in np.argwhere(fault.where)[0])
            finding = replace(fault.finding, found=f"{fault.shown[row, column]:g}", place=names[column])
            self._tell(finding, frame, row, int(fault.where.sum()) // fault.width)
            absent |= fault.where
        if sensor.unit_norm:
            self._note_signs(frame, numbers[:, 0] < 0)
        values = np.where(absent, numbers.dtype.type(sensor.absent), numbers)
        return values.astype(sensor.dtype).reshape(-1, *sensor.shape)

    def _note_signs(self, frame: pl.DataFrame, negative: Bools) -> None:
        if negative.any():
            expected, remedy = "quaternions with w >= 0", "nothing: the sign has no meaning, and is turned in reading"
            finding = Finding("quaternion sign", "note", expected, "w < 0", remedy)
            self._tell(finding, frame, int(negative.argmax()), int(negative.sum()))

    def _identified(self, frame: pl.DataFrame) -> pl.DataFrame:
        for name in (ID, SUBJECT):
            if frame[name].null_count():
                missing = frame[name].is_null().to_numpy()
                finding = _error("no id", f"a {name} in every row", "none", "fill the column, or remove these rows")
                self._tell_rows(finding, frame, missing, name)
                frame = frame.filter(~missing)
        return frame

    def _in_order(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The sequences whose rows stand next to each other, and count 0, 1, 2, ..."""
        starts = run_starts(frame[ID])
        run = np.repeat(np.arange(len(starts)), np.diff(starts, append=frame.height))
        names = frame[ID].to_list()
        repeated = np.array([self._is_repeated(names[start]) for start in starts])[run]
        expected = np.arange(frame.height) - starts[run]
        wrong = (frame[COUNTER].to_numpy() != expected) & ~repeated
        if repeated.any():
            finding = _error(
                "sequence in several places",
                "the rows of a sequence next to each other",
                f"more rows of {frame[ID][int(repeated.argmax())]!r} after other sequences",
                "sort the rows; if the file was appended to itself or joined with another, keep each sequence once",
            )
            self._tell_rows(finding, frame, repeated)
        if wrong.any():
            first = int(wrong.argmax())
            finding = _error(
                "row out of order",
                f"a {COUNTER} that counts 0, 1, 2, ... in every sequence",
                f"{frame[COUNTER][first]} instead of {expected[first]} in {frame[ID][first]!r}",
                "rows are missing, doubled or out of order: sort them, or remove the sequence",
            )
            self._tell_rows(finding, frame, wrong)
        broken = np.logical_or.reduceat(wrong | repeated, starts)[run]
        return frame.filter(~broken) if broken.any() else frame

    def _is_repeated(self, name: str) -> bool:
        repeated = name in self._seen
        self._seen.add(name)
        return repeated

    def _alike(self, frame: pl.DataFrame, columns: Sequence[str]) -> None:
        starts = run_starts(frame[ID])
        for name in columns:
            changes = sorted(set(run_starts(frame[name]).tolist()) - set(starts.tolist()))
            if changes:
                first = changes[0]
                finding = _error(
                    f"{name} changes",
                    f"one {name} in all rows of a sequence",
                    f"{frame[name][first]!r} after {frame[name][first - 1]!r} in {frame[ID][first]!r}",
                    "correct the rows, or remove the sequence",
                )
                self._tell(replace(finding, place=name), frame, first, len(changes))

    def _in_vocabulary(self, frame: pl.DataFrame, labels: Sequence[str]) -> pl.DataFrame:
        for name in labels:
            unknown = frame[name].is_not_null() & ~frame[name].is_in(VOCABULARY[name])
            if unknown.any():
                finding = _unknown_word(name, repr(frame[name].filter(unknown)[0]))
                self._tell_rows(finding, frame, unknown.to_numpy(), name)
                if name not in DESCRIPTIVE:
                    frame = frame.with_columns(frame[name].set(unknown, None))
        return frame

    def _tell_rows(self, finding: Finding, frame: pl.DataFrame, rows: Bools, column: str = "") -> None:
        self._tell(replace(finding, place=column), frame, int(rows.argmax()), int(rows.sum()))

    def _tell(self, finding: Finding, frame: pl.DataFrame, row: int, count: int) -> None:
        """Report a finding whose place is a column until here."""
        place = f"{self.unit} {frame[ROW_NUMBER][row]:,}"
        place = f"{place}, column {finding.place}" if finding.place else place
        self.report(replace(finding, place=place, count=count))


@dataclass(frozen=True)
class _Fault:
    """Readings that are not possible.

    Parameters
    ----------
    finding
        What is wrong.
    where
        (N, C) Where.
    shown
        (N, C) What is found there.
    width
        Values that are wrong together.
    """

    finding: Finding
    where: Bools
    shown: Array
    width: int = 1


def _find_faults(sensor: Sensor, numbers: Array) -> Iterator[_Fault]:
    """What is wrong among (N, C) readings, NaN where there is none; each fault that occurs."""
    repair = "the source is damaged there: repair it, or leave the whole reading empty"
    missing = np.isnan(numbers)
    if sensor.no_response_code is not None:
        fractions = (np.trunc(numbers) != numbers) & ~missing
        if fractions.any():
            yield _Fault(_error("no whole number", f"a whole number of {sensor.name}", "", repair), fractions, numbers)
    outside = (numbers < sensor.low) | (numbers > sensor.high)
    if outside.any():
        expected = f"{sensor.name} between {sensor.low:g} and {sensor.high:g} {sensor.unit}"
        yield _Fault(_error("impossible value", expected, "", repair), outside, numbers)
    if missing.any():
        parts = missing.reshape(len(numbers), sensor.pieces, -1)
        size = parts.shape[2]
        some = parts.any(axis=2) & ~parts.all(axis=2)
        if some.any():
            expected = f"all {size} values of a reading of {sensor.name}, or none"
            given = np.repeat((~parts).sum(axis=2), size, axis=1)
            finding = _error(f"incomplete {sensor.name}", expected, "", repair)
            yield _Fault(finding, np.repeat(some, size, axis=1), given, size)
    if sensor.unit_norm:
        norms = np.broadcast_to(np.linalg.norm(numbers, axis=1)[:, None], numbers.shape)
        off = np.abs(norms - 1.0) > NORM_TOLERANCE
        if off.any():
            finding = _error("wrong norm", f"{sensor.name} of norm 1", "", repair)
            yield _Fault(finding, off, norms, numbers.shape[1])


def _error(kind: str, expected: str, found: str, remedy: str) -> Finding:
    return Finding(kind, "error", expected, found, remedy)


def _unknown_word(column: str, found: str) -> Finding:
    words = VOCABULARY[column]
    return Finding(
        f"unknown {column}",
        "warning" if column in DESCRIPTIVE else "error",
        f"one of the {len(words)} values of {column} in the CMI study",
        found,
        f"correct or remove these rows; known are: {'; '.join(words)}",
    )


def run_starts(column: pl.Series) -> Ints:
    """First row of every run of equal values."""
    values = np.array(column.to_list(), dtype=object)
    return np.append(np.zeros(min(len(column), 1), np.int64), np.flatnonzero(values[1:] != values[:-1]) + 1)
