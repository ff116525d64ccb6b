"""The server as the gateway sees it, asked by a client that shares no code with it."""

from __future__ import annotations

import logging
import os
import signal
import socket
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
from bfrb.errors import ConfigError
from bfrb.read.gateway_files import still_recording
from bfrb.serve import ports
from bfrb.serve.kaggle import InferenceServer, ServerOptions, bundle_server
from bfrb.study.labels import CMI_GESTURES, SEARLE_BEHAVIORS
from bundles import make_bundle
from kaggle_messages import request

grpc = pytest.importorskip("grpc")

METHOD = "/kaggle_evaluation_client.KaggleEvaluationService/Send"
FALLBACK = b"\x0a\x0f\x0a\x0dText on phone"
STILL = still_recording()

Ask = Callable[[bytes], bytes]


@contextmanager
def client(port: int) -> Iterator[Ask]:
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        yield lambda message: channel.unary_unary(METHOD)(message, timeout=20)


@contextmanager
def serving(predict: Any, **options: Any) -> Iterator[Ask]:
    server = InferenceServer(predict, ServerOptions(port=0, **options))
    with server.running() as port, client(port) as ask:
        yield ask


def reply(gesture: str) -> bytes:
    text = gesture.encode()
    return bytes([0x0A, len(text) + 2, 0x0A, len(text)]) + text


def error_of(ask: Ask, message: bytes) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as raised:
        ask(message)
    return raised.value.code().name, raised.value.details()


@pytest.fixture(scope="module")
def ask_bundle(bundle: Path) -> Iterator[Ask]:
    server = bundle_server(bfrb.load(bundle), ServerOptions(port=0))
    with server.running() as port, client(port) as ask:
        yield ask


