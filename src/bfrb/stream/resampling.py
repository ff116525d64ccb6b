"""`Sampler`: from samples with times of their own to rows at the device's rate.

What comes out depends on the samples and their order only, never on how they were cut into chunks.

A segment is a stretch without a gap. Its first sample sets the place of the rows: row `k` is `k / row_rate_hz` seconds
later. Every sensor's reading in a row is the one nearest to the row's time, if it is within half a row; nothing is
interpolated or averaged, because the devices themselves sample that way. A row is final once no accepted sample can
fall into it any more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

import numpy as np

from bfrb.arrays import Array, Bools, Floats, Ints
from bfrb.stream.samples import Samples
from bfrb.stream.spec import StreamSpec
from bfrb.study.device import Device

_BLOCK = 1024
"""Samples that are looked at together."""

_NOWHERE = -math.inf


@dataclass
class Counts:
    """What became of the samples of a stream.

    Parameters
    ----------
    samples
        Came in.
    garbage
        Had no time, or not even a readable form.
    empty
        Held no measurement.
    impossible
        Held a reading that the sensor cannot have given; it counts as not measured.
    reordered
        Came after later ones, but soon enough.
    late
        Came too late and were dropped.
    strange
        Had a time that fitted neither those before nor those after, and were dropped.
    gaps
        Silences in which nothing was assumed.
    clock_resets
        Times at which the clock was set back.
    surplus
        Were not used, because others were nearer to the time of the same row, or were there first.
    rows
        Rows at the device's rate that came of it.
    windows
        Windows that were answered.
    unmeasured
        Windows that were not answered because too few of their rows were measured.
    implausible
        Windows that were not answered because nothing that weighs so much or so little is worn on a wrist: most often
        accelerations in another unit.
    events
        Events that were reported.
    """

    samples: int = 0
    garbage: int = 0
    empty: int = 0
    impossible: int = 0
    reordered: int = 0
    late: int = 0
    strange: int = 0
    gaps: int = 0
    clock_resets: int = 0
    surplus: int = 0
    rows: int = 0
    windows: int = 0
    unmeasured: int = 0
    implausible: int = 0
    events: int = 0

    def to_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)

    def add(self, other: Counts) -> None:
        """Add the counts of another stream."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


@dataclass(frozen=True, eq=False)
class Rows:
    """Some consecutive rows of a segment at the device's rate.

    Parameters
    ----------
    origin_s
        Time of the segment's row 0.
    first
        Number of the first of these rows in the segment; 0 begins a new segment.
    sensors
        For every sensor (n, *shape) readings, with its code where nothing was measured.
    """

    origin_s: float
    first: int
    sensors: dict[str, Array]


