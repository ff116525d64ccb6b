"""Scores of events in continuous recordings, with rules that come from other people than those they judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
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
from bfrb.stream.calibrate import SPECS, THRESHOLDS, Heard, count_events_of, count_thresholds, fit_rule, target_sums
from bfrb.stream.events import EventRule
from bfrb.stream.spec import EventSpec
from bfrb.study.labels import LabelSet


@dataclass(frozen=True)
class Aim:
    """What rules are chosen for.

    Parameters
    ----------
    false_alarms_per_hour
        The rate that is put up with.
    specs
        Smoothing and durations to choose among.
    """

    false_alarms_per_hour: float = 6.0
    specs: tuple[EventSpec, ...] = SPECS


def rules_from_others(heard: Sequence[Heard], label_set: LabelSet, aim: Aim) -> dict[str, EventRule]:
    """For every subject a rule that was chosen and calibrated on the other subjects.

    Raises
    ------
    DataError
        If there is only one subject.
    """
    subjects = sorted({part.subject for part in heard})
    if len(subjects) < 2:
        raise DataError("expected several subjects, got one", remedy="choose thresholds on other people's recordings")
    return {
        subject: fit_rule(
            [part for part in heard if part.subject != subject], label_set, aim.false_alarms_per_hour, aim.specs
        )
        for subject in subjects
    }


def score_events(heard: Sequence[Heard], rules: Mapping[str, EventRule], label_set: LabelSet) -> dict[str, Any]:
    """All scores of events as plain values for JSON, with intervals over subjects.

    Parameters
    ----------
    heard
        The recordings; those of one subject are taken together.
    rules
        By subject, chosen on other people.
    label_set
        The classes.
    """
    subjects = sorted(rules)
    counts = {name: _count(heard, name, rules[name], label_set) for name in subjects}
    total = EventCounts.total(list(counts.values()))
    scores: dict[str, Any] = {"subjects": len(subjects), "hours": total.hours, "episodes": total.episodes}
    for name in EVENT_SCORES:
        scores[name] = {"value": getattr(total, name), "interval": event_interval(list(counts.values()), name)}
    scores |= score_time(heard, label_set)
    scores["reliability"] = reliability(heard, rules, label_set)
    scores["per_subject"] = {
        name: {kind: getattr(found, kind) for kind in EVENT_SCORES} | {"episodes": found.episodes}
        for name, found in counts.items()
    }
    return scores


def score_time(heard: Sequence[Heard], label_set: LabelSet) -> dict[str, Any]:
    """Time-weighted AUC and average precision: of all moments together, and the mean over subjects."""
    parts = _by_subject(heard, label_set)
    scores: dict[str, Any] = {}
    for name, metric in {"auc": time_roc_auc, "average_precision": time_average_precision}.items():
        each = [metric(*part) for part in parts]

        def pooled(chosen: Ints, metric: Any = metric) -> float | None:
            columns = zip(*[parts[number] for number in chosen], strict=True)
            value: float | None = metric(*(np.concatenate(column) for column in columns))
            return value

        def mean(chosen: Ints, each: list[float | None] = each) -> float | None:
            defined = [value for number in chosen if (value := each[number]) is not None]
            return float(np.mean(defined)) if defined else None

        for kind, score in {name: pooled, f"{name}_mean_subject": mean}.items():
            value = score(np.arange(len(parts)))
            scores[kind] = {"value": value, "interval": interval_over_people(score, len(parts))}
    return scores


def sensitivity_curve(
    heard: Sequence[Heard], rules: Mapping[str, EventRule], label_set: LabelSet
) -> list[dict[str, float | None]]:
    """Sensitivity, precision, false alarms per hour and delay of all subjects together, threshold by threshold.

    Every subject keeps the calibration that comes from the others.
    """
    by_subject = [
        count_thresholds([part for part in heard if part.subject == name], rule, label_set)
        for name, rule in rules.items()
    ]
    points: list[dict[str, float | None]] = []
    for number, on in enumerate(THRESHOLDS):
        total = EventCounts.total([counts for found in by_subject for counts in found[number]])
        points.append({"on": on} | {name: getattr(total, name) for name in EVENT_SCORES})
    return points


def reliability(heard: Sequence[Heard], rules: Mapping[str, EventRule], label_set: LabelSet) -> dict[str, Any]:
    """How often there was a behaviour where one was claimed with a certain probability; every window counts once."""
    claimed = []
    for part in heard:
        calibrated = rules[part.subject].calibrate(part.answers.probabilities, label_set)
        claimed.append(calibrated[:, label_set.is_target].sum(axis=1))
    truth = np.concatenate([part.positive_s / part.step_s > 0.5 for part in heard])
    after = calibration(np.clip(np.concatenate(claimed), 0.0, 1.0), truth)
    before = calibration(np.clip(target_sums(heard, label_set), 0.0, 1.0), truth)
    table = {name: values.tolist() for name, values in asdict(after).items()}
    table = {name: [None if np.isnan(value) else value for value in values] for name, values in table.items()}
    return {"error": after.error, "error_uncalibrated": before.error, "table": table}


def _count(heard: Sequence[Heard], subject: str, rule: EventRule, label_set: LabelSet) -> EventCounts:
    return EventCounts.total([count_events_of(part, rule, label_set) for part in heard if part.subject == subject])


def _by_subject(heard: Sequence[Heard], label_set: LabelSet) -> list[tuple[Floats, Floats, Floats]]:
    """For every subject seconds with and without behaviour, and the claimed probabilities, window by window."""
    found = []
    for subject in sorted({part.subject for part in heard}):
        own = [part for part in heard if part.subject == subject]
        positive_s = np.concatenate([part.positive_s for part in own])
        whole_s = np.concatenate([np.full(len(part.positive_s), part.step_s) for part in own])
        found.append((positive_s, np.maximum(whole_s - positive_s, 0.0), target_sums(own, label_set)))
    return found
