"""Scores of groups of recordings: by hand, by age, by posture, by the sensors that worked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bfrb.arrays import Bools
from bfrb.metrics import Interval
from bfrb.predict.evaluation import Answers, score_answers
from bfrb.report.matching import ALL_SENSORS, NO_SENSORS, SENSORS, SOME_SENSORS, Matched
from bfrb.study.labels import LabelSet

AGE_BANDS = {0: "under 13", 13: "13 to 17", 18: "18 to 29", 30: "30 to 49", 50: "50 and older"}
"""Names of ages, by the first year of each."""


@dataclass(frozen=True)
class Group:
    """Recordings that have something in common, and their score; the interval needs several subjects."""

    name: str
    recordings: int
    subjects: int
    score: float
    interval: Interval | None


Comparisons = dict[str, list[Group]]
"""Groups by question; one group only means that everybody is alike."""


def _named(*names: str) -> Callable[[object], str | None]:
    """A namer of small whole numbers (and of truth values); without names, of texts."""
    if not names:
        return lambda value: None if value is None else str(value)
    return lambda value: names[int(value)] if isinstance(value, int) and 0 <= value < len(names) else None


def name_age(value: object) -> str | None:
    """The band that an age in years falls in.

    Examples
    --------
    >>> name_age(12.5), name_age(18), name_age(None)
    ('under 13', '18 to 29', None)
    """
    if not isinstance(value, int | float) or not value >= 0:
        return None
    return [name for start, name in AGE_BANDS.items() if value >= start][-1]


name_hand = _named("left-handed", "right-handed")
"""The dominant hand that a code of the demographics means."""

QUESTIONS: dict[str, tuple[str, Callable[[object], str | None]]] = {
    "adult_child": ("Adults and children", _named("children", "adults")),
    "age": ("Age", name_age),
    "handedness": ("Dominant hand", name_hand),
    "sex": ("Sex", _named("female", "male")),
    SENSORS: ("Proximity sensors that measured", _named()),
    "orientation": ("Posture", _named()),
}
"""By fact: the question it answers, and how its values are called."""

_FIRST = ("left-handed", "children", *AGE_BANDS.values(), ALL_SENSORS, SOME_SENSORS, NO_SENSORS)
_ORDER = {name: place for place, name in enumerate(_FIRST)}


def compare(ids: tuple[str, ...], answers: Answers, matched: Matched, label_set: LabelSet) -> Comparisons:
    """Every comparison of (R,) answers with subjects that the known facts of the (R,) recordings allow."""
    found: Comparisons = {}
    for fact, (question, name_of) in QUESTIONS.items():
        names = np.array([name_of(matched.facts.get(recording, {}).get(fact)) for recording in ids], dtype=object)
        known = sorted({name for name in names if name is not None}, key=lambda name: (_ORDER.get(name, 99), name))
        if known:
            found[question] = [_score_group(name, names == name, answers, label_set) for name in known]
    return found


def _score_group(name: str, chosen: Bools, answers: Answers, label_set: LabelSet) -> Group:
    subjects = None if answers.subjects is None else np.asarray(answers.subjects, dtype=object)[chosen].tolist()
    scores = score_answers(Answers(answers.truth[chosen], answers.prediction[chosen], subjects), label_set)
    limits = scores.get("interval") and (scores["interval"][0], scores["interval"][1])
    return Group(name, int(chosen.sum()), int(scores.get("subjects", 1)), scores["score"], limits)