class Sampler:
    """Takes samples, gives rows.

    Parameters
    ----------
    device
        The device; its rate is that of the rows.
    spec
        What is a gap, what is late, what is another clock.
    counts
        Where it is counted what happens.
    """

    def __init__(self, device: Device, spec: StreamSpec, counts: Counts) -> None:
        self.device = device
        self.spec = spec
        self.counts = counts
        self._latest_s = _NOWHERE
        self._strangers: list[Samples] = []
        self._begin()

    def _begin(self) -> None:
        """Begin a segment."""
        self._pending: list[Samples] = []
        self._waiting = 0
        self._origin_s = math.nan
        self._done = 0

    def push(self, samples: Samples) -> Iterator[Rows]:
        """The rows that are final with these samples."""
        for start in range(0, len(samples), _BLOCK):
            yield from self._take(self._usable(samples.take(slice(start, start + _BLOCK))))

    def finish(self) -> Iterator[Rows]:
        """The rows that were waiting for more samples; the next sample begins anew."""
        self.counts.strange += len(self._strangers)
        self._strangers = []
        yield from self._end()
        self._latest_s = _NOWHERE

    @property
    def latest_s(self) -> float:
        """The latest time of the clock so far."""
        return self._latest_s

    def due_s(self, rows: int) -> float:
        """The time at which so many more rows will be final."""
        if math.isnan(self._origin_s):
            return _NOWHERE
        return self._origin_s + (self._done + rows - 0.5) / self.device.row_rate_hz + self.spec.reorder_s

    def _usable(self, samples: Samples) -> Samples:
        """Those with a time and a measurement."""
        timed = np.isfinite(samples.time_s)
        measured = samples.measured.any(axis=1)
        usable = timed & measured
        self.counts.samples += len(samples)
        self.counts.garbage += int((~timed).sum())
        self.counts.empty += int((timed & ~measured).sum())
        self.counts.impossible += int(samples.impossible.sum())
        return samples if usable.all() else samples.take(usable)

    def _take(self, samples: Samples) -> Iterator[Rows]:
        start = 0
        while start < len(samples):
            stop = start + self._fitting(samples.time_s[start:])
            if stop > start:
                self._accept(samples.take(slice(start, stop)))
                yield from self._final_rows(self._horizon())
            if stop < len(samples):
                yield from self._take_misfit(samples.take(slice(stop, stop + 1)))
            start = stop + 1

    def _fitting(self, time_s: Floats) -> int:
        """How many samples, from the first on, fit the clock."""
        if self._latest_s == _NOWHERE:
            self._latest_s = float(time_s[0])
        before = np.maximum.accumulate(np.concatenate([[self._latest_s], time_s]))[:-1]
        fits = (time_s >= before - self.spec.reorder_s) & (time_s <= before + self.spec.gap_s)
        return len(fits) if fits.all() else int(fits.argmin())

    def _accept(self, samples: Samples) -> None:
        self.counts.strange += len(self._strangers)
        self._strangers = []
        before = np.maximum.accumulate(np.concatenate([[self._latest_s], samples.time_s]))
        self.counts.reordered += int((samples.time_s < before[:-1]).sum())
        self._latest_s = float(before[-1])
        if math.isnan(self._origin_s):
            self._origin_s = float(samples.time_s[0])
        before_first = self._place(samples.time_s)[0] < 0
        if before_first.any():
            self.counts.late += int(before_first.sum())
            samples = samples.take(~before_first)
        self._pending.append(samples)
        self._waiting += len(samples)
        if self._waiting > 2 * _BLOCK:
            self._thin_out()

    def _take_misfit(self, sample: Samples) -> Iterator[Rows]:
        """A sample that does not fit the clock: drop it, keep it in mind, or begin anew with it and those before."""
        time_s = float(sample.time_s[0])
        if self._latest_s - self.spec.reset_s <= time_s < self._latest_s:
            self.counts.late += 1
            return
        newest = max((float(known.time_s[0]) for known in self._strangers), default=math.nan)
        if not newest - self.spec.reorder_s <= time_s <= newest + self.spec.gap_s:
            self.counts.strange += len(self._strangers)
            self._strangers = []
        self._strangers.append(sample)
        if len(self._strangers) >= self.spec.patience:
            yield from self._begin_anew()

    def _begin_anew(self) -> Iterator[Rows]:
        strangers, self._strangers = Samples.concat(self._strangers), []
        yield from self._end()
        if strangers.time_s[0] > self._latest_s:
            self.counts.gaps += 1
        else:
            self.counts.clock_resets += 1
        self._latest_s = float(strangers.time_s[0])
        self._accept(strangers)
        yield from self._final_rows(self._horizon())

    def _end(self) -> Iterator[Rows]:
        """The last rows of a segment."""
        yield from self._final_rows(math.inf)
        self._begin()

    def _horizon(self) -> float:
        """No sample from before this time is accepted any more."""
        return self._latest_s - self.spec.reorder_s

    def _final_rows(self, horizon_s: float) -> Iterator[Rows]:
        """The rows that lie wholly before a time."""
        if not self._waiting:
            return
        stop = math.inf if horizon_s == math.inf else int(self._place(np.array([horizon_s]))[0][0])
        if stop <= self._done:
            return
        samples = Samples.concat(self._pending)
        rows, distance = self._place(samples.time_s)
        stop = int(min(stop, rows.max() + 1)) if horizon_s == math.inf else int(stop)
        final = rows < stop
        sensors = self._choose(samples.take(final), rows[final] - self._done, distance[final], stop - self._done)
        self._pending = [samples.take(~final)]
        self._waiting = int((~final).sum())
        self.counts.rows += stop - self._done
        yield Rows(self._origin_s, self._done, sensors)
        self._done = stop

    def _place(self, time_s: Floats) -> tuple[Ints, Floats]:
        """The row that each time falls into, and how far from its middle, in rows."""
        offset = (time_s - self._origin_s) * self.device.row_rate_hz
        rows = np.floor(offset + 0.5)
        return rows.astype(np.int64), np.abs(offset - rows)

    def _choose(self, samples: Samples, rows: Ints, distance: Floats, count: int) -> dict[str, Array]:
        """For every sensor (count, *shape) the readings nearest in time to the rows."""
        order = _by_nearness(rows, distance)
        used = np.zeros(len(samples), dtype=bool)
        sensors = {}
        for number, sensor in enumerate(self.device.sensors):
            chosen = _firsts(order[samples.measured[order, number]], rows)
            values = sensor.empty(count)
            values[rows[chosen]] = samples.sensors[sensor.name][chosen]
            sensors[sensor.name] = values
            used[chosen] = True
        self.counts.surplus += int((~used).sum())
        return sensors

    def _thin_out(self) -> None:
        """Of the waiting samples keep what can still be chosen: a clock that stands still does not fill the memory."""
        samples = Samples.concat(self._pending)
        rows, distance = self._place(samples.time_s)
        order = _by_nearness(rows, distance)
        kept: Bools = np.zeros(len(samples), dtype=bool)
        for number in range(len(self.device.sensors)):
            kept[_firsts(order[samples.measured[order, number]], rows)] = True
        self.counts.surplus += int((~kept).sum())
        self._pending = [samples.take(kept)]
        self._waiting = int(kept.sum())


def _by_nearness(rows: Ints, distance: Floats) -> Ints:
    """Samples row by row, in each the nearest to its time first, of equally near ones the one that came first."""
    if bool((rows[1:] > rows[:-1]).all()):
        return np.arange(len(rows))
    return np.lexsort((np.arange(len(rows)), distance, rows))


def _firsts(order: Ints, rows: Ints) -> Ints:
    """Of samples in order, the first of every row."""
    ordered = rows[order]
    is_first = np.ones(len(ordered), dtype=bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    return order[is_first]
