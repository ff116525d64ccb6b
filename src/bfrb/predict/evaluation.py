"""Scores of predictions: by scenario, by class, by subject.

A *scenario* says which sensors the answers were given with:

- `all`: every sensor that measured;
- `imu`: the motion sensors only, as if the proximity sensors had not measured;
- `half`: for a fixed half of the recordings the answers of `imu`, for the others those of `all`, as in the
  competition's test. Which half is settled by a hash of each recording's id, so it depends on nothing else.

Predictions under scenarios stand in a table with the columns `scenario`, `id`, `subject`, `gesture` (the truth) and
one probability column per class, as in a bundle's `out_of_fold.parquet`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bfrb import metrics
from bfrb.arrays import Bools, Floats, Names
from bfrb.errors import DataError
from bfrb.predict.decision import most_probable, target_probability
from bfrb.predict.predictions import Predictions
from bfrb.predict.predictor import Predictor
from bfrb.read.tables import Table, make_table
from bfrb.study.labels import LabelSet
from bfrb.study.recordings import Recordings

log = logging.getLogger(__name__)

HALF_SEED = 0
"""Settles which half of the recordings is without proximity sensors in the scenario `half`."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers beside the truth.

    Parameters
    ----------
    truth, prediction
        (R,) class names.
    subjects
        (R,) subjects, if known.
    probabilities
        (R, K) probabilities, if known.
    """

    truth: Names
    prediction: Names
    subjects: Sequence[str] | None = None
    probabilities: Floats | None = None


def score_answers(answers: Answers, label_set: LabelSet) -> dict[str, Any]:
    """All scores of some answers, as plain values for JSON; what needs subjects or probabilities only with them.

    Raises
    ------
    DataError
        If there are no answers, or a truth or an answer is missing or no class of the label set.
    """
    confusion = metrics.confusion_matrix(answers.truth, answers.prediction, label_set)
    scores = asdict(metrics.scores_of(confusion, label_set)) | {"recordings": int(confusion.sum())}
    if answers.subjects is not None:
        scores |= _score_subjects(answers, answers.subjects, label_set)
    if answers.probabilities is not None:
        scores |= _score_probabilities(answers, answers.probabilities, label_set)
    by_class = metrics.class_scores(answers.truth, answers.prediction, label_set)
    scores["per_class"] = {
        name: {"target": name in label_set.targets} | asdict(found) for name, found in by_class.items()
    }
    return scores


def _score_subjects(answers: Answers, subjects: Sequence[str], label_set: LabelSet) -> dict[str, Any]:
    by_subject = metrics.confusion_by_subject(answers.truth, answers.prediction, subjects, label_set)
    interval = metrics.score_interval(answers.truth, answers.prediction, subjects, label_set)
    per_subject = {
        name: asdict(metrics.scores_of(confusion, label_set)) | {"recordings": int(confusion.sum())}
        for name, confusion in by_subject.items()
    }
    return {"subjects": len(by_subject), "interval": interval and list(interval), "per_subject": per_subject}


def _score_probabilities(answers: Answers, probabilities: Floats, label_set: LabelSet) -> dict[str, Any]:
    """How well the summed probability of the targets finds them."""
    truth = label_set.is_target[label_set.encode(answers.truth)]
    values = target_probability(probabilities, label_set)
    kinds = {"auc": metrics.roc_auc, "average_precision": metrics.average_precision}
    scores = {name: metric(truth, values) for name, metric in kinds.items()}
    if answers.subjects is not None:
        for name, metric in kinds.items():
            scores[f"{name}_mean_subject"] = metrics.mean_over_subjects(metric, truth, values, answers.subjects)
    return scores


def score_scenarios(predictions: Table, label_set: LabelSet) -> dict[str, dict[str, Any]]:
    """Scores of predictions by scenario; `half` is made from `all` and `imu`.

    Parameters
    ----------
    predictions
        A table as described above.
    label_set
        Its classes.

    Raises
    ------
    DataError
        If the table is empty, lacks a column, or its scenarios are not about the same recordings.
    """
    answers = answers_by_scenario(predictions, label_set)
    return {name: score_answers(found, label_set) for name, found in answers.items()}


def answers_by_scenario(predictions: Table, label_set: LabelSet) -> dict[str, Answers]:
    """Answers by scenario, each in the order of the recordings' ids; parameters and errors as of `score_scenarios`."""
    _check_columns(predictions, ("scenario", "id", "subject", "gesture", *label_set.classes))
    names = sorted(set(predictions["scenario"].to_list()))
    tables = {name: predictions.filter(predictions["scenario"] == name).sort("id") for name in names}
    found = {name: _answers(table, label_set) for name, table in tables.items()}
    if {"all", "imu"} <= set(found):
        if not tables["all"]["id"].equals(tables["imu"]["id"]):
            raise DataError("the scenarios are not about the same recordings", remedy="predict every recording in both")
        found["half"] = _mix(found["all"], found["imu"], choose_half(tables["all"]["id"].to_list()), label_set)
    if not found:
        raise DataError("expected predictions, got an empty table", remedy="check what was predicted")
    return found


