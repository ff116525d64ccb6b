"""From claimed probabilities to honest ones, to hysteresis thresholds for a rate of false alarms, and to their scores.

Everything here is fitted on people that the networks which answered had not seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from bfrb.arrays import Floats, Ints
from bfrb.errors import DataError
from bfrb.metrics.events import (
    EVENT_SCORES,
    EventCounts,
    count_events,
    event_interval,
    time_average_precision,
    time_roc_auc,
)
from bfrb.metrics.intervals import interval_over_people
from bfrb.metrics.standard import calibration
from bfrb.stream.events import Event, EventDecider, EventRule, decide_events
from bfrb.stream.listen import AnnotatedRecording
from bfrb.stream.spec import EventSpec
from bfrb.study.labels import LabelSet

THRESHOLDS = tuple(np.round(np.geomspace(0.03, 0.97, 40), 4).tolist())  # what is tried for `on`
OFF_SHARE = 0.6  # the threshold `off` as a share of `on`
MAX_KNOTS = 20
_APART = 1e-12  # knots that are nearer to one another are one: the map between would be too steep for numbers
# An event is right if more than half of it lies in episodes, so that one without an end finds nothing; an episode is
# found if any right event touches it.
HIT = 0.5

SPEC = EventSpec(smoothing_s=5.0, merge_s=10.0, minimum_s=3.0)
"""Smoothing and durations for behaviours that last some seconds. On ten people, choosing among several did worse."""

FALSE_ALARMS_PER_HOUR = 6.0  # the usual rate that thresholds are chosen for

Annotated = Sequence[AnnotatedRecording]


def fit_isotonic(claimed: Floats, truth: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Knots of the rising map from (W,) claimed probabilities to the share of truth, by pooling adjacent violators.

    Of each window it is known which share was true. There are at most 20 knots: claimed probabilities and what they
    mean, as `EventRule` takes them. DataError if there is nothing to fit.

    >>> fit_isotonic(np.array([0.1, 0.4, 0.6, 0.9]), np.array([0.0, 1.0, 0.0, 1.0]))
    ((0.1, 0.5, 0.9), (0.0, 0.5, 1.0))
    """
    if not len(claimed) or len(claimed) != len(truth):
        raise DataError("expected a truth for every probability, and some", remedy="calibrate on labelled recordings")
    claimed = np.clip(claimed, 0.0, 1.0)
    order = np.argsort(claimed, kind="stable")
    # A block of many windows first, so that the map has few knots and none rests on a handful.
    blocks = np.array_split(order, min(len(order), 10 * MAX_KNOTS))
    pooled: list[tuple[float, Floats]] = []  # numbers of windows, and means of what was claimed and of what was true
    for block in blocks:
        pooled.append((float(len(block)), np.array([claimed[block].mean(), truth[block].mean()])))
        while len(pooled) > 1 and (pooled[-2][1] + _APART >= pooled[-1][1]).any():
            (count, mean), (more, other) = pooled.pop(-2), pooled.pop()
            pooled.append((count + more, (count * mean + more * other) / (count + more)))
    kept = np.unique(np.round(np.linspace(0, len(pooled) - 1, min(len(pooled), MAX_KNOTS))).astype(int))
    knots, values = np.stack([pooled[number][1] for number in kept], axis=1).tolist()
    return tuple(knots), tuple(values)


