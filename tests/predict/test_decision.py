"""Probabilities to answers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bfrb.predict.decision import most_probable, most_probable_beyond, target_probability
from bfrb.study.labels import CMI_GESTURES


@st.composite
def probabilities(draw: st.DrawFn) -> np.ndarray:
    seed, rows = draw(st.integers(0, 10**6)), draw(st.integers(1, 20))
    return np.random.default_rng(seed).dirichlet(np.full(len(CMI_GESTURES), 0.3), rows)


@given(probabilities())
def test_target_and_non_target_probability_complete_each_other(values: np.ndarray) -> None:
    rest = values[:, ~CMI_GESTURES.is_target].sum(axis=1)
    np.testing.assert_allclose(target_probability(values, CMI_GESTURES) + rest, 1)


@given(probabilities(), st.floats(0, 1))
def test_a_target_is_answered_exactly_where_targets_are_probable_enough(values: np.ndarray, threshold: float) -> None:
    answers = most_probable_beyond(values, CMI_GESTURES, threshold)
    expected = target_probability(values, CMI_GESTURES) >= threshold
    np.testing.assert_array_equal(CMI_GESTURES.is_target[answers], expected)


@given(probabilities())
def test_the_answer_is_the_best_of_its_kind(values: np.ndarray) -> None:
    answers = most_probable_beyond(values, CMI_GESTURES)
    for row, answer in zip(values, answers, strict=True):
        assert row[answer] == row[CMI_GESTURES.is_target == CMI_GESTURES.is_target[answer]].max()
    same = CMI_GESTURES.is_target[most_probable(values)] == CMI_GESTURES.is_target[answers]
    np.testing.assert_array_equal(most_probable(values)[same], answers[same])
    assert most_probable(values).tolist() == [int(np.argmax(row)) for row in values]
