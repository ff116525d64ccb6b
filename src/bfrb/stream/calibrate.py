"""From claimed probabilities to honest ones, and to thresholds for a stated rate of false alarms.

Everything here is fitted on people that the networks which answered had not seen.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bfrb.arrays import Bools, Floats
from bfrb.errors import DataError
from bfrb.metrics import EventCounts, Overlap, count_events
from bfrb.predict.bundle import CHECKSUMS, Bundle, writing_bundle
from bfrb.predict.out_of_fold import HeldOutPredictor
from bfrb.stream.events import Answers, EventRule, decide_events
from bfrb.stream.spec import EventSpec
from bfrb.study.labels import LabelSet
from bfrb.study.recordings import Recordings
from bfrb.study.windows import label_windows

THRESHOLDS = tuple(np.round(np.geomspace(0.03, 0.97, 40), 4).tolist())
"""What is tried for `on`."""

OFF_SHARE = 0.6
"""The threshold `off` as a share of `on`."""

MAX_KNOTS = 20

HIT = Overlap(of_event=0.5)
"""An event is right if more than half of it lies in episodes, so that one event without an end finds nothing; an
episode is found if any right event touches it."""

STEP_S = 1.0

SPECS = (EventSpec(step_s=STEP_S, smoothing_s=5.0, merge_s=10.0, minimum_s=3.0),)
"""Smoothing and durations for behaviours that last some seconds. More may be given to choose among; on ten people that
chose worse than none (docs/realtime.md)."""


@dataclass(frozen=True, eq=False)
class Heard:
    """What was answered about one continuous recording, beside the truth.

    Parameters
    ----------
    subject
        Who wore the device.
    answers
        For every window.
    positive_s
        (W,) seconds of behaviour in the middle `step_s` of each window, for which its answer stands.
    step_s
        Seconds from window to window.
    episodes
        (E, 2) begins and ends of the labelled behaviours in seconds.
    hours
        Hours recorded.
    """

    subject: str
    answers: Answers
    positive_s: Floats
    step_s: float
    episodes: Floats
    hours: float


def listen_held_out(bundle: Bundle, recordings: Recordings, step_s: float = STEP_S) -> list[Heard]:
    """The answers for all windows of labelled continuous recordings, by members that had not seen their people.

    Raises
    ------
    DataError
        If rows are not labelled, or the device is another.
    """
    predictor = HeldOutPredictor(bundle)
    return [
        hear(recordings[number], predictor.predict(windows).probabilities, bundle, step_s)
        for number, windows in enumerate(cut_each(recordings, bundle, step_s))
    ]


def cut_each(recordings: Recordings, bundle: Bundle, step_s: float) -> list[Recordings]:
    """Every recording's windows, as a stream would cut them."""
    length, step, context = _rows(recordings, bundle, step_s)
    return [label_windows(recordings[number], length, step, context=context) for number in range(len(recordings))]


def hear(recording: Recordings, probabilities: Floats, bundle: Bundle, step_s: float) -> Heard:
    """One recording with (W, K) answers for all its windows."""
    length, step, _ = _rows(recording, bundle, step_s)
    rate_hz = recording.device.row_rate_hz
    first = (np.arange(len(probabilities)) * step).astype(np.float64)
    middle_s = (first + length / 2) / rate_hz
    answers = Answers(middle_s, (first + length) / rate_hz, probabilities, np.arange(len(first)) == 0)
    is_target = find_targets(recording, bundle.label_set)
    rows = first.astype(np.int64)[:, None] + (length - step) // 2 + np.arange(step)
    positive_s = is_target[rows].mean(axis=1) * step / rate_hz
    episodes = find_episodes(recording, bundle.label_set)
    return Heard(
        str(recording.subjects[0]), answers, positive_s, step / rate_hz, episodes, recording.n_rows / rate_hz / 3600
    )


def find_targets(recording: Recordings, label_set: LabelSet) -> Bools:
    """(N,) Which rows are labelled as a target behaviour.

    Raises
    ------
    DataError
        If the rows have no labels.
    """
    if "gesture" not in recording.annotations:
        raise DataError("expected recordings whose rows are labelled", remedy="use continuous, labelled recordings")
    annotation = recording.annotations["gesture"]
    named = np.array([name in label_set.targets for name in (*annotation.names, None)])
    return named[annotation.codes]


