"""The mistakes that a model was surest of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bfrb.arrays import Bools
from bfrb.predict.evaluation import Answers
from bfrb.study.labels import LabelSet

SHOWN = 20
"""Mistakes that a report shows."""

ALTERNATIVES = 3


@dataclass(frozen=True)
class Mistake:
    """A wrong answer to a recording."""

    id: str
    subject: str
    truth: str
    answer: str
    confidence: float  # probability that the answer was given
    probable: tuple[tuple[str, float], ...]  # most probable classes, the answer first; the truth is always among them


def find_mistakes(ids: Sequence[str], answers: Answers, label_set: LabelSet, shown: int = SHOWN) -> list[Mistake]:
    """The most confident mistakes that cost score of (R,) answers with probabilities, the most confident first."""
    if answers.probabilities is None:
        return []
    confidence = answers.probabilities.max(axis=1)
    rows = np.flatnonzero(costs_score(answers, label_set)).tolist()
    found = []
    for row in sorted(rows, key=lambda row: (-confidence[row], ids[row]))[:shown]:
        truth, answer = str(answers.truth[row]), str(answers.prediction[row])
        by_class = dict(zip(label_set.classes, answers.probabilities[row].tolist(), strict=True))
        ranked = sorted(by_class, key=lambda name: -by_class[name])[:ALTERNATIVES]
        chosen = ranked if truth in ranked else [*ranked[:-1], truth]
        subject = "" if answers.subjects is None else str(answers.subjects[row])
        probable = tuple((name, by_class[name]) for name in chosen)
        found.append(Mistake(ids[row], subject, truth, answer, by_class[answer], probable))
    return found


def costs_score(answers: Answers, label_set: LabelSet) -> Bools:
    """(R,) Whether each answer is wrong and costs score, as confusions among what nobody looks for do not."""
    truth, answer = label_set.encode(answers.truth), label_set.encode(answers.prediction)
    counted: Bools = (truth != answer) & (label_set.is_target[truth] | label_set.is_target[answer])
    return counted
