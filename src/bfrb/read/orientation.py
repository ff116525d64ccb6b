"""Orientation where none was recorded: made from gyroscope and accelerometer, sample by sample, at the device's rate.

The filter is VQF (Laidig and Seel 2023, doi:10.1016/j.inffus.2022.10.014). It knows where down is and how the device
turns; where north is it cannot know, so the heading begins anywhere and drifts: only features that do not depend on it
may use what is made here (`study.device.Sensor.made`).

Between two samples the readings are taken to change steadily, and the filter walks there in steps of about 10 ms. So
neither a rate has to be known nor do jitter and lost samples matter. A sample's orientation depends on it and on
those before it only, and not on how they were cut: a file and a stream of the same samples agree to the last bit.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from bfrb.arrays import Array, Bools, Floats, Floats32
from bfrb.read.series import GAP_S, RecordedSamples
from bfrb.study.device import Device, Sensor

_STEP_S = 0.01
_SHORTEST_S = 0.005
"""Of samples that come faster, one in so many seconds is used; the others get no orientation."""
_BLOCK = 1 << 13
_BEFORE = -1


def makes_orientation(sensors: Collection[str]) -> bool:
    """Whether readings of these sensors ask for an orientation: there is a gyroscope, and none was recorded."""
    return "acc" in sensors and "gyr" in sensors and "quaternion" not in sensors


def with_made_orientation(device: Device) -> Device:
    """The device with an orientation that is made, not recorded."""
    others = tuple(sensor for sensor in device.sensors if sensor.name != "quaternion")
    made = Sensor.parse({"name": "quaternion", "made": True})
    at = device.sensor_names.index("quaternion") if device.has("quaternion") else len(others)
    return device.with_sensors((*others[:at], made, *others[at:]))


def with_gyroscope(device: Device) -> Device:
    """The device, and a gyroscope that an orientation can be made with."""
    if device.has("gyr"):
        return device
    return device.with_sensors((*device.sensors, Sensor.parse({"name": "gyr"})))


def add_orientation(samples: RecordedSamples, device: Device) -> RecordedSamples:
    """The samples with an orientation, if the device wants one that is made of their gyroscope and accelerometer."""
    if not (device.has("quaternion") and makes_orientation(samples.sensors)):
        return samples
    readings = (samples.time_s, samples.sensors["acc"], samples.sensors["gyr"])
    made = [OrientationFilter().push(*(values[rows] for values in readings)) for rows in samples.rows]
    return replace(samples, sensors={**samples.sensors, "quaternion": np.concatenate(made)})


class OrientationFilter:
    """Samples in the order of time in, an orientation for each out.

    >>> time_s, still = np.arange(200) / 100, np.tile(np.float32([0, 9.81, 0]), (200, 1))
    >>> hanging = OrientationFilter().push(time_s, still, np.zeros((200, 3), np.float32))
    >>> (2 * hanging[-1] ** 2).round(3).tolist()  # a quarter turn about x lifts the hand to point up
    [1.0, 1.0, 0.0, 0.0]
    """

    def __init__(self) -> None:
        from vqf import VQF

        self._filter: Any = VQF(_STEP_S)
        self._begin_s = self._latest_s = np.nan
        self._slot = _BEFORE
        self._last = np.zeros((1, 7))

    def push(self, time_s: Floats, acc: Array, gyr: Array) -> Floats32:
        """(N, 4) orientations `(w, x, y, z)`, wrist frame to a world whose z points up.

        `time_s`: (N,) times in seconds; where they fall, another clock begins; `acc`, `gyr`: (N, 3) readings in m/s^2
        and deg/s. Samples that lack one of them get no orientation: NaN.
        """
        made = np.full((len(time_s), 4), np.nan, dtype=np.float32)
        samples = np.concatenate([time_s[:, None], acc, np.deg2rad(gyr.astype(np.float64))], axis=1, dtype=np.float64)
        known = np.flatnonzero(~np.isnan(samples).any(axis=1))
        for start in range(0, len(known), _BLOCK):
            rows = known[start : start + _BLOCK]
            steps = np.diff(samples[rows, 0], prepend=self._latest_s)
            begins = np.flatnonzero(~((steps >= 0) & (steps <= GAP_S)))
            for part in np.split(np.arange(len(rows)), begins):
                if len(part):
                    made[rows[part]] = self._walk(samples[rows[part]], begins=part[0] in begins)
            self._latest_s = float(samples[rows[-1], 0])
        return made

    def _walk(self, samples: Floats, *, begins: bool) -> Floats:
        """(N, 4) Orientations of samples without a gap."""
        if begins:
            self._filter.resetState()
            self._begin_s, self._slot = samples[0, 0], _BEFORE
            self._last = samples[:1] - np.array([_STEP_S, 0, 0, 0, 0, 0, 0])
        slots = np.floor((samples[:, 0] - self._begin_s) / _SHORTEST_S).astype(np.int64)
        used: Bools = np.diff(slots, prepend=self._slot) > 0
        self._slot = int(slots[-1])
        made = np.full((len(samples), 4), np.nan)
        if used.any():
            made[used] = self._follow(samples[used])
        return made

    def _follow(self, samples: Floats) -> Floats:
        before = np.concatenate([self._last, samples[:-1]])
        self._last = samples[-1:]
        step_s = samples[:, 0] - before[:, 0]
        steps = np.maximum(1, np.round(step_s / _STEP_S)).astype(np.int64)
        ends = np.cumsum(steps)
        if ends[-1] > len(steps):
            which = np.repeat(np.arange(len(steps)), steps)
            part = np.arange(ends[-1]) - (ends - steps)[which]
            before, samples, step_s, steps = before[which], samples[which], step_s[which], steps[which]
            share = ((part + 1) / steps)[:, None]
        else:
            part, share = 0, 1.0
        # The accelerometer counts at the end of each step, the gyroscope over it: in its middle.
        acc = before[:, 1:4] * (1.0 - share) + samples[:, 1:4] * share
        share = np.asarray((part + 0.5) / steps)[:, None]
        gyr = before[:, 4:] * (1.0 - share) + samples[:, 4:] * share
        gyr *= (step_s / (steps * _STEP_S))[:, None]
        made: Floats = self._filter.updateBatch(gyr, acc)["quat6D"][ends - 1]
        return made
