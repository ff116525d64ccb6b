"""From claimed probabilities to honest ones, and to hysteresis thresholds for a stated rate of false alarms.

Everything here is fitted on people that the networks which answered had not seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bfrb.arrays import Floats
from bfrb.errors import DataError
from bfrb.metrics import EventCounts, Overlap, count_events
from bfrb.stream.events import Event, EventDecider, EventRule, decide_events
from bfrb.stream.listen import AnnotatedRecording
from bfrb.stream.spec import EventSpec
from bfrb.study.labels import LabelSet

THRESHOLDS = tuple(np.round(np.geomspace(0.03, 0.97, 40), 4).tolist())
"""What is tried for `on`."""

OFF_SHARE = 0.6
"""The threshold `off` as a share of `on`."""

MAX_KNOTS = 20

HIT = Overlap(of_event=0.5)
"""An event is right if more than half of it lies in episodes, so that one event without an end finds nothing; an
episode is found if any right event touches it."""

SPEC = EventSpec(smoothing_s=5.0, merge_s=10.0, minimum_s=3.0)
"""Smoothing and durations for behaviours that last some seconds. On ten people, choosing among several did worse."""

FALSE_ALARMS_PER_HOUR = 6.0
"""The usual rate that thresholds are chosen for."""


def fit_isotonic(claimed: Floats, truth: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Knots of the rising map from claimed probabilities to the share of truth, by pooling adjacent violators.

    Parameters
    ----------
    claimed
        (W,) claimed probabilities.
    truth
        (W,) share of each window that was true, from 0 to 1.

    Returns
    -------
    tuple
        At most 20 knots: claimed probabilities and what they mean, as `EventRule` takes them.

    Raises
    ------
    DataError
        If there is nothing to fit.

    Examples
    --------
    >>> fit_isotonic(np.array([0.1, 0.4, 0.6, 0.9]), np.array([0.0, 1.0, 0.0, 1.0]))
    ((0.1, 0.5, 0.9), (0.0, 0.5, 1.0))
    """
    if not len(claimed) or len(claimed) != len(truth):
        raise DataError("expected a truth for every probability, and some", remedy="calibrate on labelled recordings")
    claimed = np.clip(claimed, 0.0, 1.0)
    order = np.argsort(claimed, kind="stable")
    # A block of many windows first, so that the map has few knots and none rests on a handful.
    blocks = np.array_split(order, min(len(order), 10 * MAX_KNOTS))
    pooled: list[tuple[float, float, float]] = []
    for block in blocks:
        pooled.append((float(len(block)), float(claimed[block].mean()), float(truth[block].mean())))
        while len(pooled) > 1 and (pooled[-2][2] >= pooled[-1][2] or pooled[-2][1] >= pooled[-1][1]):
            pooled.append(_joined(pooled.pop(-2), pooled.pop()))
    kept = np.unique(np.round(np.linspace(0, len(pooled) - 1, min(len(pooled), MAX_KNOTS))).astype(int))
    return tuple(pooled[number][1] for number in kept), tuple(pooled[number][2] for number in kept)


def _joined(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[float, float, float]:
    weight = first[0] + second[0]
    x, y = ((first[0] * first[i] + second[0] * second[i]) / weight for i in (1, 2))
    return weight, x, y


def fit_rule(
    recordings: Sequence[AnnotatedRecording],
    label_set: LabelSet,
    false_alarms_per_hour: float = FALSE_ALARMS_PER_HOUR,
    spec: EventSpec = SPEC,
) -> EventRule:
    """A rule with calibrated probabilities, and what finds most episodes with no more false alarms than stated.

    Of thresholds that find as many, the one with the fewest false alarms is taken, and then the one that tells soonest.

    Parameters
    ----------
    recordings
        Of people whom the members that answered had not seen.
    label_set
        The classes.
    false_alarms_per_hour
        Over all these people. If no threshold keeps to it, the rule has those of `spec` and promises no rate.
    spec
        Smoothing and durations.

    Raises
    ------
    DataError
        If there are no recordings.
    """
    if not recordings:
        raise DataError(
            "expected continuous recordings with annotated rows to choose thresholds on, found none",
            remedy="name recordings in which the episodes are labelled",
        )
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
    chosen = {
        "false_alarms_per_hour": false_alarms_per_hour,
        "note": f"finds most episodes of held-out subjects with {rate}",
    }
    return with_threshold(rule.model_copy(update=chosen), max(kept)[-1])


def with_threshold(rule: EventRule, on: float) -> EventRule:
    """The same rule with another `on`, and `off` in proportion."""
    spec = rule.spec.model_copy(update={"on": on, "off": OFF_SHARE * on})
    return rule.model_copy(update={"spec": spec})


def count_thresholds(
    recordings: Sequence[AnnotatedRecording], rule: EventRule, label_set: LabelSet
) -> list[EventCounts]:
    """For every one of `THRESHOLDS` what is found in all recordings."""
    smoothed = [EventDecider(rule, label_set).smooth(one.windows) for one in recordings]
    totals = []
    for on in THRESHOLDS:
        deciders = [EventDecider(with_threshold(rule, on), label_set) for _ in recordings]
        found = zip(deciders, recordings, smoothed, strict=True)
        events = [decider.decide(one.windows, *trace) + decider.finish() for decider, one, trace in found]
        totals.append(EventCounts.total([_count(*each) for each in zip(recordings, events, strict=True)]))
    return totals


def count_found(recording: AnnotatedRecording, rule: EventRule, label_set: LabelSet) -> EventCounts:
    """What a rule finds in one recording, decided as a stream decides."""
    return _count(recording, decide_events(recording.windows, rule, label_set))


def _count(recording: AnnotatedRecording, events: Sequence[Event]) -> EventCounts:
    spans = np.array([(event.start_s, event.end_s) for event in events], dtype=np.float64).reshape(-1, 2)
    known_s = np.array([event.known_s for event in events], dtype=np.float64)
    return count_events(recording.spans, spans, recording.seconds / 3600, known_s=known_s, overlap=HIT)
