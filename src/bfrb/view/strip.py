"""`Strip`: the last minutes of a stream as rows at the device's rate, in memory that never grows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bfrb.arrays import Floats
from bfrb.read.tables import make_table
from bfrb.stream.samples import Samples
from bfrb.stream.spec import StreamSpec
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings


@dataclass(frozen=True, eq=False)
class Excerpt:
    """Some rows of a strip: a batch of one recording, and the time of its first row by the source's clock."""

    recording: Recordings
    start_s: float

    @property
    def stop_s(self) -> float:
        """The time just after the last row."""
        return self.start_s + self.recording.n_rows / self.recording.device.row_rate_hz


class Strip:
    """Rows by time; a sample's row is the one nearest to it, and rows without a sample hold nothing.

    What is shown is kept apart from what is answered: a `Stream` has its own, exact, notion of rows.

    Parameters
    ----------
    device
        The device.
    keep_s
        So much is kept.
    clock
        What a change of the clock is, as for streams.
    """

    def __init__(self, device: Device, keep_s: float, clock: StreamSpec) -> None:
        self.device = device
        self.size = max(1, round(keep_s * device.row_rate_hz))
        self._clock = clock
        self._sensors = {sensor.name: sensor.empty(self.size) for sensor in device.sensors}
        self._untimed = 0
        self.beginnings = 0
        self._forget()

    def _forget(self) -> None:
        self._origin_s: float | None = None
        self._last = -1
        self._strange = 0
        for sensor in self.device.sensors:
            self._sensors[sensor.name][:] = sensor.absent

    @property
    def latest_s(self) -> float | None:
        """Time of the last row; None before the first sample."""
        return None if self._origin_s is None else self._origin_s + self._last / self.device.row_rate_hz

    def push(self, samples: Samples) -> None:
        """Take in samples; those without a readable time are passed over, unless none has one."""
        times = samples.time_s
        if len(samples) and np.isnan(times).all():
            times = (self._untimed + np.arange(len(samples))) / self.device.row_rate_hz
            self._untimed += len(samples)
        start = 0
        for stop in [*self._breaks(times), len(times)]:
            self._write(samples, times, slice(start, stop))
            start = stop

    def _breaks(self, times: Floats) -> list[int]:
        """Where samples follow that do not fit the time of those before."""
        known = np.where(np.isnan(times), self._now(times), times)
        steps = np.diff(np.concatenate([[self._now(times)], known]))
        return np.flatnonzero(np.abs(steps) > self._clock.reset_s).tolist()

    def _now(self, times: Floats) -> float:
        return float(np.nan_to_num(np.nanmin(times, initial=np.inf))) if self.latest_s is None else self.latest_s

    def _write(self, samples: Samples, times: Floats, part: slice) -> None:
        found = np.flatnonzero(~np.isnan(times[part])) + (part.start or 0)
        if not len(found) or not self._settle(times[found]):
            return
        if self._origin_s is None:
            self._origin_s, self._last = float(times[found[0]]), -1
            self.beginnings += 1
        rows = np.round((times[found] - self._origin_s) * self.device.row_rate_hz).astype(np.int64)
        self._advance(int(rows.max()))
        kept = rows > self._last - self.size
        for name, values in self._sensors.items():
            values[rows[kept] % self.size] = samples.sensors[name][found[kept]]

    def _settle(self, times: Floats) -> bool:
        """Whether samples are shown: a few that do not fit are not. A clock that was set back begins anew."""
        if self.latest_s is None or abs(times[0] - self.latest_s) <= self._clock.reset_s:
            self._strange = 0
            return True
        self._strange += len(times)
        if self._strange < self._clock.patience:
            return False
        if times[0] < self.latest_s:
            self._forget()
        return True

    def _advance(self, last: int) -> None:
        """Make room up to a row."""
        new = np.arange(max(self._last + 1, last - self.size + 1), last + 1) % self.size
        for sensor in self.device.sensors:
            self._sensors[sensor.name][new] = sensor.absent
        self._last = max(self._last, last)

    def excerpt(self, span_s: float) -> Excerpt | None:
        """The last seconds; None before the first sample."""
        if self._origin_s is None:
            return None
        count = min(self.size, max(1, round(span_s * self.device.row_rate_hz)))
        rows = np.arange(self._last - count + 1, self._last + 1)
        sensors = {name: values[rows % self.size] for name, values in self._sensors.items()}
        for name, values in sensors.items():
            values[rows < 0] = self.device.sensor(name).absent
        table = make_table({"id": ["live"], "subject": ["wearer"]})
        recording = Recordings(self.device, sensors, np.array([0, count]), table)
        return Excerpt(recording, self._origin_s + int(rows[0]) / self.device.row_rate_hz)
