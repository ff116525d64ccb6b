"""What is learnt of one wearer: from their examples, for their answers only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotated import TWO, second_by_second, watch_recordings
from bfrb.errors import BundleError, DataError
from bfrb.metrics import roc_auc
from bfrb.predict.bundle import Bundle
from bfrb.predict.predictor import Predictor
from bfrb.stream.events import EventRule, WindowProbabilities
from bfrb.stream.feed import Wearer
from bfrb.stream.listen import listen
from bfrb.stream.personal import Example, PersonalHead, describe, fit_head, personalize
from bfrb.stream.windowing import Windowing, Windows
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.labels import SEARLE_BEHAVIORS
from bfrb.study.recordings import Recordings
from bfrb.study.stretches import cut_stretches
from bundles import make_bundle

linear_model = pytest.importorskip("sklearn.linear_model")

LABELLED = np.repeat([0, 1, 0], [100, 60, 140])


def some_head(wearer: str = "anna", bias: float = 0.0, slope: float = 0.0) -> PersonalHead:
    weights = (bias, slope, 0.0, 0.0, 0.0, 0.0, 0.0)
    return PersonalHead(wearer=wearer, mean=(0.0,) * 6, sd=(1.0,) * 6, weights=weights, episodes=1, seconds=60.0)


def example(count: int, seed: int) -> Example:
    """Networks that know nothing; the first statistic tells the behaviour."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(rng.random(count) < 0.3, 10)
    described = rng.normal(size=(len(truth), 6))
    described[:, 0] += 2.0 * truth
    return second_by_second("anna", rng.uniform(0.05, 0.3, len(truth)), truth), described


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(-5, 5), st.floats(-5, 5))
def test_adapted_answers_are_probabilities_that_keep_the_ratios_of_targets(
    seed: int, bias: float, slope: float
) -> None:
    rng = np.random.default_rng(seed)
    probabilities, described = rng.dirichlet(np.ones(9), 5), rng.normal(size=(5, 6))
    np.testing.assert_allclose(some_head().shift(probabilities, described, SEARLE_BEHAVIORS), probabilities, atol=1e-12)
    adapted = some_head(bias=bias, slope=slope).shift(probabilities, described, SEARLE_BEHAVIORS)
    np.testing.assert_allclose(adapted.sum(axis=1), 1.0)
    assert (adapted >= 0).all()
    before, after = (found[:, SEARLE_BEHAVIORS.is_target] for found in (probabilities, adapted))
    np.testing.assert_allclose(after / after.sum(1, keepdims=True), before / before.sum(1, keepdims=True), rtol=1e-9)
    alone = [some_head(bias=bias).shift(probabilities[[n]], described[[n]], SEARLE_BEHAVIORS)[0] for n in range(5)]
    assert np.array_equal(alone, some_head(bias=bias).shift(probabilities, described, SEARLE_BEHAVIORS))


def test_a_head_learns_what_the_networks_do_not_know_and_it_holds_for_later_data() -> None:
    head = fit_head("anna", [example(40, 1)], TWO, 5.0)
    later, described = example(40, 2)
    adapted = head.shift(later.windows.probabilities, described, TWO)
    truth = later.positive_share > 0
    before, after = (roc_auc(truth, found[:, 0]) for found in (later.windows.probabilities, adapted))
    assert before is not None
    assert after is not None
    assert abs(before - 0.5) < 0.1
    assert after > 0.85


def test_the_head_is_the_penalised_logistic_regression_of_scikit_learn() -> None:
    heard, described = example(30, 3)
    even = np.full_like(heard.windows.probabilities, 0.5)
    heard = replace(heard, windows=replace(heard.windows, probabilities=even))
    head = fit_head("anna", [(heard, described)], TWO, 1.0)
    share = len(heard.episodes) / heard.positive_share.sum()
    scaled = np.clip((described - head.mean) / np.array(head.sd), -4, 4)
    columns = np.concatenate([np.ones((len(scaled), 1)), scaled], axis=1)
    model = linear_model.LogisticRegression(C=share, fit_intercept=False, tol=1e-10)
    expected = model.fit(columns, heard.positive_share > 0)
    np.testing.assert_allclose(head.weights, expected.coef_[0], atol=1e-4)


