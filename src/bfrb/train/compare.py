"""Compare variants of a training run: the same recordings, the same folds, differences paired over subjects."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.errors import ConfigError
from bfrb.files import write_text
from bfrb.metrics.competition import competition_score, difference_interval, score_interval
from bfrb.predict.bundle import FOLDS, OUT_OF_FOLD, Bundle
from bfrb.predict.evaluation import Answers, answers_by_scenario
from bfrb.read.judging import JudgedSource
from bfrb.read.sources import HeldSource, Source
from bfrb.read.tables import read_table
from bfrb.study.folds import Folds
from bfrb.study.labels import LabelSet
from bfrb.study.recordings import Recordings
from bfrb.train.crossval import RunOptions, cross_validate_all, draw_folds, fingerprint, labelled
from bfrb.train.presets import CompareSpec
from bfrb.train.run import read_run_spec

RESULTS = "comparison.json"


def compare(
    source: Source, spec: CompareSpec, out: Path, *, folds: Folds | None = None, options: RunOptions | None = None
) -> dict[str, Any]:
    """Train all variants side by side on the same folds; what is done already is not done again.

    In the folder `out` are `folds.csv`, one bundle per variant, and the results in `comparison.json`, which are given
    back: for every variant and scenario the score and, but for the reference, how far it is above the reference's, with
    95 % intervals over subjects. Folds may be given instead of those the reference would draw.

    DataError as of `cross_validate`; ConfigError if the folder holds a comparison of other recordings or folds, or a
    variant of another spec.
    """
    options = options or RunOptions()
    recordings = JudgedSource(source, options.anyway).read()
    options = replace(options, anyway=True)  # of what the variants are shown it has been said
    folds = _settle(out, recordings, spec, folds)
    order = sorted(spec.variants, key=lambda name: name != spec.compared_with)
    shown = {
        name: HeldSource(recordings.without(*spec.variants[name].without), source.describe())
        for name in order
        if not (out / name).exists()
    }
    if shown:
        wanted = {out / name: (held, spec.run(name)) for name, held in shown.items()}
        cross_validate_all(wanted, folds=folds, options=options)
    reference: dict[str, Answers] = {}
    judged: dict[str, dict[str, Any]] = {}
    for name in order:
        variant, bundle = spec.variants[name], Bundle.open(out / name)
        if read_run_spec(bundle) != spec.run(name) or Folds.read(bundle.file(FOLDS)).fold_of != folds.fold_of:
            problem = f"{out / name} was trained with another spec or other folds"
            raise ConfigError(problem, remedy="choose another output")
        table = read_table(bundle.file(OUT_OF_FOLD))
        answers = answers_by_scenario(table, bundle.label_set)
        scores = {key: _judge(found, reference.get(key), bundle.label_set) for key, found in answers.items()}
        judged[name] = {"changes": variant.model_dump(mode="json", exclude_defaults=True), "scenarios": scores}
        reference = reference or answers
    results = {
        "simulated": recordings.simulated,
        "source": str(bundle.manifest.provenance["source"]),
        "recordings": table["id"].n_unique(),
        "subjects": table["subject"].n_unique(),
        "preset": spec.preset,
        "changes": list(spec.changes),
        "reference": spec.compared_with,
        "variants": {name: judged[name] for name in spec.variants},
    }
    _write_json(out / RESULTS, results)
    return results


def _judge(answers: Answers, reference: Answers | None, labels: LabelSet) -> dict[str, Any]:
    """The score of answers and, where there is a reference, how far it is above the reference's."""
    subjects = answers.subjects or ()
    score = competition_score(answers.truth, answers.prediction, labels).score
    interval = score_interval(answers.truth, answers.prediction, subjects, labels)
    found: dict[str, Any] = {"score": score, "interval": interval and list(interval)}
    if reference is not None:
        if not np.array_equal(answers.truth, reference.truth) or answers.subjects != reference.subjects:
            problem = "the variants answer different recordings"
            raise ConfigError(problem, remedy="compare variants that cut recordings alike")
        pair = (answers.prediction, reference.prediction)
        found["difference"] = score - competition_score(reference.truth, reference.prediction, labels).score
        between = difference_interval(answers.truth, pair, subjects, labels)
        found["difference_interval"] = between and list(between)
    return found


def _settle(out: Path, recordings: Recordings, spec: CompareSpec, folds: Folds | None) -> Folds:
    """The folds of all variants, once it is sure that the folder is about these recordings and folds."""
    run = spec.run(spec.compared_with)
    folds = folds or draw_folds(labelled(recordings, run), run)
    settled = {"recordings": fingerprint(recordings), "folds": dict(sorted(folds.fold_of.items()))}
    path = out / "settled.json"
    if not path.exists():
        folds.write(out / FOLDS)
        _write_json(path, settled)
    elif json.loads(path.read_text(encoding="utf-8")) != settled:
        raise ConfigError(f"{out} compares other recordings, or on other folds", remedy="choose another output")
    return folds


def _write_json(path: Path, values: dict[str, Any]) -> None:
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
