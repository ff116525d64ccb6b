"""Scores of predictions: by scenario, by class, by subject.

A *scenario* says which sensors the answers were given with:

- `all`: every sensor that measured;
- `imu`: the motion sensors only, as if the proximity sensors had not measured;
- `half`: for a fixed half of the recordings the answers of `imu`, for the others those of `all`, as in the
  competition's test. Which half is settled by a hash of each recording's id, so it depends on nothing else.

Predictions under scenarios stand in a table with the columns `scenario`, `id`, `subject`, `gesture` (the truth),
`prediction` (by default the most probable class) and one probability column per class, as in a bundle's
`out_of_fold.parquet`.
"""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.arrays import Bools, Floats, Ints, Names
from bfrb.errors import ConfigError, DataError
from bfrb.metrics.competition import confusion_by_subject, confusion_matrix, score_interval, scores_of
from bfrb.metrics.standard import average_precision, best_f1, class_scores, mean_over_subjects, roc_auc
from bfrb.predict.out_of_fold import HeldOutPredictor
from bfrb.predict.predictions import Predictions, target_probability
from bfrb.predict.predictor import Predictor
from bfrb.read.tables import Table, make_table, read_table
from bfrb.study.labels import LabelSet
from bfrb.study.recordings import Recordings

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers beside the truth."""

    truth: Names
    prediction: Names  # (R,) class names, as the truth is
    subjects: Sequence[str] | None = None  # (R,) subjects, if known
    probabilities: Floats | None = None  # (R, K) probabilities, if known


def score_answers(answers: Answers, label_set: LabelSet) -> dict[str, Any]:
    """All scores of some answers, as plain values for JSON; what needs subjects or probabilities only with them.

    DataError if there are no answers, or a truth or an answer is missing or no class of the label set.
    """
    scores = _score_confusion(confusion_matrix(answers.truth, answers.prediction, label_set), label_set)
    if answers.subjects is not None:
        triple = (answers.truth, answers.prediction, answers.subjects)
        by_subject = confusion_by_subject(*triple, label_set)
        interval = score_interval(*triple, label_set)
        per_subject = {name: _score_confusion(confusion, label_set) for name, confusion in by_subject.items()}
        scores |= {"subjects": len(by_subject), "interval": interval and list(interval), "per_subject": per_subject}
    if answers.probabilities is not None:
        scores |= _score_probabilities(answers, answers.probabilities, label_set)
    by_class = class_scores(answers.truth, answers.prediction, label_set)
    per_class = {name: {"target": name in label_set.targets} | asdict(found) for name, found in by_class.items()}
    return scores | {"per_class": per_class}


def _score_confusion(confusion: Ints, label_set: LabelSet) -> dict[str, Any]:
    return asdict(scores_of(confusion, label_set)) | {"recordings": int(confusion.sum())}


def _score_probabilities(answers: Answers, probabilities: Floats, label_set: LabelSet) -> dict[str, Any]:
    """How well the summed probability of the targets finds them."""
    truth = label_set.is_target[label_set.encode(answers.truth)]
    values = target_probability(probabilities, label_set)
    scores = {}
    for name, metric in {"auc": roc_auc, "average_precision": average_precision}.items():
        scores[name] = metric(truth, values)
        if answers.subjects is not None:
            scores[f"{name}_mean_subject"] = mean_over_subjects(metric, truth, values, answers.subjects)
    return scores


def score_scenarios(predictions: Table, label_set: LabelSet) -> dict[str, dict[str, Any]]:
    """Scores of predictions, a table as described above, by scenario; `half` is made from `all` and `imu`.

    DataError if the table is empty, lacks a column, or its scenarios are not about the same recordings.
    """
    answers = answers_by_scenario(predictions, label_set)
    return {name: score_answers(found, label_set) for name, found in answers.items()}


def answers_by_scenario(predictions: Table, label_set: LabelSet) -> dict[str, Answers]:
    """Answers by scenario, each in the order of the recordings' ids; parameters and errors as of `score_scenarios`."""
    _check_columns(predictions, ("scenario", "id", "subject", "gesture", *label_set.classes))
    names = sorted(set(predictions["scenario"].to_list()))
    if not names:
        raise DataError("expected predictions, got an empty table", remedy="check what was predicted")
    tables = {name: predictions.filter(predictions["scenario"] == name).sort("id") for name in names}
    first = tables[names[0]]
    if not all(table["id"].equals(first["id"]) for table in tables.values()):
        raise DataError("the scenarios are not about the same recordings", remedy="predict every recording in all")
    truth, subjects = np.array(first["gesture"].to_list(), dtype=object), first["subject"].to_list()
    told = {name: _told(table, label_set) for name, table in tables.items()}
    if {"all", "imu"} <= set(names):
        chosen = choose_half(first["id"].to_list())
        (given, every), (alone, some) = told["all"], told["imu"]
        told["half"] = np.where(chosen, alone, given), np.where(chosen[:, None], some, every)
    return {name: Answers(truth, answer, subjects, found) for name, (answer, found) in told.items()}


