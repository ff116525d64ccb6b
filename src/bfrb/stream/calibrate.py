"""From claimed probabilities to honest ones, and to hysteresis thresholds for a stated rate of false alarms.

Everything here is fitted on people that the networks which answered had not seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bfrb.arrays import Bools, Floats
from bfrb.errors import DataError
from bfrb.metrics import EventCounts, Overlap, count_events
from bfrb.predict.bundle import Bundle, copying_bundle
from bfrb.stream.events import EventRule, WindowProbabilities, decide_events
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
    totals = [EventCounts.total(parts) for parts in count_thresholds(recordings, rule, label_set)]
    kept = [
        (total.found, on)
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
    return with_threshold(rule.model_copy(update=chosen), max(kept)[1])


def with_threshold(rule: EventRule, on: float) -> EventRule:
    """The same rule with another `on`, and `off` in proportion."""
    spec = rule.spec.model_copy(update={"on": on, "off": OFF_SHARE * on})
    return rule.model_copy(update={"spec": spec})


def count_thresholds(
    recordings: Sequence[AnnotatedRecording], rule: EventRule, label_set: LabelSet
) -> list[list[EventCounts]]:
    """For every one of `THRESHOLDS` what is found in every recording."""
    smoothed = [smooth(one.windows, rule, label_set) for one in recordings]
    specs = [with_threshold(rule, on).spec for on in THRESHOLDS]
    return [
        [_count(one, *find_spans(one.windows, trace, spec)) for one, trace in zip(recordings, smoothed, strict=True)]
        for spec in specs
    ]


def count_found(recording: AnnotatedRecording, rule: EventRule, label_set: LabelSet) -> EventCounts:
    """What a rule finds in one recording, decided as a stream decides."""
    events = decide_events(recording.windows, rule, label_set)
    spans = np.array([(event.start_s, event.end_s) for event in events], dtype=np.float64).reshape(-1, 2)
    return _count(recording, spans, np.array([event.known_s for event in events], dtype=np.float64))


def _count(recording: AnnotatedRecording, spans: Floats, known_s: Floats) -> EventCounts:
    return count_events(recording.spans, spans, recording.seconds / 3600, known_s=known_s, overlap=HIT)


def smooth(windows: WindowProbabilities, rule: EventRule, label_set: LabelSet) -> Floats:
    """(W,) Calibrated and smoothed probability of any target, as `EventDecider` computes it."""
    targets = rule.calibrate(windows.claimed(label_set))
    if rule.spec.smoothing_s == 0:
        return targets
    weight = -np.expm1(-rule.spec.step_s / rule.spec.smoothing_s)
    smoothed = np.empty(len(targets))
    for number, (target, after_gap) in enumerate(zip(targets.tolist(), windows.after_gap.tolist(), strict=True)):
        before = target if number == 0 or after_gap else smoothed[number - 1]
        smoothed[number] = before + weight * (target - before)
    return smoothed


def find_spans(windows: WindowProbabilities, smoothed: Floats, spec: EventSpec) -> tuple[Floats, Floats]:
    """(F, 2) begins and ends of the events in a whole recording, and (F,) when they were known.

    The same as `EventDecider` finds, but for refractory times, which are not applied: to try many thresholds quickly.
    """
    half_s = spec.step_s / 2
    spans: list[tuple[float, float]] = []
    known_s: list[float] = []
    segments, latest = np.cumsum(windows.after_gap), -1
    for first, stop in _runs(smoothed >= spec.off, windows.after_gap):
        peaks = np.maximum.accumulate(smoothed[first:stop]) >= spec.on
        if not peaks[-1]:
            continue
        begin_s, ends_s = float(windows.middle_s[first] - half_s), windows.middle_s[first:stop] + half_s
        if spans and segments[first] == latest and begin_s - spans[-1][1] <= spec.merge_s:
            begin_s, known = spans.pop()[0], known_s.pop()
        else:
            known = np.inf
        enough = peaks & (ends_s - begin_s >= spec.minimum_s)
        known_s.append(min(known, float(windows.known_s[first + int(enough.argmax())])) if enough.any() else known)
        spans.append((begin_s, float(ends_s[-1])))
        latest = int(segments[first])
    kept = np.isfinite(np.array(known_s, dtype=np.float64))
    return np.array(spans, dtype=np.float64).reshape(-1, 2)[kept], np.array(known_s, dtype=np.float64)[kept]


def _runs(above: Bools, after_gap: Bools) -> Iterator[tuple[int, int]]:
    """First window of every run, and the one after its last; a gap in the data ends a run."""
    begins = above & np.concatenate([[True], ~above[:-1] | after_gap[1:]])
    ends = above & np.concatenate([~above[1:] | after_gap[1:], [True]])
    yield from zip(np.flatnonzero(begins).tolist(), (np.flatnonzero(ends) + 1).tolist(), strict=True)


def write_with_rule(bundle: Bundle, rule: EventRule, out: Path, *, overwrite: bool = False) -> None:
    """Write a copy of a bundle that decides events by another rule.

    Raises
    ------
    BundleError
        If something is at `out` already.
    """
    with copying_bundle(bundle, out, overwrite=overwrite) as folder:
        rule.write(folder)
