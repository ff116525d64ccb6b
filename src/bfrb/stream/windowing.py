"""`WindowBuffer`: from rows at the device's rate to windows that a predictor can be asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bfrb.arrays import Array, Bools, Floats, Ints
from bfrb.read.tables import make_table
from bfrb.stream.counts import StreamCounts
from bfrb.stream.resampling import SENSED, SegmentRows
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings

PLAUSIBLE_M_S2 = (3.0, 30.0)
"""Where the median acceleration of a worn device lies, gravity included: g is 9.8 m/s^2, or 1 in another unit."""

SLOWEST = 0.9
"""Samples per row of the slowest source that is taken for one at the device's rate."""

_INTERVAL = "seconds from sample to sample"


@dataclass(frozen=True)
class Windowing:
    """How rows are cut into windows.

    Parameters
    ----------
    length, step
        In rows.
    min_measured
        A window is kept if more than this share of its rows was measured.
    delay_s
        How long after a window's end its last rows are final.
    context
        Rows before the `length` rows that a window is judged by; not measured before the first row and after a gap.
    """

    length: int
    step: int
    min_measured: float
    delay_s: float
    context: int = 0

    @property
    def rows(self) -> int:
        """Rows of a window, with its context."""
        return self.context + self.length


@dataclass(frozen=True, eq=False)
class Windows:
    """W windows of one stream.

    Parameters
    ----------
    windowing
        How they were cut.
    sensors
        For every sensor (W * rows, *shape) readings.
    middle_s, known_s
        (W,) middles of the rows that they are judged by, and when these were final.
    after_gap
        (W,) whether something is missing between the window and the one before.
    """

    windowing: Windowing
    sensors: dict[str, Array]
    middle_s: Floats
    known_s: Floats
    after_gap: Bools

    def __len__(self) -> int:
        return len(self.middle_s)


def to_recordings(windows: Sequence[Windows], handedness: Sequence[int | None], device: Device) -> Recordings:
    """The windows of several streams as recordings, numbered from 0.

    Parameters
    ----------
    handedness
        Of the wearer of each stream: 1 right, 0 left, None unknown.
    """
    counts = [len(part) for part in windows]
    total = sum(counts)
    table: dict[str, Any] = {"id": [str(number) for number in range(total)], "subject": ["wearer"] * total}
    if any(hand is not None for hand in handedness):
        table["handedness"] = [hand for hand, count in zip(handedness, counts, strict=True) for _ in range(count)]
    sensors = {name: np.concatenate([part.sensors[name] for part in windows]) for name in device.sensor_names}
    return Recordings(device, sensors, np.arange(total + 1) * windows[0].windowing.rows, make_table(table))


class WindowBuffer:
    """Takes rows, gives windows; keeps no more rows than the next window needs.

    Parameters
    ----------
    device
        The device.
    windowing
        How.
    counts
        Where it is counted which windows are not kept, and why.
    """

    def __init__(self, device: Device, windowing: Windowing, counts: StreamCounts) -> None:
        self.device = device
        self.windowing = windowing
        self.counts = counts
        self._kept: dict[str, Array] = {}
        self._first = self._next = 0
        self._broken = True

    @property
    def missing_rows(self) -> int:
        """How many more rows the next window needs."""
        return self._next + self.windowing.rows - self._stop

    @property
    def _stop(self) -> int:
        return self._first + len(self._kept.get(SENSED, ()))

    def push(self, rows: SegmentRows) -> Windows | None:
        """The windows that are complete with these rows, if any is to be answered."""
        arrays = rows.sensors | {_INTERVAL: rows.interval_s}
        if rows.first == 0:
            self._begin()
        self._kept = {name: np.concatenate([self._kept[name], values]) for name, values in arrays.items()}
        starts = np.arange(self._next, self._stop - self.windowing.rows + 1, self.windowing.step)
        if not len(starts):
            self._forget(self._next)
            return None
        places = (starts - self._first)[:, None] + np.arange(self.windowing.rows)
        windows = self._windows(rows.origin_s, starts, places)
        self._forget(int(starts[-1]) + self.windowing.step)
        return windows

    def _begin(self) -> None:
        """Before the first row of a segment nothing was measured."""
        context = self.windowing.context
        self._kept = {sensor.name: sensor.empty(context) for sensor in self.device.sensors}
        self._kept[_INTERVAL] = np.full(context, np.nan)
        self._first = self._next = -context
        self._broken = True

    def _forget(self, first: int) -> None:
        """Keep the rows from that one on; windows begin there next."""
        self._next = first
        dropped = min(first, self._stop) - self._first
        # Copies: a view would keep all rows that ever came.
        self._kept = {name: values[dropped:].copy() for name, values in self._kept.items()}
        self._first += dropped

    def _windows(self, origin_s: float, starts: Ints, places: Ints) -> Windows | None:
        windowing, rate_hz = self.windowing, self.device.row_rate_hz
        kept = self._are_usable(places[:, windowing.context :])
        after_gap = np.concatenate([[self._broken], ~kept[:-1]])[kept]
        self._broken = not kept[-1]
        if not kept.any():
            return None
        self.counts.windows += int(kept.sum())
        first = (starts[kept] + windowing.context).astype(np.float64)
        return Windows(
            windowing,
            {name: self._kept[name][places[kept].ravel()] for name in self.device.sensor_names},
            origin_s + (first + windowing.length / 2) / rate_hz,
            origin_s + (first + windowing.length) / rate_hz + windowing.delay_s,
            after_gap,
        )

    def _are_usable(self, places: Ints) -> Bools:
        """(W,) Whether each window holds enough measurements, such as a worn device gives, as often as needed."""
        weight = np.sqrt(np.square(self._kept[SENSED].astype(np.float64)).sum(axis=1))[places]
        median, low_high = _lower_median(weight), PLAUSIBLE_M_S2
        slow = _lower_median(self._kept[_INTERVAL][places]) * self.device.row_rate_hz * SLOWEST > 1.0 + 1e-9
        complete = (~np.isnan(weight)).sum(axis=1) > self.windowing.min_measured * self.windowing.length
        plausible = (median >= low_high[0]) & (median <= low_high[1])
        self.counts.windows_too_slow += int(slow.sum())
        self.counts.windows_incomplete += int((~slow & ~complete).sum())
        self.counts.windows_implausible += int((~slow & complete & ~plausible).sum())
        return np.asarray(~slow & complete & plausible)


def _lower_median(values: Floats) -> Floats:
    """(W,) lower medians of (W, n) values, of those that are known; NaN without any."""
    ordered = np.sort(values, axis=1)  # NaN comes last
    known = (~np.isnan(values)).sum(axis=1)
    median: Floats = ordered[np.arange(len(values)), np.maximum(known - 1, 0) // 2]
    return median