def _told(table: Table, label_set: LabelSet) -> tuple[Names, Floats]:
    """(R,) classes that are answered, in older tables the most probable ones, and (R, K) probabilities."""
    probabilities = _probabilities(table, label_set)
    if "prediction" in table.columns:
        return np.array(table["prediction"].to_list(), dtype=object), probabilities
    return label_set.decode(label_set.choose(probabilities)), probabilities


def decide_held_out(answers: Table, label_set: LabelSet) -> tuple[Table, float | None]:
    """Out-of-fold answers decided by thresholds on the summed probability of the targets; that of all answers together.

    It is half the largest F1 that any threshold reaches: there the F1 is largest, if probabilities are right (Lipton,
    Elkan and Narayanaswamy 2014, arXiv 1402.1892). The answers of each fold are decided by those of the others.
    """
    known = answers.filter(answers["scenario"] == "all")

    def find(table: Table) -> float | None:
        codes = label_set.encode(table["gesture"].to_list())
        return find_threshold(codes, _probabilities(table, label_set), label_set)

    probabilities, folds = _probabilities(answers, label_set), answers["fold"].to_numpy()
    chosen = np.zeros(len(folds), dtype=np.int64)
    for fold in np.unique(folds).tolist():
        threshold = find(known.filter(known["fold"] != fold))
        chosen[folds == fold] = label_set.choose(probabilities[folds == fold], threshold)
    predictions = make_table({"prediction": label_set.decode(chosen).tolist()})
    return answers.with_columns(predictions["prediction"]), find(known)


def find_threshold(codes: Ints, probabilities: Floats, label_set: LabelSet) -> float | None:
    """Half the largest F1 that any threshold on the probability of all targets reaches; None where nothing is to tell.

    `codes`: (R,) true classes; `probabilities`: (R, K).
    """
    largest = best_f1(label_set.is_target[codes], target_probability(probabilities, label_set))
    return largest and largest / 2


