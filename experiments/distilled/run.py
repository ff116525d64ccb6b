"""What small networks lose against the ensemble that taught them, and what eight bits lose besides.

    python experiments/distilled/run.py DATA --out RESULTS [--tasks demo,utd_mhad] [--students small,micro] [--int8]

Tasks are those of `experiments/real`, and `demo`, the simulated study of `make demo`. The ensemble is the preset
`quick` on the task's folds, and students are presets, taught by `bfrb distill`. Bundles are kept in RESULTS, and only
what is not there is trained. Scores are of people that neither teacher nor student saw. With `--int8` (needs
bfrb[litert,executorch]) a student that did not see the people of the first three folds is converted in 32 and in 8
bits, and both are asked about the recordings of these.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
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
from bfrb.study.recordings import Recordings
from bfrb.train.crossval import RunOptions, cross_validate
from bfrb.train.distill import distill
from bfrb.train.presets import read_preset

UNSEEN_FOLDS = 3
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


def ask_in_bits(student: Bundle, recordings: Recordings, unseen: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """By every runtime, in 32 and in 8 bits, the answers to recordings of one length of people that it did not see.

    Ranges of numbers are those of recordings of the people it learnt from.
    """
    module, rows = Whole(student), int(np.median(recordings.lengths))
    whole = recordings.lengths >= rows
    known, asked = (arrange(module, recordings[np.flatnonzero(whole & chosen)], rows) for chosen in (~unseen, unseen))
    for runtime in ("litert", "executorch"):
        for bits in (32, 8):
            folder = student.path.with_name(f"{student.path.name}.{runtime}{bits}")
            folder.mkdir(exist_ok=True)
            ranges = known[:: -(-len(known) // CALIBRATED_ON)]
            path = targets.convert(runtime, module, ranges, folder, int8=bits == 8)
            answers = targets.ask(runtime, path, module.inputs, asked)
            if answers is not None:
                yield f"{runtime}, {bits} bits, {path.stat().st_size:,} bytes, {rows} rows", answers


def judge_bits(task: Task, teacher: Bundle, preset: str, out: Path) -> None:
    """Print what a student loses in eight bits, on people of the first three folds, whom it did not see."""
    recordings = task.recordings
    unseen = task.folds.numbers(recordings.subjects.tolist()) < UNSEEN_FOLDS
    learnt = HeldSource(recordings[~unseen], task.title, label_set=task.label_set)
    path = out / f"{task.name}.{preset}.without_three"
    student = kept(path, lambda path: distill(teacher, learnt, read_preset(preset), path, options=OPTIONS))
    some = unseen & (recordings.lengths >= int(np.median(recordings.lengths)))
    judged = task._replace(recordings=recordings[np.flatnonzero(some)])
    for name, answers in ask_in_bits(student, recordings, unseen):
        print(f"  {preset}, {some.sum()} recordings of unseen people, {name}: {scores_of(judged, answers)}", flush=True)


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
                judge_bits(task, teacher, preset, options.out)


if __name__ == "__main__":
    main()
