"""Scores of predictions: of recordings, and of events in continuous recordings."""

from bfrb.metrics.competition import (
    Scores,
    competition_score,
    confusion_by_subject,
    confusion_matrix,
    difference_interval,
    score_interval,
    scores_of,
)
from bfrb.metrics.events import (
    EVENT_SCORES,
    EventCounts,
    count_events,
    event_interval,
    time_average_precision,
    time_roc_auc,
)
from bfrb.metrics.intervals import (
    DIFFERENCE,
    ENOUGH_PEOPLE,
    Interval,
    excludes_zero,
    interval_over_people,
    interval_without_one,
)
from bfrb.metrics.standard import Calibration, average_precision, calibration, class_scores, mean_over_subjects, roc_auc

__all__ = [
    "DIFFERENCE",
    "ENOUGH_PEOPLE",
    "EVENT_SCORES",
    "Calibration",
    "EventCounts",
    "Interval",
    "Scores",
    "average_precision",
    "calibration",
    "class_scores",
    "competition_score",
    "confusion_by_subject",
    "confusion_matrix",
    "count_events",
    "difference_interval",
    "event_interval",
    "excludes_zero",
    "interval_over_people",
    "interval_without_one",
    "mean_over_subjects",
    "roc_auc",
    "score_interval",
    "scores_of",
    "time_average_precision",
    "time_roc_auc",
]
