"""Lines from devices: JSON and CSV, many wearers, and whatever else may come."""

from __future__ import annotations

import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfrb.errors import ConfigError, DataError
from bfrb.predict.bundle import Bundle
from bfrb.predict.predictor import Predictor
from bfrb.serve.live_sources import Place
from bfrb.serve.session import Session
from bfrb.stream.events import EventRule
from bfrb.stream.lines import LONGEST_LINE, LineParser, LineSplitter
from bfrb.stream.live import Arrival, Live
from bfrb.stream.spec import EventSpec
from bfrb.stream.stream import Stream, StreamHub
from bfrb.study.device import GALAXY_WATCH, HELIOS
from bfrb.study.labels import SEARLE_BEHAVIORS
from bundles import make_bundle

ALWAYS = EventRule(spec=EventSpec(on=0.0, off=0.0))
ROWS = 200


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watch") / "bundle"
    return make_bundle(folder, device=GALAXY_WATCH, label_set=SEARLE_BEHAVIORS, members=1)


@pytest.fixture(scope="module")
def watch(bundle: Path) -> Predictor:
    return Predictor(Bundle.open(bundle))


def wear(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    acc = rng.normal(0, 1, (ROWS, 3)) + 9.8 * np.eye(3)[2]
    return {"time_s": 50 + np.arange(ROWS) / 10, "acc": acc.round(3), "gyr": rng.normal(0, 60, (ROWS, 3)).round(2)}


def as_json(values: dict[str, np.ndarray], **more: Any) -> bytes:
    lines = [json.dumps({name: array[row].tolist() for name, array in values.items()} | more) for row in range(ROWS)]
    return "\n".join(lines).encode() + b"\n"


def as_csv(values: dict[str, np.ndarray]) -> bytes:
    columns = ["time_ms", *GALAXY_WATCH.sensor("acc").columns, *GALAXY_WATCH.sensor("gyr").columns]
    rows = np.column_stack([(1000 * values["time_s"]).round(), values["acc"], values["gyr"]])
    return ("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows.tolist())]) + "\n").encode()


def alone(predictor: Predictor, values: dict[str, np.ndarray]) -> list[tuple[float, float]]:
    stream = Stream(predictor, ALWAYS)
    return [(event.start_s, event.end_s) for event in stream.push(values) + stream.finish()]


def spans(outputs: list[dict[str, Any]], wearer: str) -> list[tuple[float, float]]:
    ended = [output for output in outputs if output["event"] == "ends" and output["wearer"] == wearer]
    return [(output["start_s"], output["end_s"]) for output in ended]


def arrivals(data: bytes, connection: str = "a", size: int = 777) -> Iterator[Arrival]:
    for start in range(0, len(data), size):
        yield Arrival(connection, 0.0, data[start : start + size])


@pytest.mark.parametrize("write", [as_json, as_csv])
def test_lines_give_the_events_of_their_samples(watch: Predictor, write: Any) -> None:
    live = Live(StreamHub(watch, ALWAYS))
    outputs = [output for arrival in arrivals(write(wear())) for output in live.take([arrival])]
    assert [output["event"] for output in outputs] == ["begins"]
    assert spans(outputs + live.finish(), "a") == alone(watch, wear())
    assert live.status()["refused_lines"] == 0


def test_wearers_are_told_apart_by_name_whatever_connection_they_come_from(watch: Predictor) -> None:
    live = Live(StreamHub(watch, ALWAYS))
    lines = [as_json(wear(seed), wearer=name).splitlines(keepends=True) for seed, name in enumerate(["ann", "ben"])]
    mixed = b"".join(line for pair in zip(*lines, strict=True) for line in pair)
    outputs = live.take(arrivals(mixed, size=5000)) + live.finish()
    for seed, name in enumerate(["ann", "ben"]):
        assert spans(outputs, name) == alone(watch, wear(seed))


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 50))
def test_garbage_is_counted_and_harms_nobody(watch: Predictor, garbage: bytes, size: int) -> None:
    live = Live(StreamHub(watch, ALWAYS))
    live.take(arrivals(garbage + b"\n", "broken", size))
    outputs = live.take(arrivals(as_json(wear()))) + live.finish()
    assert spans(outputs, "a") == alone(watch, wear())


