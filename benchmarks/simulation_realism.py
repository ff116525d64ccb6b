"""Real against simulated: `python benchmarks/simulation_realism.py`, the tables of docs/simulation.md.

The published statistics need no data. With real recordings (BFRB_DATA, or ../shared/data beside the repository) it
also compares what was never published, and trains a classifier to tell real from simulated IMU windows.
"""

from __future__ import annotations

import argparse
import os
from operator import itemgetter
from pathlib import Path

import numpy as np

from bfrb.read.sources import read
from bfrb.simulate.spec import StudySpec
from bfrb.simulate.study import simulate_study
from realism import IMU_FEATURES, PUBLISHED, dynamics, matched, statistics, table_lines, two_sample_test

DATA = Path(os.environ.get("BFRB_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))

EACH, LOTS = 8, 5
"""Simulated recordings for every real one in a two-sample test, and how many such tests."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=81)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    study = simulate_study(StudySpec(subjects=options.subjects), options.seed)
    found = statistics(study)
    print(f"## Published statistics ({len(study)} simulated sequences)\n")
    print("\n".join(table_lines([(name, value, found[name]) for name, value in PUBLISHED.items()])))
    sample = DATA / "cmi" / "train_sample.csv"
    if not sample.is_file():
        print(f"\nno real recordings in {DATA}")
        return
    real = read(sample)
    mine, theirs = dynamics(matched(study, real, EACH * LOTS)), dynamics(real)
    print(f"\n## Never published: {len(real)} real sequences\n")
    print("\n".join(table_lines([(name, value, mine[name]) for name, value in theirs.items()], limit=0.25)))
    lots = [matched(study, real, EACH, EACH * lot) for lot in range(LOTS)]
    tests = [two_sample_test(real, alike, options.seed) for alike in lots if len(alike)]
    areas = [test.auc for test in tests]
    windows = [sum(test.windows[side] for test in tests) // len(tests) for side in (0, 1)]
    print("\n## Two-sample test\n")
    print(
        f"AUC {np.mean(areas):.3f} ({min(areas):.3f} to {max(areas):.3f} against {len(tests)} lots of simulated people)"
    )
    print(f"on {windows[0]} real and about {windows[1]} simulated windows; loss when a feature is shuffled:")
    losses = {name: np.mean([dict(test.telling)[name] for test in tests]) for name in IMU_FEATURES}
    for name, loss in sorted(losses.items(), key=itemgetter(1), reverse=True)[:8]:
        print(f"- {name}: {loss:.3f}")


if __name__ == "__main__":
    main()
