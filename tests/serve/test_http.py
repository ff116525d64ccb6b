"""The web server, asked over real sockets."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bfrb.errors import ConfigError
from bfrb.predict.predictor import Predictor, load
from bfrb.read.cmi_write import rows_of
from bfrb.study.recordings import Recordings
from bundles import make_bundle, make_recordings

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")

from bfrb.serve.http import Server
from bfrb.serve.http_app import Limits

CSV, JSON = "text/csv", "application/json"
PARQUET, ARROW = "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"
LIMITS = Limits(body_bytes=4 << 20, pending_bytes=16 << 20, read_s=1.0)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "model", members=2)


@pytest.fixture(scope="module")
def predictor(bundle: Path) -> Predictor:
    return load(bundle)


@pytest.fixture(scope="module")
def server(predictor: Predictor) -> Iterator[Server]:
    server = Server(predictor, port=0, limits=LIMITS)
    with server.running():
        yield server


def frame_of(recordings: Recordings) -> pl.DataFrame:
    return rows_of(recordings).drop("gesture", "sequence_type", "orientation", "behavior", "phase", strict=False)


def as_bytes(frame: pl.DataFrame, media_type: str) -> bytes:
    file = io.BytesIO()
    if media_type == CSV:
        return frame.write_csv().encode()
    if media_type == JSON:
        return json.dumps({"rows": frame.to_dicts()}).encode()
    if media_type == PARQUET:
        frame.write_parquet(file)
    else:
        frame.write_ipc_stream(file, compat_level=pl.CompatLevel.oldest())
    return file.getvalue()


def ask(server: Server, body: bytes, media_type: str, query: str = "", **headers: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
    try:
        connection.request("POST", f"/predict{query}", body, {"content-type": media_type, **headers})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def get(server: Server, path: str) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.headers["content-type"], response.read()
    finally:
        connection.close()


def check_answers(answer: dict[str, Any], predictor: Predictor, recordings: Recordings) -> None:
    expected = predictor.predict(recordings)
    assert [one["id"] for one in answer["predictions"]] == list(expected.ids)
    assert [one["gesture"] for one in answer["predictions"]] == expected.gestures.tolist()
    found = [[one["probabilities"][name] for name in predictor.label_set.classes] for one in answer["predictions"]]
    np.testing.assert_allclose(found, expected.probabilities, atol=1e-5)


def still_works(server: Server, predictor: Predictor) -> None:
    recordings = make_recordings(1, seed=9)
    status, answer = ask(server, as_bytes(frame_of(recordings), ARROW), ARROW)
    assert status == 200
    check_answers(answer, predictor, recordings)


@pytest.mark.parametrize("media_type", [CSV, JSON, PARQUET, ARROW])
@pytest.mark.parametrize("count", [1, 5])
def test_every_type_of_body_gets_the_predictor_s_answers(
    server: Server, predictor: Predictor, media_type: str, count: int
) -> None:
    recordings = make_recordings(count, seed=count)
    status, answer = ask(server, as_bytes(frame_of(recordings), media_type), media_type)
    assert status == 200
    check_answers(answer, predictor, recordings)
    assert answer["simulated"] == predictor.simulated
    first = answer["predictions"][0]
    targets = [first["probabilities"][name] for name in predictor.label_set.targets]
    assert first["target_probability"] == pytest.approx(sum(targets))
    assert first["confidence"] == max(first["probabilities"].values())


@pytest.mark.parametrize("media_type", [CSV, JSON, PARQUET, ARROW])
def test_a_recording_without_ids_is_one_recording(server: Server, predictor: Predictor, media_type: str) -> None:
    recordings = make_recordings(1)
    bare = frame_of(recordings).select(pl.exclude("row_id", "sequence_id", "subject", "sequence_counter"))
    status, answer = ask(server, as_bytes(bare, media_type), f"{media_type}; charset=utf-8")
    assert status == 200
    assert [one["id"] for one in answer["predictions"]] == ["recording"]
    expected = predictor.predict(recordings)
    assert answer["predictions"][0]["gesture"] == expected.gestures[0]


def test_json_may_come_by_column(server: Server, predictor: Predictor) -> None:
    recordings = make_recordings(2)
    body = json.dumps(frame_of(recordings).to_dict(as_series=False)).encode()
    status, answer = ask(server, body, JSON)
    assert status == 200
    check_answers(answer, predictor, recordings)


def multipart(*parts: tuple[str, str, bytes], file: str = "x") -> bytes:
    head = '--edge\r\ncontent-disposition: form-data; name="{}"; filename="{}"\r\ncontent-type: {}\r\n\r\n'
    pieces = [head.format(name, file, kind).encode() + body + b"\r\n" for name, kind, body in parts]
    return b"".join(pieces) + b"--edge--\r\n"


def test_demographics_may_be_a_second_part(server: Server, predictor: Predictor) -> None:
    recordings = make_recordings(3)
    people = pl.DataFrame({"subject": sorted(set(recordings.subjects)), "handedness": [0, 1, 0]})
    parts = ("rows", PARQUET, as_bytes(frame_of(recordings), PARQUET)), ("demographics", CSV, as_bytes(people, CSV))
    status, answer = ask(server, multipart(*parts), "multipart/form-data; boundary=edge")
    assert status == 200
    check_answers(answer, predictor, recordings)


def test_a_file_of_a_form_is_known_by_its_name_where_its_sender_does_not_say(
    server: Server, predictor: Predictor
) -> None:
    recordings = make_recordings(2)
    part = "rows", "application/octet-stream", as_bytes(frame_of(recordings), CSV)
    status, answer = ask(server, multipart(part, file="test.CSV"), "multipart/form-data; boundary=edge")
    assert status == 200
    check_answers(answer, predictor, recordings)
    status, answer = ask(server, multipart(part, file="test.exe"), "multipart/form-data; boundary=edge")
    assert status == 422
    assert "octet-stream" in answer["detail"]


@pytest.mark.parametrize(
    "body", [multipart(("rows", "text/html", b"x")), multipart(("file", CSV, b"x")), b"", b"--edge"]
)
def test_other_parts_are_refused(server: Server, body: bytes) -> None:
    status, answer = ask(server, body, "multipart/form-data; boundary=edge")
    assert status == 422
    assert "part" in answer["detail"]


def test_measures_of_the_only_subject_may_stand_in_the_query(server: Server) -> None:
    body = as_bytes(frame_of(make_recordings(1)), CSV)
    assert ask(server, body, CSV, "?age=30&handedness=1")[0] == 200
    assert "200" in ask(server, body, CSV, "?age=200")[1]["detail"]
    assert "shoe" in ask(server, body, CSV, "?shoe=41")[1]["detail"]
    several = as_bytes(frame_of(make_recordings(3)), CSV)
    assert "one subject" in ask(server, several, CSV, "?age=30")[1]["detail"]


def truncated(media_type: str) -> bytes:
    body = as_bytes(frame_of(make_recordings(1)), media_type)
    return body[: len(body) // 2]


PICKLE = b"\x80\x04\x95\x1e\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."

DAMAGED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "nothing": (JSON, lambda: b""),
    "half of a JSON document": (JSON, lambda: truncated(JSON)),
    "half of a Parquet file": (PARQUET, lambda: truncated(PARQUET)),
    "half of an Arrow stream": (ARROW, lambda: truncated(ARROW)),
    "a pickle as CSV": (CSV, lambda: PICKLE),
    "a pickle as Parquet": (PARQUET, lambda: PICKLE),
    "a pickle as Arrow": (ARROW, lambda: PICKLE),
    "a pickle as JSON": (JSON, lambda: PICKLE),
    "compressed CSV": (CSV, lambda: gzip.compress(b"a,b\n" * 1_000_000)),
    "zlib CSV": (CSV, lambda: b"x\xda" + zlib.compress(b"a,b\n" * 1000)[2:]),
    "many columns": (CSV, lambda: b"a," * 1_000_000 + b"\n"),
    "many rows": (CSV, lambda: b"acc_x\n" + b"1\n" * 1_500_000),
    "deep JSON": (JSON, lambda: b"[" * 100_000 + b"]" * 100_000),
    "broad JSON": (JSON, lambda: b"[" + b"[]," * 1_000_000 + b"[]]"),
    "a long number": (JSON, lambda: b'{"rows": [{"acc_x": ' + b"9" * 10_000 + b"}]}"),
    "numbers too large": (JSON, lambda: b'{"rows": {"acc_x": [1e999], "acc_y": [1], "acc_z": [1]}}'),
    "texts and numbers": (JSON, lambda: b'{"rows": {"acc_x": [1, "a"], "acc_y": [1, 2], "acc_z": [1, 2]}}'),
    "lists in rows": (JSON, lambda: b'{"rows": {"acc_x": [[1]], "acc_y": [1], "acc_z": [1]}}'),
    "columns of different lengths": (JSON, lambda: b'{"rows": {"acc_x": [1, 2], "acc_y": [1], "acc_z": [1]}}'),
    "another document": (JSON, lambda: b'{"rows": [], "model": "x"}'),
    "a number": (JSON, lambda: b"1"),
    "bytes that are no text": (JSON, lambda: b'{"rows": "\xff"}'),
    "nested Arrow": (ARROW, lambda: as_bytes(pl.DataFrame({"acc_x": [[1.0]]}), ARROW)),
    "impossible readings": (CSV, lambda: b"acc_x,acc_y,acc_z\n1e9,0,0\n"),
    "no rows": (CSV, lambda: b"acc_x,acc_y,acc_z\n"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_cannot_be_predicted_is_refused_with_the_reason(server: Server, predictor: Predictor, name: str) -> None:
    media_type, make = DAMAGED[name]
    status, answer = ask(server, make(), media_type)
    assert status == 422
    assert answer["status"] == 422
    assert answer["detail"]
    assert answer["remedy"]
    still_works(server, predictor)


def test_a_parquet_file_that_claims_too_much_is_not_unpacked(server: Server) -> None:
    file = io.BytesIO()
    pl.DataFrame({"acc_x": np.zeros(30_000_000, np.float32)}).write_parquet(file, compression="zstd")
    assert len(file.getvalue()) < LIMITS.body_bytes
    status, answer = ask(server, file.getvalue(), PARQUET)
    assert status == 422
    assert "30,000,000" in answer["detail"]


@pytest.mark.parametrize("kind", ["application/octet-stream", "", "application/python-pickle", "text/html", "\x7f"])
def test_other_types_are_refused(server: Server, kind: str) -> None:
    status, answer = ask(server, PICKLE, kind)
    assert status == 415
    assert "text/csv" in answer["remedy"]


def test_compressed_bodies_are_refused(server: Server) -> None:
    assert ask(server, b"x", CSV, **{"content-encoding": "gzip"})[0] == 415


def test_a_large_body_is_refused_before_it_is_read(server: Server, predictor: Predictor) -> None:
    head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: {1 << 40}\r\n\r\n"
    assert talk(server, head.encode()).startswith(b"HTTP/1.1 413")
    still_works(server, predictor)


def test_a_large_body_of_unknown_length_is_refused(server: Server, predictor: Predictor) -> None:
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + b"a" * (1 << 20) + b"\r\n"
    assert talk(server, head + chunk * 5).startswith(b"HTTP/1.1 413")
    still_works(server, predictor)


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection((server.host, server.port), timeout=10) as connection:
        yield connection


def talk(server: Server, data: bytes) -> bytes:
    with connected(server) as connection:
        connection.sendall(data)
        return receive(connection)


def receive(connection: socket.socket) -> bytes:
    received = b""
    try:
        while (piece := connection.recv(65536)) and b"\r\n\r\n" not in received:
            received += piece
    except ConnectionResetError:
        pass
    return received + piece if piece else received


@pytest.mark.parametrize(
    "head",
    [
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: many\r\n\r\n",
        b"\x80\x04\x95 no HTTP at all\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nlong: " + b"a" * 200_000,
    ],
)
def test_impossible_requests_are_refused(server: Server, predictor: Predictor, head: bytes) -> None:
    assert talk(server, head).startswith(b"HTTP/1.1 400")
    still_works(server, predictor)


def test_a_body_shorter_than_claimed_is_given_up(server: Server, predictor: Predictor) -> None:
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: 1000\r\n\r\nacc_x"
    start = time.monotonic()
    assert talk(server, head).startswith(b"HTTP/1.1 408")
    assert time.monotonic() - start < 3 * LIMITS.read_s
    still_works(server, predictor)


def test_a_client_that_leaves_early_does_no_harm(server: Server, predictor: Predictor) -> None:
    with connected(server) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: 9\r\n\r\na")
    still_works(server, predictor)


def test_a_client_that_never_finishes_the_head_is_given_up(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bfrb.serve.http.IDLE_S", 0.2)
    server = Server(predictor, port=0)
    with server.running(), connected(server) as silent, connected(server) as slow:
        slow.sendall(b"GET /health HTTP/1.1\r\nhost: ")
        assert slow.recv(1) == b""
        assert silent.recv(1) == b""
        still_works(server, predictor)


def test_slow_clients_do_not_hold_up_others(server: Server, predictor: Predictor) -> None:
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: 1000\r\n\r\n"
    with connected(server) as first, connected(server) as second:
        for connection in (first, second):
            connection.sendall(head)
        start = time.monotonic()
        still_works(server, predictor)
        assert time.monotonic() - start < LIMITS.read_s


def test_concurrent_clients_get_their_own_answers(server: Server, predictor: Predictor) -> None:
    recordings = make_recordings(30)
    expected = predictor.predict(recordings).gestures
    bodies = [as_bytes(frame_of(recordings[number]), ARROW) for number in range(30)]
    with ThreadPoolExecutor(6) as clients:
        answers = list(clients.map(lambda body: ask(server, body, ARROW), bodies * 2))
    assert [status for status, _ in answers] == [200] * 60
    found = [answer["predictions"][0]["gesture"] for _, answer in answers]
    assert found == [*expected, *expected]
    assert len(set(found)) > 1


class Stalled(Predictor):
    """Answers once it is let."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__(predictor.bundle)
        self.free = threading.Event()
        self.free.set()

    def predict(self, recordings: Recordings) -> Any:
        self.free.wait(10)
        return super().predict(recordings)


