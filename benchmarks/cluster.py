"""What a cluster costs and gains: `bfrb predict --on ray` against `bfrb predict`, and the same work on more workers.

    python benchmarks/cluster.py BUNDLE [--recordings 100000] [--rows 40] [--workers 1,2] [--kill]

Made-up recordings are predicted from disk to disk, by commands that begin with nothing: starting Ray counts. Told are
seconds of the clock and of the processor of all processes of a command (where other work keeps the cores busy, only the
latter mean something), whether the answers are the same bit for bit, how the workers' memory grew between their first
parts and their last, and what ten times the work takes. With --kill a driver is killed half way and the command
repeated, which must not do a finished part again. The last line is JSON; exits with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import polars as pl

from bfrb.read.store import write_store
from features import cpu_name
from predict_many import made_up

OVERHEAD_BAR, GROWTH_BAR, TENFOLD_BAR = 1.15, 1.10, 10.5
MARK = "BFRB_BENCHMARK"
TICKS = os.sysconf("SC_CLK_TCK")


class Took(NamedTuple):
    """Seconds of a command."""

    wall_s: float
    cpu_s: float
    """Of all its processes, by what they had used when they were last seen."""


class Watch(threading.Thread):
    """Sums what the processes that bear a mark in their environment have used."""

    def __init__(self, mark: str) -> None:
        super().__init__(daemon=True)
        self._wanted = f"{MARK}={mark}".encode()
        self._ours: dict[int, bool] = {}
        self._used: dict[int, float] = {}
        self.done = threading.Event()

    def run(self) -> None:
        """Look four times a second."""
        while not self.done.wait(0.25):
            for place in Path("/proc").iterdir():
                if place.name.isdecimal():
                    self._look(place, int(place.name))

    def _look(self, place: Path, number: int) -> None:
        try:
            if number not in self._ours:
                self._ours[number] = self._wanted in (place / "environ").read_bytes()
            if self._ours[number]:
                fields = (place / "stat").read_text().rpartition(")")[2].split()
                self._used[number] = (int(fields[11]) + int(fields[12])) / TICKS
        except OSError:  # it has ended
            return

    @property
    def cpu_s(self) -> float:
        """What they have used so far."""
        return sum(self._used.values())


def predict(bundle: Path, store: Path, out: Path, *options: str, kill_at: int = 0) -> Took:
    """Run `bfrb predict`; killed once so many parts are done, if that is asked for."""
    mark = secrets.token_hex(8)
    watch, begun = Watch(mark), time.perf_counter()
    watch.start()
    files = [str(bundle), str(store), "--out", str(out)]
    command = [sys.executable, "-m", "bfrb", "predict", *files, "--anyway", *options]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, env=os.environ | {MARK: mark, "RAY_ADDRESS": "local"}, stdout=said, stderr=said
        )
        while process.poll() is None:
            time.sleep(0.05)
            if kill_at and len(list(out.glob("_parts/*.json"))) >= kill_at:
                process.send_signal(signal.SIGKILL)
        if process.returncode and not kill_at:
            said.seek(0)
            raise SystemExit(said.read().decode())
    took = time.perf_counter() - begun
    time.sleep(0.5)
    watch.done.set()
    watch.join()
    return Took(took, watch.cpu_s)


def memory_growth(out: Path) -> float:
    """By how much the largest worker's peak memory grew from its first tenth of parts to its last part."""
    peaks: dict[tuple[str, int], list[float]] = {}
    for path in sorted(out.glob("_parts/*.json"), key=lambda path: path.stat().st_mtime_ns):
        note = json.loads(path.read_text())
        peaks.setdefault((note["on"], note["process"]), []).append(note["peak_mb"])
    return max(each[-1] / each[len(each) // 10] for each in peaks.values())


def main() -> int:
    """Measure, print, and say whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--recordings", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=40, help="of a recording")
    parser.add_argument("--workers", default="2", help="numbers of workers, with commas; bars are of the last")
    parser.add_argument("--kill", action="store_true")
    options = parser.parse_args()
    machine = f"{cpu_name()}, {os.cpu_count()} cores"
    print(f"{datetime.date.today()}, {machine}, {options.recordings} recordings of {options.rows} rows")
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), options)
    bars = {
        "same": found["same"],
        "overhead": found["overhead_cpu"] <= OVERHEAD_BAR,
        "memory": found["memory_growth"] <= GROWTH_BAR,
        "tenfold": found["tenfold_cpu"] <= TENFOLD_BAR,
        "killed": found.get("done_again", 0) == 0,
    }
    print(json.dumps({"machine": machine} | found | {"bars": bars}))
    return int(not all(bars.values()))


def measure(work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Everything that is told."""
    store, few = work / "store", work / "few"
    write_store(made_up(options.recordings, options.rows), store, source="random numbers")
    write_store(made_up(options.recordings // 10, options.rows), few, source="random numbers")
    found: dict[str, Any] = {"recordings": options.recordings, "rows": options.rows, "workers": {}}
    here = predict(options.bundle, store, work / "here.parquet")
    show("bfrb predict", here, options.recordings)
    for workers in map(int, options.workers.split(",")):
        on = ("--on", "ray", "--workers", str(workers))
        there = predict(options.bundle, store, out := work / f"there-{workers}", *on)
        show(f"on Ray, {workers} workers", there, options.recordings)
        found["workers"][workers] = there._asdict()
    less = predict(options.bundle, few, work / "less", *on)
    show("on Ray, a tenth", less, options.recordings // 10)
    answers = [pl.read_parquet(path) for path in (sorted(out.glob("*.parquet")), work / "here.parquet")]
    found |= {"here": here._asdict(), "tenth": less._asdict(), "same": answers[0].equals(answers[1])}
    found |= {"overhead_cpu": there.cpu_s / here.cpu_s, "overhead_wall": there.wall_s / here.wall_s}
    found |= {"tenfold_cpu": there.cpu_s / less.cpu_s, "tenfold_wall": there.wall_s / less.wall_s}
    found |= {"memory_growth": memory_growth(out), "parts": len(list(out.glob("_parts/*.json")))}
    if options.kill:
        out = work / "killed"
        predict(options.bundle, store, out, *on, kill_at=found["parts"] // 2)
        before = {path: path.stat().st_mtime_ns for path in out.glob("_parts/*.json")}
        predict(options.bundle, store, out, *on)
        again = sum(path.stat().st_mtime_ns != when for path, when in before.items())
        found |= {"done_before": len(before), "done_again": again}
        found["same"] &= pl.read_parquet(sorted(out.glob("*.parquet"))).equals(answers[1])
    return found


def show(what: str, took: Took, recordings: int) -> None:
    """One line."""
    rate = recordings / took.cpu_s
    print(f"{what:20} {took.wall_s:7.1f} s, {took.cpu_s:7.1f} s of the processor, {rate:6.0f} per cpu s")


if __name__ == "__main__":
    sys.exit(main())