def find_episodes(recording: Recordings, label_set: LabelSet) -> Floats:
    """(E, 2) Begins and ends, in seconds, of the runs of rows with the same target label."""
    is_target = find_targets(recording, label_set)
    codes = np.where(is_target, recording.annotations["gesture"].codes, -1).astype(np.int64)
    changes = np.flatnonzero(np.diff(codes, prepend=-1, append=-1))
    begins, ends = changes[:-1], changes[1:]
    kept = codes[begins] >= 0 if len(begins) else np.zeros(0, dtype=bool)
    return np.stack([begins[kept], ends[kept]], axis=1) / recording.device.row_rate_hz


def _rows(recordings: Recordings, bundle: Bundle, step_s: float) -> tuple[int, int, int]:
    rate_hz, windows = recordings.device.row_rate_hz, bundle.windows
    return round(windows.length_s * rate_hz), max(1, round(step_s * rate_hz)), round(windows.context_s * rate_hz)


def target_sums(heard: Sequence[Heard], label_set: LabelSet) -> Floats:
    """(W,) Claimed probabilities of any target, over all recordings."""
    found = [part.answers.probabilities[:, label_set.is_target].sum(axis=1) for part in heard]
    return np.concatenate(found)


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
    order = np.argsort(claimed, kind="stable")
    # A block of many windows first, so that the map has few knots and none rests on a handful.
    blocks = np.array_split(order, min(len(order), 10 * MAX_KNOTS))
    pooled: list[tuple[float, float, float]] = []
    for block in blocks:
        pooled.append((float(len(block)), float(claimed[block].mean()), float(truth[block].mean())))
        while len(pooled) > 1 and (pooled[-2][2] >= pooled[-1][2] or pooled[-2][1] >= pooled[-1][1]):
            pooled.append(_joined(pooled.pop(-2), pooled.pop()))
    kept = pooled if len(pooled) <= MAX_KNOTS else _thinned(pooled)
    return tuple(round(x, 6) for _, x, _ in kept), tuple(round(y, 6) for _, _, y in kept)


