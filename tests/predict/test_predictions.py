"""What a predictor answers."""

from __future__ import annotations

import numpy as np
import pytest

from bfrb.errors import DataError
from bfrb.predict.predictions import Predictions
from bfrb.study.labels import CMI_GESTURES


def make(ids: str, seed: int = 0) -> Predictions:
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(18), len(ids))
    return Predictions(tuple(ids), probabilities, CMI_GESTURES)


def test_a_frame_has_the_answer_its_confidence_and_every_probability() -> None:
    predictions = make("abc")
    frame = predictions.to_frame()
    assert frame.columns == ["sequence_id", "gesture", "confidence", *CMI_GESTURES.classes]
    assert frame["sequence_id"].to_list() == ["a", "b", "c"]
    for row in frame.iter_rows(named=True):
        assert row["confidence"] == row[row["gesture"]] == max(row[name] for name in CMI_GESTURES.classes)
    np.testing.assert_array_equal(frame.select(CMI_GESTURES.classes).to_numpy(), predictions.probabilities)


def test_batches_are_joined_in_order() -> None:
    joined = Predictions.concat([make("ab"), make("c", seed=1)])
    assert joined.ids == ("a", "b", "c")
    np.testing.assert_array_equal(joined.probabilities[2:], make("c", seed=1).probabilities)


def test_an_id_may_come_only_once() -> None:
    with pytest.raises(DataError, match="'b' more than once"):
        Predictions.concat([make("ab"), make("cb")])


def test_nothing_cannot_be_joined() -> None:
    with pytest.raises(DataError, match="got none"):
        Predictions.concat([])
