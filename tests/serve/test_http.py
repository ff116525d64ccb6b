"""The web server: what it answers, what it refuses, and how it ends."""

import gzip
import http.client
import json
import logging
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from bfrb.errors import ConfigError
from bfrb.predict.predictor import Predictor, load
from bfrb.read.cmi_write import rows_of
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.labels import SEARLE_BEHAVIORS
from bfrb.study.recordings import Recordings
from bundles import make_bundle, make_recordings
from waiting import is_listening, until

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from bfrb.serve import http as web
from bfrb.serve.http import CSV, JSON, PATHS, make_server
from bfrb.serve.sockets import LOOPBACK, listen

STILL = {"acc_x": [0, 0], "acc_y": [0, 0], "acc_z": [9.8, 9.8]}
Reply = tuple[int, Any]


@contextmanager
def served(predictor: Predictor) -> Iterator[int]:
    """The port of a server in a thread."""
    bound = listen(LOOPBACK, 0)
    server = make_server(predictor)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(autouse=True)
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MAX_BYTES", 1 << 20)


@pytest.fixture(scope="module")
def predictor(bundle: Path) -> Predictor:
    return load(bundle)


@pytest.fixture(scope="module")
def port(predictor: Predictor) -> Iterator[int]:
    with served(predictor) as port:
        yield port


def send(port: int, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Reply:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named | {"connection": "close"})
    with connection.getresponse() as response:
        return response.status, json.loads(response.read())


def ask(port: int, body: bytes, media_type: str = CSV, query: str = "", **headers: str) -> Reply:
    return send(port, f"/predict{query}", "POST", body, content_type=media_type, **headers)


def as_csv(recordings: Recordings) -> bytes:
    return rows_of(recordings).drop("gesture").write_csv().encode()


@pytest.mark.parametrize("form", ["csv", "rows", "columns"])
def test_every_form_of_body_gets_the_predictor_s_answers(port: int, predictor: Predictor, form: str) -> None:
    recordings = make_recordings(3, seed=3)
    rows = rows_of(recordings)
    tables = {"rows": rows.to_dicts(), "columns": rows.to_dict(as_series=False)}
    body = as_csv(recordings) if form == "csv" else json.dumps({"rows": tables[form]}).encode()
    status, answer = ask(port, body, f"{CSV}; charset=utf-8" if form == "csv" else JSON)
    expected, found = predictor.predict(recordings), answer["predictions"]
    assert (status, [one["id"] for one in found]) == (200, list(expected.ids))
    assert [one["label"] for one in found] == expected.gestures.tolist()
    np.testing.assert_allclose([list(one["probabilities"].values()) for one in found], expected.probabilities)
    for one in found:
        assert one["confidence"] == one["probabilities"][one["label"]]
        targets = [one["probabilities"][name] for name in predictor.label_set.targets]
        assert one["target_probability"] == pytest.approx(sum(targets))


def test_any_bundle_can_be_asked_with_its_own_columns_and_answers_with_its_own_labels(tmp_path: Path) -> None:
    about: dict[str, Any] = {"device": GALAXY_WATCH, "label_set": SEARLE_BEHAVIORS}
    watch = load(make_bundle(tmp_path / "m", members=1, simulated=True, mirror_left_hand=True, **about))
    recordings = make_recordings(1, **about)
    columns: dict[str, Any] = {"mood": ["good"] * recordings.n_rows}
    for sensor in GALAXY_WATCH.sensors:
        columns |= dict(zip(sensor.columns, recordings.sensors[sensor.name].T.tolist(), strict=True))
    with served(watch) as port:
        hands = ("", "handedness=1", "handedness=0", "handedness=2")
        body = json.dumps({"rows": columns}).encode()
        (_, answer), (_, right), (_, left), (status, _) = (ask(port, body, JSON, f"?{hand}") for hand in hands)
        assert send(port, "/model")[1]["label_set"]["classes"] == list(SEARLE_BEHAVIORS.classes)
    assert answer["predictions"][0]["label"] == watch.predict(recordings).gestures[0]
    assert answer["simulated"]
    assert "SIMULATED" in answer["notes"][0]
    assert "mood" in answer["notes"][1]
    assert answer == right != left
    assert status == 422


