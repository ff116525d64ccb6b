"""Variations of when things happen: slower, later, cut short."""

from __future__ import annotations

from typing import Any

import numpy as np

from bfrb.arrays import Array, Floats, Ints
from bfrb.features.motion import linear_acceleration
from bfrb.study.device import Sensor
from bfrb.study.recordings import Recordings
from bfrb.train.changed import changed

MIN_ROWS = 2
"""No recording becomes shorter than this."""


def stretch_time(recordings: Recordings, spread: float, rng: np.random.Generator) -> Recordings:
    """Every recording slower or faster by a factor of its own, between exp(-spread) and exp(spread).

    Rows are interpolated at the device's rate. A movement that takes s times as long has 1/s^2 of the acceleration
    and 1/s of the angular velocity; gravity stays.
    """
    if spread == 0:
        return recordings
    factors = np.exp(rng.uniform(-spread, spread, len(recordings)))
    lengths = np.maximum(2, np.rint(recordings.lengths * factors)).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    step = (recordings.lengths - 1) / (lengths - 1)
    ticks = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    place = ticks * np.repeat(step, lengths)
    before = np.minimum(place.astype(np.int64), np.repeat(recordings.lengths - 1, lengths))
    share = place - before
    first = before + np.repeat(recordings.offsets[:-1], lengths)
    second = np.minimum(first + 1, np.repeat(recordings.offsets[1:] - 1, lengths))
    nearest = np.where(share < 0.5, first, second)
    sensors = {
        sensor.name: _resample(sensor, recordings.sensors[sensor.name], (first, second, nearest), share)
        for sensor in recordings.device.sensors
    }
    slowness = np.repeat((lengths - 1) / np.maximum(1, recordings.lengths - 1), lengths)[:, None]
    annotations = {name: annotation.take(nearest) for name, annotation in recordings.annotations.items()}
    return changed(recordings, _slow_down(sensors, slowness), offsets, annotations)


def _resample(sensor: Sensor, values: Array, rows: tuple[Any, Any, Any], share: Floats) -> Array:
    """Readings between rows: interpolated where that means something, else those of the nearest row."""
    first, second, nearest = rows
    if sensor.no_response_code is not None:
        near: Array = values[nearest]
        return near
    start, end = values[first].astype(np.float64), values[second].astype(np.float64)
    if sensor.unit_norm:
        end = np.where((start * end).sum(axis=1, keepdims=True) < 0, -end, end)
    mixed: Floats = start + share[:, None] * (end - start)
    if sensor.unit_norm:
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    return mixed


def _slow_down(sensors: dict[str, Array], slowness: Floats) -> dict[str, Array]:
    """Accelerations and angular velocities of a movement that takes `slowness` (N, 1) times as long."""
    if "quaternion" in sensors:
        moving = linear_acceleration(sensors["acc"], sensors["quaternion"])
        change = np.nan_to_num(moving * (slowness**-2.0 - 1.0))
        sensors["acc"] = sensors["acc"] + change
    if "gyr" in sensors:
        sensors["gyr"] = sensors["gyr"] / slowness
    return sensors


def crop(recordings: Recordings, share: float, rng: np.random.Generator) -> Recordings:
    """Every recording without up to `share` of its rows, some of them at its start, the rest at its end."""
    if share == 0:
        return recordings
    lengths = recordings.lengths
    lost = (lengths * rng.uniform(0.0, share, len(recordings))).astype(np.int64).clip(0, (lengths - MIN_ROWS).clip(0))
    before = rng.integers(0, lost + 1)
    return _take_rows(recordings, before, lengths - lost)


def shift(recordings: Recordings, seconds: float, rng: np.random.Generator) -> Recordings:
    """Every recording begun up to so many seconds later, or earlier, the wrist held as in the first row."""
    if seconds == 0:
        return recordings
    largest = round(seconds * recordings.device.row_rate_hz)
    drawn = rng.integers(-largest, largest + 1, len(recordings))
    later = np.minimum(drawn, (recordings.lengths - MIN_ROWS).clip(0))
    return _take_rows(recordings, later, recordings.lengths - later)


def _take_rows(recordings: Recordings, first: Ints, lengths: Ints) -> Recordings:
    """So many rows of every recording from its row `first`; rows before its first one are like that."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - first, lengths)
    rows = place.clip(0) + np.repeat(recordings.offsets[:-1], lengths)
    sensors = {name: values[rows] for name, values in recordings.sensors.items()}
    annotations = {name: annotation.take(rows) for name, annotation in recordings.annotations.items()}
    return changed(recordings, sensors, offsets, annotations)
