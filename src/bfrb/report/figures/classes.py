"""How well every class is told from the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bfrb.report.style import (
    GRID,
    MARKERS,
    MUTED,
    SERIES,
    WIDTH_IN,
    name_rows,
    new_figure,
    rows_height,
    share_axis,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES = ("precision", "recall", "f1")


@styled
def plot_classes(per_class: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Precision, recall and F1 of every class, the behaviours looked for first.

    Parameters
    ----------
    per_class
        By class: `target`, `precision`, `recall`, `f1` and `support`, as in the scores of a bundle.
    """
    ordered = targets_first(per_class)
    figure = new_figure(WIDTH_IN, rows_height(len(ordered), margin_in=1.1))
    axes = figure.add_subplot()
    for row, found in enumerate(ordered.values()):
        _draw_row(axes, row, found)
    name_rows(axes, list(ordered))
    draw_divide(axes, ordered)
    share_axis(axes, "x", "share (1 is perfect)")
    _draw_legend(figure)
    return figure


def targets_first(per_class: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The same classes, those that are looked for first."""
    return dict(sorted(per_class.items(), key=lambda item: not item[1]["target"]))


def draw_divide(axes: Axes, ordered: Mapping[str, Mapping[str, Any]]) -> None:
    """A line between the rows of the behaviours and those of everything else."""
    targets = sum(bool(found["target"]) for found in ordered.values())
    if 0 < targets < len(ordered):
        axes.axhline(targets - 0.5, color=MUTED, linewidth=1)


def _draw_row(axes: Axes, row: int, found: Mapping[str, Any]) -> None:
    if not found["support"]:
        axes.text(0, row, "no recordings", va="center_baseline", fontsize=8.5, color=MUTED, style="italic")
        return
    values = [found[name] for name in MEASURES]
    axes.plot([min(values), max(values)], [row, row], color=GRID, linewidth=3, zorder=1)
    for value, colour, marker in zip(values, SERIES, MARKERS, strict=False):
        axes.plot([value], [row], marker, color=colour, markersize=6, clip_on=False, zorder=2)


def _draw_legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    names = ("precision: answered so, and right", "recall: was so, and found", "F1: both")
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=6, label=name)
        for name, colour, marker in zip(names, SERIES, MARKERS, strict=False)
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=3)