def test_more_requests_than_may_wait_are_sent_away(predictor: Predictor) -> None:
    stalled = Stalled(predictor)
    server = Server(stalled, port=0, limits=Limits(workers=1, waiting=1))
    body = as_bytes(frame_of(make_recordings(1)), ARROW)
    with server.running(), ThreadPoolExecutor(5) as clients:
        stalled.free.clear()
        asked = [clients.submit(ask, server, body, ARROW) for _ in range(5)]
        while sum(one.done() for one in asked) < 3:
            time.sleep(0.01)
        assert {one.result()[0] for one in asked if one.done()} == {503}
        assert get(server, "/health")[0] == 200
        stalled.free.set()
        assert sorted(one.result()[0] for one in asked) == [200, 200, 503, 503, 503]
        assert ask(server, body, ARROW)[0] == 200


def test_an_answer_that_takes_too_long_is_given_up(predictor: Predictor) -> None:
    stalled = Stalled(predictor)
    server = Server(stalled, port=0, limits=Limits(answer_s=0.2))
    body = as_bytes(frame_of(make_recordings(1)), ARROW)
    with server.running():
        stalled.free.clear()
        status, answer = ask(server, body, ARROW)
        stalled.free.set()
        assert status == 503
        assert "0.2 s" in answer["detail"]
        assert ask(server, body, ARROW)[0] == 200


