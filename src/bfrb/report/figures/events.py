"""Episodes in continuous recordings: how many are found at what price, how soon, and when on a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bfrb.report.style import (
    BAND,
    FAINT,
    GRID,
    MARKERS,
    SERIES,
    WIDTH_IN,
    Figure,
    label,
    new_figure,
    score_axis,
    styled,
)

Span = tuple[float, float]
"""Begin and end in seconds."""

_LONG_S = 3 * 3600.0
"""Longer recordings are drawn in hours."""


@styled
def plot_detection(
    false_alarms: Sequence[float], sensitivity: Sequence[float], rules: Mapping[str, tuple[float, float]]
) -> Figure:
    """Share of the episodes that are found against false alarms per hour, for one threshold after the other.

    Parameters
    ----------
    false_alarms, sensitivity
        By threshold, from one end to the other: false alarms per hour, and share found.
    rules
        The same of rules that are or could be in use, by name.
    """
    figure, axes = new_figure(3.6, 0.8)
    axes.plot(false_alarms, sensitivity, color=SERIES[0], marker=".")
    for number, (name, point) in enumerate(rules.items(), start=1):
        axes.plot(*([value] for value in point), MARKERS[number], color=SERIES[number], markersize=8, label=label(name))
    axes.set(xlabel="false alarms per hour", xlim=(0, None))
    score_axis(axes, "y", "sensitivity (share found)")
    figure.legend(loc="outside upper right", ncols=2)
    return figure


@styled
def plot_timeline(
    times_s: npt.ArrayLike,
    probability: npt.ArrayLike,
    threshold: float,
    episodes: Sequence[Span],
    events: Sequence[Span],
) -> Figure:
    """One continuous recording: the probability of a behaviour, what was labelled, and what was reported.

    Parameters
    ----------
    times_s, probability
        (W,) moments and the probability of any behaviour at them.
    threshold
        The probability that an event has to reach.
    episodes, events
        What was labelled, and what was reported.
    """
    times_s = np.asarray(times_s, dtype=np.float64)
    longest_s = max([*times_s.tolist(), *(end for _, end in (*episodes, *events)), 1.0])
    unit_s, name = (3600.0, "hours") if longest_s > _LONG_S else (60.0, "minutes")
    figure = Figure(figsize=(WIDTH_IN, 2.7))
    line, lanes = figure.subplots(2, 1, height_ratios=(2.2, 1), sharex=True)
    for start, end in episodes:
        line.axvspan(start / unit_s, end / unit_s, color=BAND, linewidth=0)
    line.plot(times_s / unit_s, np.asarray(probability), color=SERIES[0], linewidth=0.9)
    line.axhline(threshold, **FAINT)
    score_axis(line, "y", "probability")
    for row, (spans, colour) in enumerate(((episodes, SERIES[2]), (events, SERIES[1]))):
        lanes.axhline(row, color=GRID, linewidth=0.8, zorder=0)
        # An event of some seconds is a sliver of a day: everything is at least as wide as can be seen.
        bars = [(start / unit_s, max(end - start, longest_s / 800) / unit_s) for start, end in spans]
        lanes.broken_barh(bars, (row - 0.32, 0.64), color=colour, linewidth=0)
    lanes.set_yticks([0, 1], ["labelled", "reported"])
    lanes.tick_params(axis="y", length=0)
    lanes.set(ylim=(1.5, -0.5), xlim=(0, longest_s / unit_s), xlabel=name)
    return figure
