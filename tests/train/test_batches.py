from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bfrb.train.batches import draw_batches


@given(
    lengths=st.lists(st.integers(1, 200), min_size=2, max_size=80),
    batch_size=st.integers(2, 20),
    buckets=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_every_example_is_drawn_once_never_alone_and_repeatably(
    lengths: list[int], batch_size: int, buckets: int, seed: int
) -> None:
    first, second = (
        list(draw_batches(np.array(lengths), batch_size, buckets, np.random.default_rng(seed))) for _ in range(2)
    )
    assert sorted(np.concatenate(first).tolist()) == list(range(len(lengths)))
    assert all(2 <= len(batch) <= batch_size + 1 for batch in first)
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
