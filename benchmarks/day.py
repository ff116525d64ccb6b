"""What a whole day of one wearer costs: memory and time of detect, calibrate and report.

    python benchmarks/day.py [--hours 24] [--keep FOLDER] [--no-sensors]

Simulates short days of four people, trains two small networks on them, simulates a day of one wearer, and runs each
command on it in a process of its own. Prints one JSON object; exits with 1 if a command needs 500 MB or more. With
--keep the day and the bundle are kept in a folder, and used again where they are there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
    model, day = folder / "model", folder / f"day-{hours:g}"
    if not model.exists():
        run("simulate", str(folder / "people"), "--hours", "0.25", "--subjects", "4", "--seed", "1", "--overwrite")
        run("train", str(folder / "people"), "--out", str(model), *QUICK)
    if not day.exists():
        run("simulate", str(day), "--hours", str(hours), "--subjects", "1", "--seed", "2")
    return str(model), str(day)


def main() -> None:
    """Make, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--no-sensors", action="store_true", help="report without answering again without each sensor")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        model, day = make(folder, options.hours)
        out = Path(temporary)
        sensors = ["--no-sensors"] if options.no_sensors else []
        found = {
            "detect": run("detect", model, day, "--out", str(out / "events.csv")),
            "calibrate": run("calibrate", model, day, "--out", str(out / "ready")),
            "report": run("report", model, "--data", day, "--out", str(out / "page.html"), *sensors),
        }
    print(json.dumps({"hours": options.hours, **found}, indent=1))
    sys.exit(any(each["peak_mb"] >= BAR_MB for each in found.values()))


if __name__ == "__main__":
    main()
