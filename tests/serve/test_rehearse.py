"""The rehearsal: the gateway's flow with everything unusual about it, from Python and from the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import polars as pl
import pytest

from bfrb.errors import DataError
from bfrb.predict.predictor import load
from bfrb.read.cmi_write import rows_of
from bfrb.read.gateway_files import Requests, read_requests
from bfrb.study.labels import CMI_GESTURES
from bundles import make_recordings

pytest.importorskip("grpc")

from bfrb.serve import channel
from bfrb.serve.kaggle import InferenceServer
from bfrb.serve.kaggle_pb2 import KaggleEvaluationResponse
from bfrb.serve.rehearse import Rehearsal, Scenario, ask, rehearse
from kaggle_messages import payload
from typed_commands import Bfrb

SEQUENCES = 8
PROXIMITY = pl.selectors.matches("^(thm|tof)_")


@pytest.fixture(scope="module")
def test_set(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The two CSV files of an evaluation; the demographics lack a subject."""
    folder = tmp_path_factory.mktemp("test set")
    rows_of(make_recordings(SEQUENCES)).drop("gesture").write_csv(folder / "test.csv")
    known = pl.DataFrame({"subject": ["SUBJ_000000", "SUBJ_000001"], "age": [12, 34], "handedness": [0, 1]})
    known.write_csv(folder / "test_demographics.csv")
    return folder / "test.csv", folder / "test_demographics.csv"


@pytest.fixture
def requests(test_set: tuple[Path, Path]) -> Requests:
    return read_requests(*test_set)


def ask_all(predict: Callable[..., Any], requests: Requests, *, seed: int = 0, **unusual: Any) -> Rehearsal:
    with InferenceServer(predict, port=0, strict=True).running() as address:
        return rehearse(address, requests, Scenario(**unusual), seed)


Asked = list[tuple[pl.DataFrame, pl.DataFrame]]


def watch(requests: Requests, **unusual: Any) -> tuple[Asked, Rehearsal]:
    """What a server is asked that answers one gesture, and what came of it."""
    server = Mock(return_value="Wave hello")
    done = ask_all(server, requests, **unusual)
    return [call.args for call in server.call_args_list], done


def test_every_sequence_is_asked_for_once_with_its_rows_and_its_subject_in_an_order_that_the_seed_decides(
    requests: Requests, test_set: Any
) -> None:
    orders, rows = [], pl.read_csv(test_set[0])
    for seed in (0, 0, 1):
        asked, done = watch(requests, seed=seed)
        orders.append([sequence["sequence_id"][0] for sequence, _ in asked])
        assert list(done.answers) == orders[-1]
        assert sorted(orders[-1]) == sorted(requests)
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != list(requests)
    for sequence, demographics in asked:
        name, subject = sequence["sequence_id"][0], sequence["subject"][0]
        assert sequence.equals(rows.filter(pl.col("sequence_id") == name))
        assert demographics["subject"].to_list() == [subject] * (subject != "SUBJ_000002")


def test_readings_can_be_sent_as_texts_or_not_at_all_and_everything_else_stays(requests: Requests) -> None:
    texts, _ = watch(requests, string_columns=True)
    nothing, _ = watch(requests, all_null=True, empty_demographics=True)
    for sequence, _ in texts:
        [plain, _] = requests[sequence["sequence_id"][0]]
        assert set(sequence.select(PROXIMITY).dtypes) == {pl.String}
        assert "-1.0" in sequence["tof_1_v0"].to_list()
        numbers = PROXIMITY.cast(pl.Float64)
        assert sequence.with_columns(numbers).equals(plain.with_columns(numbers))
    for sequence, demographics in nothing:
        assert demographics.shape == (0, 3)
        assert set(sequence.select(PROXIMITY).dtypes) == {pl.String}
        assert sequence.select(PROXIMITY).null_count().row(0) == (sequence.height,) * 325
    for share in (0.5, 1.0):
        readings = [sequence["thm_1"] for sequence, _ in watch(requests, imu_share=share)[0]]
        assert sum(each.is_null().all() for each in readings) == SEQUENCES * share
        assert {each.dtype for each in readings} == {pl.Float64}


