"""On whom it works and on whom it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bfrb.arrays import Floats
from bfrb.report.style import (
    GRID,
    MARKERS,
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

MOST_ROWS = 30
"""Subjects that are drawn as named rows; of more, only the lowest are named."""

NAMED = 5

Group = tuple[str, float | None, tuple[float, float] | None]
"""Name, score and interval of a group."""


@styled
def plot_subjects(per_subject: Mapping[str, Mapping[str, Any]], overall: float | None = None) -> Figure:
    """Score of every subject, the lowest first.

    Parameters
    ----------
    per_subject
        By subject: `score`, as in the scores of a bundle.
    overall
        The score over all subjects, drawn as a line.
    """
    ranked = sorted(((name, float(found["score"])) for name, found in per_subject.items()), key=lambda item: item[1])
    names, scores = [name for name, _ in ranked], np.array([score for _, score in ranked])
    figure = new_figure(WIDTH_IN, rows_height(len(names)) if len(names) <= MOST_ROWS else 3.6)
    axes = figure.add_subplot()
    if len(names) <= MOST_ROWS:
        _draw_rows(axes, names, scores, overall)
    else:
        _draw_ranks(axes, names, scores, overall)
    return figure


def _draw_rows(axes: Axes, names: Sequence[str], scores: Floats, overall: float | None) -> None:
    rows = np.arange(len(names))
    axes.hlines(rows, 0, scores, color=GRID, linewidth=3)
    axes.plot(scores, rows, "o", color=SERIES[0], markersize=6, clip_on=False)
    if overall is not None:
        axes.axvline(overall, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.text(overall, -0.72, f"everyone {overall:.2f}", ha="center", va="bottom", fontsize=8, color=MUTED)
    name_rows(axes, names)
    share_axis(axes, "x", "score")


def _draw_ranks(axes: Axes, names: Sequence[str], scores: Floats, overall: float | None) -> None:
    ranks = np.arange(1, len(names) + 1)
    axes.plot(ranks, scores, "o", color=SERIES[0], markersize=4.5)
    axes.plot(ranks[:NAMED], scores[:NAMED], "o", color=SERIES[1], markersize=6)
    # Points that lie close together have no room for names beside them.
    named = [f"{label(name, 30)}  {score:.2f}" for name, score in zip(names[:NAMED], scores, strict=False)]
    axes.text(
        0.985, 0.06, "\n".join(["the lowest:", *named]), transform=axes.transAxes, ha="right", va="bottom", fontsize=8.5
    )
    if overall is not None:
        axes.axhline(overall, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.text(1, overall + 0.015, f"everyone {overall:.2f}", fontsize=8, color=MUTED)
    axes.set_xlabel(f"the {len(names)} subjects, from the lowest score to the highest")
    axes.set_xlim(0, len(names) + 1)
    share_axis(axes, "y", "score")


@styled
def plot_groups(groups: Mapping[str, Sequence[Group]], overall: float | None = None) -> Figure:
    """Score and 95 % interval of groups of recordings, question by question.

    Parameters
    ----------
    groups
        By question, such as "Dominant hand": name, score and interval of every group; one person has no interval.
    overall
        A score to compare with, drawn as a line.
    """
    rows = [row for question, found in groups.items() for row in ((question, None, None), *found)]
    figure = new_figure(WIDTH_IN, rows_height(len(rows)))
    axes = figure.add_subplot()
    for row, (_, score, interval) in enumerate(rows):
        if interval is not None:
            axes.plot(interval, [row, row], color=SERIES[0], linewidth=2.5, alpha=0.45)
        if score is not None:
            axes.plot([score], [row], "o", color=SERIES[0], markersize=6.5, clip_on=False)
    if overall is not None:
        axes.axvline(overall, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    name_rows(axes, [name for name, _, _ in rows])
    for text, (_, score, _) in zip(axes.get_yticklabels(), rows, strict=True):
        text.set_fontweight("bold" if score is None else "normal")
    share_axis(axes, "x", "score, with its 95 % interval")
    return figure


@styled
def plot_ages(ages: Sequence[float], scores: Sequence[float], groups: Sequence[str]) -> Figure:
    """Score of every subject by age.

    Parameters
    ----------
    ages
        (S,) ages in years.
    scores
        (S,) scores.
    groups
        (S,) what the shape of a point tells, such as the dominant hand.
    """
    figure = new_figure(WIDTH_IN, 3.2)
    axes = figure.add_subplot()
    for group, colour, marker in zip(dict.fromkeys(groups), SERIES, MARKERS, strict=False):
        chosen = np.array([name == group for name in groups])
        axes.plot(np.asarray(ages)[chosen], np.asarray(scores)[chosen], marker, color=colour, label=label(group))
    axes.set_xlabel("age in years")
    share_axis(axes, "y", "score")
    if len(set(groups)) > 1:
        axes.legend(loc="lower right", ncols=3)
    return figure