def choose_half(ids: Sequence[str]) -> Bools:
    """(R,) Which recordings are in the half without proximity sensors; of an odd number, the smaller half.

    Examples
    --------
    >>> choose_half(["a", "b", "c", "d"]).tolist(), choose_half(["a", "b", "d", "c"]).tolist()
    ([True, False, False, True], [True, False, True, False])
    """
    hashes = [hashlib.sha256(f"0:{name}".encode()).digest() for name in ids]
    chosen = np.zeros(len(ids), dtype=bool)
    chosen[sorted(range(len(ids)), key=hashes.__getitem__)[: len(ids) // 2]] = True
    return chosen


def answer_scenarios(predictor: Predictor | HeldOutPredictor, batches: Iterable[Recordings]) -> Table:
    """Predict labelled recordings under the scenarios their device has; the table that `score_scenarios` takes.

    Recordings without a gesture are left out, and a warning tells how many. DataError if no recording has a gesture,
    one is not among the bundle's, or the device is another.
    """
    return join_answers([answer_labelled(predictor, batches)])


def answer_labelled(predictor: Predictor | HeldOutPredictor, batches: Iterable[Recordings]) -> tuple[Table, int]:
    """The table of `answer_scenarios`, empty if no recording has a gesture, and the number of those that have none."""
    proximity = predictor.bundle.device.names_of("proximity")
    scenarios = {"all": (), "imu": proximity} if proximity else {"all": ()}
    parts, unlabelled = [], 0
    for batch in batches:
        labelled = keep_labelled(batch)
        unlabelled += len(batch) - len(labelled)
        if len(labelled):
            predictor.bundle.label_set.encode(labelled.table["gesture"].to_list())
            parts += [
                _scenario_table(name, labelled, predictor.predict(labelled.without(*lost)))
                for name, lost in scenarios.items()
            ]
    return _stacked(parts), unlabelled


def _stacked(parts: Sequence[Table]) -> Table:
    return reduce(Table.vstack, parts) if parts else make_table({})


def join_answers(parts: Iterable[tuple[Table, int]]) -> Table:
    """What `answer_labelled` gave for parts of a source, as one; errors as of `answer_scenarios`."""
    tables, numbers = zip(*parts, strict=True)
    table = _stacked([part for part in tables if part.height])
    unlabelled = sum(numbers)
    if table.is_empty():
        problem = "expected recordings with a gesture, found none"
        raise DataError(problem, remedy="evaluate on labelled recordings, or use `predict`")
    if table.select("scenario", "id").is_duplicated().any():
        raise DataError("expected unique recording ids, found one more than once", remedy="keep one recording of each")
    if unlabelled:
        log.warning("%d recordings have no gesture and are left out", unlabelled)
    return table.rechunk()


def keep_labelled(recordings: Recordings) -> Recordings:
    """Those of the recordings that carry a gesture."""
    gestures = recordings.gestures or [None] * len(recordings)
    known = np.array([gesture is not None for gesture in gestures], dtype=bool)
    return recordings if known.all() else recordings[known]


def _scenario_table(name: str, recordings: Recordings, predictions: Predictions) -> Table:
    columns = {"scenario": [name] * len(recordings), "id": recordings.ids, "subject": recordings.subjects.tolist()}
    columns |= {"gesture": list(recordings.gestures or []), "prediction": predictions.gestures.tolist()}
    return make_table(columns | dict(zip(predictions.label_set.classes, predictions.probabilities.T, strict=True)))


@dataclass(frozen=True)
class Columns:
    """Where a table of predictions has what."""

    truth: str = "gesture"
    prediction: str = "prediction"
    subject: str | None = None
    recording: str = "sequence_id"  # the ids of the recordings, by which the truth of another table is found


def read_answers(path: Path, columns: Columns, label_set: LabelSet, truth_path: Path | None = None) -> Answers:
    """The answers in a CSV or Parquet file of predictions; probabilities too if there is a column for every class.

    Where the predictions do not tell the true classes, another file has them by the ids of the recordings. DataError if
    a column is not there, or a recording has no truth; ConfigError if the truth would be the prediction itself.
    """
    if truth_path is None and columns.truth == columns.prediction:
        problem = f"expected two columns, but {columns.truth!r} is named for the truth and for the prediction"
        raise ConfigError(problem, remedy="name the column of the truth with --truth, or its file with --answers")
    named = [columns.prediction, *([columns.subject] if columns.subject else [])]
    texts = {columns.truth, columns.recording, *named}
    table = read_table(path, texts)
    _check_columns(table, [*named, columns.truth if truth_path is None else columns.recording])
    truth = table[columns.truth if truth_path is None else columns.recording].to_list()
    if truth_path is not None:
        truth = _find_truth(truth, truth_path, columns, texts)
    subjects = None if columns.subject is None else [str(name) for name in table[columns.subject].to_list()]
    probabilities = _probabilities(table, label_set) if set(label_set.classes) <= set(table.columns) else None
    labels = np.array([truth, table[columns.prediction].to_list()], dtype=object)
    return Answers(labels[0], labels[1], subjects, probabilities)


def _find_truth(ids: Sequence[Any], path: Path, columns: Columns, texts: Iterable[str]) -> list[Any]:
    """The true class of every predicted recording, from another table."""
    truth = read_table(path, set(texts))
    _check_columns(truth, (columns.recording, columns.truth))
    known = dict(zip(truth[columns.recording].to_list(), truth[columns.truth].to_list(), strict=True))
    lacking = [name for name in ids if name not in known]
    if lacking or len(known) < truth.height:
        problem = f"{len(lacking)} have none, such as {lacking[0]!r}" if lacking else "an id comes twice"
        problem = f"expected one true gesture in {path} for every predicted recording, but {problem}"
        raise DataError(problem, remedy="name the answers to the recordings that were predicted")
    if len(known) > len(ids):
        log.warning("%d recordings of %s were not predicted and are left out", len(known) - len(ids), path)
    return [known[name] for name in ids]


def _check_columns(table: Table, names: Sequence[str]) -> None:
    missing = [name for name in names if name not in table.columns]
    if missing:
        remedy = "name the columns with --truth, --prediction and --subject, or the file of the truth with --answers"
        raise DataError(f"expected the column {missing[0]!r}, found {', '.join(table.columns[:8])}", remedy=remedy)
    nested = [name for name in names if table.schema[name].is_nested()]
    if nested:
        problem = f"expected text in the column {nested[0]!r}, found values of the type {table.schema[nested[0]]}"
        raise DataError(problem, remedy="write the column again with plain values")
    if gaps := [name for name in names if table[name].null_count()]:
        problem = f"expected a value in every row of {gaps[0]!r}, found {table[gaps[0]].null_count()} without"
        raise DataError(problem, remedy="fill them, or remove these rows")


def _probabilities(table: Table, label_set: LabelSet) -> Floats:
    values = table.select(label_set.classes).to_numpy()
    if values.dtype.kind not in "fiu" or not np.all((values >= 0) & np.isfinite(values)):
        problem = "expected a number of 0 or more for every probability, found gaps, texts or others"
        raise DataError(problem, remedy="predict these recordings again")
    return values.astype(np.float64)
