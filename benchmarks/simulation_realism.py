"""Real against simulated: `python benchmarks/simulation_realism.py`, the tables of docs/simulation.md.

The published statistics need no data. With real recordings (BFRB_DATA, or ../shared/data beside the repository) it
also compares what was never published, and trains a classifier to tell real from simulated IMU windows.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from bfrb.data.cmi import read_cmi
from bfrb.simulate.realism import PUBLISHED, dynamics, matched, statistics, table_lines, two_sample_test
from bfrb.simulate.spec import StudySpec
from bfrb.simulate.study import simulate_study

DATA = Path(os.environ.get("BFRB_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=81)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    study = simulate_study(StudySpec(subjects=options.subjects), options.seed, options.processes)
    found = statistics(study)
    print(f"## Published statistics ({len(study)} simulated sequences)\n")
    print("\n".join(table_lines([(name, value, found[name]) for name, value in PUBLISHED.items()])))
    sample = DATA / "cmi" / "train_sample.csv"
    if not sample.is_file():
        print(f"\nno real recordings in {DATA}")
        return
    real = read_cmi(sample)
    alike = matched(study, real)
    mine, theirs = dynamics(alike), dynamics(real)
    print(f"\n## Never published: {len(real)} real sequences\n")
    print("\n".join(table_lines([(name, value, mine[name]) for name, value in theirs.items()], limit=0.25)))
    test = two_sample_test(real, alike, options.seed)
    print(
        f"\n## Two-sample test\n\nAUC {test.auc:.3f} on {test.windows[0]} real and {test.windows[1]} simulated windows"
    )
    print("\n".join(f"- {name}: {loss:.3f}" for name, loss in test.telling))


if __name__ == "__main__":
    main()