DAMAGED: dict[str, tuple[str, bytes]] = {
    "nothing": (JSON, b""),
    "null": (JSON, b"null"),
    "a list": (JSON, json.dumps([STILL]).encode()),
    "rows that are null": (JSON, b'{"rows": null}'),
    "rows that are numbers": (JSON, b'{"rows": [1, 2]}'),
    "columns of different lengths": (JSON, json.dumps({"rows": STILL | {"acc_x": [1]}}).encode()),
    "half of a document": (JSON, json.dumps({"rows": STILL}).encode()[:-5]),
    "deep JSON": (JSON, b"[" * 100_000),
    "broad JSON": (JSON, b'{"rows": [' + b"[]," * 200_001 + b"[]]}"),
    "compressed CSV": (CSV, gzip.compress(b"a,b\n" * 1_000_000)),
    "the columns of another device": (CSV, b"gyr_x,gyr_y,gyr_z\n0,0,0\n"),
    **{repr(kind): (kind, b"PAR1") for kind in ("application/vnd.apache.parquet", "", "\x7f")},
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_cannot_be_predicted_is_refused_with_the_reason(port: int, name: str) -> None:
    kind, body = DAMAGED[name]
    is_known = kind in (CSV, JSON)
    for status, encoding in ((422 if is_known else 415, {}), (415, {"content_encoding": "gzip"})):
        found, answer = ask(port, body, kind, **encoding)
        assert (found, set(answer)) == (status, {"detail", "remedy"})
        assert (f"{CSV} or {JSON}" in answer["detail"]) == (status == 415)


def test_the_overview_the_bundle_and_the_document_are_told(port: int, predictor: Predictor) -> None:
    assert send(port, "/health") == (200, {"status": "ok"})
    assert set(send(port, "/")[1]["paths"]) == set(PATHS)
    model = send(port, "/model")[1]
    assert (model["members"], model["simulated"], model["device"]["name"]) == (2, False, "helios")
    assert model["device"]["sensors"]["acc"] == {"unit": "m/s^2", "columns": ["acc_x", "acc_y", "acc_z"]}
    assert str(predictor.bundle.path) not in json.dumps(model)
    document = send(port, "/openapi.json")[1]
    assert {*document["paths"], "/openapi.json"} == set(PATHS)
    predict = document["paths"]["/predict"]["post"]
    assert set(predict["requestBody"]["content"]) == {CSV, JSON}
    assert {"200", "413", "415", "422"} <= set(predict["responses"])
    for path, status in (("/nothing", 404), ("/predict", 405), ("/../etc/passwd", 404)):
        found, answer = send(port, path)
        assert (found, "/predict" in answer["remedy"]) == (status, True)


def test_answers_are_logged_without_what_the_query_says_of_a_person_and_errors_that_nobody_expected_with_a_traceback(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    body = as_csv(make_recordings(3))
    with caplog.at_level(logging.INFO, "bfrb.serve"), served(predictor) as port, ThreadPoolExecutor(5) as threads:
        assert {code for code, _ in threads.map(lambda _: ask(port, body, query="?handedness=1"), range(5))} == {200}
        send(port, "/two%0Alines")
        until(lambda: len(caplog.messages) == 6)
        monkeypatch.setattr(predictor, "predict", Mock(side_effect=RuntimeError("a secret")))
        status, answer = ask(port, body)
        until(lambda: "Traceback" in caplog.text and "a secret" in caplog.text)
    assert caplog.messages[0].startswith("POST '/predict' 200, ")
    assert "\n" not in caplog.messages[5]
    assert (status, "secret" in json.dumps(answer)) == (500, False)


HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n"
HOSTILE = {
    "a body larger than allowed": (413, HEAD + b"content-length: 1099511627776\r\n\r\n"),
    "a large body of unknown length": (
        413,
        HEAD + b"transfer-encoding: chunked\r\n\r\n" + (b"100000\r\n" + b"a" * (1 << 20) + b"\r\n") * 2 + b"0\r\n\r\n",
    ),
    "two lengths": (400, HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello"),
    "no HTTP": (400, b"\x80\x04\x95 no HTTP at all\r\n\r\n"),
    "a strange host": (404, b"GET /x HTTP/1.1\r\nhost: [::1\r\nconnection: close\r\n\r\n"),
}


def talk(port: int, data: bytes) -> bytes:
    """What is answered first, maybe before everything was read."""
    with socket.create_connection((LOOPBACK, port), timeout=10) as connection:
        connection.sendall(data)
        return connection.recv(65536)


def test_impossible_requests_are_refused_and_slow_ones_hold_up_nobody(port: int) -> None:
    with socket.create_connection((LOOPBACK, port)) as left:
        left.sendall(HEAD + b"content-length: 9\r\n\r\na")  # and leaves
        for name, (status, request) in HOSTILE.items():
            assert talk(port, request).startswith(b"HTTP/1.1 %d" % status), name
        assert ask(port, b"a" * (30 << 20))[0] == 413
        assert ask(port, as_csv(make_recordings(1)))[0] == 200
    with pytest.raises(ConfigError, match=f"port {port}"):
        listen(LOOPBACK, port)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM on Windows")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_command_quietly_once_what_is_at_work_is_answered(bundle: Path, number: int) -> None:
    command = [sys.executable, "-m", "bfrb", "serve", str(bundle), "--protocol", "http", "--port", "0"]
    body = as_csv(make_recordings(1))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        port = int(process.stderr.readline().rpartition(":")[2])
        send(port, "/health")
        with socket.create_connection((LOOPBACK, port), timeout=20) as pending:
            pending.sendall(HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(body))
            assert pending.recv(65536).startswith(b"HTTP/1.1 100")  # it waits for the body
            process.send_signal(number)
            until(lambda: not is_listening(port))
            pending.sendall(body)
            assert pending.recv(65536).startswith(b"HTTP/1.1 200")
        assert process.wait(20) == 0
        assert [line.partition(",")[0] for line in process.stderr] == ["GET '/health' 200", "POST '/predict' 200"]
