"""Rows at a device's rate, made of the samples of recordings: the same rows that a stream makes of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bfrb.arrays import Array, Bools, Floats, Ints
from bfrb.read.orientation import GAP_S
from bfrb.read.series import RecordedSamples
from bfrb.study.device import Device, Sensor
from bfrb.study.readings import measured_rows
from bfrb.study.rows import Aggregation, OpenRows

_BLOCK = 1 << 16


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
        readings = {
            sensor.name: samples.sensors[sensor.name][block].astype(sensor.dtype).reshape(-1, *sensor.shape)
            for sensor in device.sensors
        }
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
