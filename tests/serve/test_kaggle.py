"""The server as the gateway sees it, asked by a client of gRPC alone."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import bfrb
from bfrb.errors import BfrbError, ConfigError
from bfrb.read.cmi_write import rows_of
from bfrb.study.labels import CMI_GESTURES
from bundles import make_recordings

pytest.importorskip("grpc")

import grpc

from bfrb.serve.channel import RERUN
from bfrb.serve.kaggle import InferenceServer, bundle_server
from bfrb.serve.kaggle_pb2 import Payload
from kaggle_messages import METHOD, reply, request

FALLBACK = reply("Text on phone")
ROWS = rows_of(make_recordings(1)).drop("gesture")
SUBJECT = pl.DataFrame({"subject": ["SUBJ_000000"], "age": [34], "handedness": [0]})
GOOD = request(ROWS, SUBJECT)

Ask = Callable[[bytes], bytes]


@contextmanager
def client(address: str) -> Iterator[Ask]:
    with grpc.insecure_channel(address) as channel:
        yield lambda message: channel.unary_unary(METHOD)(message, timeout=20)


@contextmanager
def serving(predict: Any, **options: Any) -> Iterator[Ask]:
    with InferenceServer(predict, port=0, **options).running() as address, client(address) as ask:
        yield ask


def wave(*_: Any) -> str:
    return "Wave hello"


def error_of(ask: Ask, message: bytes) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as raised:
        ask(message)
    return raised.value.code().name, raised.value.details()


@pytest.fixture(scope="module")
def ask_bundle(bundle: Path) -> Iterator[Ask]:
    with bundle_server(bfrb.load(bundle), port=0).running() as address, client(address) as ask:
        yield ask


def test_captured_requests_are_answered_byte_by_byte(real_data: Path, bundle: Path, ask_bundle: Ask) -> None:
    captured = real_data / "kaggle_gateway"
    if not captured.is_dir():
        pytest.skip(f"no captured requests: {captured} is no folder")
    assert ask_bundle(GOOD) == reply(bfrb.load(bundle).predict_one(ROWS, SUBJECT))
    for path in captured.glob("request_*.bin"):
        assert ask_bundle(path.read_bytes()) in map(reply, CMI_GESTURES.classes)
        with serving(lambda *_: "Text on phone", strict=True) as ask:
            assert ask(path.read_bytes()) == (captured / "response_str.bin").read_bytes()


@pytest.mark.parametrize("wrap", [str, np.str_, np.array, lambda text: np.array([text], object)])
def test_every_gesture_is_replied_as_plain_text_also_if_numpy_holds_it(wrap: Any) -> None:
    for gesture in CMI_GESTURES.classes:
        assert InferenceServer(lambda *_, found=gesture: wrap(found), strict=True).answer(GOOD) == reply(gesture)


def test_the_function_is_given_polars_frames_and_keywords() -> None:
    def predict(rows: pl.DataFrame, subject: pl.DataFrame, **keywords: Any) -> str:
        assert rows.equals(ROWS)
        assert subject.equals(SUBJECT)
        assert keywords == {"path": "a/b", "numbers": [1, 0.5, None]}
        return "Wave hello"

    message = request(ROWS, SUBJECT, path="a/b", numbers=[1, 0.5, None])
    assert InferenceServer(predict, strict=True).answer(message) == reply("Wave hello")


class OwnInterrupt(BaseException):
    """Such as the panics of native code."""


@pytest.mark.parametrize(
    "error",
    [ValueError("no idea"), SystemExit(3), KeyboardInterrupt(), OwnInterrupt("gone"), ValueError("x\n\x00" * 10**6)],
    ids=lambda error: repr(error)[:30],
)
def test_what_a_function_raises_is_answered_and_logged(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    def predict(*_: Any) -> str:
        raise error

    # One line that fits into a header.
    told = " ".join(str(error).split())[:70] or type(error).__name__
    with serving(predict) as ask, serving(predict, strict=True) as ask_strict:
        for _ in range(2):
            assert ask(GOOD) == FALLBACK
            code, details = error_of(ask_strict, GOOD)
            assert (code, details.startswith(f"Exception calling application: {told}")) == ("UNKNOWN", True)
    assert f"answered 'Text on phone', since: {told}" in caplog.text


@pytest.mark.parametrize("answer", [None, "text on phone", b"Wave hello", np.array([1, 2])])
def test_an_answer_that_is_no_gesture_becomes_the_fallback_or_an_error(answer: Any) -> None:
    server = InferenceServer(lambda *_: answer, fallback="Wave hello")
    assert server.answer(GOOD) == reply("Wave hello")
    assert server.failures == 1
    with pytest.raises(BfrbError, match="expected one of the 18 gestures as answer"):
        InferenceServer(lambda *_: answer, strict=True).answer(GOOD)


PROXIMITY = pl.selectors.matches("^(thm|tof)_")
NEVER = pl.when(pl.lit(value=False))
UNUSUAL = {
    "texts": (ROWS.with_columns(PROXIMITY.cast(pl.Float64).cast(pl.String)), SUBJECT),
    "texts without values": (ROWS.with_columns(NEVER.then(PROXIMITY.cast(pl.String))), SUBJECT),
    "no values": (ROWS.with_columns(NEVER.then(PROXIMITY)), SUBJECT),
    "no subject": (ROWS, SUBJECT.clear()),
    "an impossible subject": (ROWS, SUBJECT.with_columns(age=-34)),
    "no demographics": (ROWS, pl.DataFrame()),
    "an impossible reading": (ROWS.with_columns(pl.lit(1e6).alias(ROWS.columns[-1])), SUBJECT),
}


UNUSABLE = {
    "no rows": request(ROWS.clear(), SUBJECT),
    "no columns": request(ROWS.select("row_id"), SUBJECT),
    "two sequences": request(pl.concat([ROWS, ROWS.with_columns(sequence_id=pl.lit("x"))]), SUBJECT),
    "no arguments": request(),
    "three arguments": request(ROWS, SUBJECT, SUBJECT),
    "a text": request("abc", "abc"),
    "a truncated frame": request(Payload(polars_dataframe_value=b"\xff\xff\xff\xff\x10\x00\x00\x00"), SUBJECT),
    "a pickle": request(Payload(numpy_array_value=b"\x80\x04\x95."), SUBJECT),
    "no such kind": b"\x0a\x07predict\x12\x04\x82\x01\x01x",
}


@pytest.mark.parametrize("name", [*UNUSUAL, *UNUSABLE])
def test_unusual_recordings_are_predicted_and_others_answered_with_the_fallback(
    name: str, ask_bundle: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    answer = ask_bundle(UNUSABLE[name] if name in UNUSABLE else request(*UNUSUAL[name]))
    assert answer == FALLBACK if name in UNUSABLE else answer in map(reply, CMI_GESTURES.classes)
    assert ("answered 'Text on phone', since: " in caplog.text) == (name in UNUSABLE)


NO_REQUESTS = [b"\xff" * 20, b"\x0a\x7fpredict", b"\x12\x00\xff", b"\x32\x80\x01" * 500]
OTHERS = {name: request(ROWS, SUBJECT, name=name) for name in ("train", "", "Predict", "ä", "x" * 50_000)}


def test_what_is_no_request_for_a_gesture_is_the_protocols_error(ask_bundle: Ask) -> None:
    for message in NO_REQUESTS:
        code, details = error_of(ask_bundle, message)
        assert (code, details.partition(": ")[0]) == ("UNKNOWN", "Exception calling application")
    for name, message in OTHERS.items():
        code, details = error_of(ask_bundle, message)
        assert (code, f"No listener for {name[:300]} was registered" in details) == ("UNKNOWN", True)
    assert ask_bundle(GOOD) in map(reply, CMI_GESTURES.classes)


def test_calls_are_served_one_at_a_time() -> None:
    alone = threading.Lock()

    def predict(*_: Any) -> str:
        assert alone.acquire(blocking=False)
        time.sleep(0.01)
        alone.release()
        return "Wave hello"

    with serving(predict, strict=True) as ask, ThreadPoolExecutor(6) as pool:
        assert set(pool.map(ask, [GOOD] * 12)) == {reply("Wave hello")}


def test_a_bundle_for_other_behaviours_is_not_served(watch_bundle: Path) -> None:
    with pytest.raises(ConfigError, match="gestures of the CMI study"):
        bundle_server(bfrb.load(watch_bundle))


def test_a_server_is_started_once_and_shares_its_port_with_no_other() -> None:
    first = InferenceServer(wave, port=0)
    with first.running() as address:
        port = int(address.rpartition(":")[2])
        for server, told in (
            (first, "running already"),
            (InferenceServer(wave, port=port), f"{port} is taken"),
            (InferenceServer(wave, host="192.0.2.1", port=0), "cannot listen"),
        ):
            with pytest.raises(ConfigError, match=told):
                server.start()


@pytest.mark.parametrize("value", [None, "", "1"])
def test_only_where_kaggle_evaluates_serving_blocks_and_other_machines_are_listened_to(
    monkeypatch: pytest.MonkeyPatch, value: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(RERUN, raising=False)
    if value is not None:
        monkeypatch.setenv(RERUN, value)
    caplog.set_level(logging.INFO, "bfrb")
    server = InferenceServer(wave, port=0)
    serving = threading.Thread(target=server.serve, daemon=True)
    serving.start()
    serving.join(20 if value is None else 0.5)
    assert serving.is_alive() == (value is not None)
    assert f"listening on {'127.0.0.1' if value is None else '[::]'}, port " in caplog.text
    assert ("open to other machines" in caplog.text) == (value is not None)
    server.stop()
    serving.join(20)
    assert not serving.is_alive()


STUCK = """
import time
from bfrb.serve.kaggle import InferenceServer

