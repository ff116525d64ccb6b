"""Thousands of calls to the server for Kaggle's gateway, some of them hostile.

    python benchmarks/soak_kaggle.py BUNDLE [--calls 10000] [--hostile 0.05] [--seed 0]

Starts `bfrb serve BUNDLE --protocol kaggle` and asks it for made-up recordings: first the warm-up, in which every good
and every hostile request comes several times, then the calls that count. Prints times and memory, and exits with 1 if
the server ends, a good request is not answered as the bundle does in this process, a hostile one gets neither an answer
nor the protocol's error, or memory grows by more than the bar for each call after the warm-up.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import grpc
import numpy as np
import polars as pl

import bfrb
from bfrb.read.cmi_write import rows_of
from bfrb.serve.kaggle_pb2 import Payload
from bfrb.study.labels import CMI_GESTURES
from bundles import make_recordings
from kaggle_messages import METHOD, answer_of, arrow, request

GOOD_REQUESTS = 40
WARM_UP_ROUNDS = 5
"""How often every request is made before memory is watched."""

GROWTH_BAR_KB = 5.0
"""Most growth for each call: a leak of one request's frames would be some hundred."""

SAMPLE_EVERY = 20
"""Calls between two looks at the memory."""


class Pickled:
    """Would write a file if it was unpickled."""

    def __reduce__(self) -> Any:
        return (os.system, ("touch /tmp/bfrb-was-unpickled",))


def good_requests(predictor: bfrb.Predictor) -> list[tuple[bytes, str]]:
    """Requests, and their answers."""
    recordings = make_recordings(GOOD_REQUESTS)
    frames = rows_of(recordings).drop("gesture").partition_by("sequence_id", maintain_order=True)
    subject = pl.DataFrame({"subject": ["SUBJ_000000"], "age": [30], "handedness": [1]})
    thm_tof = pl.selectors.matches("^(thm|tof)_")
    found = []
    for number, rows in enumerate(frames):
        sent = rows.with_columns(thm_tof.cast(pl.Float64).cast(pl.String)) if number % 3 == 1 else rows
        sent = sent.with_columns(pl.when(pl.lit(value=False)).then(thm_tof)) if number % 3 == 2 else sent
        known = subject.clear() if number % 2 else subject
        found.append((request(sent, known), predictor.predict_one(sent, known)))
    return found


def hostile_requests(good: bytes, rng: np.random.Generator) -> dict[str, Callable[[], bytes]]:
    """Makers of requests that nobody should send, by what is wrong with them."""
    rows = make_recordings(1)
    stream = arrow(rows_of(rows).drop("gesture"))
    objects, packed = io.BytesIO(), io.BytesIO()
    pl.select(x=pl.repeat(0, 1_000_000)).write_ipc_stream(packed, compression="zstd")
    np.save(objects, np.array([Pickled()], dtype=object), allow_pickle=True)
    claim = b"\x93NUMPY\x01\x00\x50\x00" + b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,)}".ljust(
        80
    )

    def flipped() -> bytes:
        data = bytearray(good)
        for place in rng.integers(0, len(data), 8):
            data[place] ^= 1 << rng.integers(0, 8)
        return bytes(data)

    def nested() -> bytes:
        payload = b"\x28\x01"
        for _ in range(1000):
            payload = (
                b"\x32" + _size(len(payload) + 1 + len(_size(len(payload)))) + b"\x0a" + _size(len(payload)) + payload
            )
        return b"\x0a\x07predict\x12" + _size(len(payload)) + payload

    def raw(kind: str, data: bytes) -> bytes:
        payload = Payload(**{kind: data})
        return request(payload, payload)

    polars, numpy = "polars_dataframe_value", "numpy_array_value"
    return {
        "truncated stream": lambda: raw(polars, stream[: rng.integers(0, len(stream))]),
        "truncated request": lambda: good[: rng.integers(0, len(good))],
        "flipped bits": flipped,
        "random bytes": lambda: rng.bytes(int(rng.integers(0, 500))),
        "random stream": lambda: raw(polars, rng.bytes(300)),
        "wrong types": lambda: request("text", 3),
        "no arguments": request,
        "other columns": lambda: request(pl.DataFrame({"a": [1]}), pl.DataFrame({"b": ["x"]})),
        "many rows, well packed": lambda: raw(polars, packed.getvalue()),
        "huge claim in a stream": lambda: raw(polars, _claim_all(stream, rng)),
        "huge claim of an array": lambda: raw(numpy, claim),
        "pickled array": lambda: raw(numpy, objects.getvalue()),
        "pickle for a frame": lambda: raw(polars, b"\x80\x04\x95\x10" * 9),
        "claimed length": lambda: b"\x0a\x07predict\x12\xff\xff\xff\xff\x7f",
        "deep nesting": nested,
        "flood of fields": lambda: b"\x0a\x00" * 300_000,
        "unknown endpoint": lambda: request(name="train"),
    }


def _size(number: int) -> bytes:
    return bytes([number & 127 | 128]) + _size(number >> 7) if number > 127 else bytes([number])


def _claim_all(stream: bytes, rng: np.random.Generator) -> bytes:
    data = bytearray(stream)
    struct.pack_into("<q", data, int(rng.integers(0, len(data) - 8)), int(rng.choice([1 << 62, 1 << 40, -1])))
    return bytes(data)


