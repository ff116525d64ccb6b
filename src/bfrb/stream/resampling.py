"""`Resampler`: from samples with times of their own, oriented where that is to be done, to rows at the device's rate.

What comes out depends on the samples and their order only, never on how they were cut into chunks.

A segment is a stretch without a gap. Its first sample sets the place of the rows: row `k` is `k / row_rate_hz` seconds
later, and takes in the samples that are at most half a row away. Nothing is interpolated: a row without a sample is not
measured. A row is final once no accepted sample can fall into it any more.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from bfrb.arrays import Array, Floats, Ints
from bfrb.read.orientation import OrientationFilter, with_gyroscope
from bfrb.stream.samples import Samples, StreamCounts
from bfrb.stream.spec import StreamSpec
from bfrb.study.device import Device
from bfrb.study.rows import Aggregation, OpenRows


class Orienting:
    """Takes samples of `with_gyroscope(device)` as they come; gives those that no other can come before any more.

    Once an orientation is sent, none is made: the two would differ in their heading.
    """

    def __init__(self, device: Device, counts: StreamCounts) -> None:
        self._device = device
        self._counts = counts
        self._place = {name: number for number, name in enumerate(with_gyroscope(device).sensor_names)}
        self._filter = OrientationFilter()
        self._waiting: list[Samples] = []
        self._recorded = False

    def push(self, samples: Samples, settled_s: float) -> Samples:
        """The samples up to a time before which none comes any more, in the order of time."""
        held = Samples.concat([*self._waiting, samples])
        order = np.argsort(held.time_s, kind="stable")
        count = int(np.searchsorted(held.time_s[order], settled_s, side="right"))
        self._waiting = [held.take(order[count:])]
        return self._oriented(held.take(order[:count]))

    def finish(self) -> Samples | None:
        """Those that were waiting for earlier ones; None if none ever came."""
        return self.push(self._waiting.pop(), math.inf) if self._waiting else None

    def _oriented(self, samples: Samples) -> Samples:
        acc, gyr, orientation = (samples.measured[:, self._place[name]] for name in ("acc", "gyr", "quaternion"))
        sensors, measured = dict(samples.sensors), samples.measured
        self._recorded |= bool(orientation.any())
        if not self._recorded and (acc & gyr).any():
            made = self._filter.push(samples.time_s, sensors["acc"], sensors["gyr"])
            sensors["quaternion"], measured = made, measured.copy()
            measured[:, self._place["quaternion"]] = ~np.isnan(made[:, 0])
            self._counts.oriented += int(measured[:, self._place["quaternion"]].sum())
        kept = {name: sensors[name] for name in self._device.sensor_names}
        return replace(samples, sensors=kept, measured=measured[:, : len(kept)])


SENSED = "acc"  # the sensor without which nothing is known of a wearer

_BLOCK = 4096  # samples that are looked at together
_NOWHERE = -math.inf


@dataclass(frozen=True, eq=False)
class SegmentRows:
    """Some consecutive rows of a segment at the device's rate."""

    origin_s: float  # time of the segment's row 0
    first: int  # number of the first of these rows in the segment; 0 begins a new segment
    sensors: dict[str, Array]  # for every sensor (n, *shape) readings, with its code where nothing was measured
    # (n,) seconds from sample to sample of the accelerometer, NaN where a row has none: at most those of a row where it
    # holds several.
    interval_s: Floats


