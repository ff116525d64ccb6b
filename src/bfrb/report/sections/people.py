"""On whom it works, and on whom it fails."""

from __future__ import annotations

from bfrb.report import figures
from bfrb.report.collect import Evaluation
from bfrb.report.groups import QUESTIONS, Comparisons, name_hand
from bfrb.report.matching import Matched
from bfrb.report.section import DataTable, PageFigure, Section, count

_COLUMNS = {"score": "score", "binary_f1": "binary F1", "macro_f1": "macro F1", "recordings": "recordings"}


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
        columns["hand"] = [name_hand(each.get("handedness")) for each in known]
    rows = sorted(zip(subjects, *columns.values(), strict=True), key=lambda row: float(row[1]))
    table = DataTable("Scores by person, the lowest first", ("person", *columns), rows)
    caption = "Score of every person, the lowest first. The dashed line is the score of everybody together."
    shown = [PageFigure("people-scores", figures.plot_subjects(subjects, scores["score"]), caption, table)]
    shown += _show_groups(comparisons, scores["score"])
    words = _tell_matched(evaluation.matched, len(evaluation.ids))
    return Section("people", "On whom it works", "People", words, shown, notes=_tell_alike(comparisons))


def _tell_matched(matched: Matched | None, total: int) -> list[str]:
    if matched is None:
        return [
            "Age, dominant hand, posture and missing sensors appear here when the recordings are given: --data DATA."
        ]
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


def _show_groups(comparisons: Comparisons, overall: float) -> list[PageFigure]:
    several = {question: groups for question, groups in comparisons.items() if len(groups) > 1}
    if not several:
        return []
    drawn = {question: [(one.name, one.score, one.interval) for one in groups] for question, groups in several.items()}
    rows = [
        (group.name, question, group.score, *(group.interval or (None, None)), group.subjects, group.recordings)
        for question, groups in several.items()
        for group in groups
    ]
    columns = ("group", "question", "score", "from", "to", "people", "recordings")
    table = DataTable("Scores by group, with 95 % intervals", columns, rows)
    caption = (
        "Score by group. The dashed line is the score of everybody; a group without a bar is one person. "
        "Groups with other gestures in them compare only roughly."
    )
    return [PageFigure("people-groups", figures.plot_groups(drawn, overall), caption, table)]


def _tell_alike(comparisons: Comparisons) -> list[str]:
    alike = [f"{question.lower()}: {found[0].name}" for question, found in comparisons.items() if len(found) == 1]
    asked = {question for question, _ in QUESTIONS.values()} - set(comparisons)
    notes = []
    if alike:
        notes.append(f"Nothing to compare, because everybody is alike: {'; '.join(alike)}.")
    if comparisons and asked:
        notes.append(f"Not known of these recordings: {'; '.join(sorted(name.lower() for name in asked))}.")
    return notes
