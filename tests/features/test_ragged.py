"""Neighbours, differences and fills stay inside a recording; pandas, one group at a time, is the judge."""

from itertools import pairwise

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from bfrb.features.rows import fill, next_rows, previous_rows, rows_of


@given(seed=st.integers(0, 2**32 - 1))
def test_rows_know_their_recording(seed: int) -> None:
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *rng.integers(1, 13, rng.integers(1, 7))])
    values = rng.choice([np.nan, np.nan, 1.0, -2.0, 3.5, 8.0], (offsets[-1], 2))
    values = np.concatenate([values, values[:, :1] + 1.0], axis=1)  # a channel with the gaps of another
    before = values.copy()
    expected = [pd.DataFrame(values[a:b]).ffill().bfill().to_numpy() for a, b in pairwise(offsets)]
    np.testing.assert_array_equal(fill(values, offsets), np.concatenate(expected))
    np.testing.assert_array_equal(values, before)
    rows = np.arange(offsets[-1])
    is_last = np.isin(rows, offsets[1:] - 1)
    assert (next_rows(offsets)[is_last] == rows[is_last]).all()
    assert (previous_rows(offsets)[next_rows(offsets)[~is_last]] == rows[~is_last]).all()
    assert (previous_rows(offsets)[offsets[:-1]] == offsets[:-1]).all()
    chosen = rng.integers(0, len(offsets) - 1, rng.integers(0, 5))
    taken = [row for number in chosen for row in range(offsets[number], offsets[number + 1])]
    assert rows_of(offsets, chosen).tolist() == taken
