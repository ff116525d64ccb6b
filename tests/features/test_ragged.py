"""Neighbours, differences and fills stay inside a recording; pandas, one group at a time, is the judge."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from bfrb.features.ragged import fill, next_rows, previous_rows, rows_of

Ragged = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]


@st.composite
def ragged_batches(draw: st.DrawFn) -> Ragged:
    """(N, 2) values with gaps, and their offsets."""
    lengths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=6))
    cells = st.sampled_from([np.nan, np.nan, 1.0, -2.0, 3.5, 8.0])
    values = draw(st.lists(st.tuples(cells, cells), min_size=sum(lengths), max_size=sum(lengths)))
    return np.array(values), np.concatenate([[0], np.cumsum(lengths)])


def by_recording(values: npt.NDArray[np.float64], offsets: npt.NDArray[np.int64]) -> list[pd.DataFrame]:
    return [pd.DataFrame(values[a:b]) for a, b in pairwise(offsets)]


@given(ragged_batches())
def test_gaps_are_filled_forwards_then_backwards(batch: Ragged) -> None:
    expected = [frame.ffill().bfill().to_numpy() for frame in by_recording(*batch)]
    np.testing.assert_array_equal(fill(*batch), np.concatenate(expected))


@given(ragged_batches())
def test_a_row_before_and_a_row_after_undo_each_other_except_at_borders(batch: Ragged) -> None:
    _, offsets = batch
    rows = np.arange(offsets[-1])
    is_last = np.isin(rows, offsets[1:] - 1)
    assert (next_rows(offsets)[is_last] == rows[is_last]).all()
    assert (previous_rows(offsets)[next_rows(offsets)[~is_last]] == rows[~is_last]).all()
    assert (previous_rows(offsets)[offsets[:-1]] == offsets[:-1]).all()


@given(ragged_batches(), st.data())
def test_rows_come_recording_by_recording(batch: Ragged, data: st.DataObject) -> None:
    _, offsets = batch
    chosen = data.draw(st.lists(st.integers(0, len(offsets) - 2)))
    expected = [row for number in chosen for row in range(offsets[number], offsets[number + 1])]
    assert rows_of(offsets, np.array(chosen, dtype=np.int64)).tolist() == expected


def test_filling_leaves_its_input_alone() -> None:
    gaps = np.array([[1.0], [np.nan]])
    fill(gaps, np.array([0, 2]))
    assert np.isnan(gaps[1, 0])


def test_a_single_gap_takes_the_value_before_it() -> None:
    gaps = np.array([[1.0, 5.0], [np.nan, 6.0], [3.0, 7.0]])
    assert fill(gaps, np.array([0, 3])).tolist() == [[1.0, 5.0], [1.0, 6.0], [3.0, 7.0]]


def test_channels_with_the_same_gaps_are_filled_like_each_alone() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 6))
    gaps = rng.random((40, 2)) < 0.4
    values[:, :3][gaps[:, 0]] = np.nan
    values[:, 3:5][gaps[:, 1]] = np.nan
    offsets = np.array([0, 13, 14, 40])
    alone = [fill(values[:, channel : channel + 1], offsets) for channel in range(6)]
    np.testing.assert_array_equal(fill(values, offsets), np.concatenate(alone, axis=1))
