"""The rehearsal: the gateway's flow with every trap, from Python and from the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import bfrb
from bfrb.cli import main
from bfrb.errors import ConfigError, DataError
from bfrb.read.cmi_write import rows_of
from bfrb.read.gateway_files import GatewayFiles, proximity_as_text, without_proximity
from bfrb.study.labels import CMI_GESTURES
from bundles import make_recordings

pytest.importorskip("grpc")

from bfrb.serve import ports
from bfrb.serve.kaggle import InferenceServer, ServerOptions
from bfrb.serve.rehearse import EvaluationError, Gateway, Rehearsal, Traps, rehearse

SEQUENCES = 8
PROXIMITY = pl.selectors.matches("^(thm|tof)_")


@pytest.fixture(scope="module")
def test_set(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The two CSV files of an evaluation; the demographics lack a subject."""
    folder = tmp_path_factory.mktemp("test set")
    rows = rows_of(make_recordings(SEQUENCES)).drop("gesture")
    rows.write_csv(folder / "test.csv")
    known = pl.DataFrame({"subject": ["SUBJ_000000", "SUBJ_000001"], "age": [12, 34], "handedness": [0, 1]})
    known.write_csv(folder / "test_demographics.csv")
    return folder / "test.csv", folder / "test_demographics.csv"


@pytest.fixture
def files(test_set: tuple[Path, Path]) -> GatewayFiles:
    return GatewayFiles.read(*test_set)


def ask_all(predict: Callable[..., Any], files: GatewayFiles, *, seed: int = 0, **traps: Any) -> Rehearsal:
    server = InferenceServer(predict, ServerOptions(port=0, strict=True))
    with server.running() as port, Gateway.connect(f"127.0.0.1:{port}") as gateway:
        return rehearse(gateway, files, Traps(**traps), seed)