def resident_mb(process: int) -> float:
    """Memory that a process holds now."""
    with Path(f"/proc/{process}/status").open() as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) * 1024 / 1e6


def start_server(bundle: Path, log: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A served bundle, and its port."""
    command = [sys.executable, "-m", "bfrb", "serve", str(bundle), "--protocol", "kaggle", "--any-port"]
    with log.open("wb") as file:
        server = subprocess.Popen(command, stderr=file)
    while server.poll() is None:
        told = [line for line in log.read_text().splitlines() if line.startswith("listening")]
        if told:
            return server, int(told[0].partition("port ")[2])
        time.sleep(0.05)
    raise SystemExit(f"the server did not start: {log.read_text()}")


def ask(send: Callable[..., bytes], message: bytes) -> tuple[str, float]:
    """Answer or status, and how long it took."""
    begun = time.perf_counter()
    try:
        answer = answer_of(send(message, timeout=60))
    except grpc.RpcError as error:
        answer = f"{error.code().name}: {error.details()}"
    return answer, time.perf_counter() - begun


@dataclass
class Soak:
    """A served bundle under load.

    Parameters
    ----------
    send
        The method of the server.
    good
        Requests, and their answers.
    hostile
        Makers of requests that nobody should send.
    seconds
        How long every good call took.
    memory
        What the server held, in MB, every `SAMPLE_EVERY` calls.
    wrong
        How often what went wrong.
    """

    send: Callable[..., bytes]
    good: list[tuple[bytes, str]]
    hostile: dict[str, Callable[[], bytes]]
    seconds: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)

    def ask_good(self, number: int) -> None:
        """A request that has to be answered as the bundle does in this process."""
        message, expected = self.good[number]
        answer, took = ask(self.send, message)
        self.seconds.append(took)
        if answer != expected:
            self.wrong[f"good request: {answer[:100]} instead of {expected}"] += 1

    def ask_hostile(self, kind: str) -> None:
        """A request that has to get an answer or the protocol's error."""
        answer, _ = ask(self.send, self.hostile[kind]())
        if answer not in CMI_GESTURES.classes and not answer.startswith("UNKNOWN: Exception calling application: "):
            self.wrong[f"{kind}: {answer[:100]}"] += 1

    def warm_up(self) -> None:
        """Make every request some times."""
        for _ in range(WARM_UP_ROUNDS):
            for number in range(len(self.good)):
                self.ask_good(number)
            for kind in self.hostile:
                self.ask_hostile(kind)
        self.seconds.clear()

    def growth_kb(self) -> float:
        """Growth of the memory for each call: the median slope between two samples, which no single step moves."""
        later, earlier = np.triu_indices(len(self.memory), 1)[::-1]
        memory = np.array(self.memory)
        slopes = (memory[later] - memory[earlier]) / ((later - earlier) * SAMPLE_EVERY)
        return float(np.median(slopes)) * 1000 if len(slopes) else 0.0


def soak(send: Callable[..., bytes], server: int, options: argparse.Namespace) -> Soak:
    """Warm up, then make the calls that count."""
    rng = np.random.default_rng(options.seed)
    good = good_requests(bfrb.load(options.bundle))
    load = Soak(send, good, hostile_requests(good[0][0], rng))
    load.warm_up()
    for number in range(options.calls):
        if number % SAMPLE_EVERY == 0:
            load.memory.append(resident_mb(server))
        if rng.random() < options.hostile:
            load.ask_hostile(str(rng.choice(list(load.hostile))))
        else:
            load.ask_good(int(rng.integers(len(good))))
    return load


def main() -> int:
    """Print times and memory; 1 if something went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--hostile", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, default=Path("soak_kaggle.log"))
    options = parser.parse_args()
    server, port = start_server(options.bundle, options.log)
    try:
        with grpc.insecure_channel(f"localhost:{port}") as channel:
            done = soak(channel.unary_unary(METHOD), server.pid, options)
        alive = server.poll() is None
        begun = time.perf_counter()
        server.send_signal(signal.SIGTERM)
        code = server.wait(10)
        ended_s = time.perf_counter() - begun
    finally:
        server.kill()
    quantiles = np.quantile(done.seconds, [0.5, 0.95, 0.99, 1.0]) * 1000
    first, *_, last = done.memory
    print(f"{options.calls} calls, {len(done.seconds)} of them good")
    print("a good call: median {:.1f} ms, p95 {:.1f}, p99 {:.1f}, longest {:.1f}".format(*quantiles))
    print(f"memory: {first:.0f} MB after the warm-up, {max(done.memory):.0f} at most, {last:.0f} at the end,")
    print(f"  growth {done.growth_kb():.2f} kB a call")
    print(f"SIGTERM to end: {ended_s:.2f} s, exit code {code}")
    for problem, count in done.wrong.items():
        print(f"WRONG, {count} times: {problem}")
    bars = {
        "alive": alive,
        "right": not done.wrong,
        "memory": done.growth_kb() < GROWTH_BAR_KB,
        "no pickle was run": not Path("/tmp/bfrb-was-unpickled").exists(),
        "ended quietly": code == 0,
    }
    print(", ".join(f"{name}: {'yes' if held else 'NO'}" for name, held in bars.items()))
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