def test_the_first_answer_that_is_an_error_or_no_gesture_ends_the_evaluation(requests: Requests) -> None:
    answers = iter(["Wave hello"])
    with pytest.raises(DataError, match="UNKNOWN: Exception calling application: StopIteration"):
        ask_all(lambda *_: next(answers), requests)
    for answer in (3, None, ["Wave hello"], "wave hello"):
        response = KaggleEvaluationResponse(payload=payload(answer)).SerializeToString()
        with pytest.raises(DataError, match="18 gestures"):
            ask(lambda *_, response=response, **__: response, [])


def test_the_local_gateway_of_a_notebook_writes_the_submission_and_asks_no_stale_server(
    test_set: tuple[Path, Path], requests: Requests, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    predictor, stale = load(bundle), Mock()
    with InferenceServer(stale, port=0).running() as address:
        monkeypatch.setattr(channel, "PORTS", (int(address.rpartition(":")[2]),))
        out = InferenceServer(predictor.predict_one).run_local_gateway(tuple(map(str, test_set)))
    assert not stale.called
    assert [path.name for path in tmp_path.iterdir()] == ["submission.parquet"]
    submission = pl.read_parquet(out)
    assert submission.schema == {"sequence_id": pl.String, "gesture": pl.String}
    assert dict(submission.iter_rows()) == {name: predictor.predict_one(*sent) for name, sent in requests.items()}


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", None])
def test_files_of_no_test_set_are_refused(content: bytes | None, tmp_path: Path, test_set: tuple[Path, Path]) -> None:
    other = tmp_path / "other.csv"
    if content is not None:
        other.write_bytes(content)
    for files in ((other, test_set[1]), (test_set[0], other)):
        with pytest.raises(DataError, match=r"other\.csv"):
            read_requests(*files)


def test_a_bundle_comes_through_every_scenario_with_texts_as_with_numbers(
    test_set: tuple[Path, Path], bundle: Path, tmp_path: Path, bfrb: Bfrb
) -> None:
    options = {
        "plain": [],
        "texts": ["--string-columns"],
        "imu": ["--all-null"],
        "all": ["--string-columns", "--imu-share", "0.5", "--empty-demographics"],
    }
    paths = ("--test", test_set[0], "--demographics", test_set[1])
    submissions = {}
    for name, unusual in options.items():
        out = tmp_path / f"{name}.parquet"
        summary = bfrb("rehearse", bundle, *paths, "--out", out, "--strict", "--json", *unusual).works().json
        assert (summary["sequences"], summary["failures"]) == (SEQUENCES, 0)
        assert 0 < summary["median_ms"] <= summary["p95_ms"] <= summary["max_ms"]
        submissions[name] = pl.read_parquet(out)
        assert sorted(submissions[name]["sequence_id"]) == [f"SEQ_{number:06d}" for number in range(SEQUENCES)]
        assert set(submissions[name]["gesture"]) <= set(CMI_GESTURES.classes)
    assert submissions["plain"].equals(submissions["texts"])


def test_damaged_sequences_get_the_fallback_with_a_warning_and_end_a_strict_rehearsal(
    test_set: tuple[Path, Path], bundle: Path, tmp_path: Path, bfrb: Bfrb
) -> None:
    damaged, out = tmp_path / "test.csv", tmp_path / "submission.parquet"
    rows = pl.read_csv(test_set[0])
    third = (pl.col("sequence_id") == "SEQ_000003") & (pl.col("sequence_counter") == 4)
    rows.filter(~third).write_csv(damaged)
    paths = ("--test", damaged, "--demographics", test_set[1], "--out", out)
    done = bfrb("rehearse", bundle, *paths)
    assert (done.code, "failures" in done.out) == (0, True)
    assert "1 requests could not be predicted" in done.err
    assert dict(pl.read_parquet(out).iter_rows())["SEQ_000003"] == "Text on phone"
    out.unlink()
    bfrb("rehearse", bundle, *paths, "--strict").refuses("counts 0, 1, 2")
    assert not out.exists()


def test_impossible_options_are_refused_before_anything_is_loaded(tmp_path: Path, bfrb: Bfrb) -> None:
    command = ("serve", tmp_path / "none", "--protocol")
    bfrb(*command, "smtp").refuses("'smtp' is not one of 'kaggle'")
    bfrb(*command, "kaggle", "--fallback", "nothing").refuses("expected one of the 18 gestures")
