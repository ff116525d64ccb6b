"""`RecordedSamples`: what a device gave of recordings, in the wrist frame and in SI units; and rows made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Array, Bools, Floats, Ints
from bfrb.errors import DataError
from bfrb.study.description import Description
from bfrb.study.device import Device, Sensor, measured_rows
from bfrb.study.frame import Wrist, device_to_wrist, orientations_to_wrist, turns_to_wrist, vectors_to_wrist
from bfrb.study.rows import Aggregation, OpenRows

GAP_S = 1.0
"""After a longer silence nothing is known of what was before: rows, and a made orientation, begin anew."""
_BLOCK = 1 << 16


@dataclass(frozen=True, eq=False)
class RecordedSamples:
    """The samples of some recordings, one recording after the other, at the times at which they were taken."""

    table: pl.DataFrame
    """One row per recording: `id`, `subject` and what else is known of it."""
    offsets: Ints
    """(R + 1,) first sample of every recording, and N."""
    time_s: Floats
    """(N,) times, not falling within a recording; of a clock, since 1970, or since the recording began."""
    sensors: Mapping[str, Array]
    """(N, C) readings of every sensor, with its value for "not measured"."""
    words: Mapping[str, pl.Series] = field(default_factory=dict)
    """(N,) texts of the columns of words, null where there is none."""

    def __len__(self) -> int:
        return len(self.time_s)

    @property
    def rows(self) -> Iterator[slice]:
        """Where the samples of each recording are."""
        return (slice(start, stop) for start, stop in pairwise(self.offsets.tolist()))

    def rates_hz(self) -> list[float]:
        """(R,) samples per second: the median of what stands between two that differ in time; NaN if none do."""
        steps = [np.diff(self.time_s[rows]) for rows in self.rows]
        return [float(1.0 / np.median(step[step > 0])) if (step > 0).any() else np.nan for step in steps]

    @staticmethod
    def concat(parts: Sequence[RecordedSamples]) -> RecordedSamples:
        """One of several, whose sensors and words are the same."""
        first = parts[0]
        if len(parts) == 1:
            return first
        return RecordedSamples(
            pl.concat([part.table for part in parts], how="diagonal_relaxed"),
            np.concatenate([[0], np.cumsum(np.concatenate([np.diff(part.offsets) for part in parts]))]),
            np.concatenate([part.time_s for part in parts]),
            {name: np.concatenate([part.sensors[name] for part in parts]) for name in first.sensors},
            {name: pl.concat([part.words[name] for part in parts]) for name in first.words},
        )


def bring_to_wrist(
    sensors: Mapping[str, Array], description: Description, wrist: Wrist | None = None
) -> dict[str, Array]:
    """Readings in the files' units and in the device's axes, in the wrist frame and in SI units.

    Those of motion, (N, C), come back as float32, others as they are. Without axes, the device's own are kept. Raises
    `DataError` if they are said in words of a watch, and nothing tells on which wrist it was.
    """
    ways = ways_to_wrist(description, wrist)
    return {**sensors, **{name: ways[name](values) for name, values in sensors.items() if name in ways}}


_CHANGES: Mapping[str, Callable[[Array, Array], Array]] = {
    "acc": vectors_to_wrist,
    "gyr": turns_to_wrist,
    "quaternion": orientations_to_wrist,
}


@lru_cache(maxsize=64)
def ways_to_wrist(description: Description, wrist: Wrist | None = None) -> dict[str, Callable[[Array], Array]]:
    """What `bring_to_wrist` does with (N, C) readings of each sensor; the same for one of them as for many."""
    matrix = np.eye(3, dtype=np.int64)
    if description.axes is not None:
        wrist = wrist or description.worn.wrist
        if wrist is None:
            problem = f"{description.name} does not say on which wrist the device was worn"
            remedy = 'say wrist = "left" in [worn], or the column that says it, in the files or in [participants]'
            raise DataError(problem, remedy=remedy)
        matrix = device_to_wrist(description.axes.words, wrist, crown=description.worn.crown)
    ways: dict[str, Callable[[Array], Array]] = {}
    for name in description.sensors:
        if name in _CHANGES:
            back = description.sensor(name).turns == "world_to_device" and name == "quaternion"
            signs = np.array([1.0, -1.0, -1.0, -1.0]) if back else 1.0
            ways[name] = partial(_to_wrist, name, description.scale(name) * signs, matrix)
    return ways


def _to_wrist(name: str, scale: Any, matrix: Array, values: Array) -> Array:
    turned = np.empty(np.shape(values), np.float32)
    stays = (matrix == np.eye(3)).all()
    for start in range(0, len(turned), _BLOCK):  # days of samples are not held in float64
        block = slice(start, start + _BLOCK)
        scaled = np.asarray(values[block], np.float64) * scale
        turned[block] = scaled if stays else _CHANGES[name](scaled, matrix)
    return turned


def nearest_in_time(times: Floats, others: Floats, within: float) -> Ints:
    """For every time the position of the nearest other one, the earlier of two as near; -1 if none is within reach.

    The (M,) others do not fall. A microsecond is no difference: so much is lost of a clock's since 1970.
    """
    after = np.minimum(np.searchsorted(others, times), len(others) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(times - others[before] <= others[after] - times + 1e-6, before, after)
    return np.where(np.abs(others[nearest] - times) <= within, nearest, -1)


def make_rows(samples: RecordedSamples, device: Device, how: Aggregation) -> tuple[dict[str, Array], Ints, Ints]:
    """Rows of samples, the same as a stream makes of them (`stream.resampling`).

    Row k stands k / rate after the first sample that measured something; after a gap, that sample's row begins with it.

    Returns for every sensor (n, *shape) readings at the device's rate, rows without a sample not measured; the row that
    each of the (N,) samples falls into; and the rows' (R + 1,) offsets.
    """
    measured = np.stack([_measured(sensor, samples.sensors[sensor.name]) for sensor in device.sensors], axis=1)
    known = np.asarray(measured.any(axis=1))
    if device.has("quaternion") and "gyr" in samples.sensors:  # an orientation is made of it: it counts as a sample
        known |= ~np.isnan(samples.sensors["gyr"]).all(axis=1)
    places, offsets = [], [0]
    for part in samples.rows:
        rows, distance = _place(samples.time_s[part], known[part], device.row_rate_hz)
        places.append((rows + offsets[-1], distance))
        offsets.append(offsets[-1] + int(rows[-1]) + 1)
    rows, distance = (np.concatenate(each) for each in zip(*places, strict=True))
    opened = OpenRows(device, how)
    parts: list[dict[str, Array]] = []
    done = 0
    for start in range(0, len(samples), _BLOCK):
        block = slice(start, start + _BLOCK)
        parts.append(opened.take(int(rows[start]) - done))
        done = int(rows[start])
        readings = {}
        for sensor in device.sensors:
            values = samples.sensors[sensor.name][block].astype(sensor.dtype)
            readings[sensor.name] = values.reshape(-1, *sensor.shape)
        opened.add(rows[block] - done, distance[block], readings, measured[block])
    parts.append(opened.take(offsets[-1] - done))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, rows, np.array(offsets)


def _measured(sensor: Sensor, values: Array) -> Bools:
    """(N,) Whether a sensor measured something; an orientation lacks nothing or all."""
    if sensor.unit_norm:
        return np.asarray(~np.isnan(values).any(axis=1))
    return np.asarray(measured_rows(sensor, values).any(axis=1))


def _place(time_s: Floats, measured: Bools, rate_hz: float) -> tuple[Ints, Floats]:
    """The row of each sample of one recording, and how far from the row's time it is, in rows."""
    known = np.flatnonzero(measured) if measured.any() else np.zeros(1, np.int64)
    after_gap = known[1:][time_s[known[1:]] > time_s[known[:-1]] + GAP_S]
    rows, distance = np.empty(len(time_s), np.int64), np.empty(len(time_s))
    first_s = time_s[known[0]]
    for start, stop in pairwise([0, *after_gap.tolist(), len(time_s)]):
        origin_s = time_s[start] if start else first_s
        steps = (time_s[start:stop] - origin_s) * rate_hz
        within = np.floor(steps + 0.5)
        distance[start:stop] = np.abs(steps - within)
        rows[start:stop] = within + np.floor((origin_s - first_s) * rate_hz + 0.5)
    rows = np.minimum.accumulate(rows[::-1])[::-1]  # what measured nothing before a gap's end comes before that
    return rows - rows[0], distance
