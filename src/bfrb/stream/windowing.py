"""From rows at the device's rate to windows that a predictor can be asked about; now and then held against physics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bfrb.arrays import Array, Bools, Floats, Ints
from bfrb.errors import DataError
from bfrb.read.judging import ANYWAY, refuse_suspicions
from bfrb.read.quality import Suspicion, find_suspicions
from bfrb.read.tables import make_table
from bfrb.stream.resampling import SENSED, SegmentRows
from bfrb.stream.samples import StreamCounts
from bfrb.stream.spec import EventSpec
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings
from bfrb.study.windows import WindowSpec

PLAUSIBLE_M_S2 = (3.0, 30.0)
"""Where the median acceleration of a worn device lies, gravity included: g is 9.8 m/s^2, or 1 in another unit."""

SLOWEST = 0.9  # samples per row of the slowest source that is taken for one at the device's rate

_INTERVAL = "seconds from sample to sample"


@dataclass(frozen=True, eq=False)
class Windows:
    """W windows of one stream."""

    sensors: dict[str, Array]  # for every sensor (W * rows, *shape) readings
    middle_s: Floats  # (W,) middles of the rows that they are judged by
    known_s: Floats  # (W,) when these were final
    after_gap: Bools  # (W,) whether something is missing between the window and the one before

    def __len__(self) -> int:
        return len(self.middle_s)


class WindowBuffer:
    """Takes rows, gives windows as the bundle was trained on; keeps no more rows than the next window needs.

    The last rows of a window are final `delay_s` after its end. It is counted which windows are not kept, and why.
    """

    def __init__(
        self, device: Device, windows: WindowSpec, spec: EventSpec, delay_s: float, counts: StreamCounts
    ) -> None:
        self.device = device
        self.counts = counts
        self._length, step, self._context = windows.model_copy(update={"step_s": spec.step_s}).rows(device.row_rate_hz)
        self._step, self._rows = max(1, step), self._context + self._length
        self._min_measured, self._delay_s = spec.min_measured, delay_s
        self._begin()

    @property
    def missing_rows(self) -> int:
        """How many more rows the next window needs."""
        return self._next + self._rows - self._stop

    @property
    def _stop(self) -> int:
        return self._first + len(self._kept[SENSED])

    def _begin(self) -> None:
        nothing = {sensor.name: sensor.empty(self._context) for sensor in self.device.sensors}
        self._kept: dict[str, Array] = nothing | {_INTERVAL: np.full(self._context, np.nan)}
        self._first = self._next = -self._context
        self._broken = True

    def push(self, rows: SegmentRows) -> Windows | None:
        """The windows that are complete with these rows, if any is to be answered."""
        if rows.first == 0:
            self._begin()
        arrays = rows.sensors | {_INTERVAL: rows.interval_s}
        self._kept = {name: np.concatenate([self._kept[name], values]) for name, values in arrays.items()}
        starts = np.arange(self._next, self._stop - self._rows + 1, self._step)
        windows = self._cut(rows.origin_s, starts) if len(starts) else None
        self._next += len(starts) * self._step
        dropped = min(self._next, self._stop) - self._first
        # Copies: a view would keep all rows that ever came.
        self._kept = {name: values[dropped:].copy() for name, values in self._kept.items()}
        self._first += dropped
        return windows

    def _cut(self, origin_s: float, starts: Ints) -> Windows | None:
        places = (starts - self._first)[:, None] + np.arange(self._rows)
        kept = self._are_usable(places[:, self._context :])
        after_gap = np.concatenate([[self._broken], ~kept[:-1]])[kept]
        self._broken = not kept[-1]
        if not kept.any():
            return None
        self.counts.windows += int(kept.sum())
        sensors = {name: self._kept[name][places[kept].ravel()] for name in self.device.sensor_names}
        first, rate_hz = (starts[kept] + self._context).astype(np.float64), self.device.row_rate_hz
        middle_s = origin_s + (first + self._length / 2) / rate_hz
        return Windows(sensors, middle_s, origin_s + (first + self._length) / rate_hz + self._delay_s, after_gap)

    def _are_usable(self, places: Ints) -> Bools:
        """(W,) Whether each window holds enough measurements, such as a worn device gives, as often as needed."""
        weight = np.sqrt(np.square(self._kept[SENSED].astype(np.float64)).sum(axis=1))[places]
        median, (low, high) = _lower_median(weight), PLAUSIBLE_M_S2
        slow = _lower_median(self._kept[_INTERVAL][places]) * self.device.row_rate_hz * SLOWEST > 1.0 + 1e-9
        complete = (~np.isnan(weight)).sum(axis=1) > self._min_measured * self._length
        plausible = (median >= low) & (median <= high)
        self.counts.windows_too_slow += int(slow.sum())
        self.counts.windows_incomplete += int((~slow & ~complete).sum())
        self.counts.windows_implausible += int((~slow & complete & ~plausible).sum())
        return np.asarray(~slow & complete & plausible)


def join_windows(device: Device, parts: Sequence[Mapping[str, Array]], count: int, **known: Any) -> Recordings:
    """So many windows of one length as recordings, from readings by sensor, part by part, and what else is known."""
    sensors = {name: np.concatenate([part[name] for part in parts]) for name in device.sensor_names}
    table = make_table({"id": [str(number) for number in range(count)], "subject": ["wearer"] * count, **known})
    return Recordings(device, sensors, np.arange(count + 1) * (len(sensors[SENSED]) // count), table)


def _lower_median(values: Floats) -> Floats:
    """(W,) lower medians of (W, n) values, of those that are known; NaN without any."""
    ordered = np.sort(values, axis=1)  # NaN comes last
    known = (~np.isnan(values)).sum(axis=1)
    median: Floats = ordered[np.arange(len(values)), np.maximum(known - 1, 0) // 2]
    return median


_FIRST_S, _LONGEST_S = 60.0, 600.0
"""So many seconds of windows are judged together at first, twice as many each time, and never more."""


class Plausibility:
    """Takes windows, counts those that physics speaks against."""

    def __init__(self, device: Device, counts: StreamCounts) -> None:
        self._device = device.with_sensors(sensor for sensor in device.sensors if sensor.modality == "motion")
        self._counts = counts
        self._kept: list[dict[str, Array]] = []
        self._since = 0
        self._before_s, self._wanted_s = -np.inf, _FIRST_S
        self._fatal: dict[str, Suspicion] = {}

    def push(self, windows: Windows) -> None:
        """Judge some windows, once there are enough; those that overlap with one before are not looked at."""
        rows = len(windows.sensors["acc"]) // len(windows)
        length_s = rows / self._device.row_rate_hz
        for number, middle_s in enumerate(windows.middle_s.tolist()):
            self._since += 1
            if not self._before_s <= middle_s < self._before_s + length_s:
                part = slice(number * rows, (number + 1) * rows)
                self._kept.append({name: windows.sensors[name][part].copy() for name in self._device.sensor_names})
                self._before_s = middle_s
                if len(self._kept) * length_s >= self._wanted_s:
                    self.judge()
                    self._wanted_s = min(2 * self._wanted_s, _LONGEST_S)

    def judge(self) -> None:
        """Judge what there is."""
        if not self._kept:
            return
        windows = join_windows(self._device, self._kept, len(self._kept))
        fatal = [one for one in find_suspicions(windows) if one.fatal]
        self._fatal |= {one.kind: one for one in fatal}
        self._counts.windows_contradictory += self._since if fatal else 0
        self._kept, self._since = [], 0

    def check(self, recording: str) -> None:
        """Refuse a recording that is over, if most of its windows should not have been answered.

        DataError if physics speaks against most of them, accelerations have another size than an arm's, or most windows
        lack what every network needs.
        """
        counts = self._counts
        impossible = not counts.windows and 2 * counts.impossible > counts.samples
        if impossible or counts.windows_implausible > counts.windows:
            expected = "accelerations of {:g} to {:g} m/s^2, as of an arm".format(*PLAUSIBLE_M_S2)
            where = "most samples" if impossible else f"{counts.windows_implausible} windows"
            remedy = f'if they are in g or mg, say so: unit = "g" in the description, or --acc-unit g; {ANYWAY}'
            raise DataError(f"{recording}: expected {expected}, found others in {where}", remedy=remedy)
        if 2 * counts.windows_contradictory > counts.windows:
            refuse_suspicions(recording, self._fatal.values())
        if 2 * counts.windows_doubtful > counts.windows:
            lacking = f"{counts.windows_doubtful} of {counts.windows} windows"
            problem = f"{recording}: {lacking} lack what every network of the bundle needs"
            remedy = f"use a bundle that was trained on such recordings, or to do without; {ANYWAY}"
            raise DataError(problem, remedy=remedy)
