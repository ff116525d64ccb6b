"""What a day of a research actigraph costs `bfrb detect`: 24 hours of cwa at 100 Hz, and 7.5 hours of a GT9X Link.

    python benchmarks/actigraph_day.py DATA [--hours 24] [--keep FOLDER]

DATA is the folder with real files of devices. The day is made of the blocks of a real AX6, again and again, with times
and sums of their own. The bundle is trained on simulated days, and one of its networks answers. Prints one JSON object;
exits with 1 if the day needs 60 s of wall time or 1 GB, or the other file 30 s.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from bfrb.predict.bundle import MANIFEST, Bundle, copying_bundle
from bfrb.simulate.day import DaySpec, simulate_days
from bfrb.simulate.spec import StudySpec
from bfrb.study.labels import DAY_GESTURES
from day import run

BLOCK, HEADER, SAMPLES, RATE_HZ = 512, 1024, 40, 100
BARS = {"day": {"wall_s": 60.0, "peak_mb": 1000.0}, "gt9x": {"wall_s": 30.0}}
WORN = """
name = "day"
device = "{0}"
[axes]
x = "elbow"
y = "little"
z = "back"
[worn]
wrist = "right"
"""
STUDY = """
name = "wrist"
device = "table"
[recordings]
subject = "{file}"
[axes]
x = "thumb"
y = "hand"
z = "palm"
[worn]
wrist = "right"
[labels]
column = "label"
targets = ["target"]
"""
TRAINING = ("--folds", "2", "--networks", "two_branch", "--set", "training.epochs=2", "--set", "windows.step_s=20")


def write_day(real: Path, out: Path, hours: float) -> None:
    """A cwa file of so many hours from the blocks of a real one: (sequence, time, place of the second, sum) are new."""
    raw = np.fromfile(real, np.uint8)
    blocks = raw[HEADER:].reshape(-1, BLOCK)
    blocks = blocks[(blocks[:, 0] == ord("A")) & (blocks[:, 24] == blocks[0, 24])]
    count = int(hours * 3600 * RATE_HZ / SAMPLES)
    made = blocks[np.arange(count) % len(blocks)].copy()
    first = np.arange(count) * SAMPLES
    begin = datetime(2026, 1, 5, tzinfo=UTC)
    seconds = [begin + timedelta(seconds=int(second)) for second in first // RATE_HZ]
    packed = [
        (t.year - 2000) << 26 | t.month << 22 | t.day << 17 | t.hour << 12 | t.minute << 6 | t.second for t in seconds
    ]
    made[:, 4:6] = 0  # no parts of a second
    made[:, 10:14] = np.arange(count, dtype="<u4").view(np.uint8).reshape(-1, 4)
    made[:, 14:18] = np.array(packed, dtype="<u4").view(np.uint8).reshape(-1, 4)
    made[:, 26:28] = (-(first % RATE_HZ)).astype("<i2").view(np.uint8).reshape(-1, 2)
    made[:, 510:] = 0
    sums = (-made.view("<u2").sum(axis=1, dtype=np.uint32)).astype("<u2")
    made[:, 510:] = sums.view(np.uint8).reshape(-1, 2)
    with out.open("wb") as file:
        file.write(raw[:HEADER].tobytes())
        file.write(made.tobytes())


def make_bundle(folder: Path) -> Path:
    """A bundle with one network for accelerations alone, trained on simulated days."""
    if not (folder / "one").exists():
        people = folder / "people"
        people.mkdir(parents=True)
        (people / "study.toml").write_text(STUDY, encoding="utf-8")
        for number, day in enumerate(simulate_days(StudySpec(subjects=4), DaySpec(hours=0.25), seed=1)):
            label = day.annotations["gesture"]
            targets = np.array([name in DAY_GESTURES.targets for name in label.names])[label.codes]
            columns = {"time_s": np.arange(day.n_rows) / day.device.row_rate_hz}
            columns |= dict(zip(day.device.sensor("acc").columns, day.sensors["acc"].T, strict=True))
            frame = pl.DataFrame(columns | {"label": np.where(targets, "target", "none")})
            frame.fill_nan(None).write_csv(people / f"p{number}.csv")
        run("train", str(people), "--out", str(folder / "two"), *TRAINING, "--no-report")
        with copying_bundle(Bundle.open(folder / "two"), folder / "one") as made:
            manifest = json.loads((made / MANIFEST).read_text(encoding="utf-8"))
            manifest["members"] = manifest["members"][:1]
            (made / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return folder / "one"


def main() -> None:
    """Make, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        bundle, day = make_bundle(folder), folder / f"day-{options.hours:g}.cwa"
        if not day.exists():
            write_day(options.data / "skdh" / "ax6_sample.cwa", day, options.hours)
        files = {"day": (day, "axivity"), "gt9x": (options.data / "pygt3x" / "small.gt3x", "actigraph")}
        found = {}
        for name, (file, device) in files.items():
            text = Path(temporary, f"{name}.toml")
            text.write_text(WORN.format(device), encoding="utf-8")
            events = str(Path(temporary, f"{name}.csv"))
            found[name] = run("detect", str(bundle), str(file), "--description", str(text), "--out", events, "--anyway")
    print(json.dumps({"hours": options.hours, **found}, indent=1))
    sys.exit(any(found[name][key] >= bar for name, bars in BARS.items() for key, bar in bars.items()))


if __name__ == "__main__":
    main()
