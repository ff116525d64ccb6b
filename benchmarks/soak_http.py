"""Thousands of calls over HTTP, some of them hostile: every good one answered right, and no growth of memory.

    python benchmarks/soak_http.py BUNDLE [--calls 10000] [--hostile 0.05] [--clients 4]

Starts `bfrb serve --protocol http` in a process of its own and asks it from several threads, with bodies of both types
and, in random places, with truncated, mistyped, lying and malicious ones. Memory of the server is
looked at after every tenth of the calls, as single looks find more or less that is about to be given back: of the last
four the mean is held against that of the second to the fifth. Exits with 1 if an answer is wrong, a hostile request is
not refused, the server dies, does not end within 2 s, or grows.
"""

from __future__ import annotations

import argparse
import collections
import datetime
import gzip
import http.client
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
import polars as pl

from bfrb.predict.predictor import load
from bfrb.read.cmi_write import rows_of
from bfrb.study.device import HELIOS
from bfrb.study.recordings import Recordings
from features import cpu_name
from made_up import random_recordings

GROWTH_BAR_MB = 10.0
STOP_BAR_S = 2.0
CSV, JSON = "text/csv", "application/json"
PARQUET = "application/vnd.apache.parquet"
PICKLE = b"\x80\x04\x95\x1e\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."


@dataclass(frozen=True)
class Call:
    """A request, and the labels it has to be answered with; none if it has to be refused."""

    name: str
    media_type: str
    body: bytes
    labels: tuple[str, ...] = ()


def main() -> int:
    """Soak, print, and say whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--hostile", type=float, default=0.05)
    parser.add_argument("--clients", type=int, default=4)
    options = parser.parse_args()
    good, bad = good_calls(options.bundle), hostile_calls()
    rng = np.random.default_rng(0)
    calls = [
        (bad if hostile else good)[number % len(bad if hostile else good)]
        for number, hostile in enumerate(rng.random(options.calls) < options.hostile)
    ]
    command = [sys.executable, "-m", "bfrb", "serve", str(options.bundle), "--protocol", "http", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        port = int(next(line for line in server.stderr or () if "listening" in line).rpartition(":")[2])
        start = time.perf_counter()
        faults, looks_mb = collections.Counter[str](), []
        for tenth in range(10):
            faults += soak(port, calls[tenth::10], options.clients)
            looks_mb.append(memory_mb(server.pid))
        seconds, before_mb, after_mb = time.perf_counter() - start, np.mean(looks_mb[1:5]), np.mean(looks_mb[6:])
        stopping = time.perf_counter()
        server.send_signal(signal.SIGTERM)
        code = server.wait(30)
        stop_s = time.perf_counter() - stopping
    print(f"{datetime.date.today()}, {cpu_name()}, {os.cpu_count()} cores")
    print(f"calls       {len(calls):8d}    in {seconds:.0f} s, {options.clients} clients at a time")
    print(f"hostile     {sum(not call.labels for call in calls):8d}")
    print(f"faults      {sum(faults.values()):8d}    {dict(faults) or ''}")
    print(
        f"memory      {after_mb:8.1f} MB after {before_mb:.1f} MB (means of four looks; bar: {GROWTH_BAR_MB:g} MB more)"
    )
    print(f"end         {stop_s:8.2f} s  after SIGTERM, exit code {code} (bar {STOP_BAR_S:g} s)")
    return int(bool(faults) or after_mb - before_mb > GROWTH_BAR_MB or stop_s > STOP_BAR_S or code != 0)


def good_calls(bundle: Path) -> list[Call]:
    """Requests of all types with one recording, and some with several."""
    predictor = load(bundle)
    rng = np.random.default_rng(1)
    recordings = random_recordings(HELIOS, rng.integers(20, 130, 40).tolist(), rng, missing=0.01)
    calls = []
    for number in range(40):
        part = recordings[number : number + (5 if number % 10 == 0 else 1)]
        media_type = (CSV, JSON)[number % 2]
        labels = tuple(predictor.predict(part).gestures.tolist())
        calls.append(Call("good", media_type, as_bytes(part, media_type), labels))
    return calls


def as_bytes(recordings: Recordings, media_type: str) -> bytes:
    """The body of a request."""
    frame = rows_of(recordings)
    if media_type == CSV:
        return frame.write_csv().encode()
    return json.dumps({"rows": frame.to_dict(as_series=False)}).encode()


def hostile_calls() -> list[Call]:
    """Requests that have to be refused."""
    rng = np.random.default_rng(2)
    recording = random_recordings(HELIOS, [60], rng)
    table = io.BytesIO()
    pl.DataFrame({"acc_x": np.zeros(1000, np.float32)}).write_parquet(table)
    calls = [Call("half JSON", JSON, (body := as_bytes(recording, JSON))[: len(body) // 2])]
    calls += [Call(f"pickle as {kind}", kind, PICKLE) for kind in (CSV, JSON, "application/x-pickle")]
    calls += [Call(f"noise as {kind}", kind, rng.bytes(20_000)) for kind in (CSV, JSON)]
    calls += [
        Call("null", JSON, b"null"),
        Call("Parquet", PARQUET, table.getvalue()),
        Call("Parquet as CSV", CSV, table.getvalue()),
        Call("gzip bomb", CSV, gzip.compress(b"acc_x\n" + b"1\n" * 5_000_000)),
        Call("too large", CSV, b"a" * (20 << 20)),
        Call("deep JSON", JSON, b"[" * 100_000),
        Call("broad JSON", JSON, b"[" + b"[]," * 500_000 + b"[]]"),
        Call("many columns", CSV, b"a," * 500_000 + b"\n"),
        Call("texts for numbers", CSV, b"acc_x,acc_y,acc_z\na,b,c\n"),
        Call("impossible readings", CSV, b"acc_x,acc_y,acc_z\n1e9,0,0\n"),
    ]
    return calls


def soak(port: int, calls: list[Call], clients: int) -> collections.Counter[str]:
    """Ask for everything, several at a time; what went wrong, counted by kind."""
    waiting = iter(calls)
    lock = threading.Lock()
    faults: collections.Counter[str] = collections.Counter()

    def ask_on() -> None:
        while True:
            with lock:
                call = next(waiting, None)
            if call is None:
                return
            fault = find_fault(port, call)
            if fault:
                with lock:
                    faults[fault] += 1

    threads = [threading.Thread(target=ask_on) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return faults


def find_fault(port: int, call: Call) -> str:
    """What is wrong with the answer to a call; empty if nothing is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/predict", call.body, {"content-type": call.media_type})
        response = connection.getresponse()
        status, answer = response.status, json.loads(response.read())
    except (BrokenPipeError, ConnectionResetError):
        # A server that does not read on when it has refused may cut a client off that does.
        return "" if call.name == "too large" else f"{call.name}: cut off"
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"{call.name}: {type(error).__name__}"
    finally:
        connection.close()
    if not call.labels:
        return "" if 400 <= status < 500 and answer["detail"] else f"{call.name}: {status}"
    found = tuple(one["label"] for one in answer.get("predictions", ()))
    return "" if status == 200 and found == call.labels else f"{call.name}: {status}"


def memory_mb(process: int) -> float:
    """Resident memory of a process."""
    with Path(f"/proc/{process}/status").open() as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) * 1024 / 1e6


if __name__ == "__main__":
    sys.exit(main())
