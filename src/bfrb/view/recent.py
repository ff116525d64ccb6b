"""The last minutes of a stream as rows at the device's rate."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from bfrb.arrays import Array
from bfrb.read.tables import make_table
from bfrb.stream.counts import StreamCounts
from bfrb.stream.resampling import Resampler, SegmentRows
from bfrb.stream.samples import Samples
from bfrb.stream.spec import StreamSpec
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings

_FAR = 1e15


class RecentRows:
    """A ring of rows: what has no sample holds nothing, what is older than `keep_s` is overwritten.

    Parameters
    ----------
    device
        The device.
    keep_s
        So much is kept.
    clock
        What disorder is put up with, as for streams.
    """

    def __init__(self, device: Device, keep_s: float, clock: StreamSpec) -> None:
        self.device = device
        self.size = max(1, round(keep_s * device.row_rate_hz))
        self._resampler = Resampler(device, clock, StreamCounts())
        self._ring: dict[str, Array] = {sensor.name: sensor.empty(self.size) for sensor in device.sensors}
        self._reset_rows = round(clock.reset_s * device.row_rate_hz)
        self._untimed = 0
        self._origin_s, self._stop = math.nan, 0

    def push(self, samples: Samples) -> bool:
        """Take in samples; whether their clock was set back, so that what was kept is gone."""
        if np.isnan(samples.time_s).all():
            times = (self._untimed + np.arange(len(samples))) / self.device.row_rate_hz
            self._untimed += len(samples)
            samples = replace(samples, time_s=times)
        return sum(self._write(rows) for rows in self._resampler.push(samples)) > 0

    def finish(self) -> None:
        """Take in that nothing more comes for now."""
        for rows in self._resampler.finish():
            self._write(rows)

    def _write(self, rows: SegmentRows) -> bool:
        """Write rows to the places of their times; whether their clock was set back."""
        since_rows = np.nan_to_num((rows.origin_s - self._origin_s) * self.device.row_rate_hz)
        start = round(float(np.clip(since_rows, -_FAR, _FAR))) + rows.first
        set_back = start < self._stop - self._reset_rows
        if set_back or start > self._stop + self.size or math.isnan(self._origin_s):
            self._origin_s, self._stop, start = rows.origin_s, rows.first, rows.first
            self._blank(0, self.size)
        stop = start + len(rows.interval_s)
        self._blank(max(self._stop, stop - self.size), stop)
        for name, values in rows.sensors.items():
            kept = values[-self.size :]
            self._ring[name][np.arange(stop - len(kept), stop) % self.size] = kept
        self._stop = max(stop, self._stop)
        return set_back

    def _blank(self, start: int, stop: int) -> None:
        for sensor in self.device.sensors:
            self._ring[sensor.name][np.arange(start, stop) % self.size] = sensor.absent

    def last(self, span_s: float) -> tuple[Recordings, float] | None:
        """The last seconds as a batch of one, and the time of its first row; None before the first sample."""
        if math.isnan(self._origin_s):
            return None
        rate_hz = self.device.row_rate_hz
        count = min(self.size, max(1, round(span_s * rate_hz)))
        places = np.arange(self._stop - count, self._stop) % self.size
        sensors = {name: values[places] for name, values in self._ring.items()}
        table = make_table({"id": ["live"], "subject": ["wearer"]})
        recording = Recordings(self.device, sensors, np.array([0, count]), table)
        return recording, self._origin_s + (self._stop - count) / rate_hz
