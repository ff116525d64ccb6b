"""Scores of groups of recordings: by hand, by age, by posture, by the sensors that worked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bfrb.arrays import Bools
from bfrb.predict.evaluation import Answers, score_answers
from bfrb.report.context import ALL_SENSORS, NO_SENSORS, SENSORS, SOME_SENSORS, Context
from bfrb.study.labels import LabelSet

AGE_BANDS = ((0, "under 13"), (13, "13 to 17"), (18, "18 to 29"), (30, "30 to 49"), (50, "50 and older"))


@dataclass(frozen=True)
class Group:
    """Recordings that have something in common, and their score; the interval needs several subjects."""

    name: str
    recordings: int
    subjects: int
    score: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Comparison:
    """A question and its groups; one group only means that everybody is alike."""

    question: str
    groups: tuple[Group, ...]


def _named(*names: str) -> Callable[[object], str | None]:
    """A namer of small whole numbers (and of truth values)."""
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
    return [name for start, name in AGE_BANDS if value >= start][-1]


def name_hand(value: object) -> str | None:
    """The dominant hand that a code of the demographics means."""
    return _named("left-handed", "right-handed")(value)


QUESTIONS: dict[str, tuple[str, Callable[[object], str | None]]] = {
    "adult_child": ("Adults and children", _named("children", "adults")),
    "age": ("Age", name_age),
    "handedness": ("Dominant hand", name_hand),
    "sex": ("Sex", _named("female", "male")),
    SENSORS: ("Proximity sensors that measured", lambda value: None if value is None else str(value)),
    "upside_down": ("Device worn upside down", _named("the right way", "upside down")),
    "orientation": ("Posture", lambda value: None if value is None else str(value)),
}
"""By fact: the question it answers, and how its values are called."""

_ORDER = ("left-handed", "right-handed", "children", "adults", *(name for _, name in AGE_BANDS))
_SENSOR_ORDER = (ALL_SENSORS, SOME_SENSORS, NO_SENSORS)


def compare(ids: tuple[str, ...], answers: Answers, context: Context, label_set: LabelSet) -> list[Comparison]:
    """Every comparison that the known facts allow.

    Parameters
    ----------
    ids
        (R,) recordings.
    answers
        (R,) answers, with subjects.
    context
        What is known of the recordings.
    label_set
        The classes.
    """
    found = []
    for fact, (question, name_of) in QUESTIONS.items():
        names = [name_of(context.facts.get(recording, {}).get(fact)) for recording in ids]
        groups = [
            _score_group(name, np.array([other == name for other in names]), answers, label_set)
            for name in sorted({name for name in names if name is not None}, key=_rank)
        ]
        if groups:
            found.append(Comparison(question, tuple(groups)))
    return found


def _rank(name: str) -> tuple[int, str]:
    order = (*_ORDER, *_SENSOR_ORDER)
    return (order.index(name) if name in order else len(order), name)


def _score_group(name: str, chosen: Bools, answers: Answers, label_set: LabelSet) -> Group:
    subjects = None if answers.subjects is None else np.asarray(answers.subjects, dtype=object)[chosen].tolist()
    scores = score_answers(Answers(answers.truth[chosen], answers.prediction[chosen], subjects), label_set)
    interval = scores.get("interval")
    limits = None if interval is None else (float(interval[0]), float(interval[1]))
    return Group(name, int(chosen.sum()), int(scores.get("subjects", 1)), float(scores["score"]), limits)
