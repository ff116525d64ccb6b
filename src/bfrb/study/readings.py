"""Readings of one sensor: are they possible, and in which of two equal forms are orientations kept?"""

from __future__ import annotations

import numpy as np

from bfrb.arrays import Array, Bools
from bfrb.errors import DataError
from bfrb.study.device import Sensor

NORM_TOLERANCE = 0.01
"""Largest deviation from norm 1 of a reading that has to be a unit vector."""


def checked_readings(sensor: Sensor, values: Array | None, rows: int) -> Array:
    """(rows, *shape) read-only readings in the sensor's dtype; without values, nothing was measured.

    Unit quaternions are kept with w >= 0: q and -q are the same orientation, and no answer may depend on which of them
    a file has.

    Raises `DataError` if the shape is another one, or a reading is not possible.
    """
    array = sensor.empty(rows) if values is None else np.ascontiguousarray(values, dtype=sensor.dtype).view()
    if array.shape != (rows, *sensor.shape):
        raise DataError(
            f"expected {sensor.name} of shape {(rows, *sensor.shape)}, got {array.shape}",
            remedy="give one reading per row",
        )
    impossible = find_impossible(sensor, array)
    if impossible is not None:
        row, value, count = impossible
        raise DataError(
            f"expected {sensor.name} between {sensor.low:g} and {sensor.high:g} {sensor.unit}, found {value:g} "
            f"in row {row} (and {count - 1} more)",
            remedy="the source is damaged there: repair it, or mark these readings as missing",
        )
    if sensor.unit_norm:
        _check_norms(sensor, array)
        array = with_one_sign(array)
    array.setflags(write=False)
    return array


def _check_norms(sensor: Sensor, values: Array) -> None:
    wrong = np.flatnonzero(np.abs(np.linalg.norm(values, axis=1) - 1.0) > NORM_TOLERANCE)
    if len(wrong):
        raise DataError(
            f"expected {sensor.name} of norm 1, found norm {np.linalg.norm(values[wrong[0]]):g} in row {wrong[0]} "
            f"(and {len(wrong) - 1} more)",
            remedy="the source is damaged there: repair it, or mark these readings as missing",
        )


def with_one_sign(quaternions: Array) -> Array:
    """(N, 4) quaternions, each turned into its negative where its first component that is not 0 is negative.

    >>> with_one_sign(np.array([[-1.0, 0, 0, 0], [0, 0, -1, 0], [0.6, -0.8, 0, 0]])).tolist()
    [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.6, -0.8, 0.0, 0.0]]
    """
    negative = quaternions[:, 0] < 0
    undecided = np.flatnonzero(quaternions[:, 0] == 0)
    if len(undecided):
        others = quaternions[undecided]
        first = (others != 0).argmax(axis=1)
        negative[undecided] = others[np.arange(len(others)), first] < 0
    if not negative.any() and not (np.signbit(quaternions) & (quaternions == 0)).any():
        return quaternions  # as they are: they may lie in a file that is shared
    zero = np.zeros((), quaternions.dtype)  # which makes 0 of -0
    signed: Array = np.where(negative[:, None], -quaternions, quaternions) + zero
    return signed


def measured_rows(sensor: Sensor, values: Array) -> Bools:
    """(N, pieces) Whether each piece of a sensor measured anything in each of (N, *shape) readings."""
    size = len(sensor.columns) // sensor.pieces
    return np.asarray(~sensor.is_absent(values).reshape(len(values), sensor.pieces, size).all(axis=2))


def find_impossible(sensor: Sensor, values: Array) -> tuple[int, float, int] | None:
    """First row, value and number of readings that the sensor cannot have given; None if there are none.

    `values`: (N, *shape) readings in the sensor's unit, NaN or its code where nothing was measured.
    """
    # Minimum and maximum ignore "not measured" for both kinds, and need no mask the size of the data.
    if not values.size or _within(sensor, values):
        return None
    wrong: Bools = ~sensor.is_absent(values) & ((values < sensor.low) | (values > sensor.high))
    where = np.argwhere(wrong)
    return (int(where[0][0]), float(values[tuple(where[0])]), len(where)) if len(where) else None


def _within(sensor: Sensor, values: Array) -> bool:
    if sensor.no_response_code is None:
        return not (np.fmin.reduce(values, axis=None) < sensor.low or np.fmax.reduce(values, axis=None) > sensor.high)
    if values.max() > sensor.high:
        return False
    low = values.min()
    if low == sensor.absent:  # the lowest number there is
        return bool(np.count_nonzero(values < sensor.low) == np.count_nonzero(values == sensor.absent))
    return bool(low >= sensor.low)
