"""How well a bundle finds episodes in continuous recordings: it listens to them as it would to a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bfrb.metrics import EventCounts
from bfrb.predict.bundle import Bundle
from bfrb.predict.out_of_fold import read_fold_of
from bfrb.read.sources import Source
from bfrb.stream.calibrate import FALSE_ALARMS_PER_HOUR, SPEC, count_by_subject, rules_from_others, sensitivity_curve
from bfrb.stream.events import EventRule
from bfrb.stream.listen import AnnotatedRecording, listen_held_out
from bfrb.study.labels import LabelSet


@dataclass(frozen=True, eq=False)
class EventEvaluation:
    """What was found in all continuous recordings of a source."""

    rule: EventRule  # the bundle's event rule
    label_set: LabelSet
    recordings: tuple[AnnotatedRecording, ...]  # with what was annotated and what was answered
    known: int  # number of recordings of people of the training; the members that never saw them answered

    @cached_property
    def by_subject(self) -> dict[str, EventCounts]:
        """What the bundle's rule found, by person."""
        return count_by_subject(self.recordings, {one.subject: self.rule for one in self.recordings}, self.label_set)

    @property
    def total(self) -> EventCounts:
        """What the bundle's rule found, everybody together."""
        return EventCounts.total(list(self.by_subject.values()))

    @property
    def wanted_rate(self) -> float:
        """False alarms per hour that rules from other people are chosen for: as the bundle's, or the usual rate."""
        rate = self.rule.false_alarms_per_hour
        return FALSE_ALARMS_PER_HOUR if rate is None else rate

    @cached_property
    def rules(self) -> dict[str, EventRule]:
        """For every person a rule that was calibrated and chosen on the others; empty with one person."""
        if len(self.by_subject) < 2:
            return {}
        spec = SPEC.model_copy(update={"step_s": self.rule.spec.step_s})
        return rules_from_others(self.recordings, self.label_set, self.wanted_rate, spec)

    @cached_property
    def by_others_rules(self) -> dict[str, EventCounts]:
        """What those rules found, by person."""
        return count_by_subject(self.recordings, self.rules, self.label_set) if self.rules else {}

    @cached_property
    def curve(self) -> list[dict[str, float | None]]:
        """Everybody's scores at one threshold after the other, each person calibrated by the others."""
        return sensitivity_curve(self.recordings, self.rules, self.label_set) if self.rules else []


def hear(bundle: Bundle, source: Source) -> list[AnnotatedRecording]:
    """Listen to all continuous recordings of a source that are annotated.

    People of the training are answered by the members that never saw them.

    Raises
    ------
    BundleError
        If a member fails, or the bundle's event rule is damaged.
    """
    return listen_held_out(bundle, source.stretches(), EventRule.of(bundle))


def evaluate_events(bundle: Bundle, recordings: Sequence[AnnotatedRecording]) -> EventEvaluation | None:
    """What was found in annotated recordings; None if nothing in them is annotated. Errors are those of `hear`."""
    rule, fold_of = EventRule.of(bundle), read_fold_of(bundle)
    if not any(one.episodes for one in recordings):
        return None
    known = sum(one.subject in fold_of for one in recordings)
    return EventEvaluation(rule, bundle.label_set, tuple(recordings), known)