class Watcher:
    """Answers one gesture and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[pl.DataFrame, pl.DataFrame]] = []

    def __call__(self, sequence: pl.DataFrame, demographics: pl.DataFrame) -> str:
        self.asked.append((sequence, demographics))
        return "Wave hello"

    @property
    def ids(self) -> list[str]:
        return [sequence["sequence_id"][0] for sequence, _ in self.asked]


def test_every_sequence_is_asked_for_once_in_an_order_that_the_seed_decides(files: GatewayFiles) -> None:
    orders = []
    for seed in (0, 0, 1):
        watcher = Watcher()
        rehearsal = ask_all(watcher, files, seed=seed)
        assert list(rehearsal.ids) == watcher.ids
        assert sorted(watcher.ids) == sorted(files.ids)
        orders.append(watcher.ids)
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0] != files.ids


def test_a_request_holds_the_rows_of_a_sequence_and_of_its_subject(files: GatewayFiles, test_set: Any) -> None:
    watcher = Watcher()
    ask_all(watcher, files)
    rows = pl.read_csv(test_set[0])
    for sequence, demographics in watcher.asked:
        name, subject = sequence["sequence_id"][0], sequence["subject"][0]
        assert sequence.equals(rows.filter(pl.col("sequence_id") == name))
        assert demographics["subject"].to_list() == [subject] * (subject != "SUBJ_000002")
        assert demographics.columns == ["subject", "age", "handedness"]


def test_texts_look_as_in_a_column_with_gaps(files: GatewayFiles) -> None:
    watcher = Watcher()
    ask_all(watcher, files, string_columns=True)
    for sequence, _ in watcher.asked:
        proximity = sequence.select(PROXIMITY)
        assert set(proximity.dtypes) == {pl.String}
        assert sequence["acc_x"].dtype == pl.Float64
        assert "-1.0" in proximity["tof_1_v0"].to_list()
        assert proximity["thm_1"].cast(pl.Float64).is_between(10, 45).all()


def test_without_readings_all_columns_are_texts_without_values(files: GatewayFiles) -> None:
    watcher = Watcher()
    ask_all(watcher, files, all_null=True)
    for sequence, _ in watcher.asked:
        proximity = sequence.select(PROXIMITY)
        assert proximity.width == 325
        assert set(proximity.dtypes) == {pl.String}
        assert proximity.null_count().row(0) == (sequence.height,) * 325


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_the_sequences_lacks_readings(files: GatewayFiles, share: float) -> None:
    watcher = Watcher()
    ask_all(watcher, files, imu_share=share)
    lacking = [sequence["thm_1"].is_null().all() for sequence, _ in watcher.asked]
    assert sum(lacking) == SEQUENCES * share
    assert {sequence["thm_1"].dtype for sequence, _ in watcher.asked} == {pl.Float64}


def test_without_demographics_their_columns_remain(files: GatewayFiles) -> None:
    watcher = Watcher()
    ask_all(watcher, files, empty_demographics=True)
    assert {demographics.shape for _, demographics in watcher.asked} == {(0, 3)}


def test_repeated_calls_ask_for_the_same_sequence_and_are_served_once(files: GatewayFiles) -> None:
    watcher = Watcher()
    rehearsal = ask_all(watcher, files, repeat_calls=True)
    assert len(rehearsal.seconds) == len(watcher.asked) == 2 * SEQUENCES
    assert watcher.ids[::2] == watcher.ids[1::2] == list(rehearsal.ids)
    assert not rehearsal.changed


def test_an_answer_that_changes_when_asked_again_is_told(files: GatewayFiles) -> None:
    answers = iter(CMI_GESTURES.classes * 9)
    assert len(ask_all(lambda *_: next(answers), files, repeat_calls=True).changed) == SEQUENCES


def test_a_slow_client_waits_before_every_call(files: GatewayFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("bfrb.serve.rehearse.time.sleep", waits.append)
    ask_all(Watcher(), files, slow_client_s=2.0)
    assert waits == [2.0] * SEQUENCES


def test_the_first_error_ends_the_evaluation(files: GatewayFiles) -> None:
    calls = []

    def predict(*_: Any) -> str:
        calls.append(1)
        raise ValueError("no idea")

    with pytest.raises(EvaluationError, match="UNKNOWN: Exception calling application: no idea"):
        ask_all(predict, files)
    assert len(calls) == 1


@pytest.mark.parametrize("answer", [3, None, ["Wave hello"], "wave hello"])
def test_a_gateway_refuses_what_is_no_gesture(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from bfrb.serve.codec import encode_response

    with pytest.raises(EvaluationError, match="18 gestures"):
        Gateway(lambda *_, **__: encode_response(answer)).ask()


@pytest.mark.parametrize("traps", [{"imu_share": 1.5}, {"imu_share": -0.1}, {"slow_client_s": -1.0}])
def test_impossible_traps_are_refused(traps: Any) -> None:
    with pytest.raises(ConfigError):
        Traps(**traps)


def test_the_submission_has_two_columns_of_texts(tmp_path: Path) -> None:
    out = tmp_path / "submission.parquet"
    Rehearsal(("b", "a"), ("Wave hello", "Text on phone"), np.zeros(2), ()).write(out)
    submission = pl.read_parquet(out)
    assert submission.schema == {"sequence_id": pl.String, "gesture": pl.String}
    assert submission.rows() == [("b", "Wave hello"), ("a", "Text on phone")]
    assert [path.name for path in tmp_path.iterdir()] == ["submission.parquet"]


def test_the_local_gateway_of_a_notebook_writes_the_submission_where_it_runs(
    test_set: tuple[Path, Path], bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    predictor = bfrb.load(bundle)
    server = InferenceServer(predictor.predict_one)
    assert server.run_local_gateway(tuple(map(str, test_set))) == tmp_path / "submission.parquet"
    submission = pl.read_parquet(tmp_path / "submission.parquet")
    files = GatewayFiles.read(*test_set)
    for name, gesture in submission.iter_rows():
        assert gesture == predictor.predict_one(*files.request(name))
    assert sorted(submission["sequence_id"]) == sorted(files.ids)


def test_a_stale_server_is_not_asked_by_the_local_gateway(
    test_set: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stale = Watcher()
    other = InferenceServer(stale, ServerOptions(port=0))
    with other.running() as port:
        monkeypatch.setattr(ports, "PORTS", (port,))
        InferenceServer(Watcher()).run_local_gateway(test_set)
    assert not stale.asked


def test_texts_and_nulls_keep_everything_else(files: GatewayFiles) -> None:
    rows, _ = files.request(files.ids[0])
    for changed in (proximity_as_text(rows), without_proximity(rows)):
        assert changed.columns == rows.columns
        assert changed.select(~PROXIMITY).equals(rows.select(~PROXIMITY))


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00"])
def test_files_that_are_no_test_set_are_refused(content: bytes, tmp_path: Path, test_set: tuple[Path, Path]) -> None:
    other = tmp_path / "other.csv"
    other.write_bytes(content)
    with pytest.raises(DataError):
        GatewayFiles.read(other, test_set[1])
    with pytest.raises(DataError):
        GatewayFiles.read(test_set[0], other)
    with pytest.raises(DataError, match="no such file"):
        GatewayFiles.read(test_set[0], tmp_path / "none.csv")


Bfrb = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bfrb:
    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bfrb", *map(str, arguments)])
        monkeypatch.setattr("logging.root.handlers", [])
        with pytest.raises(SystemExit) as stopped:
            main()
        return int(stopped.value.code or 0), *capsys.readouterr()

    return run


OPTIONS = [
    [],
    ["--string-columns"],
    ["--all-null"],
    ["--repeat-calls"],
    ["--empty-demographics"],
    ["--slow-client", "0.01"],
    ["--imu-share", "0.5"],
    ["--string-columns", "--imu-share", "0.5", "--repeat-calls", "--empty-demographics"],
]


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_a_bundle_comes_through_every_trap(
    options: list[str], test_set: tuple[Path, Path], bundle: Path, tmp_path: Path, run: Bfrb
) -> None:
    out = tmp_path / "submission.parquet"
    paths = ("--test", test_set[0], "--demographics", test_set[1], "--out", out)
    code, printed, _ = run("rehearse", bundle, *paths, "--strict", "--json", *options)
    assert code == 0
    summary = json.loads(printed)
    assert summary["sequences"] == SEQUENCES
    assert summary["failures"] == summary["changed"] == 0
    assert 0 < summary["median_ms"] <= summary["max_ms"]
    submission = pl.read_parquet(out)
    assert sorted(submission["sequence_id"]) == [f"SEQ_{number:06d}" for number in range(SEQUENCES)]
    assert set(submission["gesture"]) <= set(CMI_GESTURES.classes)


def test_texts_and_numbers_give_the_same_submission(
    test_set: tuple[Path, Path], bundle: Path, tmp_path: Path, run: Bfrb
) -> None:
    paths = ("--test", test_set[0], "--demographics", test_set[1])
    for name, options in (("plain", []), ("texts", ["--string-columns"])):
        assert run("rehearse", bundle, *paths, "--out", tmp_path / f"{name}.parquet", *options)[0] == 0
    assert pl.read_parquet(tmp_path / "plain.parquet").equals(pl.read_parquet(tmp_path / "texts.parquet"))


def test_damaged_sequences_get_the_fallback_with_a_warning_and_end_a_strict_rehearsal(
    test_set: tuple[Path, Path], bundle: Path, tmp_path: Path, run: Bfrb
) -> None:
    damaged, out = tmp_path / "test.csv", tmp_path / "submission.parquet"
    rows = pl.read_csv(test_set[0])
    third = (pl.col("sequence_id") == "SEQ_000003") & (pl.col("sequence_counter") == 4)
    rows.filter(~third).write_csv(damaged)
    paths = ("--test", damaged, "--demographics", test_set[1], "--out", out)
    code, printed, told = run("rehearse", bundle, *paths)
    assert (code, "failures" in printed) == (0, True)
    assert "1 requests could not be predicted" in told
    answers = dict(pl.read_parquet(out).iter_rows())
    assert answers["SEQ_000003"] == "Text on phone"
    out.unlink()
    code, _, told = run("rehearse", bundle, *paths, "--strict")
    assert code == 2
    assert "counts 0, 1, 2" in told
    assert not out.exists()


def test_an_unknown_protocol_is_refused(bundle: Path, run: Bfrb) -> None:
    code, _, told = run("serve", bundle, "--protocol", "smtp")
    assert code == 2
    assert "choose kaggle or http" in told


def test_an_impossible_fallback_is_refused_before_anything_is_loaded(tmp_path: Path, run: Bfrb) -> None:
    code, _, told = run("serve", tmp_path / "none", "--protocol", "kaggle", "--fallback", "nothing")
    assert code == 2
    assert "18 gestures" in told


def test_real_sequences_come_through_a_rehearsal(real_data: Path, bundle: Path, tmp_path: Path, run: Bfrb) -> None:
    folder, out = real_data / "cmi", tmp_path / "submission.parquet"
    paths = ("--test", folder / "test.csv", "--demographics", folder / "test_demographics.csv", "--out", out)
    code, _, _ = run("rehearse", bundle, *paths, "--strict", "--imu-share", "0.5")
    assert code == 0
    assert sorted(pl.read_parquet(out)["sequence_id"]) == ["SEQ_000001", "SEQ_000011"]
