"""How much networks look at each row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attending import make_attending_bundle
from bfrb.errors import DataError
from bfrb.features.sequences import build_sequences
from bfrb.predict.member import spread_over_rows
from bfrb.predict.predictor import Predictor, load
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.labels import SEARLE_BEHAVIORS
from bundles import make_bundle, make_recordings
from made_up import BASELINE_FEATURES


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return load(make_attending_bundle(tmp_path_factory.mktemp("attending") / "model"))


@given(rows=st.integers(1, 200), halvings=st.integers(0, 4))
def test_weights_are_spread_over_the_rows_they_stand_for(rows: int, halvings: int) -> None:
    stretches = rows
    for _ in range(halvings):
        stretches = -(-stretches // 2)
    weights = np.random.default_rng(rows).dirichlet(np.ones(stretches))[None]
    spread = spread_over_rows(weights, rows)
    assert spread.shape == (1, rows)
    np.testing.assert_allclose(spread.sum(), 1.0)
    per_row = weights[0][np.arange(rows) * stretches // rows] if stretches == rows else weights[0].repeat(2**halvings)
    np.testing.assert_allclose(spread[0] / spread[0, 0], per_row[:rows] / weights[0, 0], rtol=1e-9)


def test_attention_is_what_the_graph_says(predictor: Predictor) -> None:
    recording = make_recordings(1, lengths=[40])
    found = predictor.attention(recording)
    assert found is not None
    sequences = build_sequences(recording, BASELINE_FEATURES)
    squashed = np.tanh(np.nan_to_num(sequences.batch([0], 64).inputs["imu"][0])).mean(axis=1)
    expected = np.exp(squashed) / np.exp(squashed).sum()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_rows_that_are_not_used_get_no_attention(predictor: Predictor) -> None:
    found = predictor.attention(make_recordings(1, lengths=[90]))
    assert found is not None
    assert found.shape == (90,)
    assert (found[:26] == 0).all()
    assert found[26:].sum() == pytest.approx(1.0)


def test_answers_do_not_depend_on_the_further_output(predictor: Predictor, tmp_path: Path) -> None:
    plain = load(make_bundle(tmp_path / "model"))
    recordings = make_recordings(5)
    np.testing.assert_array_equal(predictor.predict(recordings).probabilities, plain.predict(recordings).probabilities)


def test_networks_that_cannot_tell_say_nothing(tmp_path: Path) -> None:
    assert load(make_bundle(tmp_path / "model")).attention(make_recordings(1)) is None


def test_recordings_of_another_device_are_refused(predictor: Predictor) -> None:
    with pytest.raises(DataError, match="galaxy_watch"):
        predictor.attention(make_recordings(1, device=GALAXY_WATCH, label_set=SEARLE_BEHAVIORS))