@pytest.mark.parametrize(
    "name", ["request_predict_polars1.25.2_9batches.bin", "request_predict_polars2.1.0_1batch.bin"]
)
def test_captured_requests_are_predicted(
    captured: Path, ask_bundle: Ask, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = ask_bundle((captured / name).read_bytes())
    assert answer in {reply(gesture) for gesture in CMI_GESTURES.classes}
    assert "answered" not in caplog.text
    assert ask_bundle((captured / name).read_bytes()) == answer


def test_the_reply_is_byte_equal_to_the_captured_one(captured: Path) -> None:
    with serving(lambda *_: "Text on phone") as ask:
        message = (captured / "request_predict_polars2.1.0_1batch.bin").read_bytes()
        assert ask(message) == (captured / "response_str.bin").read_bytes()


def test_a_bundle_answers_what_its_predictor_does(bundle: Path, ask_bundle: Ask) -> None:
    assert ask_bundle(request("predict", *STILL)) == reply(bfrb.load(bundle).predict_one(*STILL))


@pytest.mark.parametrize("gesture", CMI_GESTURES.classes)
def test_every_gesture_is_replied_as_plain_text(gesture: str) -> None:
    server = InferenceServer(lambda *_: gesture)
    assert server.answer(request("predict", *STILL)) == reply(gesture)


@pytest.mark.parametrize(
    "answer",
    [np.str_("Wave hello"), np.array("Wave hello"), np.array(["Wave hello"]), np.array(["Wave hello"], object)],
)
def test_texts_of_numpy_are_replied_as_plain_ones(answer: Any) -> None:
    assert InferenceServer(lambda *_: answer).answer(request("predict", *STILL)) == reply("Wave hello")


def test_the_function_is_given_polars_frames_and_keywords() -> None:
    given: list[Any] = []

    def predict(*args: Any, **kwargs: Any) -> str:
        given.append((args, kwargs))
        return "Wave hello"

    payload = b"\x0a\x01x"
    entry = b"\x0a\x01k\x12" + bytes([len(payload)]) + payload
    message = request("predict", *STILL) + b"\x1a" + bytes([len(entry)]) + entry
    InferenceServer(predict).answer(message)
    [(args, kwargs)] = given
    assert all(isinstance(frame, pl.DataFrame) for frame in args)
    assert args[0].equals(STILL[0])
    assert args[1].equals(STILL[1])
    assert kwargs == {"k": "x"}


def raises(error: BaseException) -> Callable[..., str]:
    def predict(*_: Any) -> str:
        raise error

    return predict


class OwnInterrupt(BaseException):
    """Such as the panics of native code."""


ERRORS = [ValueError("no idea"), SystemExit(3), KeyboardInterrupt(), OwnInterrupt("gone"), MemoryError(), ValueError()]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_whatever_the_function_raises_the_fallback_is_answered_and_the_reason_logged(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(raises(error)) as ask:
        assert ask(request("predict", *STILL)) == FALLBACK
        assert (str(error) or type(error).__name__) in caplog.text
        assert ask(request("predict", *STILL)) == FALLBACK


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_strict_whatever_the_function_raises_is_the_protocols_error(error: BaseException) -> None:
    with serving(raises(error), strict=True) as ask:
        message = str(error) or type(error).__name__
        for _ in range(2):
            answer = error_of(ask, request("predict", *STILL))
            assert answer == ("UNKNOWN", f"Exception calling application: {message}")


@pytest.mark.parametrize("answer", [None, 3, "text on phone", "", ["Wave hello"], b"Wave hello", np.array([1, 2])])
def test_answers_that_are_no_gesture_become_the_fallback(answer: Any) -> None:
    server = InferenceServer(lambda *_: answer)
    assert server.answer(request("predict", *STILL)) == FALLBACK
    assert server.failures == 1


def test_strict_an_answer_that_is_no_gesture_is_the_protocols_error() -> None:
    with serving(lambda *_: 3, strict=True) as ask:
        code, details = error_of(ask, request("predict", *STILL))
    assert code == "UNKNOWN"
    assert details.startswith("Exception calling application: expected one of the 18 gestures")


def test_an_error_longer_than_a_header_arrives_all_the_same() -> None:
    with serving(raises(ValueError("ä\n\x00x" * 100_000)), strict=True) as ask:
        code, details = error_of(ask, request("predict", *STILL))
    assert code == "UNKNOWN"
    assert details.startswith("Exception calling application: ")
    assert len(details) < 1000


@pytest.mark.parametrize("name", ["train", "", "Predict", "ä", "x" * 50_000])
@pytest.mark.parametrize("strict", [True, False])
def test_an_unknown_endpoint_is_told_in_the_protocols_words(name: str, strict: bool) -> None:
    with serving(lambda *_: "Wave hello", strict=strict) as ask:
        code, details = error_of(ask, request(name, *STILL))
    assert code == "UNKNOWN"
    assert f"No listener for {name[:300]} was registered" in details


def test_another_method_is_not_implemented() -> None:
    server = InferenceServer(lambda *_: "Wave hello", ServerOptions(port=0))
    with server.running() as port, grpc.insecure_channel(f"localhost:{port}") as channel:
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary("/kaggle_evaluation_client.KaggleEvaluationService/Other")(b"", timeout=10)
        assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


THM = pl.selectors.matches("^thm_")
TOF = pl.selectors.matches("^tof_")
NEVER = pl.when(pl.lit(value=False))
TRAPS = {
    "texts": (STILL[0].with_columns((THM | TOF).cast(pl.Float64).cast(pl.String)), STILL[1]),
    "texts without values": (STILL[0].with_columns(NEVER.then((THM | TOF).cast(pl.String))), STILL[1]),
    "no values": (STILL[0].with_columns(NEVER.then(THM | TOF)), STILL[1]),
    "a subject": (STILL[0], pl.DataFrame({"subject": ["nobody"], "age": [34], "handedness": [0]})),
    "an impossible subject": (STILL[0], pl.DataFrame({"subject": ["nobody"], "age": [-34]})),
    "no demographics": (STILL[0], pl.DataFrame()),
    "an impossible reading": (STILL[0].with_columns(pl.lit(1e6).alias(STILL[0].columns[-1])), STILL[1]),
}


@pytest.mark.parametrize("frames", TRAPS.values(), ids=TRAPS)
def test_a_trap_of_the_evaluation_is_predicted(frames: Any, ask_bundle: Ask, caplog: pytest.LogCaptureFixture) -> None:
    answer = ask_bundle(request("predict", *frames))
    assert answer in {reply(gesture) for gesture in CMI_GESTURES.classes}
    assert "answered" not in caplog.text


def test_texts_are_predicted_like_numbers(ask_bundle: Ask) -> None:
    assert ask_bundle(request("predict", *TRAPS["texts"])) == ask_bundle(request("predict", *STILL))


UNUSABLE = {
    "no rows": request("predict", STILL[0].clear(), STILL[1]),
    "no columns": request("predict", STILL[0].select("row_id"), STILL[1]),
    "two sequences": request(
        "predict", pl.concat([STILL[0], STILL[0].with_columns(sequence_id=pl.lit("x"))]), STILL[1]
    ),
    "no arguments": request("predict"),
    "three arguments": request("predict", *STILL, STILL[1]),
    "a text": request("predict", b"abc", b"abc", tag=0x0A),
    "truncated": request("predict", b"\xff\xff\xff\xff\x10\x00\x00\x00", b""),
    "a pickle": request("predict", b"\x80\x04\x95.", b"", tag=0x6A),
    "no such kind": b"\x0a\x07predict\x12\x04\x82\x01\x01x",
}


@pytest.mark.parametrize("message", UNUSABLE.values(), ids=UNUSABLE)
def test_a_request_that_cannot_be_predicted_is_answered_with_the_fallback(
    message: bytes, ask_bundle: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask_bundle(message) == FALLBACK
    assert "answered 'Text on phone', since: " in caplog.text


@pytest.mark.parametrize("message", [b"\xff" * 20, b"\x0a\x7fpredict", b"\x12\x00\xff"])
def test_bytes_that_are_no_request_are_the_protocols_error(message: bytes, ask_bundle: Ask) -> None:
    code, details = error_of(ask_bundle, message)
    assert code == "UNKNOWN"
    assert details.startswith("Exception calling application: ")
    assert ask_bundle(request("predict", *STILL))


def test_the_fallback_can_be_chosen_among_the_gestures() -> None:
    server = InferenceServer(raises(ValueError()), ServerOptions(fallback="Wave hello"))
    assert server.answer(request("predict")) == reply("Wave hello")
    with pytest.raises(ConfigError, match="18 gestures"):
        ServerOptions(fallback="wave hello")


def test_calls_are_served_one_at_a_time() -> None:
    at_once, most = 0, 0

    def predict(*_: Any) -> str:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.01)
        at_once -= 1
        return "Wave hello"

    with serving(predict) as ask, ThreadPoolExecutor(6) as pool:
        assert set(pool.map(ask, [request("predict", *STILL)] * 12)) == {reply("Wave hello")}
    assert most == 1


def test_large_requests_are_taken() -> None:
    """More than the four megabytes that gRPC takes by default."""
    seen: list[int] = []
    with serving(lambda data: seen.append(len(data)) or "Wave hello") as ask:
        assert ask(request("predict", b"x" * 6_000_000, tag=0x0A)) == reply("Wave hello")
    assert seen == [6_000_000]


def test_a_bundle_for_other_behaviours_is_not_served(tmp_path: Path) -> None:
    other = make_bundle(tmp_path / "other", label_set=SEARLE_BEHAVIORS)
    with pytest.raises(ConfigError, match="gestures of the CMI study"):
        bundle_server(bfrb.load(other))


def test_a_second_server_cannot_share_the_port() -> None:
    first = InferenceServer(lambda *_: "Wave hello", ServerOptions(port=0))
    with first.running() as port, pytest.raises(ports.PortError, match=f"{port} is taken"):
        InferenceServer(lambda *_: "Wave hello", ServerOptions(port=port)).start()


def test_only_this_machine_is_listened_to_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ports.RERUN, raising=False)
    mine = own_address()
    with InferenceServer(lambda *_: "Wave hello", ServerOptions(port=0)).running() as port:
        assert not connects(mine, port)
        assert connects("127.0.0.1", port)
    monkeypatch.setenv(ports.RERUN, "")
    with InferenceServer(lambda *_: "Wave hello", ServerOptions(port=0)).running() as port:
        assert connects(mine, port)


def own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            pytest.skip("this machine has no address but its loopback")
        address: str = probe.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("this machine has no address but its loopback")
    return address


def connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def test_serving_blocks_only_where_kaggle_evaluates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ports.RERUN, raising=False)
    server = InferenceServer(lambda *_: "Wave hello", ServerOptions(port=0))
    server.serve()
    assert server.port
    assert connects("127.0.0.1", server.port)
    server.stop()
    assert not connects("127.0.0.1", server.port)
    monkeypatch.setenv(ports.RERUN, "")
    blocked = threading.Thread(target=server.serve, daemon=True)
    blocked.start()
    blocked.join(0.5)
    assert blocked.is_alive()
    server.stop()
    blocked.join(5)
    assert not blocked.is_alive()


