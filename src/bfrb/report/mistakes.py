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
    """The most confident mistakes that cost score: confusions among classes that nobody looks for are left out.

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
    counts = count_as_mistakes(answers, label_set)
    confidence = answers.probabilities.max(axis=1)
    ranked = sorted(np.flatnonzero(counts).tolist(), key=lambda row: (-confidence[row], ids[row]))
    return [_describe(row, ids[row], answers, label_set) for row in ranked[:shown]]


def count_as_mistakes(answers: Answers, label_set: LabelSet) -> Bools:
    """(R,) Whether each answer is wrong in a way that costs score."""
    truth, answer = label_set.encode(answers.truth), label_set.encode(answers.prediction)
    looked_for = label_set.is_target[truth] | label_set.is_target[answer]
    counted: Bools = (truth != answer) & looked_for
    return counted


def _describe(row: int, name: str, answers: Answers, label_set: LabelSet) -> Mistake:
    probabilities = np.zeros(len(label_set)) if answers.probabilities is None else answers.probabilities[row]
    truth, answer = str(answers.truth[row]), str(answers.prediction[row])
    ranked = [label_set.classes[place] for place in np.argsort(-probabilities, kind="stable")]
    chosen = ranked[:ALTERNATIVES] if truth in ranked[:ALTERNATIVES] else [*ranked[: ALTERNATIVES - 1], truth]
    by_class = dict(zip(label_set.classes, probabilities.tolist(), strict=True))
    subject = "" if answers.subjects is None else str(answers.subjects[row])
    return Mistake(name, subject, truth, answer, by_class[answer], tuple((name, by_class[name]) for name in chosen))
