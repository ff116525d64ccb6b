"""The sections of a report, each from what was collected."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import numpy as np

from bfrb.metrics.competition import difference_interval
from bfrb.metrics.intervals import Interval, excludes_zero
from bfrb.metrics.standard import calibration
from bfrb.predict.bundle import CHECKSUMS, HISTORY
from bfrb.predict.out_of_fold import read_fold_of
from bfrb.predict.predictions import target_probability
from bfrb.read.tables import read_table
from bfrb.report import figures
from bfrb.report.collect import SCENARIOS, Evaluation
from bfrb.report.groups import HANDS, Comparisons, Matched
from bfrb.report.section import Cell, DataTable, PageFigure, Section, count, percent
from bfrb.train.run import read_run_spec

_COLUMNS = {"score": "score", "binary_f1": "binary F1", "macro_f1": "macro F1", "recordings": "recordings"}
_NAMES = {
    "source": "recordings",
    "fingerprint": "fingerprint of recordings and folds",
    "initial": "weights to begin with",
    "python": "Python",
    "largest_difference_from_torch": "largest difference between graphs and PyTorch",
}
_ELSEWHERE = {"training_seconds", "versions", "recordings", "subjects"}


def show_confusion(evaluation: Evaluation) -> Section:
    """What is taken for what."""
    classes, looked_for = evaluation.label_set.classes, evaluation.label_set.is_target
    confusion = evaluation.confusion
    rows = [(name, *row) for name, row in zip(classes, confusion.tolist(), strict=True)]
    table = DataTable("Recordings by true class (row) and answer (column)", ("true", *classes), rows)
    caption = (
        "Each row is what the recordings of one class were taken for, in percent; the diagonal is right. "
        "Confusions within the lower right block cost no score."
    )
    figure = figures.plot_confusion(confusion, classes, looked_for.tolist())
    words = f"{percent(int(np.trace(confusion)) / int(confusion.sum()))} of all answers name exactly what was done."
    shown = PageFigure("confusion-matrix", figure, caption, table)
    return Section("confusion", "What is taken for what", "Confusions", [words], [shown])


def show_classes(evaluation: Evaluation) -> Section:
    """How well every class is recognised."""
    per_class = evaluation.scores[evaluation.main]["per_class"]
    motion = evaluation.scores.get("imu", {}).get("per_class")
    columns = ["class", "looked for", "precision", "sensitivity", "F1", "recordings"]
    rows = [
        [name, "yes" if one["target"] else "no", one["precision"], one["recall"], one["f1"], one["support"]]
        for name, one in per_class.items()
    ]
    if motion and evaluation.main != "imu":
        columns.append("F1, motion only")
        rows = [[*row, motion[row[0]]["f1"]] for row in rows]
    caption = "Precision, sensitivity and F1 of every class; the behaviours that are looked for stand above the line."
    table = DataTable("Scores by class", columns, rows)
    shown = PageFigure("class-scores", figures.plot_classes(per_class), caption, table)
    return Section("classes", "Which behaviours it recognises", "Behaviours", (), [shown])


def show_calibration(evaluation: Evaluation) -> Section | None:
    """Whether the probabilities can be believed; None where there are none."""
    found, labels = evaluation.answers[evaluation.main], evaluation.label_set
    if found.probabilities is None:
        return None
    claimed, truth = target_probability(found.probabilities, labels), labels.is_target[labels.encode(found.truth)]
    named = np.take_along_axis(found.probabilities, labels.encode(found.prediction)[:, None], axis=1)[:, 0]
    curves = {
        "the named class": calibration(named, found.truth == found.prediction),
        "any behaviour": calibration(claimed, truth),
    }
    rows = [
        (f"{name}, {curve.edges[place]:.1f} to {curve.edges[place + 1]:.1f}", int(curve.counts[place]),
         float(curve.confidence[place]), float(curve.accuracy[place]))
        for name, curve in curves.items()
        for place in np.flatnonzero(curve.counts).tolist()
    ]  # fmt: skip
    table = DataTable("Calibration", ("claimed", "answers", "mean claim", "share right"), rows)
    caption = (
        "How often answers are right, by the probability they claim, with 95 % intervals; on the dashed line claims "
        "are honest. Below, how many answers claim how much."
    )
    errors = " and ".join(f"{curve.error:.3f} for {name}" for name, curve in curves.items())
    words = f"Expected calibration error (0 is honest): {errors}."
    shown = PageFigure("calibration-curves", figures.plot_calibration(curves), caption, table)
    return Section("calibration", "Whether its probabilities can be believed", "Probabilities", [words], [shown])


def show_learning(evaluation: Evaluation) -> Section | None:
    """What every member learnt; None where nothing was kept."""
    history = read_table(evaluation.bundle.file(HISTORY))
    if "member" not in history.columns or history.is_empty():
        return None
    members = {member.name: member for member in evaluation.bundle.manifest.members}
    rows: list[Sequence[Cell]] = []
    for part in history.sort("member", "epoch").partition_by("member"):
        name, member = str(part["member"][0]), members.get(str(part["member"][0]))
        network, fold = (member.network, member.fold) if member else (None, None)
        kept = {key: part[key].drop_nulls().to_list() if key in part.columns else [] for key in ("score", "seconds")}
        total_s = round(sum(kept["seconds"]), 1) if kept["seconds"] else None
        best = max(kept["score"], default=None)
        rows.append((name, network, fold, part.height, part["loss"].to_list()[-1], best, total_s))
    columns = ("member", "network", "fold", "epochs", "last loss", "best score", "seconds")
    table = DataTable("Members of the ensemble", columns, rows)
    return Section("learning", "How it learnt", "Learning", tables=[table])


def show_sensors(evaluation: Evaluation) -> Section:
    """What the proximity sensors add to the motion sensors."""
    words = ["There are motion sensors only, so there is no score without the others to compare."]
    tables: list[DataTable] = []
    if {"all", "imu"} <= set(evaluation.answers):
        gains = {name: _gain(evaluation, name) for name in evaluation.answers if name != "imu"}
        words, tables = [_tell_gain(*gains["all"])], [_gain_table(evaluation, gains)]
    return Section("sensors", "What the sensors add", "Sensors", words, tables=tables)


def _gain(evaluation: Evaluation, scenario: str) -> tuple[float, Interval | None]:
    """How much a scenario scores above the motion sensors only, and the interval of that."""
    found, motion = evaluation.answers[scenario], evaluation.answers["imu"]
    gain = evaluation.scores[scenario]["score"] - evaluation.scores["imu"]["score"]
    if found.subjects is None:
        return gain, None
    pair = (found.prediction, motion.prediction)
    return gain, difference_interval(found.truth, pair, found.subjects, evaluation.label_set)


def _gain_table(evaluation: Evaluation, gains: dict[str, tuple[float, Interval | None]]) -> DataTable:
    rows: list[Sequence[Cell]] = [
        (SCENARIOS.get(name, (name,))[0], evaluation.scores[name]["score"], gain, *(interval or (None, None)))
        for name, (gain, interval) in gains.items()
    ]
    rows.append((SCENARIOS["imu"][0], evaluation.scores["imu"]["score"], None, None, None))
    columns = ("sensors", "score", "above motion only", "from", "to")
    return DataTable("Scores by sensors; the interval is paired over people", columns, rows)


def _tell_gain(gain: float, interval: Interval | None) -> str:
    told = f"Thermopiles and time of flight add {gain:+.3f} to the score of the motion sensors"
    if interval is None:
        return f"{told}."
    verdict = "which may be chance" if not excludes_zero(interval) else "a real gain" if gain > 0 else "a real loss"
    return f"{told} (95 % interval {interval[0]:+.3f} to {interval[1]:+.3f}, paired over people): {verdict}."


def show_people(evaluation: Evaluation, comparisons: Comparisons) -> Section:
    """The score of every person and of groups of people."""
    scores, motion = (evaluation.scores.get(name, {}) for name in (evaluation.main, "imu"))
    subjects = scores.get("per_subject", {})
    facts = _facts_of_subjects(evaluation)
    columns = {name: [found[key] for found in subjects.values()] for key, name in _COLUMNS.items()}
    if motion and evaluation.main != "imu":
        columns["motion only"] = [motion["per_subject"][name]["score"] for name in subjects]
    if any({"age", "handedness"} & set(known) for known in facts.values()):
        known = [facts.get(name, {}) for name in subjects]
        columns["age"] = [f"{age:g}" if isinstance(age := each.get("age"), int | float) else None for each in known]
        columns["hand"] = [HANDS.get(each.get("handedness")) for each in known]
    rows = sorted(zip(subjects, *columns.values(), strict=True), key=lambda row: float(row[1]))
    table = DataTable("Scores by person, the lowest first", ("person", *columns), rows)
    caption = "Score of every person, the lowest first. The dashed line is the score of everybody together."
    shown = [PageFigure("people-scores", figures.plot_subjects(subjects, scores["score"]), caption, table)]
    words = _tell_matched(evaluation.matched, len(evaluation.ids))
    tables = [_group_table(comparisons)] if comparisons else []
    return Section("people", "On whom it works", "People", words, shown, tables)


def _tell_matched(matched: Matched | None, total: int) -> list[str]:
    if matched is None:
        lacking = "Age, dominant hand, posture and missing sensors"
        return [f"{lacking} appear here when the recordings are given: --data DATA."]
    found = len(matched.facts)
    told = [f"{count(found, 'recording')} of {total:,} found in {matched.description}."] if found < total else []
    return [*told, *matched.doubts]


def _facts_of_subjects(evaluation: Evaluation) -> dict[str, dict[str, object]]:
    """What is known of every subject, from any of its recordings."""
    facts = {} if evaluation.matched is None else evaluation.matched.facts
    known: dict[str, dict[str, object]] = {}
    for recording, subject in zip(evaluation.ids, evaluation.answers[evaluation.main].subjects or (), strict=False):
        known.setdefault(str(subject), {}).update(facts.get(recording, {}))
    return known


def _group_table(comparisons: Comparisons) -> DataTable:
    rows = [
        (group.name, question, group.score, *(group.interval or (None, None)), group.subjects, group.recordings)
        for question, groups in comparisons.items()
        for group in groups
    ]
    columns = ("group", "question", "score", "from", "to", "people", "recordings")
    caption = "Scores by group, with 95 % intervals; groups with other gestures in them compare only roughly"
    return DataTable(caption, columns, rows)


def show_provenance(evaluation: Evaluation) -> Section:
    """Data, folds, seeds, versions, time and machine, and the checksum of every file."""
    folds: dict[int, list[str]] = {}
    for subject, fold in read_fold_of(evaluation.bundle).items():
        folds.setdefault(fold, []).append(subject)
    held_out = [(f"fold {fold}", len(names), ", ".join(sorted(names))) for fold, names in sorted(folds.items())]
    versions = evaluation.bundle.manifest.provenance.get("versions") or {}
    checksums = json.loads(evaluation.bundle.file(CHECKSUMS).read_text(encoding="utf-8"))
    tables = (
        DataTable("The bundle", ("what", "value"), _describe(evaluation)),
        DataTable("Who was held out together", ("fold", "people", "who"), held_out),
        DataTable("Versions it was trained with", ("package", "version"), list(versions.items())),
        DataTable("Files and their SHA-256 checksums, all verified", ("file", "SHA-256"), list(checksums.items())),
    )
    return Section("provenance", "Where it comes from", "Provenance", tables=[table for table in tables if table.rows])


def _describe(evaluation: Evaluation) -> list[tuple[Cell, ...]]:
    manifest, known = evaluation.bundle.manifest, evaluation.bundle.manifest.provenance
    recordings, subjects, size = known.get("recordings"), known.get("subjects"), None
    if isinstance(recordings, int) and isinstance(subjects, int):
        size = f"{count(recordings, 'recording')} of {count(subjects, 'person', 'people')}"
    took_s = known.get("training_seconds")
    rows: list[tuple[str, Any]] = [
        ("device", f"{evaluation.bundle.device.name}, {manifest.row_rate_hz:g} rows a second"),
        ("simulated", "yes: no person was measured" if manifest.simulated else "no"),
        ("size", size),
        *((_NAMES.get(key, key.replace("_", " ")), value) for key, value in known.items() if key not in _ELSEWHERE),
        ("networks", ", ".join(dict.fromkeys(member.network for member in manifest.members))),
        ("members", len(manifest.members)),
        ("epochs, at most", read_run_spec(evaluation.bundle).training.epochs),
        ("rows of a recording that are used", manifest.max_length),
        # The members' own time; those trained side by side count each.
        ("training took", None if took_s is None else f"{timedelta(seconds=round(took_s))} of computing, in hours"),
        ("written", manifest.created),
        ("written by", f"bfrb {manifest.version}"),
        ("this report by", f"bfrb {version('bfrb')}"),
    ]
    return [(name, _in_words(value)) for name, value in rows if value is not None]


def _in_words(value: object) -> Cell:
    if isinstance(value, Mapping):
        return ", ".join(f"{str(key).replace('_', ' ')} {_in_words(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(str(_in_words(item)) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2g}" if isinstance(value, float) else "none" if value is None else str(value)