def test_a_server_is_started_once() -> None:
    server = InferenceServer(lambda *_: "Wave hello", ServerOptions(port=0))
    with server.running(), pytest.raises(ConfigError, match="running already"):
        server.start()


def test_a_call_that_does_not_end_is_given_up() -> None:
    release = threading.Event()

    def predict(*_: Any) -> str:
        release.wait(30)
        return "Wave hello"

    server = InferenceServer(predict, ServerOptions(port=0))
    port = server.start()
    with client(port) as ask, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, request("predict", *STILL))
        time.sleep(0.3)
        start = time.monotonic()
        server.stop()
        assert time.monotonic() - start < 2
        assert isinstance(asked.exception(5), grpc.RpcError)
    release.set()


STUCK = """
import sys, time
from bfrb.serve.kaggle import InferenceServer, ServerOptions
server = InferenceServer(lambda *_: time.sleep(60), ServerOptions(port=0))
print(server.start(), flush=True)
server.wait()
"""


SIGNALLED_ELSEWHERE = """
import signal, threading, time
from bfrb.serve.kaggle import InferenceServer, ServerOptions

def take():
    time.sleep(0.5)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    time.sleep(20)

server = InferenceServer(lambda *_: "Wave hello", ServerOptions(port=0))
server.start()
threading.Thread(target=take, daemon=True).start()
server.wait()
"""


