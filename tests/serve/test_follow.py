"""What a live source sends, message by message."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from typing import Any

import pytest

from bfrb.errors import DataError
from bfrb.serve.follow import follow
from bfrb.serve.live_sources import Place
from bfrb.study.device import GALAXY_WATCH


def line(**values: Any) -> bytes:
    return json.dumps(values).encode() + b"\n"


def test_lines_become_samples_and_broken_ones_errors() -> None:
    stdin = io.BytesIO(line(time_s=0, acc=[0, 0, 9.8]) + b"nonsense\n" + line(acc=[1, 2, 3], wearer="anna"))
    found = list(follow(Place.parse("-"), GALAXY_WATCH, io.BufferedReader(stdin)))
    assert [name for name, _ in found] == ["stdin", "stdin", "anna", "anna", "stdin"]
    (_, first), (_, broken), (_, third), *ends = found
    assert first == {"acc": [0, 0, 9.8], "time_s": 0.0}
    assert isinstance(broken, DataError)
    assert third == {"acc": [1, 2, 3]}
    assert ends == [("anna", None), ("stdin", None)]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def connect(port: int) -> socket.socket:
    end = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def test_a_device_that_comes_back_is_the_same_wearer() -> None:
    port = free_port()
    names: list[str] = []

    def read() -> None:
        for name, sent in follow(Place.parse(f"tcp://127.0.0.1:{port}"), GALAXY_WATCH, io.BytesIO()):
            names.append(name)
            if sent is None and names.count(name) == 4:
                return

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    for _ in range(2):
        with connect(port) as device:
            device.sendall(line(acc=[0, 0, 9.8]))
        time.sleep(0.2)
    thread.join(20)
    assert not thread.is_alive()
    assert len(names) == 4
    assert len(set(names)) == 1


def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = Place.parse(f"tcp://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(OSError, match="in use"):
            next(follow(place, GALAXY_WATCH, io.BytesIO()))
