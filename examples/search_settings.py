"""Search settings with Optuna, and let people who took no part in the search judge what was found.

    pip install "bfrb[train]" optuna
    python examples/search_settings.py recordings.csv found --trials 30

One subject in five is kept out of the search. Every trial trains on the others, over folds that never divide a person,
and is judged by its score out of fold; the best trial is trained once more, and answers for the people that were kept
out. A stopped search goes on when the command is repeated.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import optuna

from bfrb.predict.bundle import SCORES, Bundle
from bfrb.predict.evaluation import answer_scenarios, score_scenarios
from bfrb.predict.predictor import load
from bfrb.read.sources import HeldSource, open_source
from bfrb.study.recordings import Recordings
from bfrb.train.crossval import RunOptions, cross_validate
from bfrb.train.presets import read_preset


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


def main() -> None:
    """Search, train the best, and have it judged."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings")
    parser.add_argument("out", type=Path)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--set", action="append", default=[], help="key=value, the same in all trials")
    options = parser.parse_args()
    source = open_source(options.recordings)
    searched, judging = split(source.read())
    held = HeldSource(searched, f"{options.recordings} without the judges", label_set=source.label_set)
    base = read_preset(options.preset).updated(options.set)
    options.out.mkdir(parents=True, exist_ok=True)

    def score(trial: optuna.Trial) -> float:
        out = options.out / f"trial-{trial.number}"
        cross_validate(held, base.updated(choose(trial)), out, options=RunOptions(overwrite=True))
        found = score_scenarios_of(Bundle.open(out))
        shutil.rmtree(out)
        return found

    place = f"sqlite:///{options.out / 'study.db'}"
    study = optuna.create_study(direction="maximize", storage=place, study_name="search", load_if_exists=True)
    study.optimize(score, n_trials=max(0, options.trials - len(study.trials)))
    best = base.updated(f"{key}={value}" for key, value in study.best_params.items())
    cross_validate(held, best, options.out / "best", options=RunOptions(overwrite=True))
    answers = answer_scenarios(load(options.out / "best"), [judging])
    judged = score_scenarios(answers, load(options.out / "best").label_set)["all"]["score"]
    print(f"best of {len(study.trials)} trials: {study.best_params}")
    print(f"score of the people searched on {study.best_value:.3f}, of the people kept out {judged:.3f}")


def score_scenarios_of(bundle: Bundle) -> float:
    """The out-of-fold score of a bundle, with all sensors."""
    import json

    scores = json.loads(bundle.file(SCORES).read_text(encoding="utf-8"))
    return float(scores["all"]["score"])


if __name__ == "__main__":
    main()