def choose_half(ids: Sequence[str], seed: int = HALF_SEED) -> Bools:
    """(R,) Which recordings are in the half without proximity sensors; of an odd number, the smaller half.

    Examples
    --------
    >>> choose_half(["a", "b", "c", "d"]).tolist(), choose_half(["a", "b", "d", "c"]).tolist()
    ([True, False, False, True], [True, False, True, False])
    """
    hashes = [hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in ids]
    chosen = np.zeros(len(ids), dtype=bool)
    chosen[sorted(range(len(ids)), key=hashes.__getitem__)[: len(ids) // 2]] = True
    return chosen


def answer_scenarios(predictor: Predictor, batches: Iterable[Recordings]) -> Table:
    """Predict labelled recordings under the scenarios their device has; the table that `score_scenarios` takes.

    Recordings without a gesture are left out, and a warning tells how many.

    Raises
    ------
    DataError
        If no recording has a gesture, one is not among the bundle's, or the device is another.
    """
    proximity = predictor.device.names_of("proximity")
    truth: dict[str, list[Any]] = {"id": [], "subject": [], "gesture": []}
    parts: dict[str, list[Predictions]] = {name: [] for name in ("all", "imu")[: 2 if proximity else 1]}
    unlabelled = 0
    for batch in batches:
        labelled = _labelled(batch, predictor.label_set)
        unlabelled += len(batch) - len(labelled)
        if len(labelled):
            parts["all"].append(predictor.predict(labelled))
            if proximity:
                parts["imu"].append(predictor.predict(labelled.without(*proximity)))
            for name in truth:
                truth[name] += labelled.table[name].to_list()
    if not truth["id"]:
        raise DataError(
            "expected recordings with a gesture, found none", remedy="evaluate on labelled recordings, or use `predict`"
        )
    if unlabelled:
        log.warning("%d recordings have no gesture and are left out", unlabelled)
    return _scenario_table(truth, {name: Predictions.concat(found) for name, found in parts.items()})


def answers_in(table: Table, truth: str, prediction: str, subject: str | None, label_set: LabelSet) -> Answers:
    """The answers in the named columns of a table; probabilities too if there is a column for every class.

    Raises
    ------
    DataError
        If a column is not there.
    """
    _check_columns(table, (truth, prediction, *([subject] if subject else [])))
    probabilities = None
    if set(label_set.classes) <= set(table.columns):
        probabilities = _probabilities(table, label_set)
    subjects = None if subject is None else [str(name) for name in table[subject].to_list()]
    return Answers(_labels(table, truth), _labels(table, prediction), subjects, probabilities)


def _check_columns(table: Table, names: Sequence[str]) -> None:
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise DataError(
            f"expected the column {missing[0]!r}, found {', '.join(table.columns[:8])}",
            remedy="name the columns of the truth, the prediction and the subject",
        )
    nested = [name for name in names if table.schema[name].is_nested()]
    if nested:
        raise DataError(
            f"expected text in the column {nested[0]!r}, found values of the type {table.schema[nested[0]]}",
            remedy="write the column again with plain values",
        )


def _labelled(recordings: Recordings, label_set: LabelSet) -> Recordings:
    gestures = recordings.gestures
    if gestures is None:
        return recordings[:0]
    known = np.array([gesture is not None for gesture in gestures], dtype=bool)
    label_set.encode([gesture for gesture in gestures if gesture is not None])
    return recordings if known.all() else recordings[known]


def _scenario_table(truth: dict[str, list[Any]], parts: dict[str, Predictions]) -> Table:
    columns: dict[str, Any] = {"scenario": [name for name, found in parts.items() for _ in found.ids]}
    columns |= {name: values * len(parts) for name, values in truth.items()}
    probabilities = np.concatenate([found.probabilities for found in parts.values()])
    return make_table(columns | dict(zip(parts["all"].label_set.classes, probabilities.T, strict=True)))


def _probabilities(table: Table, label_set: LabelSet) -> Floats:
    values = table.select(label_set.classes).to_numpy().astype(np.float64)
    if not np.isfinite(values).all():
        raise DataError("expected a number for every probability, found gaps", remedy="predict these recordings again")
    return values


def _answers(table: Table, label_set: LabelSet) -> Answers:
    probabilities = _probabilities(table, label_set)
    prediction = label_set.decode(most_probable(probabilities))
    return Answers(_labels(table, "gesture"), prediction, table["subject"].to_list(), probabilities)


def _labels(table: Table, column: str) -> Names:
    return np.array(table[column].to_list(), dtype=object)


def _mix(full: Answers, reduced: Answers, use_reduced: Bools, label_set: LabelSet) -> Answers:
    if full.probabilities is None or reduced.probabilities is None:
        raise DataError("expected probabilities in both scenarios", remedy="predict every recording in both")
    probabilities = np.where(use_reduced[:, None], reduced.probabilities, full.probabilities)
    prediction = label_set.decode(most_probable(probabilities))
    return Answers(full.truth, prediction, full.subjects, probabilities)
