"""What small networks lose against the ensemble that taught them, and what eight bits lose besides.

    python experiments/distilled/run.py DATA --out RESULTS [--tasks demo,utd_mhad] [--students small,micro] [--int8]

Tasks are those of `experiments/real`, and `demo`, a simulated study like that of `make demo`. The people of a task are
in three groups. For each, the preset `quick` is trained on all others in three folds, students, which are presets or
files, are taught by it with `bfrb distill` on the same others, and all are asked about the group: neither teacher nor
student has seen them, nor a label or an answer that depends on them. Bundles are kept in RESULTS, and only what is not
there is trained. With `--int8` (needs bfrb[litert,executorch]) students are converted in 32 and in 8 bits, and asked.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "real"))
from run import Task, metrics, read_task

from bfrb.export import targets
from bfrb.export.portable import CALIBRATED_ON, arrange
from bfrb.export.targets import Whole
from bfrb.metrics.competition import competition_score
from bfrb.predict.bundle import Bundle
from bfrb.predict.predictor import load
from bfrb.read.sources import HeldSource
from bfrb.simulate.spec import StudySpec
from bfrb.simulate.study import simulate_study
from bfrb.study.folds import make_folds
from bfrb.study.labels import CMI_GESTURES
from bfrb.study.recordings import Recordings
from bfrb.train.crossval import RunOptions, cross_validate
from bfrb.train.distill import distill
from bfrb.train.presets import read_preset

OPTIONS = RunOptions(workers=1, overwrite=True)
GROUPS = 3
Answers = dict[int, np.ndarray]


def find_task(name: str, data: Path) -> Task | None:
    """A task of `experiments/real`, or the simulated one."""
    if name != "demo":
        return read_task(name, data)
    recordings = simulate_study(StudySpec(subjects=12), seed=1)
    return Task(name, "demo study, SIMULATED", recordings, CMI_GESTURES, make_folds(recordings.table, 3, seed=0), None)


def kept(path: Path, make: Callable[[Path], Path]) -> Bundle:
    """A bundle that was made before, or now."""
    return Bundle.open(path if path.exists() else make(path))


def scores_of(task: Task, chosen: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    """Everything that is asked of a task, of some of its recordings."""
    task = task._replace(recordings=task.recordings[np.flatnonzero(chosen)])
    rows = np.arange(len(answers))
    found = {name: metric(rows) for name, metric in metrics(task, answers).items()}
    told = task.label_set.decode(answers.argmax(axis=1))
    found["competition score"] = competition_score(task.recordings.gestures, told, task.label_set).score
    return {name: round(float(value), 4) for name, value in found.items() if value is not None}


def answer(bundle: Bundle, recordings: Recordings, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """With all sensors and, where there are others, with those of motion alone."""
    yield name, load(bundle.path).predict(recordings).probabilities
    if proximity := recordings.device.names_of("proximity"):
        yield f"{name}, motion only", load(bundle.path).predict(recordings.without(*proximity)).probabilities


def answer_in_bits(
    student: Bundle, known: Recordings, asked: Recordings, rows: int, name: str
) -> Iterator[tuple[str, np.ndarray]]:
    """By every runtime, in 32 and in 8 bits; ranges of numbers are those of recordings the student learnt from."""
    module = Whole(student)
    seen, examples = (arrange(module, recordings, rows) for recordings in (known[known.lengths >= rows], asked))
    for runtime in ("litert", "executorch"):
        for bits in (32, 8):
            folder = student.path.with_name(f"{student.path.name}.{runtime}{bits}")
            folder.mkdir(exist_ok=True)
            ranges = seen[:: -(-len(seen) // CALIBRATED_ON)]
            path = targets.convert(runtime, module, ranges, folder, int8=bits == 8)
            found = targets.ask(runtime, path, module.inputs, examples)
            if found is not None:
                yield f"{name}, {runtime}, {bits} bits, {path.stat().st_size:,} bytes", found


def judge(task: Task, students: list[str], out: Path, *, int8: bool) -> None:
    """Teach without each group, ask about it, print what all answers together score."""
    recordings, rows = task.recordings, int(np.median(task.recordings.lengths))
    group = task.folds.numbers(recordings.subjects.tolist()) % GROUPS
    found: dict[str, Answers] = defaultdict(dict)
    print(task.title)
    for number in range(GROUPS):
        unseen = group == number
        learnt = HeldSource(recordings[~unseen], task.title, label_set=task.label_set)
        place = out / f"{task.name}{number}"
        quick = read_preset("quick").updated(["length_percentile=100", "folds=3"])
        teacher = kept(
            place.with_suffix(".quick"),
            lambda path, learnt=learnt, quick=quick: cross_validate(learnt, quick, path, options=OPTIONS),
        )
        for name, told in answer(teacher, recordings[unseen], "ensemble"):
            found[name][number] = told
        for preset in students:
            spec = read_preset(preset)
            student = kept(
                place.with_suffix(f".{Path(preset).stem}"),
                lambda path, teacher=teacher, learnt=learnt, spec=spec: distill(
                    teacher, learnt, spec, path, options=OPTIONS
                ),
            )
            for name, told in answer(student, recordings[unseen], preset):
                found[name][number] = told
            if int8:
                asked = recordings[unseen & (recordings.lengths >= rows)]
                for name, told in answer_in_bits(student, recordings[~unseen], asked, rows, preset):
                    found[name.rpartition(", ")[0]][number] = told
                    print(f"  {name}", flush=True)
    for name, answers in found.items():
        bits = " bits" in name
        ordered = np.empty((len(recordings), len(task.label_set)))
        chosen = (recordings.lengths >= rows) | (not bits)
        for number, told in answers.items():
            ordered[(group == number) & chosen] = told
        print(f"  {name}, {chosen.sum()} recordings: {scores_of(task, chosen, ordered[chosen])}", flush=True)


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
        if task is not None:
            judge(task, options.students.split(","), options.out, int8=options.int8)


if __name__ == "__main__":
    main()
