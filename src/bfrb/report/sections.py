"""The sections of a report, each from an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from bfrb.metrics import Calibration, calibration
from bfrb.predict.decision import target_probability
from bfrb.report import figures
from bfrb.report.evaluation import Evaluation
from bfrb.report.groups import QUESTIONS, Comparison, name_hand
from bfrb.report.parts import Cell, DataTable, PageFigure, Section, make_data_table, show_figure
from bfrb.report.wording import count, percent


def show_confusion(evaluation: Evaluation) -> Section:
    """What is taken for what."""
    classes, looked_for = evaluation.label_set.classes, evaluation.label_set.is_target
    figure = figures.plot_confusion(evaluation.confusion, classes, looked_for.tolist())
    rows = [(name, *row) for name, row in zip(classes, evaluation.confusion.tolist(), strict=True)]
    table = make_data_table("Recordings by true class (row) and answer (column)", ("true", *classes), rows)
    caption = (
        "Each row is what the recordings of one class were taken for, in percent; the diagonal is right. "
        "Confusions within the lower right block cost no score."
    )
    right = int(np.trace(evaluation.confusion))
    words = f"{percent(right / int(evaluation.confusion.sum()))} of all answers name exactly what was done."
    return Section(
        "confusion",
        "What is taken for what",
        "Confusions",
        (words,),
        (show_figure(figure, "confusion", caption, table),),
    )


def show_classes(evaluation: Evaluation) -> Section:
    """How well every class is recognised."""
    per_class = evaluation.scores[evaluation.main]["per_class"]
    keys = ("precision", "recall", "f1", "support")
    rows = [(name, "yes" if found["target"] else "no", *(found[key] for key in keys))
            for name, found in per_class.items()]  # fmt: skip
    columns = ("class", "looked for", "precision", "recall", "F1", "recordings")
    table = make_data_table("Scores by class", columns, rows)
    caption = "Precision, recall and F1 of every class; the behaviours that are looked for stand above the line."
    figure = show_figure(figures.plot_classes(per_class), "classes", caption, table)
    return Section("classes", "Which behaviours it recognises", "Behaviours", (), (figure,))


def show_people(evaluation: Evaluation, comparisons: Sequence[Comparison]) -> Section:
    """On whom it works, and on whom it fails."""
    scores = evaluation.scores[evaluation.main]
    subjects = scores.get("per_subject", {})
    ranked = sorted(subjects.items(), key=lambda item: float(item[1]["score"]))
    facts = _facts_of_subjects(evaluation)
    keys = ("score", "binary_f1", "macro_f1", "recordings")
    rows = [(name, *(found[key] for key in keys), *_age_and_hand(facts.get(name, {}))) for name, found in ranked]
    names = ("person", "score", "binary F1", "macro F1", "recordings", "age", "hand")
    columns = names if any({"age", "handedness"} & set(known) for known in facts.values()) else names[:5]
    table = make_data_table("Scores by person, the lowest first", columns, [row[: len(columns)] for row in rows])
    caption = "Score of every person, the lowest first. The dashed line is the score of everybody together."
    shown = [show_figure(figures.plot_subjects(subjects, scores["score"]), "people", caption, table)]
    shown += _show_ages(evaluation) + _show_groups(comparisons, scores["score"])
    return Section(
        "people", "On whom it works", "People", _introduce_people(evaluation), tuple(shown), notes=_alike(comparisons)
    )


def _introduce_people(evaluation: Evaluation) -> tuple[str, ...]:
    if evaluation.context is None:
        return (
            "Age, dominant hand, posture and missing sensors appear here when the recordings are given: --data DATA.",
        )
    found, total = evaluation.context.found, len(evaluation.ids)
    known = f"{count(found, 'recording')} of {total:,} found in {evaluation.context.description}."
    return (known,) if found < total else ()


def _facts_of_subjects(evaluation: Evaluation) -> dict[str, dict[str, object]]:
    """What is known of every subject, from any of its recordings."""
    if evaluation.context is None:
        return {}
    subjects = evaluation.answers[evaluation.main].subjects or ()
    known: dict[str, dict[str, object]] = {}
    for recording, subject in zip(evaluation.ids, subjects, strict=True):
        known.setdefault(str(subject), {}).update(evaluation.context.facts.get(recording, {}))
    return known


def _age_and_hand(facts: dict[str, object]) -> tuple[Cell, Cell]:
    age = facts.get("age")
    return (f"{age:g}" if isinstance(age, int | float) else None, name_hand(facts.get("handedness")))


def _show_ages(evaluation: Evaluation) -> list[PageFigure]:
    per_subject = evaluation.scores[evaluation.main].get("per_subject", {})
    known = {
        name: facts
        for name, facts in _facts_of_subjects(evaluation).items()
        if isinstance(facts.get("age"), int | float)
    }
    if len({facts["age"] for facts in known.values()}) < 2:
        return []
    ages = [float(str(facts["age"])) for facts in known.values()]
    scores = [float(per_subject[name]["score"]) for name in known]
    hands = [name_hand(facts.get("handedness")) or "hand not known" for facts in known.values()]
    rows = sorted(zip(known, ages, scores, hands, strict=True), key=lambda row: row[1])
    table = make_data_table("Age and score", ("person", "age", "score", "hand"), rows)
    caption = "Score of every person by age; the shape of a point tells the dominant hand."
    return [show_figure(figures.plot_ages(ages, scores, hands), "ages", caption, table)]


def _show_groups(comparisons: Sequence[Comparison], overall: float) -> list[PageFigure]:
    several = [comparison for comparison in comparisons if len(comparison.groups) > 1]
    groups = [(comparison.question, group) for comparison in several for group in comparison.groups]
    if not groups:
        return []
    drawn = {found.question: [(group.name, group.score, group.interval) for group in found.groups] for found in several}
    figure = figures.plot_groups(drawn, overall)
    rows = [(group.name, question, group.score, *(group.interval or (None, None)), group.subjects, group.recordings)
            for question, group in groups]  # fmt: skip
    columns = ("group", "question", "score", "from", "to", "people", "recordings")
    table = make_data_table("Scores by group, with 95 % intervals", columns, rows)
    caption = (
        "Score by group. The dashed line is the score of everybody; a group without a bar is one person. "
        "Groups with other gestures in them compare only roughly."
    )
    return [show_figure(figure, "groups", caption, table)]


def _alike(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    alike = [f"{found.question.lower()}: {found.groups[0].name}" for found in comparisons if len(found.groups) == 1]
    asked = {question for question, _ in QUESTIONS.values()} - {found.question for found in comparisons}
    notes = []
    if alike:
        notes.append(f"Nothing to compare, because everybody is alike: {'; '.join(alike)}.")
    if comparisons and asked:
        notes.append(f"Not known of these recordings: {'; '.join(sorted(name.lower() for name in asked))}.")
    return tuple(notes)


def show_calibration(evaluation: Evaluation) -> Section | None:
    """Whether the probabilities can be believed; None where there are none."""
    found, labels = evaluation.answers[evaluation.main], evaluation.label_set
    if found.probabilities is None:
        return None
    curves = {
        "the named class": calibration(found.probabilities.max(axis=1), found.truth == found.prediction),
        "any behaviour": calibration(
            target_probability(found.probabilities, labels), labels.is_target[labels.encode(found.truth)]
        ),
    }
    caption = (
        "How often answers are right, by the probability they claim, with 95 % intervals; on the dashed line claims "
        "are honest. Below, how many answers claim how much."
    )
    figure = show_figure(figures.plot_calibration(curves), "calibration", caption, _calibration_table(curves))
    errors = " and ".join(f"{curve.error:.3f} for {name}" for name, curve in curves.items())
    words = f"Expected calibration error (0 is honest): {errors}."
    return Section("calibration", "Whether its probabilities can be believed", "Probabilities", (words,), (figure,))


def _calibration_table(curves: dict[str, Calibration]) -> DataTable:
    rows = [
        (f"{name}, {low:.1f} to {high:.1f}", int(counts), float(confidence), float(accuracy))
        for name, curve in curves.items()
        for low, high, counts, confidence, accuracy in zip(
            curve.edges[:-1], curve.edges[1:], curve.counts, curve.confidence, curve.accuracy, strict=True
        )
        if counts
    ]
    return make_data_table("Calibration", ("claimed", "answers", "mean claim", "share right"), rows)


def show_learning(evaluation: Evaluation) -> Section | None:
    """How every member learnt; None where nothing was kept."""
    columns = evaluation.history.to_dict(as_series=False)
    if not columns.get("member"):
        return None
    losses, scores = (_by_member(columns, name) for name in ("loss", "score"))
    networks = {member.name: member.network for member in evaluation.bundle.manifest.members}
    folds = {member.name: member.fold for member in evaluation.bundle.manifest.members}
    seconds = _by_member(columns, "seconds")
    rows = [
        (name, networks.get(name), folds.get(name), len(values), values[-1], _best(scores[name]), _total(seconds[name]))
        for name, values in losses.items()
    ]
    names = ("member", "network", "fold", "epochs", "last loss", "best score", "seconds")
    table = make_data_table("Members of the ensemble", names, rows)
    caption = "Training loss of every member by epoch; a member is a network that never saw the people of its fold."
    figure = show_figure(figures.plot_learning(losses, scores, networks), "learning", caption, table)
    watched = any(value is not None for values in scores.values() for value in values)
    words = () if watched else ("No score was watched during training: it ran for a fixed number of epochs.",)
    return Section("learning", "How it learnt", "Learning", words, (figure,))


def _by_member(columns: dict[str, list[Cell]], name: str) -> dict[str, list[float | None]]:
    values = columns.get(name) or [None] * len(columns["member"])
    pairs = sorted(
        zip(columns["member"], columns["epoch"], values, strict=True), key=lambda row: (str(row[0]), row[1] or 0)
    )
    numbers = ((str(member), value if isinstance(value, int | float) else None) for member, _, value in pairs)
    return {member: [value for _, value in found] for member, found in groupby(numbers, key=lambda pair: pair[0])}


def _best(values: list[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _total(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 1) if known else None
