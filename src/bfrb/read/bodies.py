"""Recordings in the bodies of requests: CSV or JSON with the columns of any device, from anyone."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Ints
from bfrb.errors import DataError
from bfrb.read.checks import ROW, Checker, read_numbers, run_starts
from bfrb.read.cmi_write import COUNTER, ID
from bfrb.read.csv_blocks import check_wanted
from bfrb.read.demographics import SUBJECT
from bfrb.read.findings import refuse
from bfrb.read.stretches import TIMES
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings

MAX_VALUES = 2_000_000
"""Most values of a body: 8 MiB of CSV hold about as many."""

OPTIONAL = (ID, SUBJECT, COUNTER, *TIMES)
"""Columns that may stand beside the device's."""

_RATE_TOLERANCE = 0.1

Columns = Mapping[str, Sequence[Any]]
"""Values by name, as many of each."""


def read_csv(body: bytes) -> Columns:
    r"""The columns of a CSV table, as texts.

    Raises `DataError` if it is not plain CSV, a line has another number of fields than the first, or it is too large.

    >>> read_csv(b"acc_x,acc_y\r\n1,\r\n2,0.5\r\n")
    {'acc_x': ('1', '2'), 'acc_y': ('', '0.5')}
    """
    try:
        text = io.StringIO(body.decode("utf-8-sig"), newline="")
        header, *rows = _lines(csv.reader(text, strict=True))
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise _unreadable("plain CSV with a line of names, in UTF-8", str(error)[:100]) from None
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    found = dict(zip([name.strip() for name in header], columns, strict=True))
    if len(found) < len(header):
        raise _unreadable("every column once", "a name twice")
    return found


def columns_of(rows: list[dict[str, Any]] | dict[str, Any]) -> Columns:
    """The columns of a JSON table: a list with an object for every row, or an object with a list for every column.

    Raises `DataError` if it is of another form, or too large.

    >>> columns_of([{"acc_x": 1, "acc_y": None}, {"acc_x": 2}])
    {'acc_x': [1, 2], 'acc_y': [None, None]}
    """
    if isinstance(rows, list):
        names = list(dict.fromkeys(name for row in rows for name in row))
        _check_size(len(rows), len(names))
        return {name: [row.get(name) for row in rows] for name in names}
    if not all(isinstance(values, list) for values in rows.values()):
        raise _unreadable("a list for every column", "something else")
    if len({len(values) for values in rows.values()}) > 1:
        raise _unreadable("columns of one length", "several")
    return rows


def recordings_from_columns(columns: Columns, device: Device, handedness: int | None = None) -> Recordings:
    """Recordings of a device, from columns with a value for every row at the device's rate.

    A sensor's columns may be left out together. Any of `OPTIONAL` may stand beside them: without `sequence_id` all rows
    are one recording. Others are passed over, see `unused_columns`. Raises `DataError` if columns are missing, values
    are no numbers or impossible, or rows are out of order or come at another rate.
    """
    rows = len(next(iter(columns.values()), ()))
    present = [sensor for sensor in device.sensors if set(sensor.columns) & set(columns)]
    if not rows or not present:
        named = ", ".join(device.sensors[0].columns)
        found = "no rows" if present else f"the columns {', '.join(columns)[:200] or 'none'}"
        raise _unreadable(f"rows of {device.name!r}, with columns such as {named}", found)
    told = {ID: ["recording"] * rows, SUBJECT: ["unknown"] * rows, **columns}
    used = [ID, SUBJECT, COUNTER, *TIMES, *(name for sensor in present for name in sensor.columns)]
    series = [_series(name, told[name]) for name in used if name in told]
    frame = pl.DataFrame(series).with_row_index(ROW, offset=1)
    checker = Checker(refuse("the table"), strict=False)
    frame = checker.with_texts(frame, [ID, SUBJECT], [ID, SUBJECT])
    starts = run_starts(frame, [ID])
    _check_order(frame, starts, device)
    table = frame[starts].select(pl.col(ID).alias("id"), SUBJECT, handedness=pl.lit(handedness, pl.Int8))
    sensors = {}
    for sensor in present:
        check_wanted("the table", frame.columns, sensor.columns)
        numbers = read_numbers(frame, sensor.columns, checker.report, dtype=pl.Float64)
        sensors[sensor.name] = checker.readings(frame, sensor, sensor.columns, numbers).reshape(-1, *sensor.shape)
    return Recordings(device, sensors, np.append(starts, rows), table)


def unused_columns(columns: Columns, device: Device) -> list[str]:
    """The names of the columns that nothing is read from."""
    known = {name for sensor in device.sensors for name in sensor.columns}
    return [name for name in columns if name not in known and name not in OPTIONAL]


def _lines(reader: Any) -> Iterator[list[str]]:
    """The lines of a table that hold anything, each with as many fields as the first."""
    names: list[str] = []
    for number, fields in enumerate(filter(None, reader)):
        names = names or fields
        if len(fields) != len(names):
            raise _unreadable(f"{len(names)} fields in every line", f"{len(fields)} in line {reader.line_num}")
        _check_size(number, len(names))
        yield fields


def _series(name: str, values: Sequence[Any]) -> pl.Series:
    """A column as numbers, or as texts if some of it is text."""
    kinds = set(map(type, values))
    if not kinds <= {int, float, str, type(None)}:
        raise _unreadable(f"numbers or texts in the column {name}", "other values")
    try:
        if str in kinds or name in (ID, SUBJECT):
            return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    except (ValueError, OverflowError) as error:
        raise _unreadable(f"numbers in the column {name}", str(error)[:100]) from None


def _check_order(frame: pl.DataFrame, starts: Ints, device: Device) -> None:
    """Refuse rows that do not follow one another, or times of another rate: nothing is resampled here."""
    for name in (COUNTER, *TIMES):
        if name not in frame.columns:
            continue
        steps = np.diff(read_numbers(frame, [name], refuse("the table"), dtype=pl.Float64)[:, 0])
        within = np.delete(np.arange(len(steps)), starts[1:] - 1)
        steps = steps[within] * TIMES.get(name, 1.0)
        if name == COUNTER and not (steps == 1).all():
            found = f"another after row {within[np.argmin(steps == 1)] + 1}"
            raise _unreadable(f"rows whose {COUNTER} rises by 1", found)
        expected_s, found_s = 1 / device.row_rate_hz, np.median(steps) if len(steps) else np.nan
        if name in TIMES and len(steps) and not abs(found_s - expected_s) <= _RATE_TOLERANCE * expected_s:
            problem = f"expected a row every {expected_s:g} s, got one every {found_s:g} s by {name}"
            remedy = "send rows at the rate of the bundle, or use bfrb detect or bfrb stream, which resample"
            raise DataError(problem, remedy=remedy)


def _check_size(rows: int, columns: int) -> None:
    if rows * columns > MAX_VALUES:
        problem = f"expected at most {MAX_VALUES:,} values, got {rows:,} rows of {columns:,} columns or more"
        raise DataError(problem, remedy="send fewer recordings at a time")


def _unreadable(expected: str, found: str) -> DataError:
    return DataError(f"expected {expected}, got {found}", remedy="correct the table and send it again")
