"""Figures for reports and notebooks: functions from plain values to a matplotlib figure, all in one style.

>>> from bfrb.report.figures import plot_confusion
>>> import numpy as np
>>> figure = plot_confusion(np.array([[8, 2], [1, 9]]), ["pull", "rest"], [True, False])
>>> figure.axes[0].get_xlabel()
'answered'
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from bfrb.arrays import Array, Floats
from bfrb.metrics.standard import Calibration
from bfrb.report import style
from bfrb.study.device import Sensor
from bfrb.study.recordings import Recordings

MOST_ROWS = 30  # subjects that are drawn; of more, the lowest
LONGEST_COLUMN = 40  # letters of a class's name below its column

MEASURES = {
    "precision": "precision: answered so, and right",
    "recall": "sensitivity (recall): was so, and found",
    "f1": "F1: both",
}

_LONG_S = 3 * 3600.0  # longer recordings are drawn in hours

TITLES = {
    "acc": ("acceleration", "m/s²", "xyz"),
    "quaternion": ("orientation", "quaternion", "wxyz"),
    "gyr": ("turning", "°/s", "xyz"),
    "thm": ("thermopiles", "°C", "12345"),
    "tof": ("time of flight", "% in range", "12345"),
}
"""Title, unit and names of the channels that a sensor's panel shows."""

GESTURE = "Gesture"  # the phase that is shaded
Span = tuple[float, float]  # begin and end in seconds


@style.styled
def plot_confusion(counts: npt.ArrayLike, classes: Sequence[str], is_target: Sequence[bool]) -> style.Figure:
    """Confusion matrix: of the recordings of each true class (row), the percentage answered with each class (column).

    Given are (K, K) numbers of recordings, (K,) names, and (K,) whether a class is a behaviour that is looked for;
    these come first, and a line sets them apart.
    """
    order = np.argsort(~np.asarray(is_target, dtype=bool), kind="stable")
    counts = np.asarray(counts, dtype=np.float64)[np.ix_(order, order)]
    count, targets, totals = len(order), int(np.sum(is_target)), counts.sum(axis=1)
    figure = style.Figure(figsize=(style.WIDTH_IN, 2.9 + 0.27 * count))
    axes = figure.add_subplot()
    for row, column in np.argwhere(counts).tolist():
        share = counts[row, column] / totals[row]
        sides = [column - 0.48, column + 0.48]
        axes.fill_between(sides, row - 0.48, row + 0.48, color=style.HEAT, alpha=0.06 + 0.94 * share, linewidth=0)
        if share >= 0.005:
            weight = "bold" if row == column else "normal"
            _write(axes, column, row, f"{100 * share:.0f}", fontweight=weight, fontsize=8, color=style.INK)
    for row in np.flatnonzero(totals == 0).tolist():
        _write(axes, (count - 1) / 2, row, "no recordings", style="italic")
    names = [style.label(classes[index], LONGEST_COLUMN) for index in order]
    axes.set_xticks(range(count), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(count), [style.label(classes[index]) for index in order])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), xlabel="answered", ylabel="true")
    if 0 < targets < count:
        axes.axhline(targets - 0.5, color=style.MUTED, linewidth=1)
        axes.axvline(targets - 0.5, color=style.MUTED, linewidth=1)
    for name, start, stop in (("behaviours looked for", 0, targets), ("everything else", targets, count)):
        # A single column is too narrow for words; the line beside it says enough.
        if stop - start > 2:
            _write(axes, (start + stop - 1) / 2, -0.85, name)
    return figure


def _write(axes: style.Axes, x: float, y: float, text: str, **options: Any) -> None:
    look: dict[str, Any] = {"ha": "center", "va": "center_baseline", "fontsize": 8.5, "color": style.MUTED}
    axes.text(float(x), float(y), text, **(look | options))


@style.styled
def plot_classes(per_class: Mapping[str, Mapping[str, Any]]) -> style.Figure:
    """Precision, recall and F1 of every class, the behaviours looked for first.

    Given are, by class, `target`, `precision`, `recall`, `f1` and `support`, as in the scores of a bundle.
    """
    ordered = dict(sorted(per_class.items(), key=lambda item: not item[1]["target"]))
    figure, axes = style.figure_of_rows(list(ordered), margin_in=1.1)
    known = np.array([bool(found["support"]) for found in ordered.values()])
    values = np.array([[found[key] for found in ordered.values()] for key in MEASURES], dtype=np.float64)[:, known]
    rows = np.flatnonzero(known)
    start = style.score_axis(axes, "x", "share (1 is perfect)", values.ravel())
    axes.hlines(rows, values.min(axis=0), values.max(axis=0), color=style.GRID, linewidth=3, zorder=1)
    for words, points, colour, marker in zip(MEASURES.values(), values, style.SERIES, style.MARKERS, strict=False):
        axes.plot(points, rows, marker, color=colour, clip_on=False, label=words)
    for row in np.flatnonzero(~known).tolist():
        _write(axes, start, row, "no recordings", ha="left", style="italic")
    targets = sum(bool(found["target"]) for found in ordered.values())
    if 0 < targets < len(ordered):
        axes.axhline(targets - 0.5, color=style.MUTED, linewidth=1)
    figure.legend(loc="outside upper right", ncols=3)
    return figure


