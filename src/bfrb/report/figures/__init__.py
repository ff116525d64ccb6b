"""Figures for reports and notebooks: functions from plain values to a matplotlib figure, all in one style.

Examples
--------
>>> from bfrb.report.figures import plot_confusion
>>> import numpy as np
>>> figure = plot_confusion(np.array([[8, 2], [1, 9]]), ["pull", "rest"], [True, False])
>>> figure.axes[0].get_xlabel()
'answered'
"""

from bfrb.report.figures.events import plot_detection, plot_timeline
from bfrb.report.figures.reliability import plot_calibration
from bfrb.report.figures.scores import (
    plot_classes,
    plot_confusion,
    plot_groups,
    plot_subjects,
)
from bfrb.report.figures.signals import plot_signals

__all__ = [
    "plot_calibration",
    "plot_classes",
    "plot_confusion",
    "plot_detection",
    "plot_groups",
    "plot_signals",
    "plot_subjects",
    "plot_timeline",
]
