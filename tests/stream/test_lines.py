"""Lines from devices: JSON and CSV, many wearers, and whatever else may come."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bfrb.errors import DataError
from bfrb.predict.predictor import Predictor, load
from bfrb.stream.events import EventRule
from bfrb.stream.layouts import Layout
from bfrb.stream.lines import LONGEST_LINE, Line, LineReader, LineSplitter, Live
from bfrb.stream.spec import EventSpec
from bfrb.stream.stream import Stream, StreamHub
from bfrb.study.description import Description, find_description
from bfrb.study.device import GALAXY_WATCH, HELIOS

ALWAYS = EventRule(spec=EventSpec(on=0.0, off=0.0))
ROWS = 200


@pytest.fixture(scope="module")
def watch(watch_bundle: Path) -> Predictor:
    return load(watch_bundle)


def wear(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    acc = rng.normal(0, 1, (ROWS, 3)) + 9.8 * np.eye(3)[2]
    return {"time_s": 50 + np.arange(ROWS) / 10, "acc": acc.round(3), "gyr": rng.normal(0, 60, (ROWS, 3)).round(2)}


def as_json(values: dict[str, np.ndarray], **more: Any) -> list[bytes]:
    rows = ({name: array[row].tolist() for name, array in values.items()} | more for row in range(ROWS))
    return [json.dumps(row).encode() for row in rows]


def as_csv(values: dict[str, np.ndarray]) -> list[bytes]:
    columns = ["time_ms", *GALAXY_WATCH.sensor("acc").columns, *GALAXY_WATCH.sensor("gyr").columns]
    rows = np.column_stack([(1000 * values["time_s"]).round(), values["acc"], values["gyr"]])
    return [",".join(columns).encode(), *(",".join(map(str, row)).encode() for row in rows.tolist())]


def lines(texts: list[bytes], connection: str = "a") -> list[Line]:
    return [Line(connection, 0.0, text) for text in texts]


def alone(predictor: Predictor, values: dict[str, np.ndarray]) -> list[tuple[float, float]]:
    stream = Stream(predictor, ALWAYS)
    return [(event.start_s, event.end_s) for event in stream.push(values) + stream.finish()]


def spans(outputs: list[dict[str, Any]], wearer: str) -> list[tuple[float, float]]:
    ended = [output for output in outputs if output["event"] == "ends" and output["wearer"] == wearer]
    return [(output["start_s"], output["end_s"]) for output in ended]


def read(texts: list[bytes], layout: Layout | None = None) -> Iterator[Any]:
    """What was read of the lines of one connection: samples, or the problem."""
    reader = LineReader(layout or Layout.of_device(HELIOS))
    for line in lines(texts):
        for _, found in reader.read(line):
            yield found.problem if isinstance(found, DataError) else found


def test_wearers_are_told_apart_by_name_whatever_connection_they_come_from(watch: Predictor) -> None:
    live = Live(StreamHub(watch, ALWAYS))
    both = zip(as_json(wear(0), wearer="ann"), as_json(wear(1), wearer="ben"), strict=True)
    outputs = live.take(lines([text for pair in both for text in pair])) + live.finish()
    assert [spans(outputs, name) for name in ("ann", "ben")] == [alone(watch, wear(seed)) for seed in (0, 1)]
    assert live.hub.counts.events == len(spans(outputs, "ann") + spans(outputs, "ben"))


def test_wearers_names_are_texts() -> None:
    reader = LineReader(Layout.of_device(HELIOS))
    texts = [b"wearer,acc_x,acc_y,acc_z", b"01,0,0,9.8", b"1,0,0,9.8", b",0,0,9.8"]
    assert [name for line in lines(texts) for name, _ in reader.read(line)] == ["01", "1", "a"]


@settings(max_examples=12, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=5), st.sampled_from([as_json, as_csv]))
@example(b'null|ready.|.00,0,0,9.8|"acc": [0]}|y,acc_z|\x00\x7f|[]{|0.1,1,2\r,3|3|{}'.split(b"|"), as_csv)
def test_garbage_is_counted_and_harms_nobody(watch: Predictor, garbage: list[bytes], write: Any) -> None:
    live = Live(StreamHub(watch, ALWAYS))
    live.take(lines(garbage, "broken"))
    outputs = live.take(lines(garbage + write(wear()))) + live.finish()
    assert spans(outputs, "a") == alone(watch, wear())


GOOD = b'{"acc": [0, 0, 9.8]}'
BAD = [
    b"{",
    b"null",
    b'{"acc": [1, 2]}',
    b'{"acc": "fast", "acc_x": 1}',
    b'{"temperature": 3}',
    b'{"acc": [1e999, 0, 0], "gyr": [true, {}, 0]}',
    b"[" * 100_000,
    b"\xff\xfe",
    b"0.1,1,2\r,3",
    b"x" * (LONGEST_LINE + 1),
    b"acc_y,acc_z",
    b"acc_x,acc_y,acc_z,acc_x",
    b'{"acc": [0, 0, 9.8], "wearer": "' + b"x" * 101 + b'"}',
    b'{"payload": 3}',
    b'{"payload": [{"name": "location", "time": 1, "values": {"x": 1}}]}',
]


@pytest.mark.parametrize("line", BAD, ids=lambda line: line[:20].decode("latin-1"))
def test_a_bad_line_is_refused_and_those_around_it_are_read(watch: Predictor, line: bytes, caplog: Any) -> None:
    live = Live(StreamHub(watch, ALWAYS))
    live.take(lines([GOOD, line, b"[" + GOOD + b"]"]))
    assert live.status()["refused_lines"] == 1
    assert "to do: " in caplog.text
    live.finish()
    assert live.status()["samples"] == 2


def test_headers_may_come_again_and_a_byte_order_mark_is_no_part_of_a_name(caplog: pytest.LogCaptureFixture) -> None:
    texts = [
        b"\xef\xbb\xbftime_s,acc_x,acc_y,acc_z",
        b"0.02,1,2,3",
        b"acc_z,acc_y,acc_x,note,tof_1_v0",
        b"1,,3,hello,7",
    ]
    one, two = read(texts)
    assert (one["acc"], float(one["time_s"])) == ([1, 2, 3], 0.02)
    np.testing.assert_equal([two["acc"], two["tof"][:2]], [[3, np.nan, 1], [7, np.nan]])
    assert [message.rpartition(": ")[2] for message in caplog.messages] == ["'note'"]


@pytest.mark.parametrize("value", ["null", "NaN", '"soon"', "[1, 2]", "{}", "1e400", "true"])
def test_a_time_that_is_none_costs_one_sample_at_most(watch: Predictor, value: str) -> None:
    live = Live(StreamHub(watch, ALWAYS))
    texts = as_json(wear())
    texts[77] = re.sub(rb'"time_s": [\d.]+', b'"time_s": ' + value.encode(), texts[77])
    assert spans(live.take(lines(texts)) + live.finish(), "a") == alone(watch, wear())
    status = live.status()
    assert status["refused_lines"] + status["without_time"] + status["wrong_time"] == 1


def test_endless_lines_and_those_without_commas_are_said_to_be_so() -> None:
    splitter = LineSplitter()
    for _ in range(40):
        assert splitter.push(b"x" * (LONGEST_LINE // 10)) == []
        assert len(splitter._rest) <= LONGEST_LINE + 1
    [garbage, whole] = splitter.push(b"y\nwhole\n")
    assert whole == b"whole"
    assert "at most" in next(read([garbage]))
    assert "a header with commas between columns" in next(read([b"time_s;acc_x;acc_y;acc_z"]))


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=8), st.integers(1, 9))
def test_lines_do_not_depend_on_how_bytes_arrive(texts: list[bytes], size: int) -> None:
    data, splitter = b"".join(text + b"\n" for text in texts), LineSplitter()
    assert [text for at in range(0, len(data), size) for text in splitter.push(data[at : at + size])] == texts


def test_a_stream_ends_with_its_connection_and_with_silence(watch: Predictor) -> None:
    live = Live(StreamHub(watch, ALWAYS), idle_s=60)
    outputs = live.take([*lines(as_json(wear())), Line("a", 0.0, None), *lines(as_json(wear()))])
    assert [output["event"] for output in outputs] == ["begins", "ends", "begins"]
    assert spans(outputs, "a") == alone(watch, wear())
    assert spans(live.take([Line("a", 0.0, None)]), "a") == alone(watch, wear())
    live.take(lines(as_json(wear(), wearer="ann")))
    assert live.end_idle(59.0) == []
    assert spans(live.end_idle(61.0), "ann") == alone(watch, wear())
    assert (live.status()["wearers"], live.status()["refused_lines"]) == (0, 0)


def test_samples_without_a_clock_can_get_the_time_of_their_arrival(watch: Predictor) -> None:
    live = Live(StreamHub(watch, ALWAYS), stamp=True)
    outputs = []
    for row, text in enumerate(as_json({"acc": wear()["acc"]})):
        outputs += live.take([Line("a", 50 + row / 10 + (1000 if row >= 100 else 0), text)])
    assert live.hub.counts.gaps == 1
    assert [round(start) for start, _ in spans(outputs + live.finish(), "a")] == [52, 1062]


MOTION = dict.fromkeys([f"{name}{axis}" for name in ("gravity", "acceleration", "rotationRate") for axis in "XYZ"], 0.0)
MOTION |= {"quaternionW": 1, "quaternionX": 0, "quaternionY": 0, "quaternionZ": 0}
MOTION |= {"gravityZ": -1, "accelerationX": 0.5, "rotationRateZ": np.pi}


def test_a_phone_s_batch_is_read_by_a_description_in_the_order_of_its_times() -> None:
    entries = [
        {"name": "wrist motion", "time": 2 * 10**9, "values": MOTION},
        {"name": "location", "time": 5, "values": {"latitude": 1}},
        {"name": "WristMotion", "time": 10**9, **MOTION},
    ]
    layout = Layout.of_description(find_description("apple_watch_sensorlogger"), HELIOS, "right")
    [line] = lines([json.dumps({"deviceId": "phone", "messageId": 1, "payload": entries}).encode()])
    found = list(LineReader(layout).read(line))
    assert [(name, float(values["time_s"])) for name, values in found] == [("phone", 1.0), ("phone", 2.0)]
    assert np.linalg.norm(found[0][1]["acc"]) == pytest.approx(9.80665 * np.hypot(1, 0.5), rel=1e-5)
    gyr = {"unit": "rad/s", "columns": [f"gyroscope_{x}" for x in "xyz"]}
    android = Description.parse({"name": "mine", "gyr": gyr})
    turned = {"payload": [{"name": "gyroscope", "time": 1, "values": {"x": 0, "y": 0, "z": np.pi}}]}
    [sample] = read([json.dumps(turned).encode()], Layout.of_description(android, GALAXY_WATCH))
    np.testing.assert_allclose(sample["gyr"], [0, 0, 180], rtol=1e-6)


@pytest.mark.parametrize(("unit", "time"), [("ms", "1500"), ("iso8601", "1970-01-01T00:00:01.5Z"), ("iso8601", "soon")])
def test_described_times_have_any_unit_and_what_is_none_is_garbage(unit: str, time: str) -> None:
    values = {"name": "mine", "time": {"column": "t", "unit": unit}, "acc": {"unit": "g", "columns": ["x", "y", "z"]}}
    layout = Layout.of_description(Description.parse(values), HELIOS)
    found, refused = read([b"t,x,y,z", time.encode() + b",0,0,1", time.encode() + b",0,fast,1"], layout)
    np.testing.assert_allclose(found["acc"], [0, 0, 9.80665], rtol=1e-6)
    assert float(found["time_s"]) == 1.5 or time == "soon"
    assert "number" in refused
