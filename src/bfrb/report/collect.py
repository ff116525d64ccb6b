"""What a report tells, collected from a bundle and, where they are given, from its recordings."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import chain
from typing import Any

import numpy as np

from bfrb.arrays import Bools, Ints
from bfrb.errors import DataError
from bfrb.metrics.competition import confusion_matrix, scores_of
from bfrb.predict.bundle import OUT_OF_FOLD, Bundle
from bfrb.predict.evaluation import (
    Answers,
    answer_labelled,
    answers_by_scenario,
    join_answers,
    score_answers,
    score_scenarios,
)
from bfrb.predict.out_of_fold import TrainingOverlap
from bfrb.predict.predictor import Predictor
from bfrb.read.sources import Source
from bfrb.read.stretches import iter_judged
from bfrb.read.tables import Table, read_table
from bfrb.report.events import EventEvaluation, evaluate_events, hear
from bfrb.report.groups import Matched, match_recordings
from bfrb.study.labels import LabelSet

log = logging.getLogger(__name__)

Each = Callable[[Callable[[Source], Any]], Sequence[Any]]
"""Gives what a function gives for every part of the recordings, in their order."""

SCENARIOS = {
    "all": ("All sensors", "with every sensor that measured"),
    "imu": ("Motion sensors only", "as if no thermopile and no time-of-flight sensor had measured"),
    "half": ("Half and half", "half of the recordings without proximity sensors, as in the competition's test"),
}
"""Title and meaning of scenarios, in the order they are shown in; the first that a bundle has is explained."""

SHOWN = 20  # mistakes that a report shows

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


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A bundle's answers beside the truth, and all that is known about them."""

    bundle: Bundle
    ids: tuple[str, ...]  # (R,) recordings that were answered, in order
    answers: dict[str, Answers]  # (R,) answers by scenario; the scenarios in the order of `SCENARIOS`
    out_of_fold: bool = True  # answers that the bundle keeps, of networks that never saw the person, or those given now
    matched: Matched | None = None  # what the recordings tell about people and sensors, where some of these were given
    new_people: dict[str, dict[str, Any]] = field(default_factory=dict)  # scores by scenario on people not in training
    events: EventEvaluation | None = None  # what was found in the given recordings, if continuous and labelled

    @property
    def label_set(self) -> LabelSet:
        """What is told apart."""
        return self.bundle.label_set

    @property
    def simulated(self) -> bool:
        """Whether the scores are of recordings that a simulator made."""
        return self.bundle.manifest.simulated or (self.given_simulated and not self.out_of_fold)

    @property
    def given_simulated(self) -> bool:
        """Whether a simulator made the recordings that were given."""
        return self.matched is not None and self.matched.simulated

    @cached_property
    def scores(self) -> dict[str, dict[str, Any]]:
        """Scores by scenario, as `bfrb evaluate` gives them."""
        return {name: score_answers(found, self.label_set) for name, found in self.answers.items()}

    @property
    def main(self) -> str:
        """The scenario that is explained: all sensors, unless there is none such."""
        return next(iter(self.answers))

    @cached_property
    def confusion(self) -> Ints:
        """(K, K) recordings by true (row) and answered class (column), in the main scenario."""
        found = self.answers[self.main]
        return confusion_matrix(found.truth, found.prediction, self.label_set)

    @cached_property
    def floor(self) -> float:
        """The best score of always giving the same answer."""
        support, classes = self.confusion.sum(axis=1), len(self.label_set)
        constant = [support[:, None] * (np.arange(classes) == answer) for answer in range(classes)]
        return max(scores_of(confusion, self.label_set).score for confusion in constant)

    @cached_property
    def mistakes(self) -> list[Mistake]:
        """The most confident mistakes, the most confident first."""
        return find_mistakes(self.ids, self.answers[self.main], self.label_set)


