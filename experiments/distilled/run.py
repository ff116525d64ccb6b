"""What small networks lose against the ensemble that taught them, and what eight bits lose besides.

    python experiments/distilled/run.py DATA --out RESULTS [--tasks demo,utd_mhad] [--students small,micro] [--int8]

Tasks are those of `experiments/real`, and `demo`, the simulated study of `make demo`. The ensemble is the preset
`quick` on the task's folds, and students are presets, taught by `bfrb distill`. Bundles are kept in RESULTS, and only
what is not there is trained. Scores are of people that neither teacher nor student saw. With `--int8` (needs
bfrb[litert]) the student is converted to LiteRT in 32 and in 8 bits, and both are asked about the task's recordings.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "real"))
from run import Task, metrics, read_task

from bfrb.export import targets
from bfrb.export.portable import CALIBRATED_ON, arrange
from bfrb.export.targets import Whole
from bfrb.metrics.competition import competition_score
from bfrb.predict.bundle import OUT_OF_FOLD, Bundle
from bfrb.read.sources import HeldSource
from bfrb.simulate.spec import StudySpec
from bfrb.simulate.study import simulate_study
from bfrb.study.folds import make_folds
from bfrb.study.labels import CMI_GESTURES
from bfrb.train.crossval import RunOptions, cross_validate
from bfrb.train.distill import distill
from bfrb.train.presets import read_preset

OPTIONS = RunOptions(workers=1, overwrite=True)


def find_task(name: str, data: Path) -> Task | None:
    """A task of `experiments/real`, or the simulated one."""
    if name != "demo":
        return read_task(name, data)
    recordings = simulate_study(StudySpec(subjects=12), seed=1)
    return Task(name, "demo study, SIMULATED", recordings, CMI_GESTURES, make_folds(recordings.table, 3, seed=0), None)


def kept(path: Path, make: Callable[[Path], Path]) -> Bundle:
    """A bundle that was made before, or now."""
    return Bundle.open(path if path.exists() else make(path))


def answers_of(bundle: Bundle, scenario: str = "all") -> np.ndarray:
    """(R, K) answers to everybody by networks that did not see them."""
    table = pl.read_parquet(bundle.file(OUT_OF_FOLD)).filter(pl.col("scenario") == scenario)
    return table.select(bundle.label_set.classes).to_numpy()


def scores_of(task: Task, answers: np.ndarray) -> dict[str, float]:
    """Everything that is asked of a task."""
    rows = np.arange(len(answers))
    found = {name: metric(rows) for name, metric in metrics(task, answers).items()}
    told = task.label_set.decode(answers.argmax(axis=1))
    found["competition score"] = competition_score(task.recordings.gestures, told, task.label_set).score
    return {name: round(float(value), 4) for name, value in found.items() if value is not None}


def ask_in_bits(student: Bundle, task: Task, out: Path) -> dict[str, np.ndarray]:
    """The answers of the student's network by LiteRT in 32 and in 8 bits, of windows of one length."""
    rows = int(np.median(task.recordings.lengths))
    module = Whole(student)
    chosen = np.flatnonzero(task.recordings.lengths >= rows)
    examples = arrange(module, task.recordings[chosen], rows)
    found = {}
    for name, int8 in (("32 bits", False), ("8 bits", True)):
        folder = out / f"{student.path.name}.{name.replace(' ', '')}"
        folder.mkdir(exist_ok=True)
        path = targets.convert("litert", module, examples[:: -(-len(examples) // CALIBRATED_ON)], folder, int8=int8)
        answers = targets.ask("litert", path, module.inputs, examples)
        print(f"  {name}: {path.stat().st_size:,} bytes, {rows} rows")
        found[name] = np.full((len(task.recordings), len(task.label_set)), 1 / len(task.label_set))
        found[name][chosen] = answers
    return found


def main() -> None:
    """Teach, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", default="demo,utd_mhad,ha24")
    parser.add_argument("--students", default="small,micro")
    parser.add_argument("--int8", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.tasks.split(","):
        task = find_task(name, options.data)
        if task is None:
            continue
        source = HeldSource(task.recordings, task.title, label_set=task.label_set)
        quick = read_preset("quick").updated(["length_percentile=100"])
        teacher = kept(
            options.out / f"{name}.quick",
            lambda path, task=task, source=source, quick=quick: cross_validate(
                source, quick, path, folds=task.folds, options=OPTIONS
            ),
        )
        print(task.title)
        print(f"  ensemble: {scores_of(task, answers_of(teacher))}")
        for preset in options.students.split(","):
            spec = read_preset(preset)
            student = kept(
                options.out / f"{name}.{preset}",
                lambda path, teacher=teacher, source=source, spec=spec: distill(
                    teacher, source, spec, path, options=OPTIONS
                ),
            )
            print(f"  {preset}: {scores_of(task, answers_of(student))}", flush=True)
            if options.int8:
                for bits, answers in ask_in_bits(student, task, options.out).items():
                    print(f"  {preset}, one network, people it saw, {bits}: {scores_of(task, answers)}", flush=True)


if __name__ == "__main__":
    main()
