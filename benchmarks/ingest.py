"""How fast a full-size CSV becomes a store, next to what pandas takes only to read it.

    python benchmarks/ingest.py [SOURCE] [--rows 575000] [--runs 3]

Writes a CSV of that many rows in the CMI layout: recordings of SOURCE (a file or folder in that layout; by default a
small simulated study), again and again under other ids. Then `bfrb.read.sources.ingest`, `bfrb.read.check` and
`pandas.read_csv` run in turn, each in a process of its own. The best of each is compared: both suffer alike from
whatever else the machine does. Processor time is told beside it. Exits with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl

from bfrb.read.cmi_write import ID, rows_of
from bfrb.read.sources import open_source
from bfrb.study.device import HELIOS
from bfrb.study.recordings import Recordings
from features import cpu_name

MEMORY_BAR_GB = 1.0
TIME_BAR = 1.3
"""Times as long as pandas takes only to read the file."""

MEASURED = """
import json, resource, sys, time
begin = time.perf_counter()
{work}
seconds, used = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
found = {{"seconds": seconds, "processor_s": used.ru_utime + used.ru_stime, "peak_gb": used.ru_maxrss * 1024 / 1e9}}
print(json.dumps(found))
"""
WORK = {
    "pandas.read_csv": "import pandas; pandas.read_csv(sys.argv[1])",
    "bfrb ingest": "from bfrb.read.sources import ingest; ingest(sys.argv[1], sys.argv[2], overwrite=True)",
    "bfrb check": "from bfrb.read.check import check; check(sys.argv[1])",
    "open the store": "from bfrb.read.store import Store; Store.open(sys.argv[2]).read()",
}


def main() -> int:
    """Measure, print, and say whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", type=Path, help="recordings to repeat")
    parser.add_argument("--rows", type=int, default=575_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.csv"
        recordings = simulated() if options.source is None else open_source(options.source, "cmi").read()
        rows = write_repeated(recordings, path, options.rows)
        store = Path(folder) / "store"
        runs = [{name: measure(work, path, store) for name, work in WORK.items()} for _ in range(options.runs)]
        size_gb = path.stat().st_size / 1e9
        store_gb = sum(file.stat().st_size for file in store.rglob("*") if file.is_file()) / 1e9

    print(f"{datetime.date.today()}, {cpu_name()}, {os.cpu_count()} cores, polars {pl.__version__}")
    print(f"{rows:,} rows, {size_gb:.2f} GB as CSV, {store_gb:.2f} GB as a store; best of {options.runs}")
    best = {name: min((run[name] for run in runs), key=lambda found: found["seconds"]) for name in WORK}
    reference_s = best["pandas.read_csv"]["seconds"]
    for name, found in best.items():
        ratio = reference_s / found["seconds"]
        used = min(run[name]["processor_s"] for run in runs)
        figures = f"{found['seconds']:6.1f} s, {used:6.1f} s of processor time   peak {found['peak_gb']:5.2f} GB"
        print(f"{name:16} {figures}   {ratio:5.1f} x pandas.read_csv")
    peak_gb = max(run["bfrb ingest"]["peak_gb"] for run in runs)
    return int(best["bfrb ingest"]["seconds"] > TIME_BAR * reference_s or peak_gb >= MEMORY_BAR_GB)


def simulated() -> Recordings:
    """A small simulated study."""
    from bfrb.simulate.spec import read_study_spec
    from bfrb.simulate.study import simulate_subjects

    return Recordings.concat(list(simulate_subjects(read_study_spec("study").updated(["subjects=4"]), 0)))


def write_repeated(recordings: Recordings, path: Path, rows: int) -> int:
    """Write at least that many rows, distances as in Kaggle's files (131.0); the number of rows written."""
    frame = rows_of(recordings).with_columns(pl.col(HELIOS.sensor("tof").columns).cast(pl.Float32))
    written = 0
    with path.open("wb") as file:
        while written < rows:
            suffix = f"_{written // frame.height}" if written else ""
            copy = frame.with_columns(pl.col(ID, "row_id") + suffix)
            copy.write_csv(file, include_header=not written)
            written += frame.height
    return written


def measure(work: str, path: Path, store: Path) -> dict[str, float]:
    """Seconds, imports included, and peak memory of some work in a process of its own."""
    command = [sys.executable, "-c", MEASURED.format(work=work), str(path), str(store)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


if __name__ == "__main__":
    sys.exit(main())
