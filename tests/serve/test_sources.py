"""Where live samples come from: every kind of source, and how it ends."""

import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bfrb.errors import ConfigError
from bfrb.serve import sources
from bfrb.serve.sources import Address, Source
from bfrb.stream.lines import LONGEST_LINE, Line
from waiting import until

SAMPLE = b'{"time_s": 1, "acc": [0, 0, 9.8]}\n'
posix = pytest.mark.skipif(sys.platform == "win32", reason="pseudo terminals, and stopping by SIGTERM")


@contextmanager
def opened(text: str) -> Iterator[Source]:
    with closing(Source(Address.parse(text), io.BytesIO())) as source:
        yield source


def take(source: Source, count: int) -> list[Line]:
    """The next lines, so many at least."""
    found: list[Line] = []
    end = time.monotonic() + 20
    for lines in source:
        found += lines
        if len(found) >= count or time.monotonic() > end:
            break
    return found


NO_ADDRESSES = """dev udp://127.0.0.1:1 ws://127.0.0.1:1 tcp://x tcp://127.0.0.1: tcp://127.0.0.1:70000 tcp://127.0.0.1:1/path
    tcp://me@127.0.0.1:1 serial: serial:COM3@ serial:COM3@fast serial:/dev/ttyUSB0@9600x serial:COM3@0 serial:COM3@-1"""


def test_addresses_that_are_none_or_that_others_could_reach_are_refused() -> None:
    for text in NO_ADDRESSES.split():
        with pytest.raises(ConfigError, match="no source"):
            Address.parse(text, public=True)
    for text in ("tcp://0.0.0.0:9000", "tcp://192.168.0.2:9000", "http://example.org:9000"):
        with pytest.raises(ConfigError, match="--public"):
            Address.parse(text)
        assert Address.parse(text, public=True).number == 9000
    assert Address.parse("serial:/dev/ttyUSB0@9600") == Address("serial", "/dev/ttyUSB0", 9600)
    assert Address.parse("tcp://[::1]:0") == Address("tcp", "::1", 0)


def send_tcp(port: int, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)


