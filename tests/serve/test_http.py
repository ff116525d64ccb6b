"""The web server: what it answers, what it refuses, and how it ends."""

from __future__ import annotations

import gzip
import http.client
import json
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bfrb.errors import ConfigError
from bfrb.predict.predictor import Predictor, load
from bfrb.read.cmi_write import rows_of
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.labels import SEARLE_BEHAVIORS
from bfrb.study.recordings import Recordings
from bundles import make_bundle, make_recordings

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")

from bfrb.serve.http import make_server
from bfrb.serve.http_app import CSV, JSON, PATHS, Limits
from bfrb.serve.sockets import LOOPBACK, listen

LIMITS = Limits(body_bytes=1 << 20, read_s=0.5)
STILL = {"acc_x": [0, 0], "acc_y": [0, 0], "acc_z": [9.8, 9.8]}


@pytest.fixture(scope="module")
def predictor(bundle: Path) -> Predictor:
    return load(bundle)


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Client:
    """Asks the server on a port."""

    port: int

    def ask(self, body: bytes, media_type: str = CSV, query: str = "", **headers: str) -> Reply:
        return self.send("POST", f"/predict{query}", body, {"content-type": media_type, **headers})

    def get(self, path: str) -> Reply:
        return self.send("GET", path, b"", {})

    def send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Reply:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=20)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read().decode())
        finally:
            connection.close()


