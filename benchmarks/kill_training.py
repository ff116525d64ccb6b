"""Kill a training at random moments and go on with it: the out-of-fold answers must not change.

    python benchmarks/kill_training.py [--data DATA] [--kills 10] [--seed 0]

Trains once undisturbed; then again, killed without warning (SIGKILL) after random times and started anew each time,
until it is done. Exits with 1 if a single out-of-fold probability differs. Without DATA a small study is simulated.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

BFRB = [sys.executable, "-m", "bfrb.cli"]
SETTINGS = ["--preset", "quick", "--set", "training.epochs=8", "--set", "folds=2"]


def start_training(data: Path, out: Path) -> subprocess.Popen[bytes]:
    """A training in a process of its own."""
    command = [*BFRB, "train", str(data), "--out", str(out), *SETTINGS]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def train_with_kills(data: Path, out: Path, waits_s: list[float]) -> int:
    """Train to the end with a kill after each of the waits; how many of them hit a running training."""
    kills = 0
    for wait_s in waits_s:
        process = start_training(data, out)
        try:
            process.wait(timeout=wait_s)
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            print(f"killed after {wait_s:.1f} s", flush=True)
    if not out.exists() and start_training(data, out).wait() != 0:
        raise SystemExit("the continued training failed")
    return kills


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        data = options.data or place / "study"
        if options.data is None:
            subprocess.run([*BFRB, "simulate", str(data), "--subjects", "3"], check=True, stderr=subprocess.DEVNULL)
        started = time.perf_counter()
        if start_training(data, place / "undisturbed").wait() != 0:
            raise SystemExit("the undisturbed training failed")
        seconds = time.perf_counter() - started
        print(f"undisturbed: {seconds:.1f} s", flush=True)
        waits = np.random.default_rng(options.seed).uniform(1.0, 0.3 * seconds, options.kills).tolist()
        kills = train_with_kills(data, place / "killed", waits)
        first, second = (pl.read_parquet(place / name / "out_of_fold.parquet") for name in ("undisturbed", "killed"))
        same = first.equals(second)
        print(f"{kills} kills; out-of-fold answers {'are equal' if same else 'DIFFER'} ({first.height} rows)")
        sys.exit(0 if same and kills else 1)


if __name__ == "__main__":
    main()
