"""What the proximity sensors add to the motion sensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bfrb.report.figures.classes import draw_divide, targets_first
from bfrb.report.style import (
    GRID,
    MUTED,
    SERIES,
    WIDTH_IN,
    label,
    name_rows,
    new_figure,
    rows_height,
    share_axis,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMES = ("motion sensors only", "all sensors")


@styled
def plot_gain_by_class(motion: Mapping[str, Mapping[str, Any]], every: Mapping[str, Mapping[str, Any]]) -> Figure:
    """F1 of every class with the motion sensors only, and with all sensors.

    Parameters
    ----------
    motion, every
        By class: `target`, `f1` and `support`, as in the scores of a bundle.
    """
    ordered = targets_first(every)
    figure = new_figure(WIDTH_IN, rows_height(len(ordered), margin_in=1.1))
    axes = figure.add_subplot()
    for row, (name, found) in enumerate(ordered.items()):
        _draw_pair(axes, row, motion[name]["f1"], found["f1"])
    name_rows(axes, list(ordered))
    draw_divide(axes, ordered)
    share_axis(axes, "x", "F1")
    _draw_legend(figure)
    return figure


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
    figure = new_figure(WIDTH_IN * 0.6, WIDTH_IN * 0.5)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(0.03, 0.97, "better with all sensors", fontsize=8, color=MUTED, va="top")
    axes.text(0.97, 0.03, "better without proximity", fontsize=8, color=MUTED, ha="right")
    for better, colour, marker in ((True, SERIES[0], "o"), (False, SERIES[1], "s")):
        chosen = (every >= motion) == better
        axes.plot(motion[chosen], every[chosen], marker, color=colour, markersize=5, alpha=0.85)
    for place in np.argsort(every - motion)[:2] if len(subjects) <= 200 else []:
        axes.annotate(
            label(subjects[place], 20), (motion[place], every[place]), (7, -3), textcoords="offset points", fontsize=8
        )
    share_axis(axes, "x", "score, motion sensors only")
    share_axis(axes, "y", "score, all sensors")
    return figure


@styled
def plot_ablation(costs: Mapping[str, tuple[float, tuple[float, float] | None]]) -> Figure:
    """What the score loses without each sensor.

    Parameters
    ----------
    costs
        By what is lost: the score with everything minus the score without it, and the interval of that.
    """
    figure = new_figure(WIDTH_IN, rows_height(len(costs), margin_in=1.0))
    axes = figure.add_subplot()
    axes.axvline(0, color=MUTED, linewidth=1)
    for row, (cost, interval) in enumerate(costs.values()):
        sure = interval is not None and (interval[0] > 0 or interval[1] < 0)
        colour, marker = (SERIES[0], "o") if sure else (MUTED, "s")
        if interval is not None:
            axes.plot(interval, [row, row], color=colour, linewidth=2.5, alpha=0.45)
        axes.plot([cost], [row], marker, color=colour, markersize=6 if sure else 5)
    name_rows(axes, list(costs))
    axes.margins(x=0.06)
    axes.grid(axis="x")
    axes.set_xlabel("score lost, with its 95 % interval; a circle where that is not chance")
    return figure


def _draw_pair(axes: Axes, row: int, motion: float, every: float) -> None:
    axes.plot([motion, every], [row, row], color=GRID, linewidth=3, zorder=1)
    axes.plot([motion], [row], "s", color=SERIES[1], markersize=5.5, clip_on=False, zorder=2)
    axes.plot([every], [row], "o", color=SERIES[0], markersize=6.5, clip_on=False, zorder=3)


def _draw_legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    kinds = zip(_NAMES, (SERIES[1], SERIES[0]), ("s", "o"), strict=True)
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="none", label=name) for name, colour, marker in kinds
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=2)
