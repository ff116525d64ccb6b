"""What a whole day of one wearer costs: memory and time of detect, calibrate and report.

    python benchmarks/day.py [--hours 24] [--step 1] [--keep FOLDER]

Simulates quarters of an hour of four people, trains two small networks on them, makes a day of one wearer of the first
quarter again and again, and runs each command on it in a process of its own, a window every --step seconds. Prints one
JSON object; exits with 1 if a command needs 500 MB or more. With --keep the day and the bundle are kept in a folder,
and used again where they are there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl

from bfrb.read.store import Store, write_store

BAR_MB = 500.0

QUICK = ("--preset", "quick", "--folds", "2", "--set", "training.epochs=2", "--set", 'networks=["two_branch"]')


def run(*arguments: str) -> dict[str, float]:
    """Run a command of bfrb; the most memory it held at a time, and what it took."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "bfrb", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"bfrb {' '.join(arguments)} failed")
    took = {"processor_s": round(usage.ru_utime + usage.ru_stime, 1), "wall_s": round(time.perf_counter() - begin, 1)}
    return {"peak_mb": round(usage.ru_maxrss / 1024, 1)} | took


def make(folder: Path, hours: float) -> tuple[str, str]:
    """A day of one wearer, and a bundle for such recordings."""
    people, model, day = folder / "people", folder / "model", folder / f"day-{hours:g}"
    if not model.exists():
        run("simulate", str(people), "--hours", "0.25", "--subjects", "4", "--seed", "1", "--overwrite")
        run("train", str(people), "--out", str(model), *QUICK)
    if not day.exists():
        some = Store.open(people).read()[:1]
        rows = np.arange(round(hours * 3600 * some.device.row_rate_hz)) % some.n_rows
        sensors = {name: values[rows] for name, values in some.sensors.items()}
        labels = {name: label.take(rows) for name, label in some.annotations.items()}
        table = some.table.with_columns(id=pl.lit("day"), subject=pl.lit("wearer"))
        whole = replace(some, sensors=sensors, offsets=np.array([0, len(rows)]), table=table, annotations=labels)
        write_store([whole], day, source="a quarter of an hour again and again")
    return str(model), str(day)


def main() -> None:
    """Make, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--step", type=float, default=1.0, help="seconds from window to window")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(1, get_context("spawn")) as maker:  # the memory of a parent counts as a child's
            model, day = maker.submit(make, folder, options.hours).result()
        out, ready = Path(temporary), str(Path(temporary) / "ready")
        found = {
            "calibrate": run("calibrate", model, day, "--out", ready, "--set", f"step_s={options.step:g}"),
            "detect": run("detect", ready, day, "--out", str(out / "events.csv")),
            "report": run("report", ready, "--data", day, "--out", str(out / "page.html")),
        }
    print(json.dumps({"hours": options.hours, "step_s": options.step, **found}, indent=1))
    sys.exit(any(each["peak_mb"] >= BAR_MB for each in found.values()))


if __name__ == "__main__":
    main()
