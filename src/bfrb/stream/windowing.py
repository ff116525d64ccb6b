"""`Windower`: from rows at the device's rate to windows that a predictor can be asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bfrb.arrays import Array, Bools, Floats, Ints
from bfrb.read.tables import make_table
from bfrb.stream.resampling import Counts, Rows
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings

SENSED = "acc"
"""The sensor without which nothing is known of a wearer."""

PLAUSIBLE_M_S2 = (3.0, 30.0)
"""Where the median acceleration of a worn device lies, gravity included: g is 9.8 m/s^2, or 1 in another unit."""


@dataclass(frozen=True)
class Cut:
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
    sensors
        For every sensor (W * length, *shape) readings.
    length
        Rows of each window, with its context.
    start_s, middle_s, known_s
        (W,) beginnings and middles of the rows that they are judged by, and when these were final.
    fresh
        (W,) whether something is missing between the window and the one before.
    """

    sensors: dict[str, Array]
    length: int
    start_s: Floats
    middle_s: Floats
    known_s: Floats
    fresh: Bools

    def __len__(self) -> int:
        return len(self.start_s)


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
    return Recordings(device, sensors, np.arange(total + 1) * windows[0].length, make_table(table))


class Windower:
    """Takes rows, gives windows; keeps no more rows than the next window needs.

    Parameters
    ----------
    device
        The device.
    cut
        How.
    counts
        Where it is counted which windows are not kept, and why.
    """

    def __init__(self, device: Device, cut: Cut, counts: Counts) -> None:
        self.device = device
        self.cut = cut
        self.counts = counts
        self._sensors: dict[str, Array] = {}
        self._first = 0
        self._next = 0
        self._broken = True

    @property
    def missing_rows(self) -> int:
        """How many more rows the next window needs."""
        return self._next + self.cut.rows - self._first - len(self._sensors.get(SENSED, ()))

    def push(self, rows: Rows) -> Windows | None:
        """The windows that are complete with these rows, if any is to be answered."""
        if rows.first == 0:
            self._begin(rows)
        else:
            self._append(rows)
        stop = self._first + len(self._sensors[SENSED])
        starts = np.arange(self._next, stop - self.cut.rows + 1, self.cut.step)
        if not len(starts):
            return None
        places = (starts - self._first)[:, None] + np.arange(self.cut.rows)
        kept = self._are_usable(self._sensors[SENSED], places[:, self.cut.context :])
        windows = self._windows(rows.origin_s, starts, places, kept)
        self._forget(int(starts[-1]) + self.cut.step)
        return windows

    def _begin(self, rows: Rows) -> None:
        """Take the rows that nothing came before."""
        context = self.cut.context
        before = {name: self.device.sensor(name).empty(context) for name in rows.sensors}
        self._sensors = {name: np.concatenate([before[name], values]) for name, values in rows.sensors.items()}
        self._first = self._next = -context
        self._broken = True

    def _append(self, rows: Rows) -> None:
        known = {name: np.concatenate([values, rows.sensors[name]]) for name, values in self._sensors.items()}
        self._sensors = known
        self._forget(self._next)

    def _forget(self, first: int) -> None:
        """Keep the rows from that one on; windows begin there next."""
        self._next = first
        dropped = min(first - self._first, len(self._sensors[SENSED]))
        # Copies: a view would keep all rows that ever came.
        self._sensors = {name: values[dropped:].copy() for name, values in self._sensors.items()}
        self._first += dropped

    def _are_usable(self, acc: Array, places: Ints) -> Bools:
        """(W,) Whether each window holds enough measurements, and such as a worn device gives."""
        weight = np.sqrt(np.square(acc.astype(np.float64)).sum(axis=1))[places]
        known = ~np.isnan(weight)
        measured = known.sum(axis=1) > self.cut.min_measured * self.cut.length
        ordered = np.sort(weight, axis=1)  # NaN comes last
        median = ordered[np.arange(len(ordered)), np.maximum(known.sum(axis=1) - 1, 0) // 2]
        plausible = (median >= PLAUSIBLE_M_S2[0]) & (median <= PLAUSIBLE_M_S2[1])
        self.counts.unmeasured += int((~measured).sum())
        self.counts.implausible += int((measured & ~plausible).sum())
        return np.asarray(measured & plausible)

    def _windows(self, origin_s: float, starts: Ints, places: Ints, kept: Bools) -> Windows | None:
        broken = np.concatenate([[self._broken], ~kept[:-1]])
        self._broken = not kept[-1]
        if not kept.any():
            return None
        first, rate_hz = (starts[kept] + self.cut.context).astype(np.float64), self.device.row_rate_hz
        length = self.cut.length
        self.counts.windows += int(kept.sum())
        return Windows(
            {name: values[places[kept].ravel()] for name, values in self._sensors.items()},
            self.cut.rows,
            origin_s + first / rate_hz,
            origin_s + (first + length / 2) / rate_hz,
            origin_s + (first + length) / rate_hz + self.cut.delay_s,
            broken[kept],
        )
