"""`Plausibility`: a stream held against the physics of a wrist, now and then."""

from __future__ import annotations

import numpy as np

from bfrb.arrays import Array
from bfrb.errors import DataError
from bfrb.read.judging import ANYWAY, refuse_suspicions
from bfrb.read.quality import Suspicion, find_suspicions
from bfrb.read.tables import make_table
from bfrb.stream.counts import StreamCounts
from bfrb.stream.windowing import PLAUSIBLE_M_S2, Windows
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings

_FIRST_S, _LONGEST_S = 60.0, 600.0
"""So many seconds of windows are judged together at first, twice as many each time, and never more."""


class Plausibility:
    """Takes windows, counts those that physics speaks against.

    Parameters
    ----------
    device
        The device of the rows.
    counts
        Where they are counted.
    """

    def __init__(self, device: Device, counts: StreamCounts) -> None:
        self._device = device.with_sensors(sensor for sensor in device.sensors if sensor.modality == "motion")
        self._counts = counts
        self._kept: list[dict[str, Array]] = []
        self._since = 0
        self._before_s, self._wanted_s = -np.inf, _FIRST_S
        self._fatal: dict[str, Suspicion] = {}

    def push(self, windows: Windows) -> None:
        """Judge some windows, once there are enough; those that overlap with one before are not looked at."""
        rows = len(windows.sensors["acc"]) // len(windows)
        length_s = rows / self._device.row_rate_hz
        for number, middle_s in enumerate(windows.middle_s.tolist()):
            self._since += 1
            if not self._before_s <= middle_s < self._before_s + length_s:
                part = slice(number * rows, (number + 1) * rows)
                self._kept.append({name: windows.sensors[name][part].copy() for name in self._device.sensor_names})
                self._before_s = middle_s
                if len(self._kept) * length_s >= self._wanted_s:
                    self.judge()
                    self._wanted_s = min(2 * self._wanted_s, _LONGEST_S)

    def judge(self) -> None:
        """Judge what there is."""
        if not self._kept:
            return
        sensors = {name: np.concatenate([part[name] for part in self._kept]) for name in self._device.sensor_names}
        count = len(self._kept)
        table = make_table({"id": [str(number) for number in range(count)], "subject": ["wearer"] * count})
        offsets = np.arange(count + 1) * (len(sensors["acc"]) // count)
        fatal = [one for one in find_suspicions(Recordings(self._device, sensors, offsets, table)) if one.fatal]
        self._fatal |= {one.kind: one for one in fatal}
        self._counts.windows_contradictory += self._since if fatal else 0
        self._kept, self._since = [], 0

    def check(self, recording: str) -> None:
        """Refuse a recording that is over, if most of its windows should not have been answered.

        Raises
        ------
        DataError
            If physics speaks against most of them, accelerations have another size than an arm's, or most windows lack
            what every network needs.
        """
        counts = self._counts
        impossible = not counts.windows and 2 * counts.impossible > counts.samples
        if impossible or counts.windows_implausible > counts.windows:
            low, high = PLAUSIBLE_M_S2
            raise DataError(
                f"{recording}: expected accelerations of {low:g} to {high:g} m/s^2, as of an arm, found others in "
                + ("most samples" if impossible else f"{counts.windows_implausible} windows"),
                remedy=f'if they are in g or mg, say so: unit = "g" in the description, or --acc-unit g; {ANYWAY}',
            )
        if 2 * counts.windows_contradictory > counts.windows:
            refuse_suspicions(recording, self._fatal.values())
        if 2 * counts.windows_doubtful > counts.windows:
            raise DataError(
                f"{recording}: {counts.windows_doubtful} of {counts.windows} windows lack what every network of the "
                "bundle needs",
                remedy=f"use a bundle that was trained on such recordings, or to do without; {ANYWAY}",
            )
