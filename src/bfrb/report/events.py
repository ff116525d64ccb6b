"""How well a bundle finds episodes in continuous recordings, to which it listens as to a stream."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bfrb.metrics.events import EventCounts, event_interval
from bfrb.predict.bundle import Bundle
from bfrb.predict.out_of_fold import read_fold_of
from bfrb.read.sources import Source
from bfrb.read.stretches import sample_stretches
from bfrb.report import figures
from bfrb.report.section import Cell, DataTable, PageFigure, Section, count, percent
from bfrb.stream.calibrate import FALSE_ALARMS_PER_HOUR, SPEC, count_by_subject, rules_from_others, sensitivity_curve
from bfrb.stream.events import EventRule, decide_events
from bfrb.stream.listen import AnnotatedRecording, listen_held_out
from bfrb.study.labels import LabelSet

MOST_TIMELINES = 3  # recordings whose time line is drawn: those with the most episodes


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
    """Listen to all annotated continuous recordings of a source; errors as of `listen_held_out` and `EventRule.of`."""
    return listen_held_out(bundle, sample_stretches(source), EventRule.of(bundle))


def evaluate_events(bundle: Bundle, recordings: Sequence[AnnotatedRecording]) -> EventEvaluation | None:
    """What was found in annotated recordings; None if nothing in them is annotated. Errors are those of `hear`."""
    rule, fold_of = EventRule.of(bundle), read_fold_of(bundle)
    if not any(one.episodes for one in recordings):
        return None
    known = sum(one.subject in fold_of for one in recordings)
    return EventEvaluation(rule, bundle.label_set, tuple(recordings), known)


def show_events(listening: EventEvaluation, *, simulated: bool = False) -> Section:
    """What is found when the bundle listens to recordings, which may be simulated where the page is not."""
    shown = [_show_curve(listening)] if listening.curve else []
    episodes = [len(one.episodes) for one in listening.recordings]
    ranked = sorted(range(len(episodes)), key=lambda number: -episodes[number])[:MOST_TIMELINES]
    shown += [_show_timeline(listening, number) for number in ranked if episodes[number]]
    shown = [replace(figure, simulated=simulated) for figure in shown]
    best = _best(listening)
    tables = _tables(listening)
    if best.delays_s:
        shares = (0.1, 0.25, 0.5, 0.75, 0.9)
        rows = [(f"{100 * share:.0f} %", float(np.quantile(best.delays_s, share))) for share in shares]
        tables.append(DataTable("Delays of the episodes found", ("of the episodes", "known within, s"), rows))
    return Section("events", "What it finds when it listens", "Events", _tell(listening), shown, tables)


def _best(listening: EventEvaluation) -> EventCounts:
    """What was found by rules from other people where there are any, else by the bundle's."""
    return EventCounts.total(list((listening.by_others_rules or listening.by_subject).values()))


def _tell(listening: EventEvaluation) -> list[str]:
    total, subjects = listening.total, len(listening.by_subject)
    hours = f"{total.hours:.1f} hours of {count(subjects, 'person', 'people')}"
    told = [
        f"It listened to {hours} as to a stream, {_who(listening)}. An event is right if more than half of it lies in "
        "labelled episodes; an episode is found if a right event touches it.",
        f"With the bundle's rule: {_tell_counts(listening.by_subject)} {_tell_rule(listening)}",
    ]
    if listening.by_others_rules:
        rate = listening.wanted_rate
        told.append(
            f"With a threshold for each person that was chosen on the others, for at most {rate:g} false alarms an "
            f"hour: {_tell_counts(listening.by_others_rules)}"
        )
    return told


def _tell_counts(counts: Mapping[str, EventCounts]) -> str:
    total = EventCounts.total(list(counts.values()))
    share = "none" if total.sensitivity is None else percent(total.sensitivity)
    found = ", ".join(filter(None, (share, _limits(counts, "sensitivity", percent))))
    alarms = _limits(counts, "false_alarms_per_hour", "{:.1f}".format)
    told = f"{total.found} of {count(total.episodes, 'episode')} found ({found})"
    told += f", {total.false_alarms_per_hour:.1f} false alarms an hour{alarms and f' ({alarms})'}"
    if total.median_delay_s is None:
        return f"{told}."
    if total.median_delay_s < 0:
        return f"{told}; half of those found were known before their begin, by an event that had begun before."
    return f"{told}; half of those found were known within {total.median_delay_s:.0f} s of their begin."


