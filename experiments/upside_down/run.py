"""How well a detector trained on simulated wearers tells that a device was worn upside down.

    python experiments/upside_down/run.py [--data ../shared/data/cmi] [--subjects 48] [--preset wide]

Simulates wearers who all wear the device upright, trains the detector that `wearing.detect=true` makes part of a
bundle, and shows it recordings as they are and turned over, which is exact: those of simulated wearers it never saw,
and the real ones under --data, all taken to have been made upright.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bfrb.predict.predictor import load
from bfrb.predict.wearing import tell_upside_down
from bfrb.read.sources import HeldSource, read
from bfrb.simulate.spec import named_spec
from bfrb.simulate.study import simulate_study
from bfrb.study.recordings import Recordings
from bfrb.train.compare import hash_recordings
from bfrb.train.crossval import RunOptions, cross_validate
from bfrb.train.run import RunSpec
from bfrb.train.wearing import both_ways, detector_spec, held_out_answers

REAL_FILES = ("train_sample.csv", "test.csv")
SENSORS = {"all": (), "imu": ("thm", "tof")}


def main() -> None:
    """Simulate, train, judge; what was stopped goes on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BFRB_DATA", "../shared/data")) / "cmi")
    parser.add_argument("--subjects", type=int, default=48)
    parser.add_argument("--preset", default="study", help="of the simulation: study, or wide")
    parser.add_argument("--out", type=Path, default=Path("upside_down"), help="where the detector is kept")
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    spec = named_spec(options.preset).updated([f"subjects={options.subjects}", "people.upside_down=0"])
    study = simulate_study(spec, seed=4, processes=os.cpu_count() or 1)
    detector = options.out / f"{options.preset}-{options.subjects}-{hash_recordings(study)[:8]}"
    options.out.mkdir(parents=True, exist_ok=True)
    if not detector.exists():
        pairs = both_ways(HeldSource(study, "simulated"), study)
        cross_validate(pairs, detector_spec(RunSpec(folds=2)), detector, options=RunOptions(workers=options.workers))
    print(f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores")
    print(f"two folds of {options.subjects} SIMULATED wearers (preset {options.preset})")
    print(f"{'shown':34s} {'sure from':>9s} {'precision':>10s} {'recall':>8s}")
    for scenario in SENSORS:
        tell(f"simulated, unseen wearers, {scenario}", held_out_answers(detector, study, scenario))
    real = [read(options.data / name) for name in REAL_FILES if (options.data / name).exists()]
    if real:
        judge_real(detector, Recordings.concat(real))


def judge_real(detector: Path, recordings: Recordings) -> None:
    """Show the detector real recordings both ways."""
    predictor = load(detector)
    for scenario, lost in SENSORS.items():
        answers = tell_upside_down(predictor.predict, recordings.without(*lost))
        tell(f"real, {len(recordings)} both ways, {scenario}", answers)


def tell(name: str, answers: npt.NDArray[np.float64]) -> None:
    """Precision and recall of "upside down", where every recording is shown as it is and turned over.

    The answer for the turned copy is the opposite one (`weigh_both_ways`).
    """
    for threshold in (0.5, 0.9):
        right, wrong = int((1.0 - answers >= threshold).sum()), int((answers >= threshold).sum())
        precision, recall = right / max(right + wrong, 1), right / len(answers)
        print(f"{name:34s} {threshold:9.1f} {precision:10.3f} {recall:8.3f}", flush=True)


if __name__ == "__main__":
    main()