def windows_of(sensors: dict[str, np.ndarray], length: int, context: int = 0) -> Windows:
    count = len(sensors["acc"]) // (length + context)
    nothing = np.zeros(count)
    return Windows(Windowing(length, length, 0.5, 0.0, context), sensors, nothing, nothing, nothing > 0)


def test_statistics_tell_posture_and_liveliness_of_the_rows_that_are_judged() -> None:
    still = np.tile(np.float32([0.0, 0.0, 9.81]), (20, 1))
    shaken = still + np.random.default_rng(0).normal(0, 3, (20, 3)).astype(np.float32)
    turning = {"gyr": np.zeros((40, 3), np.float32)}
    quiet, lively = describe(windows_of({"acc": np.concatenate([still, shaken]), **turning}, 20))
    np.testing.assert_allclose(quiet[:3], [0, 0, 1], atol=1e-6)
    assert lively[3] > quiet[3] + 2
    assert np.isfinite(describe(windows_of({"acc": np.full((10, 3), np.nan, np.float32)}, 10))).all()
    rng = np.random.default_rng(0)
    rows = {"acc": rng.normal(0, 5, (60, 3)), "gyr": rng.normal(0, 50, (60, 3))}
    changed = {name: np.concatenate([values[:20] * 9, values[20:]]) for name, values in rows.items()}
    np.testing.assert_array_equal(describe(windows_of(rows, 40, 20)), describe(windows_of(changed, 40, 20)))


def watch(folder: Path) -> Bundle:
    return Bundle.open(make_bundle(folder / "model", device=GALAXY_WATCH, label_set=SEARLE_BEHAVIORS))


def answers_of(bundle: Bundle, recording: Recordings, wearer: Wearer) -> np.ndarray:
    predictor = Predictor(bundle)
    found = listen(lambda _: predictor, cut_stretches([recording]), EventRule(), wearer)
    return WindowProbabilities.concat([part.windows for part in found], 9).probabilities


def test_a_bundle_answers_a_named_wearer_otherwise_and_everybody_else_as_before(tmp_path: Path) -> None:
    bundle, recording = watch(tmp_path), watch_recordings(LABELLED)
    head = personalize(bundle, cut_stretches([recording]), "anna")
    head.write(bundle, tmp_path / "knows")
    knows = Bundle.open(tmp_path / "knows")
    assert PersonalHead.of(knows, "anna") == head
    before = answers_of(bundle, recording, Wearer())
    np.testing.assert_array_equal(answers_of(knows, recording, Wearer()), before)
    assert (
        np.abs(answers_of(knows, recording, Wearer(adapt=PersonalHead.of(knows, "anna").adapt)) - before).max() > 0.01
    )
    with pytest.raises(BundleError, match="learnt nothing of the wearer 'ben'"):
        PersonalHead.of(knows, "ben")


def test_a_second_wearer_leaves_the_first_as_they_were(tmp_path: Path) -> None:
    bundle = watch(tmp_path)
    some_head("anna", 1.0).write(bundle, tmp_path / "one")
    some_head("../ben", 2.0).write(Bundle.open(tmp_path / "one"), tmp_path / "two")
    both = Bundle.open(tmp_path / "two")
    assert [PersonalHead.of(both, name).weights[0] for name in ("anna", "../ben")] == [1.0, 2.0]


def test_without_labelled_episodes_nothing_is_learnt(tmp_path: Path) -> None:
    for recordings in ([watch_recordings(np.zeros(120))], []):
        with pytest.raises(DataError, match="labelled episodes of the wearer, found none"):
            personalize(watch(tmp_path / str(len(recordings))), cut_stretches(recordings), "anna")
