"""Kill a training at random moments and go on with it: the out-of-fold answers must not change.

    python benchmarks/kill_training.py [--data DATA] [--kills 10] [--seed 0] [--preset quick] [--set key=value ...]

Trains once undisturbed; then again, killed without warning (SIGKILL) after random times and started anew each time,
until it is done; and once more from the start while there are kills left. Exits with 1 if a single out-of-fold
probability differs. Without DATA a small study is simulated.

    python benchmarks/kill_training.py --preset benchmark --set training.epochs=4

covers what `quick` has not: recordings varied anew in every epoch, averaged weights, auxiliary losses, AdamW.
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

BFRB = [sys.executable, "-m", "bfrb"]
SETTINGS = ["training.epochs=8", "folds=2"]


def start_training(data: Path, out: Path, settings: list[str]) -> subprocess.Popen[bytes]:
    """A training in a process of its own."""
    command = [*BFRB, "train", str(data), "--out", str(out), "--no-report", *settings]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def train_with_kills(data: Path, out: Path, settings: list[str], waits_s: list[float]) -> int:
    """Train to the end with a kill after each of the waits; how many of them hit a running training."""
    kills = 0
    for wait_s in waits_s:
        process = start_training(data, out, settings)
        try:
            process.wait(timeout=wait_s)
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            print(f"killed after {wait_s:.1f} s", flush=True)
    if not out.exists() and start_training(data, out, settings).wait() != 0:
        raise SystemExit("the continued training failed")
    return kills


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--set", action="append", default=[], metavar="key=value", dest="changes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        data = options.data or place / "study"
        if options.data is None:
            subprocess.run([*BFRB, "simulate", str(data), "--subjects", "3"], check=True, stderr=subprocess.DEVNULL)
        settings = ["--preset", options.preset]
        settings += [word for change in (*SETTINGS, *options.changes) for word in ("--set", change)]
        started = time.perf_counter()
        if start_training(data, place / "undisturbed", settings).wait() != 0:
            raise SystemExit("the undisturbed training failed")
        seconds = time.perf_counter() - started
        print(f"undisturbed: {seconds:.1f} s", flush=True)
        waits = np.random.default_rng(options.seed).uniform(1.0, 0.3 * seconds, options.kills).tolist()
        sys.exit(0 if all_same(data, place, settings, waits) else 1)


def all_same(data: Path, place: Path, settings: list[str], waits_s: list[float]) -> bool:
    """Whether trainings that are killed after all of the waits end like the undisturbed one."""
    undisturbed = pl.read_parquet(place / "undisturbed" / "out_of_fold.parquet")
    same, kills, runs = True, 0, 0
    while kills < len(waits_s):
        out = place / f"killed-{runs}"
        hits = train_with_kills(data, out, settings, waits_s[kills:])
        if not hits:
            raise SystemExit("a training ended before its first kill: give it more epochs")
        same &= undisturbed.equals(pl.read_parquet(out / "out_of_fold.parquet"))
        kills, runs = kills + hits, runs + 1
    print(f"{kills} kills in {runs} runs; out-of-fold answers {'are equal' if same else 'DIFFER'}")
    print(f"({undisturbed.height} rows; settings {' '.join(settings)})")
    return same


if __name__ == "__main__":
    main()