def collect(bundle: Bundle, source: Source | None = None, *, each: Each | None = None) -> Evaluation:
    """Everything a report tells about a bundle.

    The source may hold recordings that it was trained on, for what they tell about people and for their signals, or
    new ones, whose people it is then scored on, or both. `each` gives a function's results for every part of the
    recordings, such as a cluster does; by default one part is all.

    DataError if the bundle keeps no predictions and there are no labelled recordings either, or the device is another.
    """
    if source is not None and source.device.name != bundle.device.name:
        problem = f"expected recordings of the device {bundle.device.name!r}, got {source.device.name!r}"
        remedy = "name the recordings that the bundle was trained on, or others of the same device"
        raise DataError(problem, remedy=remedy)
    each = each or (lambda ask: [] if source is None else [ask(source)])
    kept = read_table(bundle.file(OUT_OF_FOLD))
    judged = kept if kept.height or source is None else _answer(bundle, each, frozenset())
    if judged is None or not judged.height:
        problem = f"the bundle {bundle.path} keeps no out-of-fold predictions, so there is nothing to report on"
        raise DataError(problem, remedy="name labelled recordings of people it was not trained on: --data DATA")
    answers = answers_by_scenario(judged, bundle.label_set)
    ordered = {name: answers[name] for name in (*SCENARIOS, *answers) if name in answers}
    main = next(iter(ordered))
    scenario = main if main in judged["scenario"].to_list() else "all"
    ids = judged.filter(judged["scenario"] == scenario).sort("id")["id"].to_list()
    evaluation = Evaluation(bundle, tuple(ids), ordered, out_of_fold=bool(kept.height))
    if source is None:
        return evaluation
    heard = [one for part in each(partial(hear, bundle)) for one in part]
    return replace(_with_recordings(evaluation, judged, source, each), events=evaluate_events(bundle, heard))


def _with_recordings(evaluation: Evaluation, judged: Table, source: Source, each: Each) -> Evaluation:
    bundle = evaluation.bundle
    wanted = {mistake.id for mistake in evaluation.mistakes}
    matched = match_recordings(source, bundle.windows, TrainingOverlap(judged), wanted)
    new = _answer(bundle, each, matched.people) if matched.strangers else None
    if not matched.facts and new is None:
        log.warning("%s holds none of the recordings that %s was judged on", matched.description, bundle.path)
    for doubt in matched.doubts:
        log.warning("%s: %s", matched.description, doubt)
    scores = {} if new is None else score_scenarios(new, bundle.label_set)
    return replace(evaluation, matched=matched, new_people=scores)


def _answer(bundle: Bundle, each: Each, known: frozenset[str]) -> Table | None:
    """Answers of the bundle, given now, to labelled recordings of people who are not known; None if there are none."""
    told = each(partial(_answer_part, bundle, known))
    return join_answers(part for part in told if part is not None) if any(told) else None


def _answer_part(bundle: Bundle, known: frozenset[str], source: Source) -> tuple[Table, int] | None:
    batches = iter_judged(source, bundle.windows)
    people = ((batch, np.array([str(name) not in known for name in batch.subjects], dtype=bool)) for batch in batches)
    strangers = (batch[new] for batch, new in people if new.any())
    labelled = (batch for batch in strangers if batch.gestures is not None)
    first = next(labelled, None)
    return None if first is None else answer_labelled(Predictor(bundle), chain([first], labelled))


def find_mistakes(ids: Sequence[str], answers: Answers, label_set: LabelSet) -> list[Mistake]:
    """The most confident mistakes that cost score of (R,) answers with probabilities, the most confident first."""
    if answers.probabilities is None:
        return []
    given = label_set.encode(answers.prediction)
    confidence = answers.probabilities[np.arange(len(given)), given]
    rows = np.flatnonzero(costs_score(answers, label_set)).tolist()
    found = []
    for row in sorted(rows, key=lambda row: (-confidence[row], ids[row]))[:SHOWN]:
        truth, answer = str(answers.truth[row]), str(answers.prediction[row])
        by_class = dict(zip(label_set.classes, answers.probabilities[row].tolist(), strict=True))
        ranked = sorted(by_class, key=lambda name: (name != answer, -by_class[name]))[:ALTERNATIVES]
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
