"""What is taken for what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Floats
from bfrb.report.style import HEAT, INK, MUTED, WIDTH_IN, label, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FAINTEST = 0.06

LONGEST_COLUMN = 26
"""Letters of a class's name below its column; beside its row it has room."""


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
    names = [label(classes[index]) for index in order]
    figure = new_figure(WIDTH_IN, 2.9 + 0.33 * len(names))
    axes = figure.add_subplot()
    _draw_cells(axes, counts)
    _draw_frame(axes, names)
    _draw_groups(axes, int(np.sum(is_target)), len(names))
    return figure


def _draw_cells(axes: Axes, counts: Floats) -> None:
    from matplotlib.patches import Rectangle

    totals = counts.sum(axis=1)
    for row, column in np.argwhere(counts).tolist():
        share = counts[row, column] / totals[row]
        alpha = _FAINTEST + (1 - _FAINTEST) * share
        axes.add_patch(Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, facecolor=HEAT, alpha=alpha, linewidth=0))
        if share >= 0.005:
            weight = "bold" if row == column else "normal"
            _write(axes, column, row, f"{100 * share:.0f}", fontweight=weight, fontsize=8.5, color=INK)
    for row in np.flatnonzero(totals == 0).tolist():
        _write(axes, (len(counts) - 1) / 2, row, "no recordings", fontsize=8.5, color=MUTED, style="italic")


def _write(axes: Axes, x: float, y: float, text: str, **options: Any) -> None:
    axes.text(float(x), float(y), text, ha="center", va="center_baseline", **options)


def _draw_frame(axes: Axes, names: Sequence[str]) -> None:
    count = len(names)
    axes.set_xlim(-0.5, count - 0.5)
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_xticks(
        range(count), [label(name, LONGEST_COLUMN) for name in names], rotation=45, ha="right", rotation_mode="anchor"
    )
    axes.set_yticks(range(count), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("answered")
    axes.set_ylabel("true")


def _draw_groups(axes: Axes, targets: int, count: int) -> None:
    """Lines between behaviours and the rest, and their names above the columns."""
    if 0 < targets < count:
        axes.axhline(targets - 0.5, color=MUTED, linewidth=1)
        axes.axvline(targets - 0.5, color=MUTED, linewidth=1)
    groups = (("behaviours looked for", 0, targets), ("everything else", targets, count))
    for name, start, stop in groups:
        # A single column is too narrow for words; the line beside it says enough.
        if stop - start > 2:
            _write(axes, (start + stop - 1) / 2, -0.85, name, fontsize=8.5, color=MUTED)
