"""What formulas see of recordings: rows that know their neighbours, whatever array they stand in.

A formula is written once, for arrays of any leading shape whose last axis is channels. Rows are *ragged* here, one
after the other in NumPy with the recordings' offsets, and *padded* in graphs that are exported (`export.padded`): what
differs between the two, which row comes before and after and how gaps are filled, is all that `Rows` has.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from bfrb.arrays import Array, Bools, Floats, Ints
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings

Values = Any
"""An array of some namespace, (..., C): `arrays.namespace_of` tells which."""

Quantity = Callable[[Any], Values]
"""A formula over `Rows`."""

_BLOCK_ROWS = 1024
"""The images of so many rows, and what is made of them, stay in the processor's cache."""


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
    """What comes before and after what in a ragged batch with (R + 1,) offsets, in NumPy."""

    def __init__(self, offsets: Ints) -> None:
        self._offsets = offsets

    def before(self, values: Array) -> Array:
        """(N, C) The values of the row before each; a recording's first row stands before itself.

        >>> RaggedOrder(np.array([0, 3, 5])).before(np.arange(5)).tolist()
        [0, 0, 1, 3, 3]
        """
        rows = np.arange(-1, self._offsets[-1] - 1)
        rows[self._offsets[:-1]] += 1
        return np.asarray(values[rows])

    def after(self, values: Array) -> Array:
        """(N, C) The values of the row after each; a recording's last row stands after itself.

        >>> RaggedOrder(np.array([0, 3, 5])).after(np.arange(5)).tolist()
        [1, 2, 2, 4, 4]
        """
        rows = np.arange(1, self._offsets[-1] + 1)
        rows[self._offsets[1:] - 1] -= 1
        return np.asarray(values[rows])

    def fill(self, values: Array) -> Array:
        """(N, C) NaN replaced by the last value before it, or else the first one after it."""
        return fill(values, self._offsets)

    def running_count(self, events: Array) -> Array:
        """(N,) How many events there were up to each row."""
        count: Array = np.cumsum(events)
        begun: Array = np.repeat(count[self._offsets[:-1]] - events[self._offsets[:-1]], np.diff(self._offsets))
        return count - begun


class RaggedRows(RaggedOrder, Memo):
    """The rows of a ragged batch, in NumPy: float64, or float32 for sensors of whole numbers: it holds them."""

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


def rows_of(offsets: Ints, recordings: Ints) -> Ints:
    """(n,) All rows of the numbered recordings, one recording after the other.

    >>> rows_of(np.array([0, 3, 5]), np.array([1, 0])).tolist()
    [3, 4, 0, 1, 2]
    """
    starts, lengths = offsets[recordings], np.diff(offsets)[recordings]
    ends = np.cumsum(lengths)
    return np.repeat(starts - ends + lengths, lengths) + np.arange(lengths.sum())


def fill(values: Array, offsets: Ints) -> Array:
    """(N, C) Every NaN replaced by the last value before it in its recording, or else by the first one after it.

    A channel without any value in a recording stays NaN there.

    >>> gaps = np.array([[np.nan], [1.0], [np.nan], [2.0], [np.nan]])
    >>> fill(gaps, np.array([0, 4, 5])).ravel().tolist()
    [1.0, 1.0, 1.0, 2.0, nan]
    """
    missing = np.isnan(values)
    if not missing.any():
        return values
    filled = values.copy()
    first, stop = (np.repeat(border, np.diff(offsets)) for border in (offsets[:-1], offsets[1:]))
    for channels in _alike(missing):
        rows, earlier, later = _around_gaps(missing[:, channels[0]])
        sources = np.where(earlier >= first[rows], earlier, later)
        found = (sources >= first[rows]) & (sources < stop[rows])
        filled[np.ix_(rows[found], channels)] = values[np.ix_(sources[found], channels)]
    return filled


def _alike(missing: Bools) -> list[Ints]:
    """Numbers of the channels with gaps, those together that have the same ones, as all pixels of an image do."""
    channels = np.flatnonzero(missing.any(axis=0))
    same: dict[bytes, list[int]] = {}
    packed = np.ascontiguousarray(np.packbits(missing[:, channels], axis=0).T)
    for channel, gaps in zip(channels.tolist(), packed, strict=True):
        same.setdefault(gaps.tobytes(), []).append(channel)
    return [np.array(found) for found in same.values()]


def _around_gaps(missing: Bools) -> tuple[Ints, Ints, Ints]:
    """The missing rows; for each the last known row before it (or -1), and the first known row after it (or N)."""
    rows = np.flatnonzero(missing)
    known = np.concatenate([[-1], np.flatnonzero(~missing), [len(missing)]])
    known_before = rows - np.arange(len(rows))
    return rows, known[known_before], known[known_before + 1]


def image_sums(images: Array) -> tuple[Floats, ...]:
    """Five (N, S) arrays: pixels with an answer, their sum, their sum of squares, the least and the largest of them.

    `images`: (N, S, 8, 8) `int16` images. Distances are 0 to 255, the codes of pixels without an answer are negative.

    >>> image = np.full((1, 1, 8, 8), -1, dtype=np.int16)
    >>> image[0, 0, 0, :2] = 10, 14
    >>> [one.item() for one in image_sums(image)]
    [2.0, 24.0, 296.0, 10.0, 14.0]
    """
    rows, sites = images.shape[:2]
    flat = images.reshape(rows, sites, -1)
    sums = np.empty((5, rows, sites))
    for start in range(0, rows, _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        sums[:, block] = _block_sums(flat[block])
    return tuple(sums)


def _block_sums(images: Array) -> Array:
    """(5, n, S) Sums over (n, S, P) images; of an image without an answer the least and the largest mean nothing."""
    # NumPy reduces long rows many times faster than many short ones; four pixels of an image are moved as one word.
    words = images.reshape(-1, images.shape[-1]).view(np.int64)
    pixels = np.ascontiguousarray(words.T).view(images.dtype)  # (P / 4, 4 n S)
    distance = np.maximum(pixels, 0)
    # Whole numbers that fit their types: up to 64 pixels, their sum below 2^15, that of their squares below 2^24.
    count = _reduce(np.add, (pixels >= 0).view(np.int8))
    total = _reduce(np.add, distance)
    squares = _reduce(np.add, np.square(distance, dtype=np.float32))
    # Seen as unsigned, the negative codes are larger than any distance.
    low, high = _reduce(np.minimum, pixels.view(np.uint16)), _reduce(np.maximum, pixels)
    return np.stack([count, total, squares, low, high]).reshape(5, *images.shape[:2])


def _reduce(operation: np.ufunc, pixels: Array) -> Floats:
    """(M,) The operation over all pixels of each image, from (P / 4, 4 M), computed in the pixels' own type."""
    fours = operation.reduce(pixels, axis=0, dtype=pixels.dtype)
    pairs = operation(fours[0::2], fours[1::2])
    whole: Floats = operation(pairs[0::2], pairs[1::2]).astype(np.float64)
    return whole
