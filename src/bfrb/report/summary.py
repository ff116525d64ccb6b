"""What the numbers mean, in plain words: how good it is, and where it fails."""

from typing import Any

import numpy as np

from bfrb.metrics.intervals import ENOUGH_PEOPLE
from bfrb.report.collect import SCENARIOS, Evaluation
from bfrb.report.groups import Comparisons
from bfrb.report.section import count, out_of_100

RARE = 0.01  # share of behaviours among the movements of a day, for the sake of an example


def tell_how_good(evaluation: Evaluation) -> list[str]:
    """Sentences on how good the main scenario is."""
    scores = evaluation.scores[evaluation.main]
    told = [_tell_floor(scores, evaluation.floor), *_tell_useless(evaluation), *_tell_detection(evaluation)]
    people = scores.get("subjects", 0)
    if 0 < people < ENOUGH_PEOPLE:
        told.append(f"Only {count(people, 'person', 'people')}: other people may fare quite differently.")
    return told


def _tell_floor(scores: dict[str, Any], floor: float) -> str:
    low, high = scores.get("interval") or (scores["score"], scores["score"])
    same = f"always giving the same answer, which scores {floor:.2f}; 1 is perfect"
    if low > floor:
        return f"Better than {same}."
    if high < floor:
        return f"Worse than {same}. As it is, this model is of no use."
    return f"Not clearly better than {same}. As it is, do not rely on this model."


def _tell_useless(evaluation: Evaluation) -> list[str]:
    """Other scenarios in which the same answer every time would score higher."""
    worse = [
        SCENARIOS[name][0] if name in SCENARIOS else name
        for name, scores in evaluation.scores.items()
        if name != evaluation.main and (scores.get("interval") or [scores["score"]])[-1] < evaluation.floor
    ]
    return [f"Worse than that, and of no use: {', '.join(worse).lower()}."] if worse else []


def _tell_detection(evaluation: Evaluation) -> list[str]:
    """How many behaviours are found and named, how many alarms are false, here and where behaviours are rare."""
    looked_for, confusion = evaluation.label_set.is_target, evaluation.confusion
    real, others, alarms = confusion[looked_for].sum(), confusion[~looked_for].sum(), confusion[:, looked_for].sum()
    hits, named = confusion[np.ix_(looked_for, looked_for)].sum(), np.diag(confusion)[looked_for].sum()
    auc = evaluation.scores[evaluation.main].get("auc")
    told = []
    if auc is not None:
        picks = f"it picks the behaviour {out_of_100(auc)} times of 100 (50 is guessing)"
        told.append(f"Given a behaviour and something else, {picks}.")
    if real:
        told.append(f"Sensitivity: of 100 behaviours it is looking for, it notices {out_of_100(hits, real)}.")
    if others:
        told.append(f"Specificity: of 100 other movements, {out_of_100(alarms - hits, others)} raise an alarm.")
    if alarms:
        told.append(_tell_false_alarms(int(hits), int(alarms), int(real), int(others)))
    if hits and looked_for.sum() > 1:
        told.append(f"Of 100 behaviours it notices, it names {out_of_100(named, hits)} correctly.")
    return told


def _tell_false_alarms(hits: int, alarms: int, real: int, others: int) -> str:
    told = f"Of 100 times it reports one, {out_of_100(alarms - hits, alarms)} are false alarms"
    if not real or not others:
        return f"{told}."
    told += f" in this study, where {out_of_100(real, real + others)} of 100 recordings are behaviours. "
    right, wrong = RARE * hits / real, (1 - RARE) * (alarms - hits) / others
    if wrong <= (alarms - hits) / alarms * (right + wrong):
        return f"{told}In everyday life it is another share."
    return (
        f"{told}In everyday life, where they are rare, far more of its reports would be wrong: if one movement in "
        f"{1 / RARE:.0f} were a behaviour, {out_of_100(wrong, right + wrong)} of 100."
    )


def tell_failures(evaluation: Evaluation, comparisons: Comparisons) -> list[tuple[str, str]]:
    """What it is worst at, as pairs of a topic and a sentence."""
    scores = evaluation.scores[evaluation.main]
    told = [("People", _tell_people(scores)), *_tell_groups(comparisons), ("Behaviours", _tell_classes(scores))]
    told.append(("Confusions", _tell_confusion(evaluation)))
    return [(topic, sentence) for topic, sentence in told if sentence]


def _tell_people(scores: dict[str, Any]) -> str:
    ranked = sorted(scores.get("per_subject", {}).items(), key=lambda item: float(item[1]["score"]))
    if len(ranked) < 2:
        return ""
    lowest, best = ranked[: min(3, len(ranked) - 1)], ranked[-1]
    shown = ", ".join(f"{name} {found['score']:.2f}" for name, found in lowest)
    return f"lowest scores {shown}; the highest is {best[0]} {best[1]['score']:.2f}"


def _tell_groups(comparisons: Comparisons) -> list[tuple[str, str]]:
    """The comparison with the widest gap between groups of several people."""
    several = {question: [group for group in found if group.subjects > 1] for question, found in comparisons.items()}
    ranked = {name: sorted(found, key=lambda group: group.score) for name, found in several.items() if len(found) > 1}
    if not ranked:
        return []
    question, groups = max(ranked.items(), key=lambda item: item[1][-1].score - item[1][0].score)
    ends = (groups[0], groups[-1])
    told = (f"{one.name} {one.score:.2f} ({count(one.subjects, 'person', 'people')})" for one in ends)
    return [(question, "lowest score {}; highest {}".format(*told))]


def _tell_classes(scores: dict[str, Any]) -> str:
    per_class = scores["per_class"].items()
    wanted = sorted((found["f1"], name) for name, found in per_class if found["target"] and found["support"])
    never = [name for f1, name in wanted if f1 == 0]
    if never:
        return f"never recognised: {', '.join(never)}"
    return "lowest F1 " + ", ".join(f"{name} {f1:.2f}" for f1, name in wanted[:2]) if len(wanted) > 1 else ""


def _tell_confusion(evaluation: Evaluation) -> str:
    """The most frequent confusion that costs score."""
    looked_for, confusion = evaluation.label_set.is_target, evaluation.confusion
    costly = (looked_for[:, None] | looked_for) & ~np.eye(len(looked_for), dtype=bool)
    counts = np.where(costly, confusion, 0)
    if not counts.any():
        return ""
    row, column = np.unravel_index(counts.argmax(), counts.shape)
    classes, total = evaluation.label_set.classes, int(confusion[row].sum())
    shown = f"{counts[row, column]:,} of {count(total, 'recording')}"
    return f"most often {classes[row]} is taken for {classes[column]} ({shown})"