def fit_rule(
    recordings: Annotated,
    label_set: LabelSet,
    false_alarms_per_hour: float = FALSE_ALARMS_PER_HOUR,
    spec: EventSpec = SPEC,
) -> EventRule:
    """A rule with calibrated probabilities, and what finds most episodes with no more false alarms than stated.

    The recordings are of people whom the members that answered had not seen, and the rate is over all of them. Of
    thresholds that find as many, the one with the fewest false alarms is taken, and then the one that tells soonest. If
    none keeps to the rate, the rule has those of `spec` and promises none. DataError if there are no recordings.
    """
    if not recordings:
        problem = "expected continuous recordings with annotated rows to choose thresholds on, found none"
        raise DataError(problem, remedy="name recordings in which the episodes are labelled")
    claimed = np.concatenate([one.windows.claimed(label_set) for one in recordings])
    knots, values = fit_isotonic(claimed, np.concatenate([one.positive_share for one in recordings]))
    rule = EventRule(
        spec=spec,
        isotonic_from=knots,
        isotonic_to=values,
        subjects=len({one.subject for one in recordings}),
        simulated=any(one.simulated for one in recordings),
    )
    totals = count_thresholds(recordings, rule, label_set)
    kept = [
        (total.found, -total.false_alarms_per_hour, -(total.median_delay_s or 0.0), on)
        for total, on in zip(totals, THRESHOLDS, strict=True)
        if total.false_alarms_per_hour <= false_alarms_per_hour
    ]
    rate = f"at most {false_alarms_per_hour:g} false alarms an hour"
    if not kept:
        note = f"no threshold kept to {rate} on held-out subjects: the thresholds are those given, not chosen"
        return rule.model_copy(update={"note": note})
    note = f"finds most episodes of held-out subjects with {rate}"
    chosen = rule.model_copy(update={"false_alarms_per_hour": false_alarms_per_hour, "note": note})
    return with_threshold(chosen, max(kept)[-1])


def with_threshold(rule: EventRule, on: float) -> EventRule:
    """The same rule with another `on`, and `off` in proportion."""
    spec = rule.spec.model_copy(update={"on": on, "off": OFF_SHARE * on})
    return rule.model_copy(update={"spec": spec})


def count_thresholds(recordings: Annotated, rule: EventRule, label_set: LabelSet) -> list[EventCounts]:
    """For every one of `THRESHOLDS` what is found in all recordings."""
    smoothed = [EventDecider(rule, label_set).smooth(one.windows) for one in recordings]
    totals = []
    for on in THRESHOLDS:
        deciders = [EventDecider(with_threshold(rule, on), label_set) for _ in recordings]
        found = zip(deciders, recordings, smoothed, strict=True)
        events = ((one, decider.decide(one.windows, *trace) + decider.finish()) for decider, one, trace in found)
        totals.append(EventCounts.total([_count(*each) for each in events]))
    return totals


def _count(recording: AnnotatedRecording, events: Sequence[Event]) -> EventCounts:
    spans = np.array([(event.start_s, event.end_s) for event in events], dtype=np.float64).reshape(-1, 2)
    known_s = np.array([event.known_s for event in events], dtype=np.float64)
    return count_events(recording.spans, spans, recording.seconds / 3600, known_s=known_s, of_event=HIT)


def by_subject(recordings: Annotated) -> dict[str, list[AnnotatedRecording]]:
    """The recordings of every subject, subjects in order."""
    subjects = sorted({one.subject for one in recordings})
    return {subject: [one for one in recordings if one.subject == subject] for subject in subjects}


def rules_from_others(
    recordings: Annotated,
    label_set: LabelSet,
    false_alarms_per_hour: float = FALSE_ALARMS_PER_HOUR,
    spec: EventSpec = SPEC,
) -> dict[str, EventRule]:
    """For every subject a rule that was chosen and calibrated on the other subjects; parameters as of `fit_rule`.

    DataError if there is only one subject.
    """
    subjects = by_subject(recordings)
    if len(subjects) < 2:
        raise DataError("expected several subjects, got one", remedy="choose thresholds on other people's recordings")
    others = {name: [one for one in recordings if one.subject != name] for name in subjects}
    return {name: fit_rule(found, label_set, false_alarms_per_hour, spec) for name, found in others.items()}