@contextmanager
def served(predictor: Predictor, limits: Limits = LIMITS) -> Iterator[Client]:
    """A server in a thread."""
    bound = listen(LOOPBACK, 0)
    server = make_server(predictor, limits)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        yield Client(bound.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def client(predictor: Predictor) -> Iterator[Client]:
    with served(predictor) as client:
        yield client


def until(true: Callable[[], bool]) -> None:
    """Wait for something, though not for ever."""
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def as_csv(recordings: Recordings) -> bytes:
    return rows_of(recordings).drop("gesture").write_csv().encode()


def check_answers(answer: dict[str, Any], predictor: Predictor, recordings: Recordings) -> None:
    expected, classes = predictor.predict(recordings), predictor.label_set.classes
    found = answer["predictions"]
    assert [one["id"] for one in found] == list(expected.ids)
    assert [one["label"] for one in found] == expected.gestures.tolist()
    np.testing.assert_allclose([list(one["probabilities"].values()) for one in found], expected.probabilities)
    for one in found:
        assert list(one["probabilities"]) == list(classes)
        assert one["confidence"] == max(one["probabilities"].values())
        targets = [one["probabilities"][name] for name in predictor.label_set.targets]
        assert one["target_probability"] == pytest.approx(sum(targets))


@pytest.mark.parametrize("form", ["csv", "rows", "columns"])
def test_every_form_of_body_gets_the_predictor_s_answers(client: Client, predictor: Predictor, form: str) -> None:
    recordings = make_recordings(3, seed=3)
    rows = rows_of(recordings)
    tables = {"rows": rows.to_dicts(), "columns": rows.to_dict(as_series=False)}
    body = as_csv(recordings) if form == "csv" else json.dumps({"rows": tables[form]}).encode()
    response = client.ask(body, f"{CSV}; charset=utf-8" if form == "csv" else JSON)
    assert response.status == 200
    check_answers(response.json(), predictor, recordings)


def test_any_bundle_can_be_asked_with_its_own_columns_and_answers_with_its_own_labels(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "m", device=GALAXY_WATCH, label_set=SEARLE_BEHAVIORS, members=1, simulated=True)
    watch = load(folder)
    recordings = make_recordings(1, device=GALAXY_WATCH, label_set=SEARLE_BEHAVIORS)
    columns: dict[str, Any] = {"mood": ["good"] * recordings.n_rows}
    for sensor in GALAXY_WATCH.sensors:
        columns |= dict(zip(sensor.columns, recordings.sensors[sensor.name].T.tolist(), strict=True))
    with served(watch) as client:
        answer = client.ask(json.dumps({"rows": columns}).encode(), JSON).json()
        model = client.get("/model").json()
    assert answer["predictions"][0]["label"] == watch.predict(recordings).gestures[0]
    assert answer["simulated"]
    assert "SIMULATED" in answer["notes"][0]
    assert "mood" in answer["notes"][1]
    assert model["label_set"]["classes"] == list(SEARLE_BEHAVIORS.classes)


def test_the_wearer_s_hand_is_told_in_the_query(tmp_path: Path) -> None:
    mirrors = load(make_bundle(tmp_path / "m", members=1, mirror_left_hand=True))
    recordings = make_recordings(1)
    with served(mirrors) as client:
        left, right, third = (client.ask(as_csv(recordings), query=f"?handedness={hand}") for hand in (0, 1, 2))
    check_answers(right.json(), mirrors, recordings)
    assert left.json()["predictions"] != right.json()["predictions"]
    assert third.status == 422


DAMAGED = {
    "nothing": (JSON, b""),
    "null": (JSON, b"null"),
    "a number": (JSON, b"1"),
    "a text": (JSON, b'"rows"'),
    "a list": (JSON, json.dumps([STILL]).encode()),
    "no rows": (JSON, b"{}"),
    "rows that are null": (JSON, b'{"rows": null}'),
    "rows that are none": (JSON, b'{"rows": []}'),
    "rows that are numbers": (JSON, b'{"rows": [1, 2]}'),
    "columns that are numbers": (JSON, b'{"rows": {"acc_x": 1}}'),
    "columns of different lengths": (JSON, json.dumps({"rows": STILL | {"acc_x": [1]}}).encode()),
    "half of a document": (JSON, json.dumps({"rows": STILL}).encode()[:-5]),
    "bytes that are no text": (JSON, b'{"rows": "\xff"}'),
    "deep JSON": (JSON, b"[" * 100_000),
    "broad JSON": (JSON, b'{"rows": [' + b"[]," * 200_001 + b"[]]}"),
    "a long number": (JSON, b'{"rows": [{"acc_x": ' + b"9" * 10_000 + b"}]}"),
    "a pickle as CSV": (CSV, b"\x80\x04\x95\x1e\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94."),
    "compressed CSV": (CSV, gzip.compress(b"a,b\n" * 1_000_000)),
    "many columns": (CSV, b"a," * 400_000 + b"\n"),
    "impossible readings": (CSV, b"acc_x,acc_y,acc_z\n1e9,0,0\n"),
    "the columns of another device": (CSV, b"gyr_x,gyr_y,gyr_z\n0,0,0\n"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_cannot_be_predicted_is_refused_with_the_reason(client: Client, name: str) -> None:
    response = client.ask(DAMAGED[name][1], DAMAGED[name][0])
    assert response.status == 422
    assert response.json()["detail"]
    assert response.json()["remedy"]
    assert client.ask(as_csv(make_recordings(1))).status == 200


@pytest.mark.parametrize("kind", ["application/vnd.apache.parquet", "multipart/form-data; boundary=x", "", "\x7f"])
def test_other_types_are_refused_with_those_that_are_not(client: Client, kind: str) -> None:
    response = client.ask(b"PAR1", kind)
    assert response.status == 415
    assert CSV in response.json()["detail"]
    assert JSON in response.json()["detail"]


def test_compressed_bodies_are_refused(client: Client) -> None:
    assert client.ask(gzip.compress(b"x"), **{"content-encoding": "gzip"}).status == 415


def test_the_overview_the_bundle_and_the_document_are_told(client: Client, predictor: Predictor) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    assert set(client.get("/").json()["paths"]) == set(PATHS)
    model = client.get("/model").json()
    assert (model["members"], model["simulated"], model["device"]["name"]) == (2, False, "helios")
    assert model["device"]["sensors"]["acc"] == {"unit": "m/s^2", "columns": ["acc_x", "acc_y", "acc_z"]}
    assert str(predictor.bundle.path) not in json.dumps(model)
    document = client.get("/openapi.json").json()
    assert {*document["paths"], "/openapi.json"} == set(PATHS)
    predict = document["paths"]["/predict"]["post"]
    assert set(predict["requestBody"]["content"]) == {CSV, JSON}
    assert {"200", "408", "413", "415", "422", "503"} <= set(predict["responses"])


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/predict", 405), ("/../etc/passwd", 404)])
def test_other_paths_are_refused_as_problems(client: Client, path: str, status: int) -> None:
    response = client.get(path)
    assert response.status == status
    assert "/predict" in response.json()["remedy"]


def test_metrics_count_answers_and_labels(predictor: Predictor) -> None:
    with served(predictor) as client:
        client.ask(as_csv(make_recordings(3)))
        client.ask(b"x")
        client.get("/a/random/path")
        text = client.get("/metrics").text
    for path, status in (("/predict", 200), ("/predict", 422), ("other", 404)):
        assert f'bfrb_request_seconds_count{{path="{path}",status="{status}"}} 1.0' in text
    counts = [line for line in text.splitlines() if line.startswith("bfrb_predictions_total")]
    assert sum(float(line.rpartition(" ")[2]) for line in counts) == 3
    assert "process_resident_memory_bytes" in text


def test_requests_are_logged_without_what_the_query_says_of_a_person(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "bfrb.serve"):
        client.ask(as_csv(make_recordings(1)), query="?handedness=1")
        client.get("/two%0Alines")
        until(lambda: len(caplog.messages) == 2)
    assert caplog.messages[0].startswith("POST '/predict' 200, ")
    assert "\n" not in caplog.messages[1]


class Stalled(Predictor):
    """Answers once it is let."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__(predictor.bundle)
        self.free = threading.Event()

    def predict(self, recordings: Recordings) -> Any:
        self.free.wait(10)
        return super().predict(recordings)


def test_more_requests_than_are_taken_on_are_sent_away_for_now(predictor: Predictor) -> None:
    stalled, body = Stalled(predictor), as_csv(make_recordings(1))
    with served(stalled, Limits(requests=2, workers=1)) as client, ThreadPoolExecutor(5) as threads:
        asked = [threads.submit(client.ask, body) for _ in range(5)]
        until(lambda: sum(one.done() for one in asked) == 3)
        refused = [one.result() for one in asked if one.done()]
        assert {(one.status, one.headers["retry-after"]) for one in refused} == {(503, "1")}
        assert client.get("/health").status == 200
        stalled.free.set()
        assert sorted(one.result().status for one in asked) == [200, 200, 503, 503, 503]
        assert client.ask(body).status == 200


def test_an_answer_that_takes_too_long_is_given_up(predictor: Predictor) -> None:
    stalled, body = Stalled(predictor), as_csv(make_recordings(1))
    with served(stalled, Limits(requests=1, read_s=0.1, answer_s=0.1)) as client:
        response = client.ask(body)
        assert response.status == 503
        assert "0.1 s" in response.json()["detail"]
        assert "too many" in client.ask(body).json()["detail"]  # it is still at work
        stalled.free.set()
        until(lambda: client.ask(body).status == 200)


def talk(port: int, data: bytes) -> bytes:
    """What is answered until the server hangs up, maybe before it has read everything."""
    received = b""
    with socket.create_connection((LOOPBACK, port), timeout=10) as connection, suppress(ConnectionResetError):
        connection.sendall(data)
        while piece := connection.recv(65536):
            received += piece
    return received


def test_a_failing_network_is_answered_without_and_logged_with_its_traceback(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("a secret")

    monkeypatch.setattr(predictor, "predict", fail)
    body = as_csv(make_recordings(1))
    with served(predictor) as client:
        answer = talk(client.port, HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"secret" not in answer
    until(lambda: "Traceback" in caplog.text)
    assert "a secret" in caplog.text


HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n"
HOSTILE = {
    "a body larger than allowed": (413, HEAD + b"content-length: 1099511627776\r\n\r\n"),
    "a large body of unknown length": (
        413,
        HEAD + b"transfer-encoding: chunked\r\n\r\n" + (b"100000\r\n" + b"a" * (1 << 20) + b"\r\n") * 2,
    ),
    "a body shorter than claimed": (408, HEAD + b"content-length: 1000\r\n\r\nacc_x"),
    "a negative length": (400, HEAD + b"content-length: -5\r\n\r\n"),
    "two lengths": (400, HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello"),
    "no HTTP": (400, b"\x80\x04\x95 no HTTP at all\r\n\r\n"),
    "a long head": (400, b"GET / HTTP/1.1\r\nhost: x\r\nlong: " + b"a" * 200_000),
    "a strange host": (404, b"GET /x HTTP/1.1\r\nhost: [::1\r\nconnection: close\r\n\r\n"),
}


def test_impossible_requests_are_refused_and_slow_ones_hold_up_nobody(predictor: Predictor) -> None:
    body = as_csv(make_recordings(1))
    good = HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    with served(predictor) as client, socket.create_connection((LOOPBACK, client.port)) as left:
        left.sendall(HEAD + b"content-length: 9\r\n\r\na")  # and leaves
        for name, (status, request) in HOSTILE.items():
            assert talk(client.port, request).startswith(b"HTTP/1.1 %d" % status), name
        assert talk(client.port, good).startswith(b"HTTP/1.1 200")


def test_a_taken_port_is_refused() -> None:
    with listen(LOOPBACK, 0) as bound, pytest.raises(ConfigError, match=f"port {bound.getsockname()[1]}"):
        listen(LOOPBACK, bound.getsockname()[1])


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM on Windows")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_command_quietly_once_what_is_at_work_is_answered(bundle: Path, number: int) -> None:
    command = [sys.executable, "-m", "bfrb", "serve", str(bundle), "--protocol", "http", "--port", "0"]
    body = as_csv(make_recordings(1))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        port = int(process.stderr.readline().rpartition(":")[2])
        with socket.create_connection((LOOPBACK, port), timeout=10) as pending:
            pending.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body[:100])
            time.sleep(0.3)
            process.send_signal(number)
            time.sleep(0.3)
            pending.sendall(body[100:])
            assert pending.recv(65536).startswith(b"HTTP/1.1 200")
        assert process.wait(10) == 0
        lines = process.stderr.read().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("POST '/predict' 200")
