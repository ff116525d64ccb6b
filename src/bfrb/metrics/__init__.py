"""Scores of predictions: of recordings, and of events in continuous recordings."""

from bfrb.metrics.competition import (
    Scores as Scores,
)
from bfrb.metrics.competition import (
    competition_score as competition_score,
)
from bfrb.metrics.competition import (
    confusion_by_subject as confusion_by_subject,
)
from bfrb.metrics.competition import (
    confusion_matrix as confusion_matrix,
)
from bfrb.metrics.competition import (
    difference_interval as difference_interval,
)
from bfrb.metrics.competition import (
    score_interval as score_interval,
)
from bfrb.metrics.competition import (
    scores_of as scores_of,
)
from bfrb.metrics.events import (
    EVENT_SCORES as EVENT_SCORES,
)
from bfrb.metrics.events import (
    EventCounts as EventCounts,
)
from bfrb.metrics.events import (
    count_events as count_events,
)
from bfrb.metrics.events import (
    event_interval as event_interval,
)
from bfrb.metrics.events import (
    time_average_precision as time_average_precision,
)
from bfrb.metrics.events import (
    time_roc_auc as time_roc_auc,
)
from bfrb.metrics.intervals import (
    DIFFERENCE as DIFFERENCE,
)
from bfrb.metrics.intervals import (
    ENOUGH_PEOPLE as ENOUGH_PEOPLE,
)
from bfrb.metrics.intervals import (
    Interval as Interval,
)
from bfrb.metrics.intervals import (
    excludes_zero as excludes_zero,
)
from bfrb.metrics.intervals import (
    interval_over_people as interval_over_people,
)
from bfrb.metrics.intervals import (
    interval_without_one as interval_without_one,
)
from bfrb.metrics.standard import Calibration as Calibration
from bfrb.metrics.standard import average_precision as average_precision
from bfrb.metrics.standard import calibration as calibration
from bfrb.metrics.standard import class_scores as class_scores
from bfrb.metrics.standard import mean_over_subjects as mean_over_subjects
from bfrb.metrics.standard import roc_auc as roc_auc