def post(port: int, data: bytes, **headers: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("POST", "/data", data, headers)
        return connection.getresponse().status


def talk(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        return connection.recv(65536)


SENDERS = {"tcp": send_tcp, "http": post}


@pytest.mark.parametrize(("kind", "send"), SENDERS.items())
def test_what_is_sent_comes_line_by_line_and_a_device_that_comes_back_is_the_same(kind: str, send: Any) -> None:
    with opened(f"{kind}://127.0.0.1:0") as source:
        for _ in range(2):
            send(source.port, SAMPLE + b"\r\xff\n" + SAMPLE)
            found = take(source, 4 if kind != "http" else 3)
            assert [line.text.strip() for line in found if line.text] == [SAMPLE.strip(), b"\xff", SAMPLE.strip()]
            assert {line.connection for line in found} == {kind if kind != "http" else "127.0.0.1"}


def test_devices_side_by_side_are_told_apart() -> None:
    with opened("tcp://127.0.0.1:0") as source, socket.create_connection(("127.0.0.1", source.port)) as first:
        first.sendall(SAMPLE)
        assert take(source, 1)[0].connection == "tcp"
        send_tcp(source.port, SAMPLE)
        assert take(source, 1)[0].connection == "tcp 2"


def test_a_pushed_body_may_be_a_document_of_many_lines_and_is_refused_from_other_sites_pages() -> None:
    with opened("http://127.0.0.1:0") as source:
        document = json.dumps([{"acc": [0, 0, 9.8]}] * 2, indent=2).encode()
        assert post(source.port, document, origin="http://localhost:3000") == 200
        assert take(source, 1)[0].text == document
        for size in (LONGEST_LINE + 1, 20 * LONGEST_LINE):
            assert post(source.port, b"x" * size) == 413
            assert post(source.port, b"x" * size, origin="http://elsewhere.example") == 403
        assert b" 411 " in talk(source.port, b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        assert b" 501 " in talk(source.port, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert post(source.port, SAMPLE) == 200


def test_senders_wait_where_nobody_reads_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_WAITING", 2)
    count = 20_000
    with opened("tcp://127.0.0.1:0") as source:
        sending = threading.Thread(target=send_tcp, args=(source.port, SAMPLE * count))
        sending.start()
        until(source._queue.full)
        found = take(source, count)
        sending.join(10)
    assert len([line for line in found if line.text]) == count


def test_a_closed_source_gives_what_had_come_and_ends() -> None:
    with opened("tcp://127.0.0.1:0") as source:
        send_tcp(source.port, SAMPLE)
        until(lambda: sum(map(len, source._queue.queue)) == 2)
        source.close()
        assert len([line for lines in source for line in lines]) == 2


@contextmanager
def streaming(bundle: Path, source: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`bfrb stream` and its port; ended whatever happens, after two minutes at the latest."""
    command = [sys.executable, "-m", "bfrb", "stream", str(bundle), "--set", "on=0", "--set", "off=0"]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([*command, "--source", source], text=True, **pipes) as process:
        watchdog = threading.Timer(120, process.kill)
        watchdog.start()
        try:
            assert process.stderr is not None
            ready = next(line for line in process.stderr if line.startswith("listening"))
            port = ready.partition(";")[0].rpartition(":")[2]
            yield process, int(port) if port.isdecimal() else 0
        finally:
            watchdog.cancel()
            process.kill()


def samples(rows: int = 200) -> bytes:
    acc = np.random.default_rng(0).normal(0, 1, (rows, 3)) + 9.8 * np.eye(3)[2]
    rest = ({"wearer": "ann", "time_s": row / 10, "acc": acc[row].tolist(), "gyr": [0, 0, 0]} for row in range(rows))
    return b"".join(json.dumps(each).encode() + b"\n" for each in rest)


@posix
@pytest.mark.parametrize(("kind", "send"), SENDERS.items())
def test_a_device_that_connects_gets_its_events_out(watch_bundle: Path, kind: str, send: Any) -> None:
    with streaming(watch_bundle, f"{kind}://127.0.0.1:0") as (process, port):
        assert process.stdout is not None
        assert process.stderr is not None
        send(port, b"boot\r message\n" + samples())
        assert json.loads(process.stdout.readline())["event"] == "begins"
        count = 0
        while count < 190:
            process.send_signal(signal.SIGUSR1)
            line = next(line for line in process.stderr if line.startswith("status"))
            count = json.loads(line.removeprefix("status ")).get("samples", 0)
        process.send_signal(signal.SIGTERM)
        rest, said = process.communicate()
    assert (process.returncode, json.loads(rest)["event"]) == (0, "ends")
    assert '"refused_lines": 1, "samples": 200' in said


@posix
def test_an_unplugged_device_ends_the_command_with_its_events_a_word_and_code_2_and_one_not_there_is_refused(
    watch_bundle: Path,
) -> None:
    pytest.importorskip("serial")
    import pty
    import tty

    main_end, device_end = pty.openpty()
    tty.setraw(device_end)
    with streaming(watch_bundle, f"serial:{os.ttyname(device_end)}") as (process, _):
        assert process.stdout is not None
        for start in range(0, len(data := samples()), 1000):
            os.write(main_end, data[start : start + 1000])
            time.sleep(0.005)
        process.stdout.readline()
        os.close(device_end)
        os.close(main_end)
        rest, said = process.communicate()
    assert (process.returncode, json.loads(rest)["event"]) == (2, "ends")
    assert ("is gone" in said, "Traceback" in said) == (True, False)
    with pytest.raises(ConfigError, match="cannot open"):
        Source(Address.parse("serial:/dev/ttyNone"), io.BytesIO())


def test_a_stream_of_standard_input_ends_with_it(watch_bundle: Path) -> None:
    with streaming(watch_bundle, "-") as (process, _):
        rest, said = process.communicate("\ufefftime_s,acc_x,acc_y,acc_z\n0.1,1,2\r,3\n" + samples().decode())
    assert process.returncode == 0
    assert [json.loads(line)["event"] for line in rest.splitlines()] == ["begins", "ends"]
    assert '"refused_lines": 1, "samples": 200' in said