class Resampler:
    """Takes samples, gives rows at the device's rate, and counts what happens; a spec says what is a gap, or late."""

    def __init__(
        self,
        device: Device,
        spec: StreamSpec,
        counts: StreamCounts,
        how: Aggregation = "nearest",
        orienting: Orienting | None = None,
    ) -> None:
        self.device = device
        self.spec = spec
        self.counts = counts
        self.latest_s = _NOWHERE
        """The latest time of the clock so far."""
        self._how = how
        self._orienting = orienting
        self._strangers: list[Samples] = []
        self._begin()

    def _begin(self) -> None:
        self._open = OpenRows(self.device, self._how)
        self._sensed_s = np.zeros((0, 2))  # (open rows, 2) earliest time of a sensed sample, negated, and the latest
        self._sensed_before_s = math.nan
        self._origin_s = math.nan
        self._done = 0

    def push(self, samples: Samples) -> Iterator[SegmentRows]:
        """The rows that are final with these samples."""
        for start in range(0, len(samples), _BLOCK):
            yield from self._take(self._usable(samples.take(slice(start, start + _BLOCK))))

    def finish(self) -> Iterator[SegmentRows]:
        """The rows that were waiting for more samples; the next sample begins anew."""
        self._forget_strangers()
        yield from self._end()
        self.latest_s = _NOWHERE

    def due_s(self, rows: int) -> float:
        """The time at which so many more rows will be final."""
        if math.isnan(self._origin_s):
            return _NOWHERE
        return self._origin_s + (self._done + rows - 0.5) / self.device.row_rate_hz + self.spec.reorder_s

    def _usable(self, samples: Samples) -> Samples:
        timed = np.isfinite(samples.time_s)
        usable = timed & samples.measured.any(axis=1)
        self.counts.samples += len(samples)
        self.counts.without_time += int((~timed).sum())
        self.counts.without_reading += int((timed & ~usable).sum())
        self.counts.impossible += int(samples.impossible.sum())
        return samples if usable.all() else samples.take(usable)

    def _take(self, samples: Samples) -> Iterator[SegmentRows]:
        start = 0
        while start < len(samples):
            stop = start + self._count_fitting(samples.time_s[start:])
            if stop > start:
                yield from self._accept(samples.take(slice(start, stop)))
            if stop < len(samples):
                yield from self._take_misfit(samples.take(slice(stop, stop + 1)))
            start = stop + 1

    def _latest_before(self, time_s: Floats) -> Floats:
        """(n + 1,) The latest time of the clock before each sample, and after all."""
        return np.asarray(np.maximum.accumulate(np.concatenate([[self.latest_s], time_s])))

    def _count_fitting(self, time_s: Floats) -> int:
        """How many samples, from the first on, fit the clock."""
        if self.latest_s == _NOWHERE:
            self.latest_s = float(time_s[0])
        before = self._latest_before(time_s)[:-1]
        fits = (time_s >= before - self.spec.reorder_s) & (time_s <= before + self.spec.gap_s)
        return len(fits) if fits.all() else int(fits.argmin())

    def _accept(self, samples: Samples) -> Iterator[SegmentRows]:
        self._forget_strangers()
        before = self._latest_before(samples.time_s)
        self.counts.out_of_order += int((samples.time_s < before[:-1]).sum())
        self.latest_s = float(before[-1])
        if math.isnan(self._origin_s):
            self._origin_s = float(samples.time_s[0])
        if self._orienting is not None:
            samples = self._orienting.push(samples, self.latest_s - self.spec.reorder_s)
        self._add(samples)
        yield from self._final_rows(self._row_of(self.latest_s - self.spec.reorder_s))

    def _add(self, samples: Samples) -> None:
        rows, distance = self._place(samples.time_s)
        kept = rows >= self._done
        self.counts.too_late += int((~kept).sum())
        sensors = {name: values[kept] for name, values in samples.sensors.items()}
        self._open.add(rows[kept] - self._done, distance[kept], sensors, samples.measured[kept])
        sensed = kept & samples.measured[:, self.device.sensor_names.index(SENSED)]
        self._grow_sensed(len(self._open))
        times = np.stack([-samples.time_s, samples.time_s], axis=1)[sensed]
        np.maximum.at(self._sensed_s, rows[sensed] - self._done, times)

    def _take_misfit(self, sample: Samples) -> Iterator[SegmentRows]:
        """A sample that does not fit the clock: drop it, keep it in mind, or begin anew with it and those before."""
        time_s = float(sample.time_s[0])
        if self.latest_s - self.spec.reset_s <= time_s < self.latest_s:
            self.counts.too_late += 1
            return
        newest = max((float(known.time_s[0]) for known in self._strangers), default=math.nan)
        if not newest - self.spec.reorder_s <= time_s <= newest + self.spec.gap_s:
            self._forget_strangers()
        self._strangers.append(sample)
        if len(self._strangers) >= self.spec.patience:
            strangers, self._strangers = Samples.concat(self._strangers), []
            yield from self._end()
            if strangers.time_s[0] > self.latest_s:
                self.counts.gaps += 1
            else:
                self.counts.clock_resets += 1
            self.latest_s = float(strangers.time_s[0])
            yield from self._accept(strangers)

    def _forget_strangers(self) -> None:
        self.counts.wrong_time += len(self._strangers)
        self._strangers = []

    def _end(self) -> Iterator[SegmentRows]:
        waiting = None if self._orienting is None else self._orienting.finish()
        if waiting is not None:
            self._add(waiting)
        if not math.isnan(self._origin_s):
            yield from self._final_rows(self._row_of(self.latest_s) + 1)
        self._begin()

    def _final_rows(self, stop: int) -> Iterator[SegmentRows]:
        """The rows before one in which more samples may come."""
        count = stop - self._done
        if count > 0:
            self.counts.rows += count
            self.counts.unused += self._open.count_unused(count)
            yield SegmentRows(self._origin_s, self._done, self._open.take(count), self._take_intervals(count))
            self._done = stop

    def _grow_sensed(self, count: int) -> None:
        missing = max(0, count - len(self._sensed_s))
        self._sensed_s = np.concatenate([self._sensed_s, np.full((missing, 2), _NOWHERE)])

    def _take_intervals(self, count: int) -> Floats:
        """From the latest sample of the row before to that of the row, or in it where it holds several times."""
        self._grow_sensed(count)
        earliest_s, latest_s = self._sensed_s[:count].T * [[-1], [1]]
        self._sensed_s = self._sensed_s[count:]
        known = np.isfinite(latest_s)
        earliest_s, latest_s = earliest_s[known], latest_s[known]
        before_s = np.concatenate([[self._sensed_before_s], latest_s])
        interval_s = np.full(count, np.nan)
        interval_s[known] = latest_s - np.where(earliest_s < latest_s, earliest_s, before_s[:-1])
        self._sensed_before_s = float(before_s[-1])
        return interval_s

    def _row_of(self, time_s: float) -> int:
        return int(self._place(np.array([time_s]))[0][0])

    def _place(self, time_s: Floats) -> tuple[Ints, Floats]:
        """The row that each time falls into, and how far from its middle, in rows."""
        offset = (time_s - self._origin_s) * self.device.row_rate_hz
        rows = np.floor(offset + 0.5)
        return rows.astype(np.int64), np.abs(offset - rows)
