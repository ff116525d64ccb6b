"""What formulas see of recordings: rows that know their neighbours, whatever array they stand in.

A formula is written once, for arrays of any leading shape whose last axis is channels. Rows are *ragged* here, one
after the other in NumPy with the recordings' offsets, and *padded* in graphs that are exported (`export.padded`): what
differs between the two, which row comes before and after and how gaps are filled, is all that `Rows` has.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from bfrb.arrays import Array, Ints
from bfrb.features.ragged import fill, next_rows, previous_rows
from bfrb.features.tof import image_sums
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings

Values = Any
"""An array of some namespace, (..., C): `arrays.namespace_of` tells which."""

Quantity = Callable[[Any], Values]
"""A formula over `Rows`."""


class Order(Protocol):
    """Rows that know what stands before and after them in their recording."""

    def before(self, values: Values) -> Values:
        """(..., C) The values of the row before each; a recording's first row stands before itself."""

    def after(self, values: Values) -> Values:
        """(..., C) The values of the row after each; a recording's last row stands after itself."""

    def fill(self, values: Values) -> Values:
        """(..., C) NaN replaced by the last value before it in its recording, or else the first one after it."""

    def running_count(self, events: Values) -> Values:
        """(...) How many of the (...) events there were in the recording up to each row, itself included."""


class Rows(Order, Protocol):
    """Rows of recordings of one device."""

    device: Device

    def sensor(self, name: str) -> Values:
        """(..., C) Readings in the sensor's unit, channels in C order of its shape, NaN where nothing was measured."""

    def images(self, name: str) -> tuple[Values, ...]:
        """(..., S) For every image of a sensor: pixels with an answer, their sum, sum of squares, least and largest."""

    def shared(self, quantity: Quantity) -> Values:
        """What a formula gives, computed once for all features that ask for it."""


class Memo:
    """What gives each formula's result again without computing it anew."""

    @cached_property
    def _shared(self) -> dict[Quantity, Values]:
        return {}

    def shared(self, quantity: Quantity) -> Values:
        """What a formula gives, computed once."""
        if quantity not in self._shared:
            self._shared[quantity] = quantity(self)
        return self._shared[quantity]


class RaggedOrder:
    """What comes before and after what in a ragged batch, in NumPy.

    `offsets`: (R + 1,) first row of every recording, and N.
    """

    def __init__(self, offsets: Ints) -> None:
        self._offsets = offsets

    def before(self, values: Array) -> Array:
        """(N, C) The values of the row before each."""
        taken: Array = values[previous_rows(self._offsets)]
        return taken

    def after(self, values: Array) -> Array:
        """(N, C) The values of the row after each."""
        taken: Array = values[next_rows(self._offsets)]
        return taken

    def fill(self, values: Array) -> Array:
        """(N, C) NaN replaced by the last value before it, or else the first one after it."""
        return fill(values, self._offsets)

    def running_count(self, events: Array) -> Array:
        """(N,) How many events there were up to each row."""
        count: Array = np.cumsum(events)
        begun: Array = np.repeat(count[self._offsets[:-1]] - events[self._offsets[:-1]], np.diff(self._offsets))
        return count - begun


class RaggedRows(RaggedOrder, Memo):
    """The rows of a ragged batch, in NumPy: float64, or float32 for sensors of whole numbers, which holds them exactly.

    `recordings`: the batch.
    """

    def __init__(self, recordings: Recordings) -> None:
        super().__init__(recordings.offsets)
        self.device = recordings.device
        self._recordings = recordings

    def sensor(self, name: str) -> Array:
        """(N, C) Readings of a sensor."""
        sensor, values = self.device.sensor(name), self._recordings.sensors[name]
        flat = values.reshape(len(values), -1)
        if sensor.no_response_code is None:
            return flat.astype(np.float64)
        return np.where(flat == sensor.absent, np.float32(np.nan), flat.astype(np.float32))

    def images(self, name: str) -> tuple[Array, ...]:
        """(N, S) Sums over the pixels of each image."""
        return image_sums(self._recordings.sensors[name])
