"""On whom it works, and on whom it fails."""

from __future__ import annotations

from bfrb.report import figures
from bfrb.report.collect import Evaluation
from bfrb.report.groups import QUESTIONS, Comparisons, name_hand
from bfrb.report.matching import Matched
from bfrb.report.section import Cell, DataTable, PageFigure, Section, count


def show_people(evaluation: Evaluation, comparisons: Comparisons) -> Section:
    """The score of every person, by age, and of groups of people."""
    scores = evaluation.scores[evaluation.main]
    subjects = scores.get("per_subject", {})
    ranked = sorted(subjects.items(), key=lambda item: float(item[1]["score"]))
    facts = _facts_of_subjects(evaluation)
    keys = ("score", "binary_f1", "macro_f1", "recordings")
    names = ("person", "score", "binary F1", "macro F1", "recordings", "age", "hand")
    columns = names if any({"age", "handedness"} & set(known) for known in facts.values()) else names[:5]
    rows = [(name, *(found[key] for key in keys), *_age_and_hand(facts.get(name, {})))[: len(columns)]
            for name, found in ranked]  # fmt: skip
    table = DataTable("Scores by person, the lowest first", columns, rows)
    caption = "Score of every person, the lowest first. The dashed line is the score of everybody together."
    shown = [PageFigure("people-scores", figures.plot_subjects(subjects, scores["score"]), caption, table)]
    shown += _show_ages(subjects, facts) + _show_groups(comparisons, scores["score"])
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


def _age_and_hand(facts: dict[str, object]) -> tuple[Cell, Cell]:
    age = facts.get("age")
    return (f"{age:g}" if isinstance(age, int | float) else None, name_hand(facts.get("handedness")))


def _show_ages(subjects: dict[str, dict[str, float]], facts: dict[str, dict[str, object]]) -> list[PageFigure]:
    rows = sorted(
        (
            (name, float(age), float(subjects[name]["score"]), name_hand(known.get("handedness")) or "hand not known")
            for name, known in facts.items()
            if isinstance(age := known.get("age"), int | float)
        ),
        key=lambda row: row[1],
    )
    if len({age for _, age, _, _ in rows}) < 2:
        return []
    _, ages, scores, hands = zip(*rows, strict=True)
    table = DataTable("Age and score", ("person", "age", "score", "hand"), rows)
    caption = "Score of every person by age; the shape of a point tells the dominant hand."
    return [PageFigure("people-ages", figures.plot_ages(ages, scores, hands), caption, table)]


def _show_groups(comparisons: Comparisons, overall: float) -> list[PageFigure]:
    several = {question: groups for question, groups in comparisons.items() if len(groups) > 1}
    if not several:
        return []
    drawn = {
        question: [(group.name, group.score, group.interval) for group in groups]
        for question, groups in several.items()
    }
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
