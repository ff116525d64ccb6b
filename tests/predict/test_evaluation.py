"""Scores by scenario."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bfrb.errors import DataError
from bfrb.metrics.competition import competition_score
from bfrb.predict.bundle import OUT_OF_FOLD
from bfrb.predict.evaluation import (
    Columns,
    answer_scenarios,
    choose_half,
    decide_held_out,
    read_answers,
    score_scenarios,
)
from bfrb.predict.predictions import Predictions
from bfrb.predict.predictor import Predictor, load
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.labels import CMI_GESTURES, SEARLE_BEHAVIORS, LabelSet
from bfrb.study.recordings import Recordings
from bundles import make_recordings

LABELLED = make_recordings(10)


@pytest.fixture(scope="module")
def predictor(bundle: Path) -> Predictor:
    return load(bundle)


@pytest.fixture(scope="module")
def out_of_fold(predictor: Predictor) -> pl.DataFrame:
    return pl.read_parquet(predictor.bundle.file(OUT_OF_FOLD))


def test_a_bundles_predictions_are_scored_in_three_scenarios_by_plain_values(out_of_fold: pl.DataFrame) -> None:
    scores = score_scenarios(out_of_fold, CMI_GESTURES)
    assert list(scores) == ["all", "imu", "half"]
    assert scores["all"]["score"] > scores["half"]["score"] > scores["imu"]["score"]
    tables = {name: out_of_fold.filter(pl.col("scenario") == name) for name in ("all", "imu")}
    chosen = {name: table.select(CMI_GESTURES.classes).to_numpy().argmax(axis=1) for name, table in tables.items()}
    answers = {name: CMI_GESTURES.decode(codes) for name, codes in chosen.items()}
    answers["half"] = np.where(choose_half(tables["all"]["id"].to_list()), answers["imu"], answers["all"])
    for name, found in scores.items():
        expected = competition_score(tables["all"]["gesture"].to_list(), answers[name])
        assert {key: found[key] for key in ("score", "binary_f1", "macro_f1")} == asdict(expected)
    assert score_scenarios(out_of_fold.sample(fraction=1, shuffle=True, seed=1), CMI_GESTURES) == scores
    assert list(score_scenarios(tables["all"], CMI_GESTURES)) == ["all"]
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
    found = scores["all"]
    assert found["interval"][0] <= found["score"] <= found["interval"][1]
    assert sum(entry["support"] for entry in found["per_class"].values()) == found["recordings"] == 72
    assert sum(entry["recordings"] for entry in found["per_subject"].values()) == 72
    assert 0.5 < found["auc"] <= 1
    assert {"auc_mean_subject", "average_precision", "average_precision_mean_subject"} <= set(found)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda table: table.drop("scenario"), "scenario"),
        (lambda table: table.drop("Wave hello"), "Wave hello"),
        (lambda table: table[:-1], "same recordings"),
        (lambda table: table[:0], "empty"),
        (lambda table: table.with_columns(pl.lit(None).cast(pl.Float64).alias("Wave hello")), "found 144 without"),
    ],
)
def test_tables_that_cannot_be_scored_are_refused(
    out_of_fold: pl.DataFrame, spoil: Callable[[pl.DataFrame], pl.DataFrame], told: str
) -> None:
    with pytest.raises(DataError, match=told):
        score_scenarios(spoil(out_of_fold), CMI_GESTURES)


def test_recordings_are_predicted_in_both_scenarios_and_those_of_a_watch_in_one(
    predictor: Predictor, watch_bundle: Path
) -> None:
    table = answer_scenarios(predictor, [LABELLED[:4], LABELLED[4:]])
    assert table.columns == ["scenario", "id", "subject", "gesture", "prediction", *CMI_GESTURES.classes]
    for scenario, shown in (("all", LABELLED), ("imu", LABELLED.without("thm", "tof"))):
        part = table.filter(pl.col("scenario") == scenario)
        assert part["id"].to_list() == LABELLED.ids
        assert part["gesture"].to_list() == LABELLED.gestures
        answers = part.select(CMI_GESTURES.classes).to_numpy()
        np.testing.assert_allclose(answers, predictor.predict(shown).probabilities, atol=1e-6)
    worn = make_recordings(9, device=GALAXY_WATCH, label_set=SEARLE_BEHAVIORS)
    table = answer_scenarios(load(watch_bundle), [worn])
    assert list(score_scenarios(table, SEARLE_BEHAVIORS)) == ["all"]


def test_a_threshold_decides_first_whether_it_is_any_target() -> None:
    three = LabelSet("three", ("bite", "pull", "rest"), {"bite", "pull"})
    probabilities = np.array([[0.3, 0.3, 0.4], [0.2, 0.1, 0.7], [0.1, 0.8, 0.1]])
    assert three.choose(probabilities).tolist() == [2, 2, 1]
    assert three.choose(probabilities, 0.5).tolist() == [0, 2, 1]
    assert three.choose(probabilities, 0.61).tolist() == [2, 2, 1]
    told = Predictions(("a", "b", "c"), probabilities, three, 0.5)
    assert (told.gestures.tolist(), told.confidence.tolist()) == (["bite", "rest", "pull"], [0.3, 0.7, 0.8])


def test_thresholds_are_half_the_best_f1_and_those_of_a_fold_come_from_the_others(out_of_fold: pl.DataFrame) -> None:
    decided, threshold = decide_held_out(out_of_fold, CMI_GESTURES)
    everything = out_of_fold.filter(pl.col("scenario") == "all")
    found = everything.select(sorted(CMI_GESTURES.targets)).sum_horizontal().to_numpy()
    truth = everything["gesture"].is_in(sorted(CMI_GESTURES.targets)).to_numpy()
    scores = [2 * (truth & (found >= value)).sum() / (truth.sum() + (found >= value).sum()) for value in found]
    assert threshold == pytest.approx(max(scores) / 2)
    first = pl.col("fold") == 0
    for wrong in ("Wave hello", "Neck - scratch"):  # whatever is true of a fold's recordings, its own answers stay
        other = out_of_fold.with_columns(gesture=pl.when(first).then(pl.lit(wrong)).otherwise("gesture"))
        told, _ = decide_held_out(other, CMI_GESTURES)
        assert told.filter(first).equals(decided.with_columns(other["gesture"]).filter(first))
    usual = CMI_GESTURES.decode(out_of_fold.select(CMI_GESTURES.classes).to_numpy().argmax(axis=1)).tolist()
    assert decided["prediction"].to_list() != usual
    wave = out_of_fold.with_columns(gesture=pl.lit("Wave hello"))  # without any target the most probable class is left
    told, nothing = decide_held_out(wave, CMI_GESTURES)
    assert (nothing, told["prediction"].to_list()) == (None, usual)


def of_gestures(*gestures: str | None) -> Recordings:
    made = make_recordings(len(gestures))
    return made.with_table(made.table.with_columns(gesture=pl.Series(gestures, dtype=pl.String)))


def test_unlabelled_recordings_are_left_out_and_counted(predictor: Predictor, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert answer_scenarios(predictor, [of_gestures(None, "Wave hello", "Text on phone")]).height == 2 * 2
    assert "1 recordings have no gesture" in caplog.text


@pytest.mark.parametrize(
    ("batches", "told"),
    [
        ([of_gestures(None, None)], "expected recordings with a gesture"),
        ([], "expected recordings with a gesture"),
        ([of_gestures("nail biting")], "'nail biting'"),
        ([LABELLED[:2], LABELLED[:3]], "more than once"),
    ],
)
def test_what_cannot_be_judged_is_refused(predictor: Predictor, batches: list[Recordings], told: str) -> None:
    with pytest.raises(DataError, match=told):
        answer_scenarios(predictor, batches)


def test_answers_come_from_the_named_columns_and_those_that_were_not_predicted_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, truth = tmp_path / "predictions.csv", tmp_path / "truth.csv"
    path.write_text("sequence_id,gesture\nb,Wave hello\n")  # as versions before 0.2 wrote predictions
    truth.write_text("sequence_id,told\na,Text on phone\nb,Text on phone\n")
    with caplog.at_level(logging.WARNING):
        answers = read_answers(path, Columns("told", "gesture"), CMI_GESTURES, truth)
    assert (answers.truth.tolist(), answers.prediction.tolist()) == (["Text on phone"], ["Wave hello"])
    assert "1 recordings" in caplog.text
