"""`bfrb predict` and `bfrb evaluate`, as they are typed."""

from functools import partialmethod
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bfrb.predict.predictor import load
from bfrb.read.cmi_write import rows_of
from bfrb.read.judging import JudgedSource
from bfrb.study.labels import CMI_GESTURES
from bundles import make_bundle, make_recordings
from typed_commands import Bfrb


def study(folder: Path, *, labelled: bool = True) -> Path:
    """A CSV of seven recordings of three people."""
    made = make_recordings(7)
    rows = rows_of(made.with_table(made.table.with_columns(pl.col("subject").str.replace("SUBJ_00000", "S"))))
    path = folder / ("labelled.csv" if labelled else "unlabelled.csv")
    (rows if labelled else rows.drop("gesture")).write_csv(path)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("suffix", "rows"), [(".csv", 10**6), (".parquet", 30)])
def test_predictions_are_written_and_do_not_depend_on_batches(
    bfrb: Bfrb, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, rows: int
) -> None:
    monkeypatch.setattr(JudgedSource, "batches", partialmethod(JudgedSource.batches, rows))
    out = tmp_path / f"p{suffix}"
    result = bfrb("predict", bundle, study(tmp_path), "--out", out, "--json").works()
    assert (result.json["out"], result.json["simulated"]) == (str(out), False)
    assert result.json["recordings"] == sum(result.json["gestures"].values()) == 7
    assert "simulated" not in result.err
    table = (pl.read_csv if suffix == ".csv" else pl.read_parquet)(out)
    assert table.columns == ["sequence_id", "prediction", "confidence", *CMI_GESTURES.classes]
    assert table["sequence_id"].to_list() == [f"SEQ_{number:06d}" for number in range(7)]
    expected = load(bundle).predict(make_recordings(7)).probabilities
    np.testing.assert_allclose(table.select(CMI_GESTURES.classes), expected, atol=1e-6)
    assert names(tmp_path) == sorted(["labelled.csv", out.name])


def test_impossible_outputs_are_refused_first(bfrb: Bfrb, bundle: Path, tmp_path: Path) -> None:
    for out, complaint in (("p.txt", "ends in .csv or .parquet"), ("p", "ends in .csv"), ("absent/p.csv", "no folder")):
        bfrb("predict", bundle, tmp_path / "not even looked at", "--out", tmp_path / out).refuses(complaint)
        assert names(tmp_path) == []


NAMES = ["labelled.csv", "linked.csv", "people.csv", "model/folds.csv", "study/rows.csv"]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_is_read_is_written_over_by_any_command(bfrb: Bfrb, tmp_path: Path, name: str) -> None:
    bundle, data, people = make_bundle(tmp_path / "model"), study(tmp_path), tmp_path / "people.csv"
    people.write_text("subject,handedness\nS0,1\n")
    (tmp_path / "linked.csv").symlink_to(data)
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "rows.csv").write_bytes(data.read_bytes())
    source = tmp_path / "study" if name.startswith("study") else data
    before = (tmp_path / name).read_bytes()
    out, told = ("--out", tmp_path / name, "--overwrite"), "would be written over"
    bfrb("predict", bundle, source, *out, "--demographics", people).refuses(told)
    bfrb("rehearse", bundle, "--test", source, "--demographics", people, *out).refuses(told)
    if name != "people.csv":
        bfrb("detect", bundle, source, *out).refuses(told)
        bfrb("detect", bundle, source, "--out", tmp_path / "e.csv", "--probabilities", *out[1:]).refuses(told)
        for command in ("distill", "personalize", "calibrate"):
            bfrb(command, bundle, source, *out).refuses(told)
    assert (tmp_path / name).read_bytes() == before
    assert not (tmp_path / "e.csv").exists()


def test_what_is_there_is_replaced_only_if_that_is_asked_for(bfrb: Bfrb, bundle: Path, tmp_path: Path) -> None:
    data, out, page = study(tmp_path), tmp_path / "p.csv", tmp_path / "p.html"
    for path, *command in ((out, "predict", bundle, data), (out, "detect", bundle, data), (page, "report", bundle)):
        path.write_text("the answers of yesterday")
        bfrb(*command, "--out", path).refuses("is there already", "--overwrite")
        assert path.read_text() == "the answers of yesterday"
        bfrb(*command, "--out", path, "--overwrite").works()
        assert path.read_text() != "the answers of yesterday"


