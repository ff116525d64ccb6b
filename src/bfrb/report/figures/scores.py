"""What is taken for what, and how well classes, people and groups of people are recognised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Floats
from bfrb.metrics import Interval
from bfrb.report.style import (
    DASHES,
    GRID,
    HEAT,
    INK,
    MARKERS,
    MUTED,
    SERIES,
    WIDTH_IN,
    Axes,
    Figure,
    figure_of_rows,
    label,
    name_rows,
    score_axis,
    styled,
)

MOST_ROWS = 30
"""Subjects that are drawn as named rows; of more, only the lowest are named."""

NAMED = 5
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
    count, targets = len(order), int(np.sum(is_target))
    figure = Figure(figsize=(WIDTH_IN, 2.9 + 0.27 * count))
    axes = figure.add_subplot()
    _draw_cells(axes, counts)
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
            _write(axes, (start + stop - 1) / 2, -0.85, name, fontsize=8.5, color=MUTED)
    return figure


def _draw_cells(axes: Axes, counts: Floats) -> None:
    totals = counts.sum(axis=1)
    for row, column in np.argwhere(counts).tolist():
        share = counts[row, column] / totals[row]
        axes.fill_between(
            [column - 0.48, column + 0.48], row - 0.48, row + 0.48, color=HEAT, alpha=0.06 + 0.94 * share, linewidth=0
        )
        if share >= 0.005:
            weight = "bold" if row == column else "normal"
            _write(axes, column, row, f"{100 * share:.0f}", fontweight=weight, fontsize=8, color=INK)
    for row in np.flatnonzero(totals == 0).tolist():
        _write(axes, (len(counts) - 1) / 2, row, "no recordings", fontsize=8.5, color=MUTED, style="italic")


def _write(axes: Axes, x: float, y: float, text: str, **options: Any) -> None:
    axes.text(float(x), float(y), text, ha="center", va="center_baseline", **options)


@styled
def plot_classes(per_class: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Precision, recall and F1 of every class, the behaviours looked for first.

    Parameters
    ----------
    per_class
        By class: `target`, `precision`, `recall`, `f1` and `support`, as in the scores of a bundle.
    """
    ordered = targets_first(per_class)
    measures = {words: [found[name] for found in ordered.values()] for name, words in MEASURES.items()}
    return draw_by_class(ordered, measures, "share (1 is perfect)")


def targets_first(per_class: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The same classes, those that are looked for first."""
    return dict(sorted(per_class.items(), key=lambda item: not item[1]["target"]))


def draw_by_class(
    ordered: Mapping[str, Mapping[str, Any]], measures: Mapping[str, Sequence[float]], name: str
) -> Figure:
    """A row for every class, with a point for each of some measures; a line sets the behaviours apart."""
    figure, axes = figure_of_rows(len(ordered), margin_in=1.1)
    known = np.array([bool(found["support"]) for found in ordered.values()])
    values, rows = np.array(list(measures.values()), dtype=np.float64)[:, known], np.flatnonzero(known)
    start = score_axis(axes, "x", name, values.ravel())
    axes.hlines(rows, values.min(axis=0), values.max(axis=0), color=GRID, linewidth=3, zorder=1)
    for words, points, colour, marker in zip(measures, values, SERIES, MARKERS, strict=False):
        axes.plot(points, rows, marker, color=colour, clip_on=False, label=words)
    for row in np.flatnonzero(~known):
        axes.text(start, float(row), "no recordings", va="center_baseline", fontsize=8.5, color=MUTED, style="italic")
    name_rows(axes, list(ordered))
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
    names, scores = [name for _, name in ranked], np.array([score for score, _ in ranked])
    if len(names) > MOST_ROWS:
        return _plot_ranks(names, scores, overall)
    figure, axes = figure_of_rows(len(names))
    start = score_axis(axes, "x", "score", scores)
    axes.hlines(range(len(names)), start, scores, color=GRID, linewidth=3)
    axes.plot(scores, range(len(names)), "o", color=SERIES[0], clip_on=False)
    if overall is not None:
        axes.axvline(overall, color=MUTED, linewidth=1, linestyle=DASHES[1])
        axes.text(overall, -0.72, f"everyone {overall:.2f}", ha="center", va="bottom", fontsize=8, color=MUTED)
    name_rows(axes, names)
    return figure


def _plot_ranks(names: Sequence[str], scores: Floats, overall: float | None) -> Figure:
    figure = Figure(figsize=(WIDTH_IN, 3.4))
    axes = figure.add_subplot()
    ranks = np.arange(1, len(names) + 1)
    axes.plot(ranks, scores, "o", color=SERIES[0], markersize=4.5)
    axes.plot(ranks[:NAMED], scores[:NAMED], "s", color=SERIES[1], markersize=5)
    # Points that lie close together have no room for names beside them.
    named = [f"{label(name, 30)}  {score:.2f}" for name, score in zip(names[:NAMED], scores, strict=False)]
    axes.text(
        0.985, 0.06, "\n".join(["the lowest:", *named]), transform=axes.transAxes, ha="right", va="bottom", fontsize=8.5
    )
    if overall is not None:
        axes.axhline(overall, color=MUTED, linewidth=1, linestyle=DASHES[1])
        axes.text(1, overall + 0.015, f"everyone {overall:.2f}", fontsize=8, color=MUTED)
    axes.set(xlabel=f"the {len(names)} subjects, from the lowest score to the highest", xlim=(0, len(names) + 1))
    score_axis(axes, "y", "score", scores)
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
    figure, axes = figure_of_rows(len(rows))
    for row, (_, score, interval) in enumerate(rows):
        if score is not None:
            draw_interval(axes, row, score, interval)
    if overall is not None:
        axes.axvline(overall, color=MUTED, linewidth=1, linestyle=DASHES[1])
    name_rows(axes, [name for name, _, _ in rows])
    for text, (_, score, _) in zip(axes.get_yticklabels(), rows, strict=True):
        text.set_fontweight("bold" if score is None else "normal")
    shown = [value for _, score, interval in rows if score is not None for value in (score, *(interval or ()))]
    score_axis(axes, "x", "score, with its 95 % interval", shown)
    return figure


def draw_interval(axes: Axes, row: int, value: float, interval: Interval | None, look: str = "o") -> None:
    """A point in a row, with its interval if there is one; a square (`look` s) is grey."""
    colour = SERIES[0] if look == "o" else MUTED
    if interval is not None:
        axes.plot(interval, [row, row], color=colour, linewidth=2.5, alpha=0.45)
    axes.plot([value], [row], look, color=colour, markersize=5.5, clip_on=False)


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
    figure = Figure(figsize=(WIDTH_IN, 3.2))
    axes = figure.add_subplot()
    for group, colour, marker in zip(dict.fromkeys(groups), SERIES, MARKERS, strict=False):
        chosen = np.array([name == group for name in groups])
        axes.plot(np.asarray(ages)[chosen], np.asarray(scores)[chosen], marker, color=colour, label=label(group))
    axes.set_xlabel("age in years")
    score_axis(axes, "y", "score", scores)
    if len(set(groups)) > 1:
        axes.legend(loc="lower right", ncols=3)
    return figure
