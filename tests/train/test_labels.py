"""Examples: where their gestures begin, and how they are dealt out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bfrb.features.sequences import build_sequences, channel_statistics
from bfrb.study.labels import PHASES
from bfrb.study.recordings import Annotation
from bfrb.train.batches import draw_batches, load_examples, make_standardisers
from bundles import make_recordings


@pytest.mark.parametrize("longest", [6, 20])
def test_examples_know_where_their_gesture_begins(longest: int) -> None:
    recordings, index = make_recordings(3, lengths=[8, 4, 6]), np.arange(3)
    phase = np.concatenate([[0] * 5 + [1] * 3, [1] * 4, [-1, 0, 0, 0, 0, 0]]).astype(np.int8)
    recordings = replace(recordings, annotations={"phase": Annotation(phase, PHASES)})
    sequences = build_sequences(recordings, {"imu": ("acc",), "proximity": ("thm",)})
    standardisers = make_standardisers(channel_statistics(sequences, index))
    examples = load_examples(sequences, recordings, index, np.eye(3, dtype=np.float32), standardisers, longest)
    assert examples.onsets is not None
    assert examples.onsets.tolist() == [5 - max(0, 8 - longest), 0, -1]
    short = examples.take(np.array([1]))
    assert torch.equal(short.inputs["imu"], examples.inputs["imu"][1:2, :4])


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
