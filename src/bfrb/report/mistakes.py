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
    """A wrong answer.

    Parameters
    ----------
    id, subject
        The recording.
    truth, answer
        What it was, and what was answered.
    confidence
        Probability that the answer was given.
    probable
        The most probable classes and their probabilities, the answer first; the truth is always among them.
    """

    id: str
    subject: str
    truth: str
    answer: str
    confidence: float
    probable: tuple[tuple[str, float], ...]


def find_mistakes(ids: Sequence[str], answers: Answers, label_set: LabelSet, shown: int = SHOWN) -> list[Mistake]:
    """The most confident mistakes that cost score, the most confident first.

    Parameters
    ----------
    ids
        (R,) recordings.
    answers
        (R,) answers, with probabilities.
    label_set
        The classes.
    shown
        How many at most.
    """
    if answers.probabilities is None:
        return []
    confidence = answers.probabilities.max(axis=1)
    rows = np.flatnonzero(costs_score(answers, label_set)).tolist()
    found = []
    for row in sorted(rows, key=lambda row: (-confidence[row], ids[row]))[:shown]:
        truth, answer = str(answers.truth[row]), str(answers.prediction[row])
        by_class = dict(zip(label_set.classes, answers.probabilities[row].tolist(), strict=True))
        ranked = sorted(by_class, key=lambda name: -by_class[name])
        chosen = ranked[:ALTERNATIVES] if truth in ranked[:ALTERNATIVES] else [*ranked[: ALTERNATIVES - 1], truth]
        subject = "" if answers.subjects is None else str(answers.subjects[row])
        probable = tuple((name, by_class[name]) for name in chosen)
        found.append(Mistake(ids[row], subject, truth, answer, by_class[answer], probable))
    return found


def costs_score(answers: Answers, label_set: LabelSet) -> Bools:
    """(R,) Whether each answer is wrong and costs score, as confusions among what nobody looks for do not."""
    truth, answer = label_set.encode(answers.truth), label_set.encode(answers.prediction)
    counted: Bools = (truth != answer) & (label_set.is_target[truth] | label_set.is_target[answer])
    return counted
