from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bfrb.predict.predictions import Predictions
from bfrb.predict.wearing import tell_upside_down, turned_over, weigh_both_ways
from bfrb.study.labels import WEARING
from bfrb.study.recordings import Recordings
from bundles import make_recordings

chances = st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)), min_size=1, max_size=9)


def log_odds(chance: np.ndarray) -> np.ndarray:
    return np.log(chance) - np.log1p(-chance)


def leaning(recordings: Recordings) -> Predictions:
    """A detector that goes by the mean of acceleration along x, and believes of everything that it is upside down."""
    means = [recordings[number].sensors["acc"][:, 0].mean() for number in range(len(recordings))]
    chance = 1.0 / (1.0 + np.exp(np.array(means, dtype=np.float64) - 3.0))
    return Predictions(tuple(recordings.ids), np.stack([1.0 - chance, chance], axis=1), WEARING)


@settings(deadline=None)
@given(chances)
def test_log_odds_are_averaged(pairs: list[tuple[float, float]]) -> None:
    shown, turned = np.array(pairs).clip(1e-6, 1.0 - 1e-6).T
    expected = (log_odds(shown) - log_odds(turned)) / 2.0
    np.testing.assert_allclose(log_odds(weigh_both_ways(shown, turned)), expected, atol=1e-6)


@settings(deadline=None)
@given(chances)
def test_the_turned_copy_gets_the_opposite_answer_and_certainty_is_no_trouble(pairs: list[tuple[float, float]]) -> None:
    shown, turned = np.array(pairs).T
    found = weigh_both_ways(shown, turned)
    assert ((found >= 0.0) & (found <= 1.0)).all()
    np.testing.assert_allclose(weigh_both_ways(turned, shown), 1.0 - found, atol=1e-12)
    one_by_one = [weigh_both_ways(shown[[n]], turned[[n]])[0] for n in range(len(pairs))]
    assert found.tolist() == one_by_one


def test_what_a_detector_believes_of_everything_cancels() -> None:
    recordings = make_recordings(8, seed=3)
    found = tell_upside_down(leaning, recordings)
    points_left = [recordings[number].sensors["acc"][:, 0].mean() < 0 for number in range(8)]
    assert (found > 0.5).tolist() == points_left
    assert (leaning(recordings).probabilities[:, 1] > 0.5).all()
    np.testing.assert_allclose(tell_upside_down(leaning, turned_over(recordings)), 1.0 - found, atol=1e-6)
