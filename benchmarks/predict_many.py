"""Whether predicting many recordings takes more memory than predicting few.

    python benchmarks/predict_many.py BUNDLE [--few 1000] [--many 100000] [--rows 40]

Writes made-up recordings into stores, and has `bfrb predict` go from disk to disk in a process of its own, whose peak
memory is read. Exits with 1 if the many take much more than the few, or are not answered one and all.
"""

from __future__ import annotations

import argparse
import datetime
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
import polars as pl

from bfrb.read.store import write_store
from bfrb.study.device import HELIOS
from bfrb.study.recordings import Recordings
from features import cpu_name
from made_up import random_recordings

GROWTH_BAR = 1.15
PART = 500

CHILD = """
import sys
from bfrb.cli import app
app(["predict", *sys.argv[1:], "--json"], standalone_mode=False)
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
sys.stderr.write(f"peak {peak * 1024 / 1e6}")
"""


def main() -> int:
    """Measure, print, and say whether the bar is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--few", type=int, default=1000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=40, help="of a recording")
    options = parser.parse_args()
    print(f"{datetime.date.today()}, {cpu_name()}, {os.cpu_count()} cores, {options.rows} rows a recording")
    peaks = []
    is_complete = True
    for count in (options.few, options.many):
        with tempfile.TemporaryDirectory() as folder:
            store, out = Path(folder) / "store", Path(folder) / "out.parquet"
            write_store(made_up(count, options.rows), store, source="random numbers")
            seconds, peak_mb = predict(options.bundle, store, out)
            is_complete &= pl.scan_parquet(out).select(pl.col("sequence_id").n_unique()).collect().item() == count
        peaks.append(peak_mb)
        print(f"{count:8d} recordings {peak_mb:8.0f} MB at most, {count / seconds:6.0f} per second (start included)")
    print(f"the many take {peaks[1] / peaks[0]:.2f} times the memory of the few (bar {GROWTH_BAR:g})")
    return int(peaks[1] > GROWTH_BAR * peaks[0] or not is_complete)


def made_up(count: int, rows: int) -> Iterator[Recordings]:
    """The same recordings again and again, under other ids."""
    part = random_recordings(HELIOS, [rows] * min(PART, count), np.random.default_rng(0))
    for start in range(0, count, PART):
        ids = pl.Series("id", [f"r{number}" for number in range(start, min(start + PART, count))])
        some = part[: len(ids)]
        yield some.with_table(some.table.with_columns(ids))


def predict(bundle: Path, store: Path, out: Path) -> tuple[float, float]:
    """Seconds, and peak memory in MB, of a process that predicts a store."""
    start = time.perf_counter()
    command = [sys.executable, "-c", CHILD, str(bundle), str(store), "--out", str(out), "--anyway"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - start, float(done.stderr.rpartition("peak ")[2])


if __name__ == "__main__":
    sys.exit(main())
