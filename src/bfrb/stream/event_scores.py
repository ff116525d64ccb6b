"""Scores of events in continuous recordings, with rules that come from other people than those they judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from bfrb.arrays import Floats, Ints
from bfrb.errors import DataError
from bfrb.metrics import (
    EVENT_SCORES,
    EventCounts,
    calibration,
    event_interval,
    interval_over_people,
    time_average_precision,
    time_roc_auc,
)
from bfrb.stream.calibrate import FALSE_ALARMS_PER_HOUR, SPEC, THRESHOLDS, count_found, count_thresholds, fit_rule
from bfrb.stream.events import EventRule
from bfrb.stream.listen import AnnotatedRecording
from bfrb.stream.spec import EventSpec
from bfrb.study.labels import LabelSet

Annotated = Sequence[AnnotatedRecording]


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

    Raises
    ------
    DataError
        If there is only one subject.
    """
    subjects = by_subject(recordings)
    if len(subjects) < 2:
        raise DataError("expected several subjects, got one", remedy="choose thresholds on other people's recordings")
    others = {name: [one for one in recordings if one.subject != name] for name in subjects}
    return {name: fit_rule(found, label_set, false_alarms_per_hour, spec) for name, found in others.items()}


def score_events(recordings: Annotated, rules: Mapping[str, EventRule], label_set: LabelSet) -> dict[str, Any]:
    """All scores of events as plain values for JSON, with intervals over subjects.

    Parameters
    ----------
    recordings
        Those of one subject are taken together.
    rules
        By subject, chosen on other people.
    label_set
        The classes.
    """
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
    """What each subject's rule finds in their recordings."""
    return {
        name: EventCounts.total([count_found(one, rules[name], label_set) for one in own])
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
