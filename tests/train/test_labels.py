"""What is known of recordings beside their class, in examples."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bfrb.features.sequences import build_sequences, channel_statistics
from bfrb.study.labels import BEHAVIORS, ORIENTATIONS, PHASES
from bfrb.study.recordings import Annotation, Recordings
from bfrb.train.batches import draw_batches, load_examples, make_standardisers, read_labels
from bundles import make_recordings

BRANCHES = {"imu": ("acc",), "proximity": ("thm",)}


def annotated() -> Recordings:
    """Three recordings whose gestures begin at their rows 5, 0 and never; the posture of the second is not known."""
    recordings = make_recordings(3, lengths=[8, 4, 6])
    phase = np.concatenate([[0] * 5 + [1] * 3, [1] * 4, [-1, 0, 0, 0, 0, 0]]).astype(np.int8)
    behavior = np.where(phase == 1, 3, 0).astype(np.int8)
    table = recordings.table.with_columns(orientation=pl.Series([ORIENTATIONS[2], None, ORIENTATIONS[0]]))
    rows = {"phase": Annotation(phase, PHASES), "behavior": Annotation(behavior, BEHAVIORS)}
    return replace(recordings, table=table, annotations=rows)


def test_labels_of_a_batch_are_of_its_last_rows_as_sequences_are() -> None:
    found = read_labels(annotated(), np.array([1, 0]), 6)
    assert set(found) == {"orientation", "phase", "behavior"}
    assert found["orientation"].tolist() == [-1, 2]
    assert found["phase"].tolist() == [[1, 1, 1, 1, -1, -1], [0, 0, 0, 1, 1, 1]]
    assert not read_labels(make_recordings(3), np.arange(3), 10)


@pytest.mark.parametrize("longest", [6, 20])
def test_examples_know_where_their_gesture_begins(longest: int) -> None:
    recordings, index = annotated(), np.arange(3)
    sequences = build_sequences(recordings, BRANCHES)
    standardisers = make_standardisers(channel_statistics(sequences, index))
    examples = load_examples(sequences, recordings, index, np.eye(3, dtype=np.float32), standardisers, longest)
    assert examples.onsets is not None
    assert examples.onsets.tolist() == [5 - max(0, 8 - longest), 0, -1]
    assert examples.auxiliary["orientation"].tolist() == [[0, 0, 1, 0], [0] * 4, [1, 0, 0, 0]]
    assert examples.auxiliary["phase"].shape == (3, min(longest, 8), 2)
    assert examples.auxiliary["phase"][1].sum(dim=1).tolist() == [1.0] * 4 + [0.0] * (min(longest, 8) - 4)
    short = examples.take(np.array([1]))
    assert short.auxiliary["phase"].shape == (1, 4, 2)
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
