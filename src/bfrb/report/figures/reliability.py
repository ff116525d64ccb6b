"""Whether probabilities mean what they say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.stats import binomtest

from bfrb.metrics import Calibration
from bfrb.report.style import FAINT, MARKERS, MUTED, SERIES, WIDTH_IN, Axes, Figure, label, score_axis, styled


@styled
def plot_calibration(curves: Mapping[str, Calibration]) -> Figure:
    """How often answers are right, by how probable they were said to be; below, how many claimed how much.

    Parameters
    ----------
    curves
        Calibrations by name, such as that of the gesture and that of "any behaviour".
    """
    figure = Figure(figsize=(WIDTH_IN, 4.2))
    panels = figure.subplots(2, len(curves), height_ratios=(3.4, 1), squeeze=False, sharex=True)
    for number, (name, curve) in enumerate(curves.items()):
        panels[0, number].set_title(label(f"{name}: off by {curve.error:.2f} on average", 80), fontsize=9)
        _draw_curve(panels[0, number], curve, number)
        widths = np.diff(curve.edges)
        below = panels[1, number]
        below.bar(curve.edges[:-1] + widths / 2, curve.counts, widths * 0.9, color=SERIES[number], alpha=0.6)
        below.set(xlabel="probability claimed", ylabel="answers")
        below.locator_params(axis="y", nbins=3, integer=True)
    return figure


def _draw_curve(axes: Axes, curve: Calibration, number: int) -> None:
    used = curve.counts > 0
    claimed, right = curve.confidence[used], curve.accuracy[used]
    axes.plot([0, 1], [0, 1], **FAINT)
    axes.text(0.03, 0.97, "too modest", fontsize=8, color=MUTED, va="top")
    axes.text(0.97, 0.03, "too sure", fontsize=8, color=MUTED, ha="right")
    counts = zip(right.tolist(), curve.counts[used].tolist(), strict=True)
    limits = [binomtest(round(share * count), count).proportion_ci(method="wilson") for share, count in counts]
    axes.vlines(claimed, *zip(*limits, strict=True), color=SERIES[number], linewidth=2, alpha=0.45)
    axes.plot(claimed, right, marker=MARKERS[number], color=SERIES[number], markersize=5.5)
    score_axis(axes, "x", "")
    score_axis(axes, "y", "share that is right")