def start(*command: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != ports.RERUN}
    return subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_served_bundle_ends_cleanly_on_a_signal(bundle: Path, number: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = start("-m", "bfrb", "serve", str(bundle), "--protocol", "kaggle", "--port", str(port))
    try:
        assert server.stderr is not None
        told = [server.stderr.readline()]
        while "listening" not in told[-1] and told[-1]:
            told.append(server.stderr.readline())
        assert f"port {port}" in told[-1], told
        with client(port) as ask:
            assert ask(request("predict", *STILL))
        begun = time.monotonic()
        server.send_signal(number)
        assert server.wait(10) == 0
        assert time.monotonic() - begun < 2
        assert "Traceback" not in server.stderr.read()
    finally:
        server.kill()
        server.communicate()


def test_a_call_that_does_not_end_does_not_keep_the_process_alive() -> None:
    server = start("-c", STUCK)
    try:
        assert server.stdout is not None
        with client(int(server.stdout.readline())) as ask, ThreadPoolExecutor(1) as pool:
            asked = pool.submit(ask, request("predict", *STILL))
            time.sleep(0.5)
            begun = time.monotonic()
            server.terminate()
            assert server.wait(10) == 0
            assert time.monotonic() - begun < 2
            assert isinstance(asked.exception(5), grpc.RpcError)
    finally:
        server.kill()
        server.communicate()


def test_a_signal_that_another_thread_takes_ends_the_server() -> None:
    server = start("-c", SIGNALLED_ELSEWHERE)
    try:
        assert server.wait(10) == 0
    finally:
        server.kill()
        server.communicate()


def test_where_it_listens_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    server = InferenceServer(lambda *_: "Wave hello", ServerOptions(port=0))
    with caplog.at_level(logging.INFO, "bfrb"), server.running() as port:
        assert f"listening on 127.0.0.1, port {port}" in caplog.text
