"""Arithmetic on ragged batches: neighbours, differences and fills that never cross a recording's border."""

from __future__ import annotations

import numpy as np

from bfrb.arrays import Array, Bools, Ints


def previous_rows(offsets: Ints) -> Ints:
    """(N,) The row before each row; a recording's first row is its own predecessor.

    >>> previous_rows(np.array([0, 3, 5])).tolist()
    [0, 0, 1, 3, 3]
    """
    rows = np.arange(-1, offsets[-1] - 1)
    rows[offsets[:-1]] += 1
    return rows


def next_rows(offsets: Ints) -> Ints:
    """(N,) The row after each row; a recording's last row is its own successor.

    >>> next_rows(np.array([0, 3, 5])).tolist()
    [1, 2, 2, 4, 4]
    """
    rows = np.arange(1, offsets[-1] + 1)
    rows[offsets[1:] - 1] -= 1
    return rows


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
    filled = values.copy()
    missing = np.isnan(values)
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
