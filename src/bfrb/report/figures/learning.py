"""How the members of an ensemble learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bfrb.arrays import Floats
from bfrb.report.style import DASHES, SERIES, WIDTH_IN, label, new_figure, share_axis, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = tuple[Sequence[float], Sequence[float]]
"""Epochs, and values at them."""


@styled
def plot_learning(
    losses: Mapping[str, Sequence[float | None]],
    scores: Mapping[str, Sequence[float | None]],
    networks: Mapping[str, str],
) -> Figure:
    """Training loss of every member by epoch and, where it was watched, the score on people left out of training.

    Parameters
    ----------
    losses, scores
        By member, one value per epoch; None where there is none.
    networks
        Architecture of every member; it settles colour and pattern.
    """
    watched = any(value is not None for values in scores.values() for value in values)
    figure = new_figure(WIDTH_IN, 3.2)
    panels = figure.subplots(1, 2 if watched else 1, squeeze=False)[0]
    _draw(panels[0], losses, networks)
    panels[0].set_ylabel("training loss")
    panels[0].set_ylim(bottom=0)
    panels[0].grid(axis="y")
    if watched:
        _draw(panels[1], scores, networks)
        share_axis(panels[1], "y", "score while training")
    _draw_legend(figure, networks)
    return figure


def _draw(axes: Axes, curves: Mapping[str, Sequence[float | None]], networks: Mapping[str, str]) -> None:
    kinds = list(dict.fromkeys(networks.values()))
    for member, values in curves.items():
        kind = kinds.index(networks[member]) if member in networks else 0
        numbers = _numbers(values)
        # A member that was stopped in its first epoch is a point, not a line.
        marker = "o" if np.isfinite(numbers).sum() < 2 else ""
        axes.plot(
            np.arange(1, len(numbers) + 1), numbers, color=SERIES[kind % len(SERIES)],
            linestyle=DASHES[kind % len(DASHES)], linewidth=1.1, alpha=0.8, marker=marker, markersize=4,
        )  # fmt: skip
    axes.set_xlabel("epoch")
    axes.locator_params(axis="x", nbins=8, integer=True)


def _numbers(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _draw_legend(figure: Figure, networks: Mapping[str, str]) -> None:
    from matplotlib.lines import Line2D

    kinds = list(dict.fromkeys(networks.values()))
    counts = [list(networks.values()).count(kind) for kind in kinds]
    handles = [
        Line2D([], [], color=SERIES[number % len(SERIES)], linestyle=DASHES[number % len(DASHES)],
               label=label(f"{kind}, {count} member{'s' * (count != 1)}"))
        for number, (kind, count) in enumerate(zip(kinds, counts, strict=True))
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