@style.styled
def plot_subjects(per_subject: Mapping[str, Mapping[str, Any]], overall: float | None = None) -> style.Figure:
    """Score of every subject, the lowest first, from `score` by subject; that over all subjects is drawn as a line."""
    ranked = sorted(((float(found["score"]), name) for name, found in per_subject.items()), key=lambda item: item[0])
    some = f", of the lowest {MOST_ROWS} of {len(ranked)}" if len(ranked) > MOST_ROWS else ""
    names, scores = [name for _, name in ranked[:MOST_ROWS]], [score for score, _ in ranked[:MOST_ROWS]]
    figure, axes = style.figure_of_rows(names)
    start = style.score_axis(axes, "x", f"score{some}", scores)
    axes.hlines(range(len(names)), start, scores, color=style.GRID, linewidth=3)
    axes.plot(scores, range(len(names)), "o", color=style.SERIES[0], clip_on=False)
    if overall is not None:
        axes.axvline(overall, **style.FAINT)
        axes.text(overall, -0.72, f"everyone {overall:.2f}", ha="center", va="bottom", fontsize=8, color=style.MUTED)
    return figure


@style.styled
def plot_calibration(curves: Mapping[str, Calibration]) -> style.Figure:
    """How often answers are right, by how probable they were said to be; below, how many claimed how much.

    The calibrations are by name, such as that of the gesture and that of "any behaviour".
    """
    figure = style.Figure(figsize=(style.WIDTH_IN, 4.2))
    panels = figure.subplots(2, len(curves), height_ratios=(3.4, 1), squeeze=False, sharex=True)
    for number, (name, curve) in enumerate(curves.items()):
        panels[0, number].set_title(style.label(f"{name}: off by {curve.error:.2f} on average", 80), fontsize=9)
        _draw_curve(panels[0, number], curve, number)
        widths = np.diff(curve.edges)
        below = panels[1, number]
        below.bar(curve.edges[:-1] + widths / 2, curve.counts, widths * 0.9, color=style.SERIES[number], alpha=0.6)
        below.set(xlabel="probability claimed", ylabel="answers")
        below.locator_params(axis="y", nbins=3, integer=True)
    return figure


def _draw_curve(axes: style.Axes, curve: Calibration, number: int) -> None:
    used = curve.counts > 0
    claimed, right = curve.confidence[used], curve.accuracy[used]
    axes.plot([0, 1], [0, 1], **style.FAINT)
    axes.text(0.03, 0.97, "too modest", fontsize=8, color=style.MUTED, va="top")
    axes.text(0.97, 0.03, "too sure", fontsize=8, color=style.MUTED, ha="right")
    counts = zip(right.tolist(), curve.counts[used].tolist(), strict=True)
    limits = [binomtest(round(share * count), count).proportion_ci(method="wilson") for share, count in counts]
    axes.vlines(claimed, *zip(*limits, strict=True), color=style.SERIES[number], linewidth=2, alpha=0.45)
    axes.plot(claimed, right, marker=style.MARKERS[number], color=style.SERIES[number], markersize=5.5)
    style.score_axis(axes, "x", "")
    style.score_axis(axes, "y", "share that is right")


@style.styled
def plot_detection(
    false_alarms: Sequence[float], sensitivity: Sequence[float], rules: Mapping[str, tuple[float, float]]
) -> style.Figure:
    """Share of the episodes that are found against false alarms per hour, for one threshold after the other.

    The rules are those that are or could be in use, by name, with their false alarms per hour and share found.
    """
    figure = style.Figure(figsize=(0.8 * style.WIDTH_IN, 3.6))
    axes = figure.add_subplot()
    axes.plot(false_alarms, sensitivity, color=style.SERIES[0], marker=".")
    for number, (name, point) in enumerate(rules.items(), start=1):
        look: Any = {"marker": style.MARKERS[number], "color": style.SERIES[number], "label": style.label(name)}
        axes.plot(*([value] for value in point), linestyle="", markersize=8, **look)
    axes.set(xlabel="false alarms per hour", xlim=(0, None))
    style.score_axis(axes, "y", "sensitivity (share found)")
    figure.legend(loc="outside upper right", ncols=2)
    return figure


