"""Memory of training: the peak of every process of `bfrb train`, on a study of 48 simulated people.

    python benchmarks/train_memory.py [--data DATA] [--presets quick benchmark] [--set key=value ...] [--workers N]

Trains every preset for one epoch and reads `/proc` meanwhile (so: Linux). *resident* is all memory that a process has
touched, recordings and features included that it shares with the others through the file system; *its own* is what
nobody else has: that is what workers cost. Exits with 1 if a process is resident with more than 1 GB. Without DATA,
`bfrb simulate STUDY --subjects 48 --seed 1` is run first (a minute or two).
"""

from __future__ import annotations

import argparse
import datetime
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BFRB = [sys.executable, "-m", "bfrb"]
BAR_GB = 1.0
POLL_S = 0.05
KB = 1e6
"""Kilobytes in a gigabyte."""

Peaks = dict[int, tuple[float, float]]
"""By process: largest resident and largest own memory, in GB."""


def main() -> int:
    """Measure every preset and print; 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--presets", nargs="+", default=["quick", "benchmark"])
    parser.add_argument("--set", action="append", default=[], metavar="key=value", dest="changes")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or Path(folder) / "study"
        if options.data is None:
            subprocess.run([*BFRB, "simulate", str(data), "--subjects", "48", "--seed", "1"], check=True)
        print(f"{datetime.date.today()}, {data}, one epoch, {options.workers} networks at a time")
        largest = 0.0
        for preset in options.presets:
            started = time.perf_counter()
            peaks = measure(data, Path(folder) / preset, preset, options)
            largest = max(largest, report(preset, peaks, time.perf_counter() - started))
    return int(largest > BAR_GB)


def measure(data: Path, out: Path, preset: str, options: argparse.Namespace) -> Peaks:
    """The peaks of all processes of one training."""
    changes = [word for change in ("training.epochs=1", *options.changes) for word in ("--set", change)]
    command = [*BFRB, "train", str(data), "--out", str(out), "--preset", preset, *changes]
    process = subprocess.Popen([*command, "--workers", str(options.workers), "--no-report"])
    peaks: Peaks = {}
    while process.poll() is None:
        for number in (process.pid, *descendants(process.pid)):
            found = read_memory(number)
            before = peaks.get(number, (0.0, 0.0))
            peaks[number] = (max(before[0], found[0]), max(before[1], found[1]))
        time.sleep(POLL_S)
    if process.returncode:
        raise SystemExit(f"the training with the preset {preset} failed")
    return peaks


def descendants(process: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    found: list[int] = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = [int(word) for word in path.read_text().split()]
        except OSError:  # it has ended
            continue
        found += [number for child in children for number in (child, *descendants(child))]
    return found


def read_memory(process: int) -> tuple[float, float]:
    """Largest resident memory so far and own memory now, in GB; zeros of a process that has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    values = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith(("VmHWM", "RssAnon"))}
    return float(values.get("VmHWM", 0)) / KB, float(values.get("RssAnon", 0)) / KB


def report(preset: str, peaks: Peaks, seconds: float) -> float:
    """Print the peaks, the command's own process first; the largest resident one."""
    print(f"{preset}: {seconds:.0f} s")
    for number, (resident, own) in enumerate(peaks.values()):
        if resident > 0.05:
            print(f"  {'command' if number == 0 else 'worker':8} resident {resident:5.2f} GB   its own {own:5.2f} GB")
    return max(resident for resident, _ in peaks.values())


if __name__ == "__main__":
    sys.exit(main())
