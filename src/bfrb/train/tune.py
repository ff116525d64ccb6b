"""Search for better settings with Optuna, by the out-of-fold score of subjects that do not judge the result."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from bfrb.errors import ConfigError
from bfrb.predict.bundle import OUT_OF_FOLD, Bundle
from bfrb.predict.evaluation import answer_scenarios, score_scenarios
from bfrb.predict.predictor import load
from bfrb.read.sources import HeldSource, Source
from bfrb.read.tables import read_table
from bfrb.study.folds import Folds, make_folds
from bfrb.study.recordings import Recordings
from bfrb.train.compare import hash_recordings
from bfrb.train.crossval import RunOptions, cross_validate, draw_folds, labelled
from bfrb.train.tuning import RangeSpec, TuneSpec, Value
from bfrb.train.workspace import write_whole

logger = logging.getLogger(__name__)

RESULTS = "tuning.json"
BEST = "best.toml"
JUDGES = "judges.csv"


@dataclass(frozen=True)
class TuneOptions:
    """How to search, without effect on the result.

    Parameters
    ----------
    run
        How every trial is trained.
    on_trial
        Called with the name of every trial that begins.
    """

    run: RunOptions = field(default_factory=RunOptions)
    on_trial: Callable[[str], None] = lambda _: None


def tune(source: Source, spec: TuneSpec, out: Path, options: TuneOptions | None = None) -> dict[str, Any]:
    """Search, then judge the best trial on subjects that no trial has seen. A stopped search goes on.

    Parameters
    ----------
    source
        Labelled recordings.
    spec
        What to search.
    out
        A folder: the study (`study.log`), a bundle per trial, `judges.csv` with who judges, the best run spec
        (`best.toml`) and the results (`tuning.json`).

    Returns
    -------
    dict
        All trials with their out-of-fold scores, the best one, and how good it is on the judging subjects.

    Raises
    ------
    ConfigError
        If the space names an unknown key, or the folder holds another search.
    """
    options = options or TuneOptions()
    _check_space(spec)
    recordings = labelled(source.read(), spec.run({}))
    judges = _settle(out, recordings, spec)
    is_judge = np.isin(recordings.subjects, judges)
    searched = HeldSource(recordings[~is_judge], f"{source.describe()}, without {len(judges)} judging subjects")
    study = _open_study(out, spec)
    _search(study, searched, spec, out, options)
    best = study.best_trial
    results = {
        "simulated": recordings.simulated,
        "source": source.describe(),
        "scenario": spec.scenario,
        "subjects": len(set(recordings.subjects)),
        "judges": judges,
        "trials": [_describe(trial) for trial in study.get_trials(states=(TrialState.COMPLETE,))],
        "best": _describe(best),
        "judged": judge(_place(out, best.params), recordings[is_judge]),
    }
    write_whole(out / BEST, lambda path: path.write_text(spec.run(best.params).to_toml(), encoding="utf-8"))
    write_whole(out / RESULTS, lambda path: path.write_text(json.dumps(results, indent=2), encoding="utf-8"))
    return results


def judge(bundle: Path, recordings: Recordings) -> dict[str, Any]:
    """Scores of a bundle on recordings of subjects it has never seen, by scenario, with 95 % intervals over them."""
    predictor = load(bundle)
    scores = score_scenarios(answer_scenarios(predictor, [recordings]), predictor.label_set)
    return {name: {"score": found["score"], "interval": found["interval"]} for name, found in scores.items()}


def _search(study: optuna.Study, source: HeldSource, spec: TuneSpec, out: Path, options: TuneOptions) -> None:
    """Make the trials that are still to be made."""
    folds = draw_folds(source.recordings, spec.run({}))
    run = RunOptions(workers=options.run.workers, templates=out / "templates", on_status=options.run.on_status)
    while len(study.get_trials(states=(TrialState.COMPLETE,))) < spec.trials:
        trial = study.ask()
        values = {key: _suggest(trial, key, found) for key, found in spec.space.items()}
        options.on_trial(f"trial {trial.number + 1}")
        place = _place(out, values)
        if not place.exists():
            cross_validate(source, spec.run(values), place, folds=folds, options=run)
        score = _score(place, spec.scenario)
        study.tell(trial, score)
        logger.info("trial %d: %.4f with %s", trial.number + 1, score, values)


def _open_study(out: Path, spec: TuneSpec) -> optuna.Study:
    """The study in a folder; trials that were running when it was stopped wait to be made again."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(out / "study.log")))
    study = optuna.create_study(storage=storage, study_name="bfrb", direction="maximize", load_if_exists=True)
    study.sampler = optuna.samplers.TPESampler(seed=spec.seed + len(study.trials))
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        if set(trial.params) == set(spec.space):
            study.enqueue_trial(trial.params)
    return study


def _suggest(trial: optuna.Trial, key: str, values: RangeSpec) -> Value:
    if values.choices:
        return cast("Value", trial.suggest_categorical(key, values.choices))
    low, high = float(values.low or 0.0), float(values.high or 0.0)
    if values.integer:
        return trial.suggest_int(key, int(low), int(high), log=values.log)
    return trial.suggest_float(key, low, high, log=values.log)


def _score(bundle: Path, scenario: str) -> float:
    """Out-of-fold score under a scenario, or with all sensors where the device has none to lose."""
    scores = score_scenarios(read_table(bundle / OUT_OF_FOLD), Bundle.open(bundle).label_set)
    return float(scores.get(scenario, scores["all"])["score"])


def _place(out: Path, values: dict[str, Any]) -> Path:
    """Where the bundle of a trial with these values lies."""
    text = json.dumps(values, sort_keys=True)
    return out / "trials" / hashlib.sha256(text.encode()).hexdigest()[:12]


def _describe(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    return {"number": trial.number + 1, "values": trial.params, "score": trial.value}


def _check_space(spec: TuneSpec) -> None:
    """Try the ends of every range before anything is trained."""
    for key, values in spec.space.items():
        for value in values.choices or (values.low, values.high):
            spec.run({key: int(value) if values.integer and value is not None else value or 0})


def _settle(out: Path, recordings: Recordings, spec: TuneSpec) -> list[str]:
    """Who judges, once it is sure that the folder is about this search of these recordings."""
    out.mkdir(parents=True, exist_ok=True)
    parts = make_folds(recordings.table, spec.judge_folds, seed=spec.seed)
    judges = sorted(subject for subject, part in parts.fold_of.items() if part == 0)
    searched = spec.model_dump(mode="json", exclude={"trials"})
    settled = {"recordings": hash_recordings(recordings), "search": searched, "judges": judges}
    path = out / "settled.json"
    if not path.exists():
        Folds({subject: int(subject not in judges) for subject in parts.fold_of}).write(out / JUDGES)
        write_whole(path, lambda place: place.write_text(json.dumps(settled, indent=1), encoding="utf-8"))
    elif json.loads(path.read_text(encoding="utf-8")) != settled:
        raise ConfigError(f"{out} holds another search, or one of other recordings", remedy="choose another output")
    return judges
