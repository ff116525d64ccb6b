"""Search settings with Optuna, and let people who took no part in the search judge what was found.

    pip install "bfrb[train]" optuna
    python examples/search_settings.py recordings.csv found --trials 30 [--on ray]

One subject in five is kept out of the search. Every trial trains on the others, over folds that never divide a person,
and is judged by its score out of fold; the best trial is trained once more, and answers for the people that were kept
out. A stopped search goes on when the command is repeated.

With `--on ray` (`pip install "bfrb[cluster]"`) a cluster does as many trials at once as it has cores; OUT has to lie
where all its machines see it.
"""

from __future__ import annotations

import argparse
import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import optuna

from bfrb.predict.bundle import SCORES, Bundle
from bfrb.predict.evaluation import answer_scenarios, score_scenarios
from bfrb.predict.predictor import load
from bfrb.read.sources import open_source
from bfrb.read.store import write_store
from bfrb.study.recordings import Recordings
from bfrb.train.crossval import RunOptions, cross_validate
from bfrb.train.presets import read_preset
from bfrb.train.run import RunSpec


def choose(trial: optuna.Trial) -> list[str]:
    """The settings of one trial: change this to search others."""
    rate = trial.suggest_float("training.learning_rate", 3e-4, 1e-2, log=True)
    mixup = trial.suggest_categorical("training.mixup_alpha", [0.0, 0.2, 0.4])
    return [f"training.learning_rate={rate}", f"training.mixup_alpha={mixup}"]


def split(recordings: Recordings, seed: int = 0) -> tuple[Recordings, Recordings]:
    """Recordings of the people who are searched on, and of those who judge."""
    people = np.unique(recordings.subjects.astype(str))
    judges = np.random.default_rng(seed).permutation(people)[: max(1, len(people) // 5)]
    judging = np.isin(recordings.subjects.astype(str), judges)
    return recordings[~judging], recordings[judging]


def run_trial(store: Path, spec: RunSpec, out: Path, workers: int = 0) -> float:
    """The out-of-fold score of some settings, with all sensors; nothing else is kept of the training."""
    cross_validate(open_source(store), spec, out, options=RunOptions(workers=workers, overwrite=True))
    scores = json.loads(Bundle.open(out).file(SCORES).read_text(encoding="utf-8"))
    shutil.rmtree(out)
    return float(scores["all"]["score"])


def search(study: optuna.Study, trials: int, store: Path, base: RunSpec) -> None:
    """Try settings, one after the other."""

    def score(trial: optuna.Trial) -> float:
        return run_trial(store, base.updated(choose(trial)), store.parent / f"trial-{trial.number}")

    study.optimize(score, n_trials=trials)


def search_on(on: str, study: optuna.Study, trials: int, store: Path, base: RunSpec) -> None:
    """Try settings on a cluster, as many at once as it has cores."""
    from bfrb.cluster import connect

    with connect(on, folders=[store.parent]) as cluster:
        while trials > 0:
            asked = {
                f"trial-{trial.number}": trial for trial in (study.ask() for _ in range(min(trials, cluster.cores)))
            }
            jobs = {
                name: partial(run_trial, store, base.updated(choose(trial)), store.parent / name, 1)
                for name, trial in asked.items()
            }
            for name, score in cluster.results(jobs):
                study.tell(asked[name], score)
                print(f"{name} on {cluster.places.get(name)}: {score:.3f}")
            trials -= len(asked)


def main() -> None:
    """Search, train the best, and have it judged."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings")
    parser.add_argument("out", type=Path)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--set", action="append", default=[], help="key=value, the same in all trials")
    parser.add_argument("--on", help="a cluster: ray, or ray://HOST:10001")
    options = parser.parse_args()
    source, out = open_source(options.recordings), options.out.resolve()
    searched, judging = split(source.read())
    base = read_preset(options.preset).updated(options.set)
    told, labels = f"{options.recordings} without the judges", source.label_set
    out.mkdir(parents=True, exist_ok=True)
    store = write_store([searched], out / "searched", source=told, label_set=labels, overwrite=True).path
    place = f"sqlite:///{out / 'study.db'}"
    study = optuna.create_study(direction="maximize", storage=place, study_name="search", load_if_exists=True)
    left = options.trials - sum(trial.state.is_finished() for trial in study.trials)
    if options.on:
        search_on(options.on, study, left, store, base)
    elif left > 0:
        search(study, left, store, base)
    best = base.updated(f"{key}={value}" for key, value in study.best_params.items())
    cross_validate(open_source(store), best, out / "best", options=RunOptions(overwrite=True))
    answers = answer_scenarios(load(out / "best"), [judging])
    judged = score_scenarios(answers, load(out / "best").label_set)["all"]["score"]
    print(f"best of {len(study.trials)} trials: {study.best_params}")
    print(f"score of the people searched on {study.best_value:.3f}, of the people kept out {judged:.3f}")


if __name__ == "__main__":
    main()