server = InferenceServer(lambda *_: print("asked", flush=True) or time.sleep(600), port=0)
print(server.start(), flush=True)
server.wait()
"""


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if name != RERUN}
    pipe = subprocess.PIPE
    started = subprocess.Popen([sys.executable, *command], stdout=pipe, stderr=pipe, text=True, env=environment)
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_served_bundle_ends_quietly_on_a_signal(bundle: Path, number: int) -> None:
    with process("-m", "bfrb", "serve", str(bundle), "--protocol", "kaggle", "--any-port") as server:
        assert server.stderr is not None
        listening = next(line for line in server.stderr if line.startswith("listening"))
        with client(f"localhost:{listening.split()[-1]}") as ask:
            assert ask(GOOD) in map(reply, CMI_GESTURES.classes)
        server.send_signal(number)
        assert server.wait(20) == 0
        assert server.stderr.read() == "stopping\n"


def test_a_call_that_does_not_end_does_not_keep_the_process_alive() -> None:
    with process("-c", STUCK) as server:
        assert server.stdout is not None
        with client(f"localhost:{server.stdout.readline()}".strip()) as ask, ThreadPoolExecutor(1) as pool:
            asked = pool.submit(ask, GOOD)
            assert server.stdout.readline() == "asked\n"
            server.terminate()
            assert server.wait(20) == 0
            assert isinstance(asked.exception(20), grpc.RpcError)
