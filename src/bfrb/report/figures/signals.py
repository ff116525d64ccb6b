"""One recording, all its sensors on one time axis."""

from __future__ import annotations

import numpy as np

from bfrb.arrays import Array, Floats
from bfrb.report.style import BAND, DASHES, MUTED, SERIES, Axes, Figure, mark_simulated, styled
from bfrb.study.device import Sensor
from bfrb.study.recordings import Recordings

TITLES = {
    "acc": ("acceleration", "m/s²", "xyz"),
    "quaternion": ("orientation", "quaternion", "wxyz"),
    "gyr": ("turning", "°/s", "xyz"),
    "thm": ("thermopiles", "°C", "12345"),
    "tof": ("time of flight", "% in range", "12345"),
}
"""Title, unit and names of the channels that a sensor's panel shows."""

GESTURE = "Gesture"
"""The phase that is shaded."""


@styled
def plot_signals(recordings: Recordings, width_in: float = 4.9, panel_in: float = 0.85) -> Figure:
    """Signals of the first of some recordings, one panel a sensor; the gesture is shaded where it is known.

    Of time of flight, the share of each sensor's 64 pixels is shown in which something reflected.

    Parameters
    ----------
    recordings
        At least one recording.
    width_in, panel_in
        Width of the figure and height of a panel, in inches.
    """
    recording = recordings[0]
    sensors = recording.device.sensors
    figure = Figure(figsize=(width_in, 0.5 + panel_in * len(sensors)))
    panels = figure.subplots(len(sensors), 1, sharex=True, squeeze=False)[:, 0]
    time_s = np.arange(recording.n_rows + 1) / recording.device.row_rate_hz
    for axes, sensor in zip(panels, sensors, strict=True):
        _draw_sensor(axes, sensor, time_s[:-1], traces(sensor, recording.sensors[sensor.name]))
        for start, stop in _gesture_rows(recording):
            axes.axvspan(time_s[start], time_s[stop], color=BAND, linewidth=0, zorder=0)
    panels[-1].set_xlabel("seconds")
    figure.align_ylabels()
    if recording.simulated:
        mark_simulated(figure)
    return figure


def traces(sensor: Sensor, values: Array) -> Floats:
    """(N, C) what a sensor's panel shows of (N, *shape) readings, NaN where nothing was measured."""
    absent = sensor.is_absent(values)
    if sensor.no_response_code is None:
        return np.where(absent, np.nan, values).reshape(len(values), -1).astype(np.float64)
    flat = values.reshape(len(values), sensor.pieces, -1)
    share = 100 * (flat != sensor.no_response_code).mean(axis=2)
    return np.where(absent.reshape(flat.shape).all(axis=2), np.nan, share)


def _draw_sensor(axes: Axes, sensor: Sensor, time_s: Floats, values: Floats) -> None:
    title, unit, channels = TITLES.get(sensor.name, (sensor.name, sensor.unit, ""))
    axes.set_ylabel(unit)
    axes.set_title(title, fontsize=8.5, pad=3)
    axes.locator_params(axis="y", nbins=3)
    axes.grid(axis="y")
    if np.isnan(values).all():
        axes.set_yticks([])
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center", color=MUTED)
        return
    for number, column in enumerate(values.T):
        name = channels[number : number + 1] or str(number + 1)
        style = {"color": SERIES[number % len(SERIES)], "linestyle": DASHES[number % len(DASHES)]}
        axes.plot(time_s, column, label=name, linewidth=1.1, marker="." if len(time_s) < 2 else "", **style)
    near = {"handlelength": 1.6, "columnspacing": 0.9, "handletextpad": 0.4, "borderaxespad": 0}
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.94), ncols=len(values.T), fontsize=7.5, **near)


def _gesture_rows(recording: Recordings) -> list[list[int]]:
    """First row, and the row after the last, of every stretch that is labelled as the gesture."""
    phases = recording.annotations.get("phase")
    if phases is None or GESTURE not in phases.names:
        return []
    inside = phases.codes == phases.names.index(GESTURE)
    edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    rows: list[list[int]] = edges.reshape(-1, 2).tolist()
    return rows
