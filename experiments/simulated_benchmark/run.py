"""Presets and techniques on a simulated study: `python experiments/simulated_benchmark/run.py [presets|techniques]`.

Simulates the study from its seed, trains every variant on the committed folds (`bfrb compare`), prints all differences
with 95 % intervals over subjects, and compares the scores with the expected ones beside this file. `presets` judges the
preset `benchmark` against `baseline`; `techniques` adds one technique at a time to a short training, on other people.
Everything is of SIMULATED recordings. A stopped run goes on when repeated. Exits with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
STUDIES = {"presets": ("--subjects", "16", "--seed", "5"), "techniques": ("--subjects", "12", "--seed", "6")}
TOLERANCE = 0.03
"""Largest difference from an expected score: another processor rounds differently, and training carries that on."""


def run(*arguments: str) -> None:
    """A bfrb command."""
    subprocess.run([sys.executable, "-m", "bfrb.cli", *arguments], check=True)


def compare(name: str, out: Path, workers: int) -> dict[str, Any]:
    """Simulate a study where it is not there yet, and compare the variants on it."""
    study, results = out / f"{name}_study", out / name
    out.mkdir(parents=True, exist_ok=True)
    if not study.exists():
        run("simulate", str(study), *STUDIES[name], "--format", "parquet")
    files = ("--variants", str(HERE / f"{name}.toml"), "--folds", str(HERE / f"{name}.folds.csv"))
    run("compare", str(study), "--out", str(results), *files, "--workers", str(workers))
    found: dict[str, Any] = json.loads((results / "comparison.json").read_text(encoding="utf-8"))
    return found


def find_unexpected(name: str, results: dict[str, Any]) -> list[str]:
    """Scores that are not the expected ones."""
    expected = json.loads((HERE / "expected.json").read_text(encoding="utf-8"))[name]
    return [
        f"{variant}, {scenario}: {found['score']:.3f}, expected {expected[variant][scenario]:.3f}"
        for variant, scores in results["variants"].items()
        for scenario, found in scores["scenarios"].items()
        if variant in expected and abs(found["score"] - expected[variant][scenario]) > TOLERANCE
    ]


def is_same_study(name: str, out: Path) -> bool:
    """Whether the simulator still gives the study that the expected scores are about."""
    expected = json.loads((HERE / "expected.json").read_text(encoding="utf-8"))["studies"][name]
    found = json.loads((out / name / "settled.json").read_text(encoding="utf-8"))["recordings"]
    return bool(found == expected)


def find_missed(results: dict[str, Any]) -> list[str]:
    """Scenarios in which `benchmark` is not surely above `baseline`."""
    scenarios = results["variants"]["benchmark"]["scenarios"]
    return [name for name, found in scenarios.items() if found["difference_interval"][0] <= 0]


def main() -> int:
    """Run the experiments, and say what is not as expected."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*STUDIES, []], default=[*STUDIES])
    parser.add_argument("--out", type=Path, default=Path("simulated_benchmark"))
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    failed = False
    for name in options.names:
        started = time.perf_counter()
        results = compare(name, options.out, options.workers)
        print(f"{name}: {datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {time.perf_counter() - started:.0f} s")
        if not is_same_study(name, options.out):
            print("the simulator has changed since the expected scores were written: they are of another study")
        for line in find_unexpected(name, results):
            print(f"not as expected: {line}")
        if name == "presets":
            missed = find_missed(results)
            failed = bool(missed)
            print(f"benchmark surely above baseline: {f'NO ({missed})' if missed else 'yes, in every scenario'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
