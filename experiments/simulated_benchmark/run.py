"""Presets and techniques on simulated studies: `python experiments/simulated_benchmark/run.py [presets|techniques]`.

Simulates each study from its seed and trains on the committed folds. `presets` judges the preset `benchmark` against
`baseline` (`bfrb compare`); `techniques` says what every technique is worth (`techniques.toml` says how). Differences
come with 95 % intervals over subjects, and scores are compared with the expected ones beside this file. Everything is
of SIMULATED recordings. A stopped run goes on when repeated. With --try-out everything runs once with four people and
one epoch, to see that it does. Exits with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from design import Plan, read_plan

HERE = Path(__file__).parent
STUDIES: dict[str, tuple[str, ...]] = {
    "presets": ("--subjects", "16", "--seed", "5"),
    # Two of the ten are left-handed, one in each fold, so that mirroring has something to show.
    "techniques": ("--subjects", "10", "--seed", "6", "--set", "people.left_handed=24"),
}
EXPECTED = HERE / "expected.json"
TOLERANCE = 0.03
"""Largest difference from an expected score: another processor rounds differently, and training carries that on."""

TRIED = ("--subjects", "4")
TRIED_CHANGE = "training.epochs=1"


Scores = dict[str, dict[str, float]]
"""By variant or technique, and by scenario."""


def run(*arguments: str) -> None:
    """A bfrb command."""
    subprocess.run([sys.executable, "-m", "bfrb", *arguments], check=True)


def simulate(name: str, out: Path, *more: str) -> Path:
    """A study, simulated where it is not there yet."""
    study = out / f"{name}_study"
    out.mkdir(parents=True, exist_ok=True)
    if not study.exists():
        run("simulate", str(study), *STUDIES[name], *more, "--format", "parquet")
    return study


def compare_presets(options: argparse.Namespace) -> tuple[Scores, list[str]]:
    """Scores by variant and scenario, and the scenarios in which `benchmark` is not surely above `baseline`."""
    study, results = simulate("presets", options.out, *(TRIED if options.try_out else ())), options.out / "presets"
    files = ["--variants", str(HERE / "presets.toml")]
    files += ["--set", TRIED_CHANGE] if options.try_out else ["--folds", str(HERE / "presets.folds.csv")]
    run("compare", str(study), "--out", str(results), *files, "--workers", str(options.workers))
    variants = json.loads((results / "comparison.json").read_text(encoding="utf-8"))["variants"]
    scenarios = variants["benchmark"]["scenarios"]
    missed = [name for name, found in scenarios.items() if found["difference_interval"][0] <= 0]
    print(f"benchmark surely above baseline: {f'NO ({missed})' if missed else 'yes, in every scenario'}")
    scores = {
        variant: {scenario: part["score"] for scenario, part in found["scenarios"].items()}
        for variant, found in variants.items()
    }
    return scores, missed


def compare_techniques(options: argparse.Namespace) -> tuple[Scores, list[str]]:
    """Effects by technique and scenario; nothing can be missed."""
    from techniques import run_techniques, tables

    plan: Plan = read_plan(HERE / "techniques.toml", *([TRIED_CHANGE] if options.try_out else []))
    study = simulate("techniques", options.out, *(TRIED if options.try_out else ()))
    folds = None if options.try_out else HERE / "techniques.folds.csv"
    results = run_techniques(study, options.out / "techniques", plan, folds, options.workers)
    print("\n".join(tables(results, plan)))
    found = {"mean": results["mean"]} | {
        name: {kind: results["techniques"][kind][name]["effect"] for kind in results["mean"]}
        for name in plan.techniques
    }
    return found, []


EXPERIMENTS = {"presets": compare_presets, "techniques": compare_techniques}


def tell_unexpected(name: str, scores: Scores, study: str) -> None:
    """Print which scores or effects are not the expected ones, and whether the study is the same."""
    expected: Mapping[str, Any] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    if expected["studies"].get(name) != study:
        print("the simulator has changed since the expected scores were written: they are of another study")
    for variant, found in scores.items():
        for scenario, score in found.items():
            before = expected[name].get(variant, {}).get(scenario)
            if before is not None and abs(score - before) > TOLERANCE:
                print(f"not as expected: {variant}, {scenario}: {score:.3f}, expected {before:.3f}")


def write_expected(name: str, scores: Scores, study: str) -> None:
    """Make these scores the expected ones."""
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    expected["studies"][name] = study
    expected[name] = {
        variant: {scenario: round(score, 4) for scenario, score in found.items()} for variant, found in scores.items()
    }
    EXPECTED.write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Run the experiments, and say what is not as expected."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*STUDIES, []], default=[*STUDIES])
    parser.add_argument("--out", type=Path, default=Path("simulated_benchmark"))
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--try-out", action="store_true", help="four people and one epoch: does it run?")
    parser.add_argument("--write-expected", action="store_true", help="make what comes out the expected scores")
    options = parser.parse_args()
    failed = False
    for name in options.names:
        started = time.perf_counter()
        scores, missed = EXPERIMENTS[name](options)
        failed |= bool(missed)
        print(f"{name}: {datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {time.perf_counter() - started:.0f} s")
        settled = json.loads((options.out / name / "settled.json").read_text(encoding="utf-8"))
        if options.try_out:
            continue
        tell_unexpected(name, scores, settled["recordings"])
        if options.write_expected:
            write_expected(name, scores, settled["recordings"])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
