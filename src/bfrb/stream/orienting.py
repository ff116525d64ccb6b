"""`Orienting`: samples of a stream in the order of time, with an orientation where none is sent."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from bfrb.read.orientation import OrientationFilter, with_gyroscope
from bfrb.stream.counts import StreamCounts
from bfrb.stream.samples import Samples
from bfrb.study.device import Device


class Orienting:
    """Takes samples as they come; gives those that no other can come before any more.

    Once an orientation is sent, none is made: the two would differ in their heading.

    Parameters
    ----------
    device
        The device of the rows; samples are those of `with_gyroscope(device)`.
    counts
        Where it is counted how many orientations were made.
    """

    def __init__(self, device: Device, counts: StreamCounts) -> None:
        self._device = device
        self._counts = counts
        self._place = {name: number for number, name in enumerate(with_gyroscope(device).sensor_names)}
        self._filter = OrientationFilter()
        self._waiting: list[Samples] = []
        self._recorded = False

    def push(self, samples: Samples, settled_s: float) -> Samples:
        """The samples up to a time before which none comes any more, in the order of time."""
        held = Samples.concat([*self._waiting, samples])
        order = np.argsort(held.time_s, kind="stable")
        count = int(np.searchsorted(held.time_s[order], settled_s, side="right"))
        self._waiting = [held.take(order[count:])]
        return self._oriented(held.take(order[:count]))

    def finish(self) -> Samples | None:
        """Those that were waiting for earlier ones; None if none ever came."""
        return self.push(self._waiting.pop(), math.inf) if self._waiting else None

    def _oriented(self, samples: Samples) -> Samples:
        acc, gyr, orientation = (samples.measured[:, self._place[name]] for name in ("acc", "gyr", "quaternion"))
        sensors, measured = dict(samples.sensors), samples.measured
        self._recorded |= bool(orientation.any())
        if not self._recorded and (acc & gyr).any():
            made = self._filter.push(samples.time_s, sensors["acc"], sensors["gyr"])
            sensors["quaternion"], measured = made, measured.copy()
            measured[:, self._place["quaternion"]] = ~np.isnan(made[:, 0])
            self._counts.oriented += int(measured[:, self._place["quaternion"]].sum())
        kept = {name: sensors[name] for name in self._device.sensor_names}
        return replace(samples, sensors=kept, measured=measured[:, : len(kept)])
