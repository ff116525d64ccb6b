"""What the sensors add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bfrb.metrics import Interval, excludes_zero
from bfrb.report.figures.scores import draw_by_class, draw_interval, targets_first
from bfrb.report.style import (
    DASHES,
    MUTED,
    SERIES,
    WIDTH_IN,
    Figure,
    figure_of_rows,
    label,
    name_rows,
    score_axis,
    styled,
)


@styled
def plot_gain_by_class(motion: Mapping[str, Mapping[str, Any]], every: Mapping[str, Mapping[str, Any]]) -> Figure:
    """F1 of every class with the motion sensors only, and with all sensors.

    Parameters
    ----------
    motion, every
        By class: `target`, `f1` and `support`, as in the scores of a bundle.
    """
    ordered = targets_first(every)
    before, after = ([found[name]["f1"] for name in ordered] for found in (motion, every))
    return draw_by_class(ordered, {"all sensors": after, "motion sensors only": before}, "F1")


@styled
def plot_gain_by_subject(subjects: Sequence[str], motion: npt.ArrayLike, every: npt.ArrayLike) -> Figure:
    """Score of every subject with all sensors against that with the motion sensors only.

    Parameters
    ----------
    subjects
        (S,) names.
    motion, every
        (S,) scores.
    """
    motion, every = np.asarray(motion, dtype=np.float64), np.asarray(every, dtype=np.float64)
    figure = Figure(figsize=(WIDTH_IN * 0.7, WIDTH_IN * 0.62))
    axes = figure.add_subplot()
    shown = (*motion.tolist(), *every.tolist())
    score_axis(axes, "x", "score, motion sensors only", shown)
    start = score_axis(axes, "y", "score, all sensors", shown)
    axes.plot([start, 1], [start, 1], color=MUTED, linewidth=1, linestyle=DASHES[1])
    for x, y, text, side in ((0.03, 0.97, "better with all sensors", "left"), (0.97, 0.03, "worse", "right")):
        axes.text(x, y, text, fontsize=8, color=MUTED, ha=side, va="center", transform=axes.transAxes)
    for better, colour, marker in ((True, SERIES[0], "o"), (False, SERIES[1], "s")):
        chosen = (every >= motion) == better
        axes.plot(motion[chosen], every[chosen], marker, color=colour, markersize=5, alpha=0.85)
    for place in np.argsort(every - motion)[:2] if len(subjects) <= 200 else []:
        at = (motion[place], every[place])
        axes.annotate(label(subjects[place], 20), at, (7, -7), textcoords="offset points", fontsize=8)
    return figure


@styled
def plot_ablation(costs: Mapping[str, tuple[float, Interval | None]]) -> Figure:
    """What the score loses without each sensor.

    Parameters
    ----------
    costs
        By what is lost: the score with everything minus the score without it, and the interval of that.
    """
    figure, axes = figure_of_rows(len(costs), margin_in=1.0)
    axes.axvline(0, color=MUTED, linewidth=1)
    for row, (cost, interval) in enumerate(costs.values()):
        draw_interval(axes, row, cost, interval, "o" if excludes_zero(interval) else "s")
    name_rows(axes, list(costs))
    axes.margins(x=0.06)
    axes.grid(axis="x")
    axes.set_xlabel("score lost, with its 95 % interval")
    return figure
