"""Scores by scenario."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bfrb.errors import DataError
from bfrb.metrics import competition_score
from bfrb.predict.bundle import OUT_OF_FOLD
from bfrb.predict.evaluation import (
    Answers,
    Columns,
    answer_scenarios,
    choose_half,
    read_answers,
    score_answers,
    score_scenarios,
)
from bfrb.predict.predictor import Predictor, load
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.labels import CMI_GESTURES, SEARLE_BEHAVIORS
from bundles import make_bundle, make_recordings


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "model")


@pytest.fixture(scope="module")
def predictor(bundle: Path) -> Predictor:
    return load(bundle)


@pytest.fixture(scope="module")
def out_of_fold(bundle: Path) -> pl.DataFrame:
    return pl.read_parquet(bundle / OUT_OF_FOLD)


def predicted(table: pl.DataFrame) -> np.ndarray:
    return CMI_GESTURES.decode(table.select(CMI_GESTURES.classes).to_numpy().argmax(axis=1))


def test_a_bundles_predictions_are_scored_in_three_scenarios(out_of_fold: pl.DataFrame) -> None:
    scores = score_scenarios(out_of_fold, CMI_GESTURES)
    assert list(scores) == ["all", "imu", "half"]
    assert scores["all"]["score"] > scores["half"]["score"] > scores["imu"]["score"]
    for name in ("all", "imu"):
        table = out_of_fold.filter(pl.col("scenario") == name)
        expected = competition_score(table["gesture"].to_list(), predicted(table))
        found = scores[name]
        assert (found["score"], found["binary_f1"], found["macro_f1"]) == (
            expected.score,
            expected.binary_f1,
            expected.macro_f1,
        )


def test_half_takes_the_chosen_half_from_imu(out_of_fold: pl.DataFrame) -> None:
    tables = {name: out_of_fold.filter(pl.col("scenario") == name) for name in ("all", "imu")}
    chosen = choose_half(tables["all"]["id"].to_list())
    mixed = np.where(chosen, predicted(tables["imu"]), predicted(tables["all"]))
    expected = competition_score(tables["all"]["gesture"].to_list(), mixed).score
    assert score_scenarios(out_of_fold, CMI_GESTURES)["half"]["score"] == expected


def test_scores_do_not_depend_on_the_order_of_the_rows(out_of_fold: pl.DataFrame) -> None:
    shuffled = out_of_fold.sample(fraction=1, shuffle=True, seed=1)
    assert score_scenarios(shuffled, CMI_GESTURES) == score_scenarios(out_of_fold, CMI_GESTURES)


def test_without_imu_answers_there_is_one_scenario(out_of_fold: pl.DataFrame) -> None:
    assert list(score_scenarios(out_of_fold.filter(pl.col("scenario") == "all"), CMI_GESTURES)) == ["all"]


def test_scores_are_plain_values(out_of_fold: pl.DataFrame) -> None:
    scores = score_scenarios(out_of_fold, CMI_GESTURES)
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
    found = scores["all"]
    assert found["interval"][0] <= found["score"] <= found["interval"][1]
    assert sum(entry["support"] for entry in found["per_class"].values()) == found["recordings"] == 72
    assert sum(entry["recordings"] for entry in found["per_subject"].values()) == 72
    assert 0.5 < found["auc"] <= 1
    assert {"auc_mean_subject", "average_precision", "average_precision_mean_subject"} <= set(found)


@given(st.lists(st.text(max_size=5), unique=True, max_size=30), st.randoms(use_true_random=False))
def test_the_half_is_a_half_and_does_not_depend_on_the_order(ids: list[str], random) -> None:
    chosen = dict(zip(ids, choose_half(ids).tolist(), strict=True))
    assert sum(chosen.values()) == len(ids) // 2
    random.shuffle(ids)
    assert dict(zip(ids, choose_half(ids).tolist(), strict=True)) == chosen


def test_another_seed_chooses_another_half() -> None:
    ids = [f"SEQ_{number:06d}" for number in range(40)]
    assert choose_half(ids, 0).tolist() != choose_half(ids, 1).tolist()


@pytest.mark.parametrize("missing", ["scenario", "subject", "Wave hello"])
def test_a_missing_column_is_named(out_of_fold: pl.DataFrame, missing: str) -> None:
    with pytest.raises(DataError, match=missing):
        score_scenarios(out_of_fold.drop(missing), CMI_GESTURES)


def test_scenarios_about_different_recordings_are_refused(out_of_fold: pl.DataFrame) -> None:
    with pytest.raises(DataError, match="same recordings"):
        score_scenarios(out_of_fold[:-1], CMI_GESTURES)


def test_an_empty_table_is_refused(out_of_fold: pl.DataFrame) -> None:
    with pytest.raises(DataError, match="empty"):
        score_scenarios(out_of_fold[:0], CMI_GESTURES)


def test_gaps_among_probabilities_are_refused(out_of_fold: pl.DataFrame) -> None:
    with pytest.raises(DataError, match="gaps"):
        score_scenarios(out_of_fold.with_columns(pl.lit(None).cast(pl.Float64).alias("Wave hello")), CMI_GESTURES)


def test_one_subject_has_scores_but_no_interval() -> None:
    labels = np.array(["Wave hello", "Neck - scratch"], dtype=object)
    scores = score_answers(Answers(labels, labels, ["s", "s"]), CMI_GESTURES)
    assert scores["interval"] is None
    assert scores["per_subject"]["s"]["score"] == 1.0


def test_recordings_are_predicted_in_both_scenarios(predictor: Predictor) -> None:
    recordings = make_recordings(10)
    table = answer_scenarios(predictor, [recordings[:4], recordings[4:]])
    assert table.columns == ["scenario", "id", "subject", "gesture", *CMI_GESTURES.classes]
    for scenario, given_recordings in (("all", recordings), ("imu", recordings.without("thm", "tof"))):
        part = table.filter(pl.col("scenario") == scenario)
        assert part["id"].to_list() == recordings.ids
        assert part["gesture"].to_list() == recordings.gestures
        np.testing.assert_allclose(
            part.select(CMI_GESTURES.classes).to_numpy(), predictor.predict(given_recordings).probabilities, atol=1e-6
        )


def test_a_watch_has_one_scenario(tmp_path: Path) -> None:
    watch = load(make_bundle(tmp_path / "watch", device=GALAXY_WATCH, label_set=SEARLE_BEHAVIORS))
    table = answer_scenarios(watch, [make_recordings(9, device=GALAXY_WATCH, label_set=SEARLE_BEHAVIORS)])
    assert list(score_scenarios(table, SEARLE_BEHAVIORS)) == ["all"]


def test_unlabelled_recordings_are_left_out_and_counted(predictor: Predictor, caplog: pytest.LogCaptureFixture) -> None:
    recordings = make_recordings(6)
    gestures = [None, *recordings.gestures[1:]]
    with caplog.at_level(logging.WARNING):
        table = answer_scenarios(
            predictor, [recordings.with_table(recordings.table.with_columns(gesture=pl.Series(gestures)))]
        )
    assert table.height == 2 * 5
    assert "1 recordings have no gesture" in caplog.text


def test_recordings_without_any_gesture_are_refused(predictor: Predictor) -> None:
    recordings = make_recordings(3)
    bare = recordings.with_table(recordings.table.drop("gesture"))
    with pytest.raises(DataError, match="expected recordings with a gesture"):
        answer_scenarios(predictor, [bare])
    with pytest.raises(DataError, match="expected recordings with a gesture"):
        answer_scenarios(predictor, [])


def test_a_gesture_the_bundle_does_not_know_is_refused(predictor: Predictor) -> None:
    recordings = make_recordings(3)
    strange = recordings.with_table(recordings.table.with_columns(gesture=pl.lit("nail biting")))
    with pytest.raises(DataError, match="'nail biting'"):
        answer_scenarios(predictor, [strange])


def test_answers_come_from_the_named_columns(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text("t,p,who\nWave hello,Text on phone,07\n")
    answers = read_answers(path, Columns("t", "p", "who"), CMI_GESTURES)
    assert (answers.truth.tolist(), answers.prediction.tolist()) == (["Wave hello"], ["Text on phone"])
    assert answers.subjects == ["07"]
    assert answers.probabilities is None
    with pytest.raises(DataError, match="expected the column 'q', found t, p, who"):
        read_answers(path, Columns("t", "q"), CMI_GESTURES)


def test_probability_columns_are_used_where_all_are_there(out_of_fold: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    out_of_fold.with_columns(prediction=pl.col("gesture")).write_parquet(path)
    assert "auc" in score_answers(read_answers(path, Columns(), CMI_GESTURES), CMI_GESTURES)


def test_answers_that_were_not_predicted_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, truth = tmp_path / "predictions.csv", tmp_path / "truth.csv"
    path.write_text("sequence_id,gesture\nb,Wave hello\n")  # as versions before 0.2 wrote predictions
    truth.write_text("sequence_id,gesture\na,Text on phone\nb,Text on phone\n")
    with caplog.at_level(logging.WARNING):
        answers = read_answers(path, Columns(prediction="gesture"), CMI_GESTURES, truth)
    assert (answers.truth.tolist(), answers.prediction.tolist()) == (["Text on phone"], ["Wave hello"])
    assert "1 recordings" in caplog.text


def test_an_id_may_come_only_once(predictor: Predictor) -> None:
    with pytest.raises(DataError, match="more than once"):
        answer_scenarios(predictor, [make_recordings(2), make_recordings(3)])
