"""Checks of frames in the CMI layout that hold whole sequences: order, labels and readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Array, Bools, Ints
from bfrb.read.cmi_layout import ANNOTATIONS, COUNTER, ID, IMAGES, LABELS, SUBJECT
from bfrb.read.csv_blocks import ROW_NUMBER
from bfrb.read.findings import Finding, Report
from bfrb.study.device import Sensor
from bfrb.study.labels import BEHAVIORS, CMI_GESTURES, ORIENTATIONS, PHASES
from bfrb.study.recordings import NORM_TOLERANCE, find_impossible

VOCABULARY = {
    "gesture": CMI_GESTURES.classes,
    "sequence_type": ("Target", "Non-Target"),
    "orientation": ORIENTATIONS,
    "behavior": BEHAVIORS,
    "phase": PHASES,
}
"""The words that the label columns may hold."""

DESCRIPTIVE = ("sequence_type", "orientation")
"""Those that nothing is learned from: other words are kept, with a warning."""


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
    _seen: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.String))

    def rows(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame without rows and sequences that cannot be used; the others are in order and labelled alike."""
        frame = self._identified(frame)
        frame = self._in_order(frame)
        self._alike(frame)
        return self._in_vocabulary(frame)

    def readings(self, frame: pl.DataFrame, sensor: Sensor, columns: Sequence[str] = ()) -> Array:
        """(N, *shape) readings of a sensor; those that are not possible are reported, and taken as not measured.

        Parameters
        ----------
        frame
            Rows with numbers, null where nothing was measured.
        columns
            Where the readings are, if not in the sensor's own columns.
        """
        if sensor.columns == IMAGES.columns and IMAGES.name in frame.columns:
            values = frame[IMAGES.name].to_numpy().reshape(-1, *sensor.shape)
        else:
            numbers = frame.select(pl.col(columns or sensor.columns).cast(pl.Float32)).to_numpy(order="c")
            values = numbers.reshape(-1, *sensor.shape)
            if sensor.no_response_code is not None:
                values = self._whole(frame, sensor, values)
        if not (sensor.unit_norm or _any_absent(sensor, values) or find_impossible(sensor, values)):
            return values  # as nearly always; the masks below are as large as the readings
        checks = [self._incomplete, self._impossible, *([self._wrong_norm] if sensor.unit_norm else [])]
        wrong = [mask for check in checks if (mask := check(frame, sensor, values)) is not None]
        if wrong:
            values = values.copy()
            values[np.logical_or.reduce(wrong)] = sensor.absent
        return values

    def place(self, frame: pl.DataFrame, row: int, column: str = "") -> str:
        """Where a row of a frame is in the source."""
        place = f"{self.unit} {frame[ROW_NUMBER][row]:,}"
        return f"{place}, column {column}" if column else place

    def _identified(self, frame: pl.DataFrame) -> pl.DataFrame:
        for name in (ID, SUBJECT):
            missing = frame[name].is_null()
            if missing.any():
                self._tell(
                    _error("no id", f"a {name} in every row", "none", "fill the column, or remove these rows", name),
                    frame,
                    missing.to_numpy(),
                )
                frame = frame.filter(~missing)
        return frame

    def _in_order(self, frame: pl.DataFrame) -> pl.DataFrame:
        if not frame.height:
            return frame
        starts = run_starts(frame[ID])
        names = frame[ID].gather(starts)
        again = ~names.is_first_distinct() | names.is_in(self._seen.implode())
        self._seen = pl.concat([self._seen, names])
        run = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, frame.height)))
        repeated = again.to_numpy()[run]
        if repeated.any():
            first = int(np.flatnonzero(repeated)[0])
            self._tell(
                _error(
                    "sequence in several places",
                    "the rows of a sequence next to each other",
                    f"more rows of {frame[ID][first]!r} after other sequences",
                    "sort the rows; if the file was appended to itself or joined with another, keep each sequence once",
                ),
                frame,
                repeated,
            )
        expected = np.arange(frame.height) - starts[run]
        wrong = (frame[COUNTER].fill_null(-1).to_numpy() != expected) & ~repeated
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            self._tell(
                _error(
                    "row out of order",
                    f"a {COUNTER} that counts 0, 1, 2, ... in every sequence",
                    f"{frame[COUNTER][first]} instead of {expected[first]} in {frame[ID][first]!r}",
                    "rows are missing, doubled or out of order: sort them, or remove the sequence",
                ),
                frame,
                wrong,
            )
        broken = np.logical_or.reduceat(wrong | repeated, starts)[run]
        return frame.filter(~broken) if broken.any() else frame

    def _alike(self, frame: pl.DataFrame) -> None:
        starts = run_starts(frame[ID])
        for name in (SUBJECT, *LABELS):
            if name not in frame.columns or not frame.height:
                continue
            column = frame[name]
            change = np.zeros(frame.height, dtype=bool)
            change[run_starts(column)] = True
            change[starts] = False
            if change.any():
                first = int(np.flatnonzero(change)[0])
                self._tell(
                    _error(
                        f"{name} changes",
                        f"one {name} in all rows of a sequence",
                        f"{column[first]!r} after {column[first - 1]!r} in {frame[ID][first]!r}",
                        "correct the rows, or remove the sequence",
                        name,
                    ),
                    frame,
                    change,
                )

    def _in_vocabulary(self, frame: pl.DataFrame) -> pl.DataFrame:
        for name in (*LABELS, *ANNOTATIONS):
            if name not in frame.columns:
                continue
            unknown = frame[name].is_not_null() & ~frame[name].is_in(VOCABULARY[name])
            if unknown.any():
                found = repr(frame[name].filter(unknown)[0])
                self._tell(_unknown_word(name, found), frame, unknown.to_numpy())
                if name not in DESCRIPTIVE:
                    frame = frame.with_columns(frame[name].set(unknown, None))
        return frame

    def _whole(self, frame: pl.DataFrame, sensor: Sensor, numbers: Array) -> Array:
        with np.errstate(invalid="ignore"):  # NaN and numbers too large for the type are dealt with below
            values = numbers.astype(sensor.dtype)
        differs: Bools = values != numbers
        if not differs.any():
            return values
        missing = np.isnan(numbers)
        wrong: Bools = differs & ~missing
        if wrong.any():
            first = tuple(np.argwhere(wrong)[0])
            column = sensor.columns[int(np.ravel_multi_index(first[1:], sensor.shape))]
            found, remedy = f"{numbers[first]:g}", "repair the value or leave it empty; the file may be damaged"
            finding = _error("no whole number", f"a small whole number of {sensor.name}", found, remedy, column)
            self._tell(finding, frame, np.asarray(wrong.reshape(len(wrong), -1).any(axis=1)))
        values[missing | wrong] = sensor.absent
        return values

    def _incomplete(self, frame: pl.DataFrame, sensor: Sensor, values: Array) -> Bools | None:
        size = len(sensor.columns) // sensor.pieces
        if size == 1 or not _any_absent(sensor, values):
            return None
        absent: Bools = sensor.is_absent(values).reshape(len(values), -1, size)
        some = np.asarray(absent.any(axis=2) & ~absent.all(axis=2))
        if not some.any():
            return None
        row, reading = (int(index) for index in np.argwhere(some)[0])
        self._tell(
            _error(
                f"incomplete {sensor.name}",
                f"all {size} values of a reading of {sensor.name}, or none",
                f"{size - int(absent[row, reading].sum())}",
                "the source is damaged there: repair it, or leave out the whole reading",
                sensor.columns[reading * size],
            ),
            frame,
            np.asarray(some.any(axis=1)),
        )
        return np.repeat(some, size, axis=1).reshape(values.shape)

    def _impossible(self, frame: pl.DataFrame, sensor: Sensor, values: Array) -> Bools | None:
        impossible = find_impossible(sensor, values)
        if impossible is None:
            return None
        wrong: Bools = ~sensor.is_absent(values) & ((values < sensor.low) | (values > sensor.high))
        row, value, count = impossible
        column = sensor.columns[int(np.flatnonzero(wrong[row])[0])]
        self.report(
            Finding(
                "impossible value",
                "error",
                f"{sensor.name} between {sensor.low:g} and {sensor.high:g} {sensor.unit}",
                f"{value:g}",
                "the source is damaged there: repair it, or leave the value empty",
                self.place(frame, row, column),
                count,
            )
        )
        return wrong

    def _wrong_norm(self, frame: pl.DataFrame, sensor: Sensor, values: Array) -> Bools | None:
        norm = np.sqrt(np.einsum("nc,nc->n", values, values))
        wrong: Bools = np.abs(norm - 1.0) > NORM_TOLERANCE
        if not wrong.any():
            return None
        first = float(norm[np.flatnonzero(wrong)[0]])
        self._tell(
            _error(
                "wrong norm",
                f"{sensor.name} of norm 1",
                f"norm {first:g}",
                "the source is damaged there: repair it, or leave the reading empty",
                sensor.columns[0],
            ),
            frame,
            wrong,
        )
        return np.broadcast_to(wrong[:, None], values.shape)

    def _tell(self, finding: Finding, frame: pl.DataFrame, rows: Bools) -> None:
        """Report a finding that concerns some rows; its place is a column until here."""
        place = self.place(frame, int(np.flatnonzero(rows)[0]), finding.place)
        self.report(replace(finding, place=place, count=int(rows.sum())))


def _error(kind: str, expected: str, found: str, remedy: str, column: str = "") -> Finding:
    return Finding(kind, "error", expected, found, remedy, column)


def _unknown_word(column: str, found: str) -> Finding:
    words = VOCABULARY[column]
    return Finding(
        f"unknown {column}",
        "warning" if column in DESCRIPTIVE else "error",
        f"one of the {len(words)} values of {column} in the CMI study",
        found,
        f"correct or remove these rows; known are: {'; '.join(words)}",
        column,
    )


def run_starts(column: pl.Series) -> Ints:
    """First row of every run of equal values."""
    before, after = column[:-1], column[1:]
    # Where it will do, a comparison at once: a query waits for polars' threads, which may have other work.
    changed = before.ne_missing(after) if column.null_count() else before != after
    return np.append(np.zeros(min(len(column), 1), np.int64), np.flatnonzero(changed.to_numpy()) + 1)


def _any_absent(sensor: Sensor, values: Array) -> Any:
    if sensor.no_response_code is None:
        return np.isnan(values).any()
    return values.size and values.min() == sensor.absent