def _joined(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[float, float, float]:
    weight = first[0] + second[0]
    x, y = ((first[0] * first[i] + second[0] * second[i]) / weight for i in (1, 2))
    return weight, x, y


def _thinned(pooled: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    kept = np.unique(np.round(np.linspace(0, len(pooled) - 1, MAX_KNOTS)).astype(int))
    return [pooled[number] for number in kept]


def fit_rule(
    heard: Sequence[Heard], label_set: LabelSet, false_alarms_per_hour: float, specs: Sequence[EventSpec]
) -> EventRule:
    """A rule with calibrated probabilities, and what finds most episodes with no more false alarms than stated.

    Parameters
    ----------
    heard
        Of people whom the members that answered had not seen.
    label_set
        The classes.
    false_alarms_per_hour
        Over all these people; if no threshold is good enough, the highest is taken.
    specs
        Smoothing and durations to choose among, with the step the windows have.

    Raises
    ------
    DataError
        If there are no recordings.
    """
    if not heard:
        raise DataError("expected recordings to choose thresholds on", remedy="give labelled continuous recordings")
    truth = np.concatenate([part.positive_s / part.step_s for part in heard])
    knots, values = fit_isotonic(target_sums(heard, label_set), truth)
    rule = EventRule(
        isotonic_from=knots,
        isotonic_to=values,
        false_alarms_per_hour=false_alarms_per_hour,
        subjects=len({part.subject for part in heard}),
        note=f"finds most episodes of held-out subjects with at most {false_alarms_per_hour:g} false alarms an hour",
    )
    best: tuple[int, float, EventRule] = (-1, 0.0, with_threshold(rule, THRESHOLDS[-1]))
    for spec in specs:
        tried = rule.model_copy(update={"spec": spec})
        for on, parts in zip(THRESHOLDS, count_thresholds(heard, tried, label_set), strict=True):
            counts = EventCounts.total(parts)
            if counts.false_alarms_per_hour <= false_alarms_per_hour and (counts.found, on) > best[:2]:
                best = (counts.found, on, with_threshold(tried, on))
    return best[2]


def with_threshold(rule: EventRule, on: float) -> EventRule:
    """The same rule with another `on`, and `off` in proportion."""
    spec = rule.spec.model_copy(update={"on": on, "off": OFF_SHARE * on})
    return rule.model_copy(update={"spec": spec})


def count_thresholds(heard: Sequence[Heard], rule: EventRule, label_set: LabelSet) -> list[list[EventCounts]]:
    """For every one of `THRESHOLDS` what is found in every recording."""
    smoothed = [smooth(part.answers, rule, label_set) for part in heard]
    specs = [with_threshold(rule, on).spec for on in THRESHOLDS]
    return [
        [_compare(part, *find_spans(part.answers, trace, spec)) for part, trace in zip(heard, smoothed, strict=True)]
        for spec in specs
    ]


def count_events_of(heard: Heard, rule: EventRule, label_set: LabelSet) -> EventCounts:
    """What a rule finds in one recording, decided as a stream decides."""
    events = decide_events(heard.answers, rule, label_set)
    spans = np.array([(event.start_s, event.end_s) for event in events], dtype=np.float64).reshape(-1, 2)
    return _compare(heard, spans, np.array([event.known_s for event in events], dtype=np.float64))


def _compare(heard: Heard, spans: Floats, known_s: Floats) -> EventCounts:
    return count_events(heard.episodes, spans, heard.hours, known_s=known_s, overlap=HIT)


def smooth(answers: Answers, rule: EventRule, label_set: LabelSet) -> Floats:
    """(W,) Calibrated and smoothed probability of any target, as `EventDecider` computes it."""
    targets = rule.calibrate(answers.probabilities, label_set)[:, label_set.is_target].sum(axis=1)
    if rule.spec.smoothing_s == 0:
        return np.asarray(targets, dtype=np.float64)
    weight = -np.expm1(-rule.spec.step_s / rule.spec.smoothing_s)
    smoothed = np.empty(len(targets))
    for number, (target, fresh) in enumerate(zip(targets.tolist(), answers.fresh.tolist(), strict=True)):
        before = target if number == 0 or fresh else smoothed[number - 1]
        smoothed[number] = before + weight * (target - before)
    return smoothed


def find_spans(answers: Answers, smoothed: Floats, spec: EventSpec) -> tuple[Floats, Floats]:
    """(F, 2) begins and ends of the events in a whole recording, and (F,) when they were known.

    The same as `EventDecider` finds, but for refractory times, which are not applied: to try many thresholds quickly.
    """
    half_s = spec.step_s / 2
    spans: list[tuple[float, float]] = []
    known_s: list[float] = []
    segments, latest = np.cumsum(answers.fresh), -1
    for first, stop in _runs(smoothed >= spec.off, answers.fresh):
        peaks = np.maximum.accumulate(smoothed[first:stop]) >= spec.on
        if not peaks[-1]:
            continue
        begin_s, ends_s = float(answers.middle_s[first] - half_s), answers.middle_s[first:stop] + half_s
        if spans and segments[first] == latest and begin_s - spans[-1][1] <= spec.merge_s:
            begin_s, known = spans.pop()[0], known_s.pop()
        else:
            known = np.inf
        enough = peaks & (ends_s - begin_s >= spec.minimum_s)
        known_s.append(min(known, float(answers.known_s[first + int(enough.argmax())])) if enough.any() else known)
        spans.append((begin_s, float(ends_s[-1])))
        latest = int(segments[first])
    kept = np.isfinite(np.array(known_s, dtype=np.float64))
    return np.array(spans, dtype=np.float64).reshape(-1, 2)[kept], np.array(known_s, dtype=np.float64)[kept]


def _runs(above: Bools, fresh: Bools) -> Iterator[tuple[int, int]]:
    """First window of every run, and the one after its last; a break in the data ends a run."""
    begins = above & np.concatenate([[True], ~above[:-1] | fresh[1:]])
    ends = above & np.concatenate([~above[1:] | fresh[1:], [True]])
    yield from zip(np.flatnonzero(begins).tolist(), (np.flatnonzero(ends) + 1).tolist(), strict=True)


def write_with_rule(bundle: Bundle, rule: EventRule, out: Path, *, overwrite: bool = False) -> None:
    """Write a copy of a bundle that decides events by another rule.

    Raises
    ------
    BundleError
        If something is at `out` already.
    """
    with writing_bundle(out, overwrite=overwrite) as folder:
        shutil.copytree(bundle.path, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(CHECKSUMS))
        rule.write(folder)
