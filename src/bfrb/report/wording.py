"""What the numbers mean, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bfrb.report.evaluation import Evaluation
from bfrb.report.groups import Comparison

SCENARIOS = {
    "all": ("All sensors", "with every sensor that measured"),
    "imu": ("Motion sensors only", "as if no thermopile and no time-of-flight sensor had measured"),
    "half": ("Half and half", "half of the recordings without proximity sensors, as in the competition's test"),
}
"""Title and meaning of every scenario."""

FEW_PEOPLE = 20
"""With fewer people, an interval over people is itself uncertain."""


def count(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun.

    Examples
    --------
    >>> count(1, "recording"), count(4379, "recording"), count(2, "person", "people")
    ('1 recording', '4,379 recordings', '2 people')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """A duration as people say it.

    Examples
    --------
    >>> duration(5.1), duration(80), duration(7300)
    ('5 seconds', '1 minute 20 seconds', '2 hours 1 minute')
    """
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    parts = [(hours, "hour"), (minutes, "minute"), (left, "second")]
    named = [count(number, unit) for number, unit in parts if number]
    return " ".join(named[:2]) or "less than a second"


def percent(share: float) -> str:
    """A share as whole percent.

    Examples
    --------
    >>> percent(0.946), percent(0.004)
    ('95 %', '0.4 %')
    """
    return f"{100 * share:.1f} %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def interval_text(scores: dict[str, Any]) -> str:
    """The 95 % interval of some scores, if there is one."""
    found = scores.get("interval")
    return "no interval: one person only" if found is None else f"95 % interval {found[0]:.3f} to {found[1]:.3f}"


def tell_how_good(evaluation: Evaluation) -> list[str]:
    """Sentences on how good the main scenario is."""
    scores = evaluation.scores[evaluation.main]
    first = [_tell_floor(scores, evaluation.floor), *_tell_useless(evaluation)]
    return [*first, *_tell_detection(evaluation), *_tell_certainty(scores)]


def _tell_useless(evaluation: Evaluation) -> list[str]:
    """Other scenarios in which the same answer every time would score higher."""
    worse = [
        SCENARIOS[name][0] if name in SCENARIOS else name
        for name, scores in evaluation.scores.items()
        if name != evaluation.main and (scores.get("interval") or [scores["score"]])[-1] < evaluation.floor
    ]
    return [f"Worse than that, and of no use: {', '.join(worse).lower()}."] if worse else []


def _tell_floor(scores: dict[str, Any], floor: float) -> str:
    low, high = scores.get("interval") or (scores["score"], scores["score"])
    same = f"always giving the same answer, which scores {floor:.2f}; 1 is perfect"
    if low > floor:
        return f"Better than {same}."
    if high < floor:
        return f"Worse than {same}. As it is, this model is of no use."
    return f"Not clearly better than {same}. As it is, do not rely on this model."


def _tell_detection(evaluation: Evaluation) -> list[str]:
    """How many behaviours are found, how many alarms are false, how many are named rightly."""
    looked_for = evaluation.label_set.is_target
    confusion = evaluation.confusion
    real, alarms = confusion[looked_for].sum(), confusion[:, looked_for].sum()
    hits, named = confusion[np.ix_(looked_for, looked_for)].sum(), np.diag(confusion)[looked_for].sum()
    told = _tell_ranking(evaluation.scores[evaluation.main].get("auc"))
    if real:
        told.append(f"Of 100 behaviours it is looking for, it notices {_of_100(hits, real)}.")
    if alarms:
        told.append(f"Of 100 times it reports one, {_of_100(alarms - hits, alarms)} are false alarms.")
    if hits and looked_for.sum() > 1:
        told.append(f"Of 100 behaviours it notices, it names {_of_100(named, hits)} correctly.")
    return told


def _tell_ranking(auc: float | None) -> list[str]:
    """The area under the ROC curve, as what it is the probability of."""
    if auc is None:
        return []
    pairs = _of_100(auc, 1)
    return [f"Given a behaviour and something else, it picks the behaviour {pairs} times of 100 (50 is guessing)."]


def _of_100(part: float, whole: float) -> str:
    share = 100 * part / whole
    # 99.97 is not all, and 0.03 is not none.
    if (part < whole and share > 99) or 0 < share < 1:
        return f"{min(max(share, 0.1), 99.9):.1f}"
    return f"{share:.0f}"


def _tell_certainty(scores: dict[str, Any]) -> list[str]:
    people = scores.get("subjects", 0)
    if 0 < people < FEW_PEOPLE:
        return [f"Only {count(people, 'person', 'people')}: other people may fare quite differently."]
    return []


def tell_failures(evaluation: Evaluation, comparisons: Sequence[Comparison]) -> list[tuple[str, str]]:
    """What it is worst at, as pairs of a topic and a sentence."""
    scores = evaluation.scores[evaluation.main]
    told = [("People", _tell_people(scores)), *_tell_groups(comparisons)]
    told += [("Behaviours", _tell_classes(scores)), ("Confusions", _tell_confusion(evaluation))]
    return [(topic, sentence) for topic, sentence in told if sentence]


def _tell_people(scores: dict[str, Any]) -> str:
    ranked = sorted(scores.get("per_subject", {}).items(), key=lambda item: float(item[1]["score"]))
    if len(ranked) < 2:
        return ""
    lowest, best = ranked[: min(3, len(ranked) - 1)], ranked[-1]
    shown = ", ".join(f"{name} {found['score']:.2f}" for name, found in lowest)
    return f"lowest scores {shown}; the highest is {best[0]} {best[1]['score']:.2f}"


def _tell_groups(comparisons: Sequence[Comparison]) -> list[tuple[str, str]]:
    """The comparison with the widest gap between groups of several people."""
    gaps = []
    for comparison in comparisons:
        groups = sorted((group for group in comparison.groups if group.subjects > 1), key=lambda group: group.score)
        if len(groups) > 1:
            gaps.append((groups[-1].score - groups[0].score, comparison.question, groups[0], groups[-1]))
    if not gaps:
        return []
    _, question, low, high = max(gaps, key=lambda gap: gap[0])
    return [
        (question, "; ".join(f"{group.name} {group.score:.2f} ({_people(group.subjects)})" for group in (low, high)))
    ]


def _people(number: int) -> str:
    return count(number, "person", "people")


def _tell_classes(scores: dict[str, Any]) -> str:
    wanted = sorted(
        (found["f1"], name) for name, found in scores["per_class"].items() if found["target"] and found["support"]
    )
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
