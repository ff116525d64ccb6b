"""What is taken for what, and how well classes, people and groups of people are recognised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bfrb.metrics import Interval
from bfrb.report import style
from bfrb.report.style import (
    FAINT,
    GRID,
    MUTED,
    SERIES,
    Axes,
    Figure,
    figure_of_rows,
    label,
    new_figure,
    score_axis,
    styled,
)

MOST_ROWS = 30
"""Subjects that are drawn; of more, the lowest."""

LONGEST_COLUMN = 40
"""Letters of a class's name below its column."""

MEASURES = {
    "precision": "precision: answered so, and right",
    "recall": "sensitivity (recall): was so, and found",
    "f1": "F1: both",
}

Group = tuple[str, float | None, Interval | None]
"""Name, score and interval of a group."""


@styled
def plot_confusion(counts: npt.ArrayLike, classes: Sequence[str], is_target: Sequence[bool]) -> Figure:
    """Confusion matrix: of the recordings of each true class (row), the percentage answered with each class (column).

    Parameters
    ----------
    counts
        (K, K) numbers of recordings by true class (row) and answered class (column).
    classes
        (K,) names.
    is_target
        (K,) whether a class is a behaviour that is looked for; these come first, and a line sets them apart.
    """
    order = np.argsort(~np.asarray(is_target, dtype=bool), kind="stable")
    counts = np.asarray(counts, dtype=np.float64)[np.ix_(order, order)]
    count, targets, totals = len(order), int(np.sum(is_target)), counts.sum(axis=1)
    figure, axes = new_figure(2.9 + 0.27 * count)
    for row, column in np.argwhere(counts).tolist():
        share = counts[row, column] / totals[row]
        sides = [column - 0.48, column + 0.48]
        axes.fill_between(sides, row - 0.48, row + 0.48, color=style.HEAT, alpha=0.06 + 0.94 * share, linewidth=0)
        if share >= 0.005:
            weight = "bold" if row == column else "normal"
            _write(axes, column, row, f"{100 * share:.0f}", fontweight=weight, fontsize=8, color=style.INK)
    for row in np.flatnonzero(totals == 0).tolist():
        _write(axes, (count - 1) / 2, row, "no recordings", style="italic")
    names = [label(classes[index], LONGEST_COLUMN) for index in order]
    axes.set_xticks(range(count), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(count), [label(classes[index]) for index in order])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), xlabel="answered", ylabel="true")
    if 0 < targets < count:
        axes.axhline(targets - 0.5, color=MUTED, linewidth=1)
        axes.axvline(targets - 0.5, color=MUTED, linewidth=1)
    for name, start, stop in (("behaviours looked for", 0, targets), ("everything else", targets, count)):
        # A single column is too narrow for words; the line beside it says enough.
        if stop - start > 2:
            _write(axes, (start + stop - 1) / 2, -0.85, name)
    return figure


def _write(axes: Axes, x: float, y: float, text: str, **options: Any) -> None:
    look: dict[str, Any] = {"ha": "center", "va": "center_baseline", "fontsize": 8.5, "color": MUTED}
    axes.text(float(x), float(y), text, **(look | options))


@styled
def plot_classes(per_class: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Precision, recall and F1 of every class, the behaviours looked for first.

    Parameters
    ----------
    per_class
        By class: `target`, `precision`, `recall`, `f1` and `support`, as in the scores of a bundle.
    """
    ordered = dict(sorted(per_class.items(), key=lambda item: not item[1]["target"]))
    figure, axes = figure_of_rows(list(ordered), margin_in=1.1)
    known = np.array([bool(found["support"]) for found in ordered.values()])
    values = np.array([[found[key] for found in ordered.values()] for key in MEASURES], dtype=np.float64)[:, known]
    rows = np.flatnonzero(known)
    start = score_axis(axes, "x", "share (1 is perfect)", values.ravel())
    axes.hlines(rows, values.min(axis=0), values.max(axis=0), color=GRID, linewidth=3, zorder=1)
    for words, points, colour, marker in zip(MEASURES.values(), values, SERIES, style.MARKERS, strict=False):
        axes.plot(points, rows, marker, color=colour, clip_on=False, label=words)
    for row in np.flatnonzero(~known).tolist():
        _write(axes, start, row, "no recordings", ha="left", style="italic")
    targets = sum(bool(found["target"]) for found in ordered.values())
    if 0 < targets < len(ordered):
        axes.axhline(targets - 0.5, color=MUTED, linewidth=1)
    figure.legend(loc="outside upper right", ncols=3)
    return figure


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
    ranked = sorted(((float(found["score"]), name) for name, found in per_subject.items()), key=lambda item: item[0])
    some = f", of the lowest {MOST_ROWS} of {len(ranked)}" if len(ranked) > MOST_ROWS else ""
    names, scores = [name for _, name in ranked[:MOST_ROWS]], [score for score, _ in ranked[:MOST_ROWS]]
    figure, axes = figure_of_rows(names)
    start = score_axis(axes, "x", f"score{some}", scores)
    axes.hlines(range(len(names)), start, scores, color=GRID, linewidth=3)
    axes.plot(scores, range(len(names)), "o", color=SERIES[0], clip_on=False)
    if overall is not None:
        axes.axvline(overall, **FAINT)
        axes.text(overall, -0.72, f"everyone {overall:.2f}", ha="center", va="bottom", fontsize=8, color=MUTED)
    return figure


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
    rows: list[Group] = [row for question, found in groups.items() for row in ((question, None, None), *found)]
    figure, axes = figure_of_rows([name for name, _, _ in rows])
    for row, (_, score, interval) in enumerate(rows):
        if score is not None:
            _draw_interval(axes, row, score, interval)
    if overall is not None:
        axes.axvline(overall, **FAINT)
    for text, (_, score, _) in zip(axes.get_yticklabels(), rows, strict=True):
        text.set_fontweight("bold" if score is None else "normal")
    shown = [value for _, score, interval in rows if score is not None for value in (score, *(interval or ()))]
    score_axis(axes, "x", "score, with its 95 % interval", shown)
    return figure


def _draw_interval(axes: Axes, row: int, value: float, interval: Interval | None, look: str = "o") -> None:
    """A point in a row, with its interval if there is one; a square (`look` s) is grey."""
    colour = SERIES[0] if look == "o" else MUTED
    if interval is not None:
        axes.plot(interval, [row, row], color=colour, linewidth=2.5, alpha=0.45)
    axes.plot([value], [row], look, color=colour, markersize=5.5, clip_on=False)
