from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from bfrb.features.sequences import build_sequences, channel_statistics
from bfrb.study.labels import BEHAVIORS, ORIENTATIONS, PHASES
from bfrb.study.recordings import Annotation, Recordings
from bfrb.train.batches import load_examples, make_standardisers, with_labels
from bfrb.train.labels import read_labels
from bundles import make_recordings

BRANCHES = {"imu": ("acc",), "proximity": ("thm",)}


def annotated() -> Recordings:
    """Three recordings whose gestures begin at their rows 5, 0 and never; the posture of the second is not known."""
    recordings = make_recordings(3, lengths=[8, 4, 6])
    phase = np.concatenate([[0] * 5 + [1] * 3, [1] * 4, [-1, 0, 0, 0, 0, 0]]).astype(np.int8)
    behavior = np.where(phase == 1, 3, 0).astype(np.int8)
    table = recordings.table.with_columns(orientation=pl.Series([ORIENTATIONS[2], None, ORIENTATIONS[0]]))
    return Recordings(
        recordings.device,
        recordings.sensors,
        recordings.offsets,
        table,
        {"phase": Annotation(phase, PHASES), "behavior": Annotation(behavior, BEHAVIORS)},
    )


def test_labels_are_read_from_table_and_rows() -> None:
    labels = read_labels(annotated())
    assert labels.recording["orientation"].tolist() == [2, -1, 0]
    assert labels.row["phase"][:8].tolist() == [0] * 5 + [1] * 3
    assert set(labels.row) == {"phase", "behavior"}


def test_a_batch_keeps_the_last_rows_as_sequences_do() -> None:
    found = read_labels(annotated()).batch(np.array([1, 0]), 6)
    assert found["orientation"].tolist() == [-1, 2]
    assert found["phase"].tolist() == [[1, 1, 1, 1, -1, -1], [0, 0, 0, 1, 1, 1]]


@pytest.mark.parametrize("longest", [6, 20])
def test_examples_know_where_their_gesture_begins(longest: int) -> None:
    recordings = annotated()
    index = np.arange(3)
    sequences = build_sequences(recordings, BRANCHES)
    standardisers = make_standardisers(channel_statistics(sequences, index))
    bare = load_examples(sequences, index, np.eye(3, dtype=np.float32), standardisers, longest)
    examples = with_labels(bare, read_labels(recordings), index, longest)
    assert examples.onsets is not None
    assert examples.onsets.tolist() == [5 - max(0, 8 - longest), 0, -1]
    assert examples.auxiliary["orientation"].tolist() == [[0, 0, 1, 0], [0] * 4, [1, 0, 0, 0]]
    assert examples.auxiliary["phase"].shape == (3, min(longest, 8), 2)
    assert examples.auxiliary["phase"][1].sum(dim=1).tolist() == [1.0] * 4 + [0.0] * (min(longest, 8) - 4)
    short = examples.take(np.array([1]))
    assert short.auxiliary["phase"].shape == (1, 4, 2)
    assert torch.equal(short.inputs["imu"], examples.inputs["imu"][1:2, :4])


def test_recordings_without_labels_give_examples_without_them() -> None:
    recordings = make_recordings(3)
    assert not read_labels(recordings).batch(np.arange(3), 10)