def _limits(counts: Mapping[str, EventCounts], name: str, show: Callable[[float], str]) -> str:
    interval = event_interval(list(counts.values()), name)
    return "" if interval is None else f"95 % interval {show(interval[0])} to {show(interval[1])}"


def _who(listening: EventEvaluation) -> str:
    strangers = len(listening.recordings) - listening.known
    if not strangers:
        return "each person by networks that never saw them"
    return "by all networks" if not listening.known else "known people by networks that never saw them, others by all"


def _tell_rule(listening: EventEvaluation) -> str:
    rule = listening.rule
    spec = f"on {rule.spec.on:g}, off {rule.spec.off:g}, smoothed over {rule.spec.smoothing_s:g} s"
    if rule.subjects is None:
        return f"The rule ({spec}) is the default: it was not chosen on data."
    wanted = "" if rule.false_alarms_per_hour is None else f" for {rule.false_alarms_per_hour:g} false alarms an hour"
    return (
        f"The rule ({spec}) was chosen{wanted} on held-out answers for {count(rule.subjects, 'person', 'people')}; if "
        "they are among these, the numbers are somewhat too good."
    )


def _tables(listening: EventEvaluation) -> list[DataTable]:
    columns = ("person", "episodes", "found", "events", "right", "false alarms an hour", "median delay, s", "hours")
    shown = {"the bundle's rule": listening.by_subject, "rules chosen on the others": listening.by_others_rules}
    tables = []
    for name, counts in ((name, counts) for name, counts in shown.items() if counts):
        found = dict(sorted(counts.items())) | {"everybody": EventCounts.total(list(counts.values()))}
        rows = [(person, *_cells(one)) for person, one in found.items()]
        tables.append(DataTable(f"Episodes and events by person, {name}", columns, rows))
    return tables


def _cells(one: EventCounts) -> tuple[Cell, ...]:
    delay_s, alarms = one.median_delay_s, round(one.false_alarms_per_hour, 2)
    late = None if delay_s is None else round(delay_s, 1)
    return (one.episodes, one.found, one.events, one.right, alarms, late, round(one.hours, 2))


def _show_curve(listening: EventEvaluation) -> PageFigure:
    points = [point for point in listening.curve if point["sensitivity"] is not None]
    operating = {"the bundle's rule": listening.total, "chosen on the others": _best(listening)}
    figure = figures.plot_detection(
        [point["false_alarms_per_hour"] or 0.0 for point in points],
        [point["sensitivity"] or 0.0 for point in points],
        {name: (found.false_alarms_per_hour, found.sensitivity or 0.0) for name, found in operating.items()},
    )
    names = ("sensitivity", "precision", "false_alarms_per_hour", "median_delay_s")
    rows = [(f"{point['on']:.2f}", *(point[name] for name in names)) for point in points]
    columns = ("threshold", "sensitivity", "precision", "false alarms an hour", "median delay, s")
    table = DataTable("What each threshold would give", columns, rows)
    caption = (
        "Sensitivity (the share of the episodes that are found) and the false alarms an hour that come with it, by "
        "threshold; each person's probabilities are calibrated by the others."
    )
    return PageFigure("detection", figure, caption, table, narrow=True)


def _show_timeline(listening: EventEvaluation, number: int) -> PageFigure:
    recording = listening.recordings[number]
    rule = listening.rules.get(recording.subject, listening.rule)
    events = decide_events(recording.windows, rule, listening.label_set)
    figure = figures.plot_timeline(
        recording.windows.middle_s,
        rule.calibrate(recording.windows.claimed(listening.label_set)),
        rule.spec.on,
        [(one.start_s, one.end_s) for one in recording.episodes],
        [(one.start_s, one.end_s) for one in events],
    )
    labelled = [("labelled", one.start_s, one.end_s, one.label, None) for one in recording.episodes]
    reported = [("reported", one.start_s, one.end_s, one.label, one.confidence) for one in events]
    rows = sorted([*labelled, *reported], key=lambda row: row[1])
    columns = ("what", "from, s", "to, s", "behaviour", "confidence")
    table = DataTable(f"Episodes and events of {recording.id}", columns, rows)
    caption = (
        f"Recording {recording.id} of {recording.subject}: probability of any behaviour, window by window, with the "
        "threshold that its smoothed course has to reach; below, what was labelled and what was reported"
        f"{' by the rule chosen on the others' if listening.rules else ''}."
    )
    return PageFigure(f"timeline-{number}", figure, caption, table)
