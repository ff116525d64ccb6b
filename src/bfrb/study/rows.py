"""Rows at a device's rate, made of samples that came at any rate."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from bfrb.arrays import Array, Bools, Floats, Ints
from bfrb.study.device import Device, Sensor

Aggregation = Literal["nearest", "mean"]
"""What a row holds where several samples fall into it: the one nearest to the row's time, or their mean."""


class OpenRows:
    """Consecutive rows that more samples may fall into.

    What a row holds depends on its samples and their order only, not on how many are added at once. The mean is taken
    channel by channel over what was measured; of quaternions it is the normalised mean after all have been turned to
    the sign of the first; images are not averaged, the nearest is taken. A single sample is kept to the last bit.

    >>> from bfrb.study.device import Device, Sensor
    >>> rows = OpenRows(Device(name="watch", sensors=(Sensor(name="acc"),), row_rate_hz=10), "mean")
    >>> samples = {"acc": np.array([[0, 0, 9], [0, 0, 10], [3, 0, 9]], dtype=np.float32)}
    >>> rows.add(np.array([0, 0, 2]), np.array([0.0, 0.4, 0.1]), samples, np.ones((3, 1), dtype=bool))
    >>> rows.take(3)["acc"].tolist()
    [[0.0, 0.0, 9.5], [nan, nan, nan], [3.0, 0.0, 9.0]]
    """

    def __init__(self, device: Device, how: Aggregation) -> None:
        self._how = how
        self._rows = [_Mean(s) if how == "mean" and s.no_response_code is None else _Nearest(s) for s in device.sensors]
        self._added = 0
        self._fallen: Ints = np.zeros(0, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._fallen)

    def grow(self, count: int) -> None:
        """Open more rows, so that there are at least so many."""
        missing = max(0, count - len(self))
        self._fallen = np.concatenate([self._fallen, np.zeros(missing, dtype=np.int64)])
        for row in self._rows:
            row.grow(missing)

    def add(self, rows: Ints, distance: Floats, sensors: Mapping[str, Array], measured: Bools) -> None:
        """Take in n samples: the row of each, from the first open one, and how far from the row's time it is.

        For every sensor there are (n, *shape) readings, and an (n, S) mask says whether each measured anything.
        """
        self.grow(int(rows.max(initial=-1)) + 1)
        np.add.at(self._fallen, rows, 1)
        samples = np.arange(self._added, self._added + len(rows))
        self._added += len(rows)
        for row, known in zip(self._rows, measured.T, strict=True):
            row.add(rows[known], distance[known], samples[known], sensors[row.sensor.name][known])

    def count_unused(self, count: int) -> int:
        """Samples of the first rows of which nothing is kept, because others were nearer."""
        if self._how == "mean":
            return 0
        chosen = np.unique([row.chosen[:count] for row in self._rows if isinstance(row, _Nearest)])
        return int(self._fallen[:count].sum() - (chosen >= 0).sum())

    def take(self, count: int) -> dict[str, Array]:
        """For every sensor (count, *shape) readings of the first rows, which are closed now."""
        self.grow(count)
        self._fallen = self._fallen[count:]
        return {row.sensor.name: row.take(count) for row in self._rows}


class _Nearest:
    """The reading nearest in time; of equally near ones the first that came."""

    def __init__(self, sensor: Sensor) -> None:
        self.sensor = sensor
        self.chosen: Ints = np.zeros(0, dtype=np.int64)
        self._values, self._distance = sensor.empty(0), np.zeros(0)

    def grow(self, missing: int) -> None:
        self.chosen = np.concatenate([self.chosen, np.full(missing, -1)])
        self._values = np.concatenate([self._values, self.sensor.empty(missing)])
        self._distance = np.concatenate([self._distance, np.full(missing, np.inf)])

    def add(self, rows: Ints, distance: Floats, samples: Ints, values: Array) -> None:
        order = np.lexsort((distance, rows))
        first = order[np.diff(rows[order], prepend=-1) > 0]
        nearer = first[distance[first] < self._distance[rows[first]]]
        self.chosen[rows[nearer]] = samples[nearer]
        self._values[rows[nearer]] = values[nearer]
        self._distance[rows[nearer]] = distance[nearer]

    def take(self, count: int) -> Array:
        values, self._values = self._values[:count], self._values[count:].copy()
        self.chosen, self._distance = self.chosen[count:], self._distance[count:]
        return values


class _Mean:
    """The mean of what was measured."""

    def __init__(self, sensor: Sensor) -> None:
        self.sensor = sensor
        self._sums, self._counts, self._first = (np.zeros((0, len(sensor.columns))) for _ in range(3))

    def grow(self, missing: int) -> None:
        shape = (missing, len(self.sensor.columns))
        # From -0, so that a single -0 stays one.
        self._sums = np.concatenate([self._sums, np.full(shape, -0.0)])
        self._counts = np.concatenate([self._counts, np.zeros(shape)])
        self._first = np.concatenate([self._first, np.full(shape, np.nan)])

    def add(self, rows: Ints, _distance: Floats, _samples: Ints, values: Array) -> None:
        readings = values.reshape(len(values), len(self.sensor.columns)).astype(np.float64)
        if self.sensor.unit_norm:
            readings = self._turned(rows, readings)
        known = ~np.isnan(readings)
        # One after the other, in the order in which they came: sums of floats depend on it.
        np.add.at(self._sums, rows, np.where(known, readings, -0.0))
        np.add.at(self._counts, rows, known)

    def _turned(self, rows: Ints, readings: Floats) -> Floats:
        """Each with the sign that is nearer to the first of its row."""
        opened, first = np.unique(rows, return_index=True)
        new = np.isnan(self._first[opened, 0])
        self._first[opened[new]] = readings[first[new]]
        opposite = (readings * self._first[rows]).sum(axis=1) < 0
        return np.where(opposite[:, None], -readings, readings)

    def take(self, count: int) -> Array:
        sums, counts = self._sums[:count], self._counts[:count]
        self._sums, self._counts, self._first = (part[count:] for part in (self._sums, self._counts, self._first))
        mean = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
        if self.sensor.unit_norm:
            several = counts[:, 0] > 1
            mean[several] /= np.sqrt(np.square(mean[several]).sum(axis=1, keepdims=True))
        return mean.astype(self.sensor.dtype).reshape(count, *self.sensor.shape)