def test_a_bundle_of_simulated_recordings_says_so(bfrb: Bfrb, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "model", simulated=True)
    result = bfrb("predict", bundle, study(tmp_path), "--out", tmp_path / "p.csv", "--json")
    assert (result.json["simulated"], "trained on simulated recordings" in result.err) == (True, True)
    assert "SIMULATED" in bfrb("evaluate", bundle).out
    assert bfrb("evaluate", bundle, "--json").json["simulated"] is True
    on_real = bfrb("evaluate", bundle, study(tmp_path)).out
    assert "Scores of a bundle trained on SIMULATED recordings" in on_real


def test_damaged_recordings_leave_the_predictions_of_yesterday(bfrb: Bfrb, bundle: Path, tmp_path: Path) -> None:
    data, out = study(tmp_path), tmp_path / "p.csv"
    whole = data.read_bytes()
    out.write_text("the answers of yesterday")
    for damaged in (whole[: len(whole) * 2 // 3], whole.replace(b",-1,", b",9e9,", 1)):
        data.write_bytes(damaged)
        bfrb("predict", bundle, data, "--out", out, "--overwrite").refuses("error: ", "to do: ")
        assert out.read_text() == "the answers of yesterday"
        assert names(tmp_path) == ["labelled.csv", "p.csv"]


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_bundles_of_another_device_and_damaged_ones_are_refused(
    bfrb: Bfrb, watch_bundle: Path, tmp_path: Path, command: str
) -> None:
    out, data = ("--out", tmp_path / "p.csv") if command == "predict" else (), study(tmp_path)
    bfrb(command, watch_bundle, data, *out).refuses("device 'galaxy_watch', got 'helios'")
    bundle = make_bundle(tmp_path / "model")
    graph = bundle / "members" / "two_branch-00.onnx"
    graph.write_bytes(graph.read_bytes()[:-100])
    bfrb(command, bundle, data, *out).refuses("members/two_branch-00.onnx changed", "copy the bundle again")
    assert not (tmp_path / "p.csv").exists()


@pytest.mark.parametrize(
    ("target", "options", "complaint"),
    [
        (".", (), "has no bundle.json"),
        ("absent", (), "there is no bundle"),
        ("model", ("--answers", "truth.csv"), "expected a file of predictions"),
        ("model", ("unlabelled.csv",), "expected recordings with a gesture"),
        ("labelled.csv", (".",), "name a bundle to predict them with"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    bfrb: Bfrb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, options: tuple[str, ...], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    study(tmp_path)
    study(tmp_path, labelled=False)
    make_bundle(tmp_path / "model") if target == "model" else None
    bfrb("evaluate", target, *options).refuses(complaint)


def test_a_bundle_is_scored_out_of_fold_or_on_labelled_recordings(bfrb: Bfrb, bundle: Path, tmp_path: Path) -> None:
    scores = bfrb("evaluate", bundle, "--json").json
    for name in ("all", "imu", "half"):
        assert {"score", "binary_f1", "macro_f1", "interval", "auc", "per_class", "per_subject"} <= set(scores[name])
    assert scores["simulated"] is False
    shown = bfrb("evaluate", bundle).out
    assert "Scores (out of fold)" in shown
    assert f"{scores['half']['score']:.3f}" in shown
    assert "SIMULATED" not in shown
    data = study(tmp_path)
    result = bfrb("evaluate", bundle, data, "--json")
    assert [result.json[name]["recordings"] for name in ("all", "imu", "half")] == [7, 7, 7]
    assert (result.json["subjects_in_training"], "warning" in result.err) == ([], False)
    data.write_text(data.read_text().replace("S1", "SUBJ_000001"))
    result = bfrb("evaluate", bundle, data, "--json")
    assert result.json["subjects_in_training"] == []
    assert "SUBJ_000001" in result.err  # called like somebody of the training, but recorded elsewhere


def test_a_file_of_predictions_is_scored_at_the_top_level(bfrb: Bfrb, tmp_path: Path) -> None:
    lists, text = tmp_path / "answers.parquet", tmp_path / "damaged.txt"
    pl.DataFrame({"gesture": [["Wave hello"]], "prediction": ["Wave hello"]}).write_parquet(lists)
    bfrb("evaluate", lists).refuses("expected text in the column 'gesture', found values of the type List(String)")
    text.write_bytes(b"PAR1 but not really")
    bfrb("evaluate", text).refuses("error: ")
    path, of_watch = tmp_path / "answers.csv", tmp_path / "watch.csv"
    path.write_text("gesture,prediction,who\nWave hello,Wave hello,01\nNeck - scratch,Neck - scratch,1\n")  # two people
    assert bfrb("evaluate", path, "--json").json["score"] == 1.0
    assert list(bfrb("evaluate", path, "--subject", "who", "--json").json["per_subject"]) == ["01", "1"]
    assert "By subject" in bfrb("evaluate", path, "--subject", "who").out
    path.write_text("gesture,prediction,who\nWave hello,Wave hello,\n")  # nobody is nobody called None
    bfrb("evaluate", path, "--subject", "who").refuses("expected a value in every row of 'who'")
    of_watch.write_text("gesture,prediction\nnone,none\nnail biting,nail biting\n")
    assert bfrb("evaluate", of_watch, "--label-set", "searle2021", "--json").json["score"] == 1.0
    assert "choose cmi, searle2021" in bfrb("evaluate", path, "--label-set", "searle").err


def test_what_predict_wrote_is_scored_by_answers_of_the_same_ids_and_never_by_itself(
    bfrb: Bfrb, bundle: Path, tmp_path: Path
) -> None:
    out, answers = tmp_path / "predictions.csv", tmp_path / "test_answers.csv"
    bfrb("predict", bundle, study(tmp_path, labelled=False), "--out", out)
    pl.read_csv(out).with_columns(prediction=pl.Series(CMI_GESTURES.classes[:7])).write_csv(out)  # as if it told apart
    predicted = pl.read_csv(out).select("sequence_id", gesture="prediction")
    predicted.reverse().write_csv(answers)
    scores = bfrb("evaluate", out, "--answers", answers, "--json").json
    assert (scores["score"], scores["recordings"], "auc" in scores) == (1.0, 7, True)
    predicted.with_columns(gesture=pl.lit("Wave hello")).write_csv(answers)
    assert bfrb("evaluate", out, "--answers", answers, "--json").json["score"] < 1.0
    bfrb("evaluate", out).refuses("expected the column 'gesture'", "--answers")
    for column in ("gesture", "prediction"):
        done = bfrb("evaluate", out, "--truth", column, "--prediction", column)
        done.refuses("for the truth and for the prediction")


PREDICTED = "sequence_id,prediction\n01,Wave hello\n1,Wave hello\n"


@pytest.mark.parametrize(
    ("predictions", "answers", "complaint"),
    [
        (PREDICTED, "sequence_id,gesture\n01,Wave hello\n", "1 have none, such as '1'"),
        (PREDICTED, "sequence_id,gesture\n01,Wave hello\n1,Wave hello\n1,Wave hello\n", "an id comes twice"),
        (PREDICTED, "id,gesture\n01,Wave hello\n1,Wave hello\n", "expected the column 'sequence_id'"),
        ("gesture,prediction\nWave hello,Waves hello\n", None, "found 'Waves hello'"),
        ("gesture,prediction\nWave hello,Wave hello\nWave hello,\n", None, "found 1 without"),
        ("gesture,prediction\nWave hello,3\n", None, "found '3'"),
        ("gesture\nWave hello\n", None, "expected the column 'prediction'"),
        ("gesture,prediction\n", None, "at least one"),
    ],
)
def test_predictions_that_cannot_be_scored_and_answers_that_do_not_fit_are_refused(
    bfrb: Bfrb, tmp_path: Path, predictions: str, answers: str | None, complaint: str
) -> None:
    (tmp_path / "predictions.csv").write_text(predictions)
    (tmp_path / "truth.csv").write_text(answers or "")
    given = ("--answers", tmp_path / "truth.csv") if answers else ()
    bfrb("evaluate", tmp_path / "predictions.csv", *given).refuses(complaint)


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_demographics_may_lie_elsewhere(bfrb: Bfrb, bundle: Path, tmp_path: Path, command: str) -> None:
    out = ("--out", tmp_path / "predictions.csv") if command == "predict" else ()
    table = tmp_path / "people.csv"
    table.write_text("subject,handedness\nS0,1\nS1,7\nS2,0\n")
    bfrb(command, bundle, study(tmp_path), *out, "--demographics", table).refuses("handedness between 0 and 1")
    table.write_text("subject,handedness\nS0,1\nS1,1\nS2,0\n")
    bfrb(command, bundle, study(tmp_path), *out, "--demographics", table).works()