@pytest.mark.parametrize(
    "line",
    [
        b"[1, 2]",
        b"{",
        b'{"acc": [1, 2]}',
        b'{"acc": "fast"}',
        b'{"temperature": 3}',
        b'{"acc": {"x": 1}}',
        b'{"acc": [[1, 2, 3], [4]]}',
        b'{"acc": [1e999, 0, 0], "gyr": [true, {}, 0]}',
        b'{"acc": 1' + b"0" * 5000 + b"}",
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_bad_line_is_refused_and_the_next_one_read(watch: Predictor, line: bytes) -> None:
    live = Live(StreamHub(watch, ALWAYS))
    live.take([Arrival("a", 0.0, b'{"acc": [0, 0, 9.8]}\n' + line + b'\n{"acc": [0, 0, 9.8]}\n')])
    assert live.status()["refused_lines"] == 1
    assert live.hub.take("a", {"acc": [0, 0, 9.8]}).rows == 1


@pytest.mark.parametrize("value", ["null", "NaN", '"soon"', "[1, 2]", "{}", "1e400", "true"])
def test_a_time_that_is_none_costs_one_sample_at_most(watch: Predictor, value: str) -> None:
    live = Live(StreamHub(watch, ALWAYS))
    lines = as_json(wear()).splitlines(keepends=True)
    broken = re.sub(rb'"time_s": [\d.]+', b'"time_s": ' + value.encode(), lines[77])
    outputs = live.take(arrivals(b"".join([*lines[:77], broken, *lines[78:]]))) + live.finish()
    assert spans(outputs, "a") == alone(watch, wear())
    status = live.status()
    assert status["refused_lines"] + status["garbage"] + status["strange"] == 1


def test_endless_lines_are_dropped_without_being_kept() -> None:
    splitter = LineSplitter()
    for _ in range(40):
        assert splitter.push(b"x" * (LONGEST_LINE // 10)) == []
        assert len(splitter._rest) <= LONGEST_LINE
    assert splitter.push(b"y\nwhole\n") == [b"{", b"whole"]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=8), st.integers(1, 9))
def test_lines_do_not_depend_on_how_bytes_arrive(lines: list[bytes], size: int) -> None:
    data, splitter = b"".join(line + b"\n" for line in lines), LineSplitter()
    assert [line for at in range(0, len(data), size) for line in splitter.push(data[at : at + size])] == lines


def test_a_stream_ends_with_its_connection_and_with_silence(watch: Predictor) -> None:
    live = Live(StreamHub(watch, ALWAYS), idle_s=60)
    live.take(arrivals(as_json(wear())))
    assert spans(live.take([Arrival("a", 0.0, b"", ends=True)]), "a") == alone(watch, wear())
    live.take(arrivals(as_json(wear(), wearer="ann")))
    assert live.end_idle(59.0) == []
    assert spans(live.end_idle(61.0), "ann") == alone(watch, wear())
    assert live.status()["wearers"] == 0


def test_samples_without_a_clock_can_get_the_time_of_their_arrival(watch: Predictor) -> None:
    live = Live(StreamHub(watch, ALWAYS), stamp=True)
    values = wear()
    outputs = []
    for row, line in enumerate(as_json({"acc": values["acc"]}).splitlines(keepends=True)):
        outputs += live.take([Arrival("a", 50 + row / 10 + (1000 if row >= 100 else 0), line)])
    assert live.hub.counts.gaps == 1
    assert [round(start) for start, _ in spans(outputs + live.finish(), "a")] == [52, 1062]


def test_what_columns_there_are_is_said_in_the_header() -> None:
    parser = LineParser(HELIOS)
    assert parser.parse(b"time_s,acc_x,acc_y,acc_z,note,tof_1_v0") is None
    message = parser.parse(b"1.5,0,,9.8,hello,7")
    assert message is not None
    assert message.values["acc"] == [0.0, None, 9.8]
    assert message.values["time_s"] == 1.5
    assert message.values["tof"][:2] == [7.0, None]
    with pytest.raises(DataError, match="6 fields"):
        parser.parse(b"1.5,0")
    with pytest.raises(DataError, match="a header with columns"):
        LineParser(HELIOS).parse(b"hello there")


def test_a_session_follows_standard_input_to_its_end(watch: Predictor) -> None:
    live, outputs, statuses = Live(StreamHub(watch, ALWAYS)), [], []
    session = Session(live, outputs.append, lambda: statuses.append(live.status()))
    session.run(Place.parse("-"), io.BytesIO(as_json(wear())))
    assert spans(outputs, "stdin") == alone(watch, wear())
    assert statuses[-1]["samples"] == ROWS


@pytest.mark.parametrize("text", ["tcp://0.0.0.0:9000", "ws://192.168.0.2:9000", "udp://127.0.0.1:1", "tcp://x", "dev"])
def test_sources_that_others_could_reach_or_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        Place.parse(text)
    if text.startswith(("tcp://0", "ws")):
        assert Place.parse(text, public=True).port == 9000


def test_a_serial_source_has_a_speed() -> None:
    assert Place.parse("serial:/dev/ttyUSB0@9600") == Place("serial", device="/dev/ttyUSB0", baud=9600)
    assert Place.parse("serial:COM3").baud == 115_200


@pytest.mark.skipif(sys.platform == "win32", reason="the pseudo terminal, and stopping by SIGTERM")
@pytest.mark.parametrize("kind", ["tcp", "ws", "serial"])
def test_a_device_that_connects_gets_its_events_out(bundle: Path, watch: Predictor, kind: str) -> None:
    if kind == "ws":
        pytest.importorskip("websockets")
    if kind == "serial":
        pytest.importorskip("serial")
    command = [sys.executable, "-m", "bfrb", "stream", str(bundle), "--set", "on=0", "--set", "off=0", "--source"]
    source, main_end = (f"{kind}://127.0.0.1:0", 0) if kind != "serial" else open_terminal()
    with running([*command, source]) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        ready = next(line for line in process.stderr if line.startswith("listening"))
        port = main_end if kind == "serial" else int(ready.partition(";")[0].rpartition(":")[2])
        send(kind, port, as_json(wear(), wearer="ann"))
        begun = json.loads(process.stdout.readline())
        heard = 0
        while heard < ROWS - 10:
            process.send_signal(signal.SIGUSR1)
            heard = json.loads(process.stderr.readline().partition("status ")[2]).get("samples", 0)
        process.send_signal(signal.SIGTERM)
        ended = json.loads(process.stdout.readline())
        rest = process.communicate()
    assert (process.returncode, rest[0]) == (0, "")
    assert begun["event"] == "begins"
    assert [(ended["start_s"], ended["end_s"])] == alone(watch, wear())
    assert '"samples": 200' in rest[1]


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended whatever happens, after two minutes at the latest."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(120, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def open_terminal() -> tuple[str, int]:
    import os
    import pty
    import tty

    main_end, device_end = pty.openpty()
    tty.setraw(device_end)
    return f"serial:{os.ttyname(device_end)}", main_end


def send(kind: str, port: int, data: bytes) -> None:
    """Send as a device does, and hang up: the stream of a wearer with a name goes on."""
    if kind == "tcp":
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(data)
    elif kind == "ws":
        from websockets.sync.client import connect

        with connect(f"ws://127.0.0.1:{port}") as client:
            for line in data.splitlines():
                client.send(line.decode())
    else:
        import os

        for start in range(0, len(data), 1000):
            os.write(port, data[start : start + 1000])
            time.sleep(0.005)
