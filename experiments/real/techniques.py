"""What each technique of the training adds, on real people.

    python experiments/real/techniques.py DATA --out RESULTS [--tasks utd_mhad] [--groups 4]

The network `two_branch` is trained as in `deployable`, for half as many epochs, and once more for every line of
`techniques.toml`, on the same people, who are in groups that are held out in turn. Printed are accuracy and macro F1
over the people held out and how far each line is from the first, with 95 % intervals paired over people. "another seed"
is the same training from other random numbers: what differs no more than that is not told apart. Bundles are kept in
RESULTS, and only what is not there is trained.
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path

import numpy as np
from run import HERE, Metric, Task, metrics, read_answers, read_task

from bfrb.metrics.intervals import DIFFERENCE, interval_over_people
from bfrb.read.sources import HeldSource
from bfrb.study.folds import Folds
from bfrb.train.crossval import RunOptions, cross_validate
from bfrb.train.presets import read_preset

BASE = ['networks=["two_branch"]', "training.epochs=30", "length_percentile=100"]


def answer(task: Task, name: str, changes: list[str], groups: int, out: Path) -> np.ndarray:
    """(R, K) out-of-fold probabilities of one line, trained now or as kept."""
    people = {person: number % groups for number, person in enumerate(sorted(set(task.recordings.subjects)))}
    bundle = out / f"{task.name}.{name.replace(' ', '_').replace(',', '')}"
    if not bundle.exists():
        spec = read_preset("deployable").updated([*BASE, *changes])
        source = HeldSource(task.recordings, task.title, label_set=task.label_set)
        cross_validate(source, spec, bundle, folds=Folds(people), options=RunOptions(overwrite=True))
    return read_answers(task, bundle)[0]


def tell(metric: str, score: Metric, first: Metric, task: Task) -> str:
    """A score of everybody, and how far it is from that of the first line."""
    places = [np.flatnonzero(task.people == name) for name in np.unique(task.people)]

    def gap(chosen: np.ndarray) -> float:
        rows = np.concatenate([places[person] for person in chosen])
        return (score(rows) or 0.0) - (first(rows) or 0.0)

    value = f"{metric} {score(np.concatenate(places)):.3f}"
    if score is first:
        return value
    low, high = interval_over_people(gap, len(places), DIFFERENCE) or (np.nan, np.nan)
    return f"{value} {gap(np.arange(len(places))):+.3f} ({low:+.3f} to {high:+.3f})"


def main() -> None:
    """Train what is missing, print every line against the first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", default="utd_mhad")
    parser.add_argument("--groups", type=int, default=4)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    variants = tomllib.loads((HERE / "techniques.toml").read_text(encoding="utf-8"))["variants"]
    for task in filter(None, (read_task(name, options.data) for name in options.tasks.split(","))):
        print(f"{task.title}; {options.groups} groups of people")
        first: dict[str, Metric] = {}
        for name, changes in variants.items():
            scores = metrics(task, answer(task, name, changes, options.groups, options.out))
            told = [tell(metric, score, first.setdefault(metric, score), task) for metric, score in scores.items()]
            print(f"  {name:28} {'; '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