def test_a_failing_model_is_the_server_s_error(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("a secret")

    server = Server(predictor, port=0)
    monkeypatch.setattr(predictor, "predict", fail)
    with server.running():
        status, answer = ask(server, as_bytes(frame_of(make_recordings(1)), ARROW), ARROW)
    assert status == 500
    assert "secret" not in json.dumps(answer)


def test_health_model_and_document_are_told(server: Server, predictor: Predictor) -> None:
    assert json.loads(get(server, "/health")[2]) == {"status": "ok"}
    model = json.loads(get(server, "/model")[2])
    assert model["members"] == 2
    assert model["label_set"]["classes"] == list(predictor.label_set.classes)
    assert str(predictor.bundle.path) not in json.dumps(model)
    document = json.loads(get(server, "/openapi.json")[2])
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        assert (get(server, path)[0] == 200) == ("get" in operations)
    assert set(document["paths"]["/predict"]["post"]["requestBody"]["content"]) >= {CSV, JSON, PARQUET, ARROW}


def test_the_document_s_references_exist(server: Server) -> None:
    text = get(server, "/openapi.json")[2].decode()
    schemas = json.loads(text)["components"]["schemas"]
    found = {piece.partition('"')[0] for piece in text.split("#/components/schemas/")[1:]}
    assert found == set(schemas)


@pytest.mark.parametrize(("path", "status"), [("/", 404), ("/predict", 405), ("/../etc/passwd", 404)])
def test_other_paths_are_refused_as_problems(server: Server, path: str, status: int) -> None:
    found, kind, body = get(server, path)
    assert found == json.loads(body)["status"] == status
    assert kind == "application/problem+json"


def test_metrics_count_answers_and_gestures(predictor: Predictor) -> None:
    server = Server(predictor, port=0)
    recordings = make_recordings(3)
    with server.running():
        ask(server, as_bytes(frame_of(recordings), ARROW), ARROW)
        ask(server, b"x", ARROW)
        get(server, "/a/random/path")
        text = get(server, "/metrics")[2].decode()
    assert 'bfrb_requests_total{path="/predict",status="200"} 1.0' in text
    assert 'bfrb_requests_total{path="/predict",status="422"} 1.0' in text
    assert 'bfrb_requests_total{path="other",status="404"} 1.0' in text
    counts = [float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith("bfrb_recordings_total")]
    assert sum(counts) == 3
    assert "bfrb_predict_seconds_count 1.0" in text


def test_a_taken_port_is_refused(server: Server, predictor: Predictor) -> None:
    with pytest.raises(ConfigError, match=f"port {server.port}"):
        Server(predictor, port=server.port)


def test_the_server_listens_on_this_machine_only(predictor: Predictor) -> None:
    server = Server(predictor, port=0)
    assert server._socket.getsockname()[0] == "127.0.0.1"
    server._socket.close()


def test_bundles_for_other_devices_are_refused(tmp_path: Path) -> None:
    from bfrb.study.device import GALAXY_WATCH

    watch = make_bundle(tmp_path / "model", members=1, device=GALAXY_WATCH)
    with pytest.raises(ConfigError, match="helios"):
        Server(load(watch), port=0)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM on Windows")
def test_sigterm_ends_the_command_within_two_seconds(bundle: Path) -> None:
    command = [sys.executable, "-m", "bfrb", "serve", str(bundle), "--protocol", "http", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "listening" in line)
        port = int(line.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as pending:
            pending.sendall(
                b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: 9\r\n\r\na"
            )
            time.sleep(0.2)
            start = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            assert time.monotonic() - start < 2