def score_events(recordings: Annotated, rules: Mapping[str, EventRule], label_set: LabelSet) -> dict[str, Any]:
    """All scores of events as plain values for JSON, with intervals over subjects; rules were chosen on others."""
    counts = count_by_subject(recordings, rules, label_set)
    total = EventCounts.total(list(counts.values()))
    scores: dict[str, Any] = {"subjects": len(counts), "hours": total.hours, "episodes": total.episodes}
    for name in EVENT_SCORES:
        scores[name] = {"value": getattr(total, name), "interval": event_interval(list(counts.values()), name)}
    scores |= score_time(recordings, label_set)
    scores["reliability"] = reliability(recordings, rules, label_set)
    scores["per_subject"] = {
        name: {kind: getattr(found, kind) for kind in EVENT_SCORES} | {"episodes": found.episodes}
        for name, found in counts.items()
    }
    return scores


def count_by_subject(
    recordings: Annotated, rules: Mapping[str, EventRule], label_set: LabelSet
) -> dict[str, EventCounts]:
    """What each subject's rule finds in their recordings, decided as a stream decides."""
    return {
        name: EventCounts.total([_count(one, decide_events(one.windows, rules[name], label_set)) for one in own])
        for name, own in by_subject(recordings).items()
    }


def score_time(recordings: Annotated, label_set: LabelSet) -> dict[str, Any]:
    """Time-weighted AUC and average precision: of all moments together, and the mean over subjects."""
    parts = [_moments(own, label_set) for own in by_subject(recordings).values()]
    scores: dict[str, Any] = {}
    for name, metric in {"auc": time_roc_auc, "average_precision": time_average_precision}.items():
        each = np.array([metric(*part) for part in parts], dtype=np.float64)  # NaN where there is none

        def pooled(chosen: Ints, metric: Any = metric) -> float | None:
            value: float | None = metric(*map(np.concatenate, zip(*[parts[number] for number in chosen], strict=True)))
            return value

        def mean(chosen: Ints, each: Floats = each) -> float | None:
            return float(np.nanmean(each[chosen])) if np.isfinite(each[chosen]).any() else None

        for kind, score in {name: pooled, f"{name}_mean_subject": mean}.items():
            value = score(np.arange(len(parts)))
            scores[kind] = {"value": value, "interval": interval_over_people(score, len(parts))}
    return scores


def _moments(recordings: Annotated, label_set: LabelSet) -> tuple[Floats, Floats, Floats]:
    """(W,) Seconds with and without behaviour, and the claimed probabilities, window by window."""
    share = np.concatenate([one.positive_share for one in recordings])
    step_s = recordings[0].step_s
    claimed = np.concatenate([one.windows.claimed(label_set) for one in recordings])
    return share * step_s, (1 - share) * step_s, claimed


def sensitivity_curve(
    recordings: Annotated, rules: Mapping[str, EventRule], label_set: LabelSet
) -> list[dict[str, float | None]]:
    """Sensitivity, precision, false alarms per hour and delay of all subjects together, threshold by threshold.

    Every subject keeps the calibration that comes from the others.
    """
    found = [count_thresholds(own, rules[name], label_set) for name, own in by_subject(recordings).items()]
    totals = [EventCounts.total(list(parts)) for parts in zip(*found, strict=True)]
    points = zip(THRESHOLDS, totals, strict=True)
    return [{"on": on} | {name: getattr(total, name) for name in EVENT_SCORES} for on, total in points]


def reliability(recordings: Annotated, rules: Mapping[str, EventRule], label_set: LabelSet) -> dict[str, Any]:
    """How often there was a behaviour where one was claimed with a certain probability; every window counts once."""
    claimed = [np.clip(one.windows.claimed(label_set), 0.0, 1.0) for one in recordings]
    calibrated = [rules[one.subject].calibrate(found) for one, found in zip(recordings, claimed, strict=True)]
    truth = np.concatenate([one.positive_share > 0.5 for one in recordings])
    after, before = (calibration(np.concatenate(found), truth) for found in (calibrated, claimed))
    table = {name: values.tolist() for name, values in asdict(after).items()}
    table = {name: [None if np.isnan(value) else value for value in values] for name, values in table.items()}
    return {"error": after.error, "error_uncalibrated": before.error, "table": table}
