"""What a predictor answers."""

from __future__ import annotations

import numpy as np

from bfrb.predict.predictions import Predictions
from bfrb.study.labels import CMI_GESTURES


def make(ids: str, seed: int = 0) -> Predictions:
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(18), len(ids))
    return Predictions(tuple(ids), probabilities, CMI_GESTURES)


def test_a_frame_has_the_answer_its_confidence_and_every_probability() -> None:
    predictions = make("abc")
    frame = predictions.to_frame()
    assert frame.columns == ["sequence_id", "prediction", "confidence", *CMI_GESTURES.classes]
    assert frame["sequence_id"].to_list() == ["a", "b", "c"]
    for row in frame.iter_rows(named=True):
        assert row["confidence"] == row[row["prediction"]] == max(row[name] for name in CMI_GESTURES.classes)
    np.testing.assert_array_equal(frame.select(CMI_GESTURES.classes).to_numpy(), predictions.probabilities)
