"""How well a detector trained on simulated wearers tells that a device was worn upside down.

    python experiments/upside_down/run.py [--data ../shared/data/cmi] [--subjects 24] [--preset wide]

Simulates wearers who all wear the device upright, trains the detector that `wearing.detect=true` makes part of a
bundle, and shows it recordings as they are and turned over, which is exact: those of simulated wearers it never saw,
and the real ones under --data, all taken to have been made upright.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bfrb.config import RunSpec
from bfrb.data.recordings import Recordings
from bfrb.data.sources import HeldSource, read
from bfrb.data.tables import read_table
from bfrb.inference.bundle import OUT_OF_FOLD
from bfrb.inference.predictor import load
from bfrb.simulate.spec import named_spec
from bfrb.simulate.study import simulate_study
from bfrb.training.crossval import RunOptions, cross_validate
from bfrb.training.wearing import UPSIDE_DOWN, both_ways, detector_spec

REAL_FILES = ("train_sample.csv", "test.csv")
SENSORS = {"all": (), "imu": ("thm", "tof")}


def main() -> None:
    """Simulate, train, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BFRB_DATA", "../shared/data")) / "cmi")
    parser.add_argument("--subjects", type=int, default=24)
    parser.add_argument("--preset", default="wide", help="of the simulation: study, or wide")
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    spec = named_spec(options.preset).updated([f"subjects={options.subjects}", "people.upside_down=0"])
    study = simulate_study(spec, seed=4, processes=os.cpu_count() or 1)
    print(f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores")
    print(f"trained on {options.subjects} SIMULATED wearers (preset {options.preset}), three folds")
    print(f"{'shown':34s} {'sure from':>9s} {'precision':>10s} {'recall':>8s}")
    with tempfile.TemporaryDirectory() as folder:
        detector = Path(folder) / "detector"
        pairs = both_ways(HeldSource(study, "simulated"), study)
        cross_validate(pairs, detector_spec(RunSpec(folds=3)), detector, options=RunOptions(workers=options.workers))
        for scenario in SENSORS:
            table = read_table(detector / OUT_OF_FOLD)
            chosen = table.filter(table["scenario"] == scenario)
            truth = chosen["gesture"].to_numpy() == UPSIDE_DOWN
            tell(f"simulated, unseen wearers, {scenario}", chosen[UPSIDE_DOWN].to_numpy(), truth)
        real = [read(options.data / name) for name in REAL_FILES if (options.data / name).exists()]
        if real:
            judge_real(detector, Recordings.concat(real))


def judge_real(detector: Path, recordings: Recordings) -> None:
    """Show the detector real recordings both ways."""
    predictor = load(detector)
    for scenario, lost in SENSORS.items():
        shown = both_ways(HeldSource(recordings, "real"), recordings).read().without(*lost)
        answers = predictor.predict(shown).probabilities[:, predictor.label_set.classes.index(UPSIDE_DOWN)]
        tell(f"real, {len(recordings)} both ways, {scenario}", answers, np.array(shown.gestures) == UPSIDE_DOWN)


def tell(name: str, answers: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]) -> None:
    """Precision and recall of "upside down", where as many recordings are turned as not."""
    for threshold in (0.5, 0.9):
        found = answers >= threshold
        right = (found & truth).sum()
        print(f"{name:34s} {threshold:9.1f} {right / max(found.sum(), 1):10.3f} {right / truth.sum():8.3f}", flush=True)


if __name__ == "__main__":
    main()
