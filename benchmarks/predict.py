"""How soon, how fast and in how much memory a bundle answers.

    python benchmarks/predict.py BUNDLE [--one TEST_CSV] [--recordings 1000] [--answers 400] [--runs 5]

Starts fresh processes that load the bundle, read one recording from a CSV file and predict it, then goes on in one of
them: one recording at a time, frame in, gesture out, and many at once, as long as the study's. The one recording is
the first of TEST_CSV, such as Kaggle's test.csv, or a made-up one. Processor time is told beside the time on the wall,
which other work on the machine stretches. Name another interpreter to measure an environment without torch. Exits with
1 if a bar is missed; the bars are for 20 networks on two idle cores.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
import polars as pl

from bfrb.read.cmi_write import ID, rows_of
from bfrb.study.device import HELIOS
from features import LENGTH_QUANTILES, cpu_name
from made_up import random_recordings

FIRST_ANSWER_BAR_S = 1.0
MEMORY_BAR_MB = 230.0
MEDIAN_BAR_MS, LATE_BAR_MS = 15.0, 30.0
PER_SECOND_BAR = 150.0

CHILD = """
import json, sys, time
import bfrb
import polars as pl

def peak_mb():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024 / 1e6

bundle, one, many, runs = sys.argv[1:]
predictor = bfrb.load(bundle)
recording = pl.read_csv(one)
gesture = predictor.predict_one(recording)
print(json.dumps({"gesture": gesture, "peak_mb": peak_mb(), "torch": "torch" in sys.modules}), flush=True)
if int(runs):
    singles, cpu = [], time.process_time()
    for _ in range(int(runs)):
        start = time.perf_counter()
        predictor.predict_one(recording)
        singles.append(time.perf_counter() - start)
    cpu, peak = (time.process_time() - cpu) / int(runs), peak_mb()
    recordings = bfrb.read(many)
    times = []
    for _ in range(3):
        start, used = time.perf_counter(), time.process_time()
        predictor.predict(recordings)
        times.append((time.perf_counter() - start, time.process_time() - used))
    print(json.dumps({"singles": singles, "single_cpu_s": cpu, "peak_mb": peak, "many": min(times)}), flush=True)
"""


def main() -> int:
    """Measure, print, and say whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--one", type=Path, help="the first recording of this file is the one to ask for")
    parser.add_argument("--recordings", type=int, default=1000, help="predicted at once")
    parser.add_argument("--answers", type=int, default=400, help="to one recording, one at a time")
    parser.add_argument("--runs", type=int, default=5, help="fresh processes")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environment to measure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        one, many = write_recordings(Path(folder), options.one, options.recordings)
        command = [options.python, "-c", CHILD, str(options.bundle), str(one), str(many)]
        firsts = [first_answer([*command, "0"]) for _ in range(options.runs)]
        *_, line = subprocess.run(
            [*command, str(options.answers)], check=True, capture_output=True, text=True
        ).stdout.splitlines()
    return report(options, firsts, json.loads(line))


def write_recordings(folder: Path, source: Path | None, count: int) -> tuple[Path, Path]:
    """One recording as CSV, and many, as long as the study's, as Parquet."""
    rng = np.random.default_rng(0)
    lengths = np.interp(rng.random(count), *LENGTH_QUANTILES).astype(int).tolist()
    one, many = folder / "one.csv", folder / "many.parquet"
    rows = rows_of(random_recordings(HELIOS, [70], rng, missing=0.0)) if source is None else pl.read_csv(source)
    rows.filter(pl.col(ID) == rows[ID][0]).write_csv(one)
    rows_of(random_recordings(HELIOS, lengths, rng, missing=0.01)).write_parquet(many)
    return one, many


def first_answer(command: list[str]) -> dict[str, Any]:
    """What a fresh process says first, and the seconds from its start until then."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline() if process.stdout else ""
        seconds = time.perf_counter() - start
        process.communicate()
    return json.loads(line) | {"seconds": seconds}


def report(options: argparse.Namespace, firsts: list[dict[str, Any]], later: dict[str, Any]) -> int:
    """Print all figures; 1 if a bar is missed."""
    members = len(json.loads((options.bundle / "bundle.json").read_text())["members"])
    seconds = statistics.median(first["seconds"] for first in firsts)
    peak_mb = max(later["peak_mb"], *(first["peak_mb"] for first in firsts))
    singles_ms = 1e3 * np.array(later["singles"])
    median_ms, late_ms = np.median(singles_ms), np.percentile(singles_ms, 99)
    many_s, many_cpu_s = later["many"]
    per_second = options.recordings / many_s
    print(f"{datetime.date.today()}, {cpu_name()}, {os.cpu_count()} cores, {members} networks")
    print(f"torch loaded          {'yes' if firsts[0]['torch'] else 'no'}")
    print(f"start to first answer {seconds:8.2f} s    (median of {len(firsts)}; bar {FIRST_ANSWER_BAR_S:g} s)")
    print(f"peak memory           {peak_mb:8.0f} MB   (after {options.answers} answers; bar {MEMORY_BAR_MB:g} MB)")
    print(f"one recording         {median_ms:8.1f} ms   (median; bar {MEDIAN_BAR_MS:g} ms)")
    print(f"  99th percentile     {late_ms:8.1f} ms   (bar {LATE_BAR_MS:g} ms)")
    print(f"  processor time      {1e3 * later['single_cpu_s']:8.1f} ms   (all cores together)")
    print(f"many at once          {per_second:8.0f} a second (best of 3; bar {PER_SECOND_BAR:g})")
    print(f"  processor time      {1e3 * many_cpu_s / options.recordings:8.1f} ms a recording")
    missed = [
        seconds > FIRST_ANSWER_BAR_S,
        peak_mb > MEMORY_BAR_MB,
        median_ms > MEDIAN_BAR_MS or late_ms > LATE_BAR_MS,
        per_second < PER_SECOND_BAR,
    ]
    return int(any(missed))


if __name__ == "__main__":
    sys.exit(main())
