"""The short way for what a server is asked all day: one clean recording in a frame.

Whatever is unusual goes the long way, which says what is wrong and where. Where this way gives an answer, it is the
same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Array, Floats, Ints
from bfrb.errors import DataError
from bfrb.read.cmi_layout import ANNOTATIONS, COUNTER, ID, LABELS, SUBJECT, present_sensors
from bfrb.read.demographics import MEASURES
from bfrb.study.device import HELIOS, Sensor
from bfrb.study.recordings import Recordings

_MAX_SUBJECTS = 100
"""For more, the long way is the shorter one."""

_UNUSUAL = {*LABELS, *ANNOTATIONS}
_TABLE = {"id": pl.String, SUBJECT: pl.String} | {name: dtype for name, (dtype, _, _) in MEASURES.items()}
_UNKNOWN = {name: pl.Series(name, [None], dtype=dtype) for name, dtype in _TABLE.items()}


@dataclass(frozen=True)
class _Layout:
    """The sensors that a frame has columns of.

    Parameters
    ----------
    sensors
        These sensors.
    others
        The other columns.
    order
        Where each of the sensors' columns is once the others are taken away; None if they are in order.
    numbers
        An expression for the sensors' columns as numbers.
    """

    sensors: tuple[Sensor, ...]
    others: tuple[str, ...]
    order: Ints | None
    numbers: pl.Expr


@lru_cache(maxsize=8)
def _layout_of(columns: tuple[str, ...]) -> _Layout | None:
    sensors = present_sensors(columns)
    names = [name for sensor in sensors for name in sensor.columns]
    if not {ID, SUBJECT, COUNTER, *names} <= set(columns) or not sensors or _UNUSUAL & set(columns):
        return None
    wanted = set(names)
    place = {name: number for number, name in enumerate(name for name in columns if name in wanted)}
    order = np.array([place[name] for name in names])
    is_sorted = bool((np.diff(order) > 0).all())
    others = tuple(name for name in columns if name not in wanted)
    return _Layout(sensors, others, None if is_sorted else order, pl.col(names).cast(pl.Float64))


def clean_recording(frame: pl.DataFrame, subjects: pl.DataFrame) -> Recordings | None:
    """The recording in a frame that holds one, without labels; None if anything about it is to be looked at closely.

    Parameters
    ----------
    frame
        Rows in the CMI layout.
    subjects
        Demographics, a row per subject; may be empty.
    """
    layout = _layout_of(tuple(frame.columns))
    if layout is None or not _has_plain_types(frame) or not _is_in_order(frame):
        return None
    table = _table(frame[ID][0], frame[SUBJECT][0], subjects)
    if table is None:
        return None
    try:
        sensors = _sensors(_numbers(frame, layout), layout.sensors)
        return Recordings(HELIOS, sensors, np.array([0, frame.height]), table) if sensors else None
    except (DataError, pl.exceptions.PolarsError):
        return None


def _numbers(frame: pl.DataFrame, layout: _Layout) -> Floats:
    """(N, C) The columns of all sensors as numbers, NaN where there is none."""
    # A selection would take five times as long: it starts the machinery for large frames.
    left = frame.clone()
    for name in layout.others:
        left.drop_in_place(name)
    numbers = left.to_numpy() if left.to_series(left.width - 1).dtype.is_numeric() else np.empty(0, dtype=object)
    if numbers.dtype.kind in "fiu":
        numbers = numbers if layout.order is None else numbers[:, layout.order]
        return numbers.astype(np.float64, copy=False)
    return frame.select(layout.numbers).to_numpy()


def _has_plain_types(frame: pl.DataFrame) -> bool:
    # Comparing and hashing data types takes long; classes are compared by identity.
    kinds = {dtype.base_type() for dtype in frame.dtypes}
    return all(kind.is_numeric() or kind in (pl.String, pl.Null) for kind in kinds)


def _is_in_order(frame: pl.DataFrame) -> bool:
    """Whether the rows are those of one sequence of one subject, and count 0, 1, 2, ..."""
    counter = frame[COUNTER]
    return (
        frame.height > 0
        and all(_is_one_text(frame[name]) for name in (ID, SUBJECT))
        and counter.dtype.is_integer()
        and np.array_equal(counter.to_numpy(), np.arange(frame.height))
    )


def _is_one_text(column: pl.Series) -> bool:
    first = column[0]
    return isinstance(first, str) and first != "" and bool((column == first).all(ignore_nulls=False))


def _table(name: str, subject: str, subjects: pl.DataFrame) -> pl.DataFrame | None:
    values: dict[str, Any] = {"id": name, SUBJECT: subject}
    if subjects.width:
        known = _measures(subjects)
        if known is None:
            return None
        values |= known.get(subject, {})
    return pl.DataFrame([_cell(key, values[key]) if key in values else _UNKNOWN[key] for key in _TABLE])


def _cell(column: str, value: Any) -> pl.Series:
    return pl.Series(column, [value], dtype=_TABLE[column])


def _measures(subjects: pl.DataFrame) -> dict[str, dict[str, Any]] | None:
    """What is known by subject; None if a subject comes twice, or anything is not plainly possible."""
    if SUBJECT not in subjects.columns or subjects.height > _MAX_SUBJECTS:
        return None
    known: dict[str, dict[str, Any]] = {}
    for row in subjects.iter_rows(named=True):
        measures = {key: row[key] for key in MEASURES if row.get(key) is not None}
        if not isinstance(row[SUBJECT], str) or row[SUBJECT] in known or not row[SUBJECT]:
            return None
        if not all(map(_is_possible, measures, measures.values())):
            return None
        known[row[SUBJECT]] = measures
    return known


def _is_possible(measure: str, value: object) -> bool:
    dtype, low, high = MEASURES[measure]
    if not isinstance(value, int if dtype.is_integer() else int | float) or isinstance(value, bool):
        return False
    return bool(low <= value <= high)


def _sensors(numbers: Floats, sensors: tuple[Sensor, ...]) -> dict[str, Array] | None:
    found, start = {}, 0
    for sensor in sensors:
        stop = start + len(sensor.columns)
        values = _readings(numbers[:, start:stop], sensor)
        if values is None:
            return None
        found[sensor.name] = values.reshape(-1, *sensor.shape)
        start = stop
    return found


def _readings(numbers: Floats, sensor: Sensor) -> Array | None:
    """(N, C) Readings of a sensor in its type; None if there is one that it cannot have, or only part of one."""
    missing = np.isnan(numbers)
    has_missing = bool(missing.any())
    if has_missing:
        parts = missing.reshape(len(numbers), sensor.pieces, -1)
        if (parts.any(axis=2) != parts.all(axis=2)).any():
            return None
    if sensor.no_response_code is None:
        with np.errstate(over="ignore"):  # what is too large becomes infinite, which no recording may hold
            return np.ascontiguousarray(numbers, dtype=np.float32)
    if not (np.fmin.reduce(numbers, axis=None) >= sensor.low and np.fmax.reduce(numbers, axis=None) <= sensor.high):
        # Also where nothing at all was measured.
        return np.full(numbers.shape, sensor.absent, sensor.dtype) if missing.all() else None
    filled = np.where(missing, sensor.absent, numbers) if has_missing else numbers
    whole = np.ascontiguousarray(filled, dtype=sensor.dtype)
    return whole if np.array_equal(whole, filled) else None
