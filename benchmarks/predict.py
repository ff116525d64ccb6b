"""How soon, how fast and in how much memory a bundle answers.

    python benchmarks/predict.py BUNDLE [--recordings 1000] [--runs 5] [--python PYTHON]

Starts fresh processes that load the bundle, read one made-up recording from a CSV file and predict it (the bars are
about these), then goes on in one of them: one recording at a time, and many at once. Name another interpreter to
measure an environment without torch. Exits with 1 if a bar is missed.
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

from bfrb.data.cmi_write import rows_of
from bfrb.data.device import HELIOS
from features import LENGTH_QUANTILES, cpu_name
from made_up import random_recordings

FIRST_ANSWER_BAR_S = 1.5
MEMORY_BAR_MB = 250.0

CHILD = """
import json, sys, time
import bfrb

def peak_mb():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024 / 1e6

bundle, one, many, runs = sys.argv[1:]
predictor = bfrb.load(bundle)
recording = bfrb.read(one)
gesture = predictor.predict(recording).gestures[0]
print(json.dumps({"gesture": gesture, "peak_mb": peak_mb(), "torch": "torch" in sys.modules}), flush=True)
if int(runs):
    singles = []
    for _ in range(int(runs)):
        start = time.perf_counter()
        predictor.predict(recording)
        singles.append(time.perf_counter() - start)
    recordings = bfrb.read(many)
    read, start = peak_mb(), time.perf_counter()
    predictor.predict(recordings)
    seconds = time.perf_counter() - start
    print(json.dumps({"singles": singles, "many_s": seconds, "read_mb": read, "many_mb": peak_mb()}), flush=True)
"""


def main() -> int:
    """Measure, print, and say whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--recordings", type=int, default=1000, help="predicted at once")
    parser.add_argument("--runs", type=int, default=5, help="fresh processes")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environment to measure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        one, many = write_recordings(Path(folder), options.recordings)
        command = [options.python, "-c", CHILD, str(options.bundle), str(one), str(many)]
        firsts = [first_answer([*command, "0"]) for _ in range(options.runs)]
        *_, line = subprocess.run([*command, "200"], check=True, capture_output=True, text=True).stdout.splitlines()
    return report(options, firsts, json.loads(line))


def write_recordings(folder: Path, count: int) -> tuple[Path, Path]:
    """One recording as CSV, and many, as long as the study's, as Parquet."""
    rng = np.random.default_rng(0)
    lengths = np.interp(rng.random(count), *LENGTH_QUANTILES).astype(int).tolist()
    one, many = folder / "one.csv", folder / "many.parquet"
    rows_of(random_recordings(HELIOS, [70], rng, missing=0.0)).write_csv(one)
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
    peak_mb = max(first["peak_mb"] for first in firsts)
    singles_ms = 1e3 * np.array(later["singles"])
    print(f"{datetime.date.today()}, {cpu_name()}, {os.cpu_count()} cores, {members} networks")
    print(f"torch loaded          {'yes' if firsts[0]['torch'] else 'no'}")
    print(f"start to first answer {seconds:8.2f} s    (median of {len(firsts)}; bar {FIRST_ANSWER_BAR_S:g} s)")
    print(f"peak memory           {peak_mb:8.0f} MB   (bar {MEMORY_BAR_MB:g} MB)")
    print(f"one recording         {np.median(singles_ms):8.1f} ms   (median; 95th percentile ", end="")
    print(f"{np.percentile(singles_ms, 95):.1f} ms)")
    print(f"many at once          {options.recordings / later['many_s']:8.0f} recordings per second")
    print(f"peak memory then      {later['many_mb']:8.0f} MB   ({later['read_mb']:.0f} MB after reading them)")
    return int(seconds > FIRST_ANSWER_BAR_S or peak_mb > MEMORY_BAR_MB)


if __name__ == "__main__":
    sys.exit(main())
