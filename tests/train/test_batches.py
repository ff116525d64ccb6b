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
def test_every_example_is_drawn_once_and_never_alone(
    lengths: list[int], batch_size: int, buckets: int, seed: int
) -> None:
    batches = list(draw_batches(np.array(lengths), batch_size, buckets, np.random.default_rng(seed)))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert all(2 <= len(batch) <= batch_size + 1 for batch in batches)


def test_examples_of_like_length_come_together() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 640)
    spread = [np.ptp(lengths[batch]) for batch in draw_batches(lengths, 64, 10, np.random.default_rng(1))]
    assert max(spread) < 20


def test_the_same_generator_gives_the_same_batches() -> None:
    lengths = np.arange(1, 50)
    first = list(draw_batches(lengths, 8, 2, np.random.default_rng(3)))
    second = list(draw_batches(lengths, 8, 2, np.random.default_rng(3)))
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