@style.styled
def plot_timeline(
    times_s: npt.ArrayLike,
    probability: npt.ArrayLike,
    threshold: float,
    episodes: Sequence[Span],
    events: Sequence[Span],
) -> style.Figure:
    """One continuous recording: (W,) moments and the probability of any behaviour at them, with episodes and events.

    The threshold is the probability that an event has to reach.
    """
    times_s = np.asarray(times_s, dtype=np.float64)
    longest_s = max([*times_s.tolist(), *(end for _, end in (*episodes, *events)), 1.0])
    unit_s, name = (3600.0, "hours") if longest_s > _LONG_S else (60.0, "minutes")
    figure = style.Figure(figsize=(style.WIDTH_IN, 2.7))
    line, lanes = figure.subplots(2, 1, height_ratios=(2.2, 1), sharex=True)
    for start, end in episodes:
        line.axvspan(start / unit_s, end / unit_s, color=style.BAND, linewidth=0)
    line.plot(times_s / unit_s, np.asarray(probability), color=style.SERIES[0], linewidth=0.9)
    line.axhline(threshold, **style.FAINT)
    style.score_axis(line, "y", "probability")
    for row, (spans, colour) in enumerate(((episodes, style.SERIES[2]), (events, style.SERIES[1]))):
        lanes.axhline(row, color=style.GRID, linewidth=0.8, zorder=0)
        # An event of some seconds is a sliver of a day: everything is at least as wide as can be seen.
        bars = [(start / unit_s, max(end - start, longest_s / 800) / unit_s) for start, end in spans]
        lanes.broken_barh(bars, (row - 0.32, 0.64), color=colour, linewidth=0)
    lanes.set_yticks([0, 1], ["labelled", "reported"])
    lanes.tick_params(axis="y", length=0)
    lanes.set(ylim=(1.5, -0.5), xlim=(0, longest_s / unit_s), xlabel=name)
    return figure


@style.styled
def plot_signals(recordings: Recordings) -> style.Figure:
    """Signals of the first of some recordings, one panel a sensor; the gesture is shaded where it is known.

    Of time of flight, the share of each sensor's 64 pixels is shown in which something reflected.
    """
    recording = recordings[0]
    sensors = recording.device.sensors
    figure = style.Figure(figsize=(4.9, 0.5 + 0.85 * len(sensors)))
    panels = figure.subplots(len(sensors), 1, sharex=True, squeeze=False)[:, 0]
    time_s = np.arange(recording.n_rows + 1) / recording.device.row_rate_hz
    phases = recording.annotations.get("phase")
    gestures = [run for run in phases.runs() if run[2] == GESTURE] if phases else []
    for axes, sensor in zip(panels, sensors, strict=True):
        _draw_sensor(axes, sensor, time_s[:-1], traces(sensor, recording.sensors[sensor.name]))
        for start, stop, _ in gestures:
            axes.axvspan(time_s[start], time_s[stop], color=style.BAND, linewidth=0, zorder=0)
    panels[-1].set_xlabel("seconds")
    figure.align_ylabels()
    if recording.simulated:
        style.mark_simulated(figure)
    return figure


def traces(sensor: Sensor, values: Array) -> Floats:
    """(N, C) what a sensor's panel shows of (N, *shape) readings, NaN where nothing was measured."""
    absent = sensor.is_absent(values)
    if sensor.no_response_code is None:
        return np.where(absent, np.nan, values).reshape(len(values), -1).astype(np.float64)
    flat = values.reshape(len(values), sensor.pieces, -1)
    share = 100 * (flat != sensor.no_response_code).mean(axis=2)
    return np.where(absent.reshape(flat.shape).all(axis=2), np.nan, share)


def _draw_sensor(axes: style.Axes, sensor: Sensor, time_s: Floats, values: Floats) -> None:
    title, unit, channels = TITLES.get(sensor.name, (sensor.name, sensor.unit, ""))
    axes.set_ylabel(unit)
    axes.set_title(title, fontsize=8.5, pad=3)
    axes.locator_params(axis="y", nbins=3)
    axes.grid(axis="y")
    if np.isnan(values).all():
        axes.set_yticks([])
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center", color=style.MUTED)
        return
    for number, column in enumerate(values.T):
        name = channels[number : number + 1] or str(number + 1)
        colour, dashes = (kinds[number % len(kinds)] for kinds in (style.SERIES, style.DASHES))
        look: dict[str, Any] = {"color": colour, "linestyle": dashes}
        axes.plot(time_s, column, label=name, linewidth=1.1, marker="." if len(time_s) < 2 else "", **look)
    near = {"handlelength": 1.6, "columnspacing": 0.9, "handletextpad": 0.4, "borderaxespad": 0}
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.94), ncols=len(values.T), fontsize=7.5, **near)
