"""What a feature is: named channels with units, computed from sensors for a whole ragged batch at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bfrb.arrays import Floats, Floats32
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings


@dataclass(frozen=True)
class Channel:
    """One number per row: its name and its unit."""

    name: str
    unit: str


@dataclass(frozen=True)
class Feature:
    """A formula with a name.

    Parameters
    ----------
    name
        Name under which a spec asks for it.
    needs
        The sensors it is computed from; a device without one of them does not have the feature.
    channels
        Its channels on a device that has the sensors, at least one.
    compute
        (N, C) float64 values of recordings of such a device, or float32 where that holds every value exactly; NaN
        where a sample that enters the formula is missing.
        A recording's values never depend on the other recordings of the batch.
    fills_gaps
        Whether it puts values of its own where a sample is missing, as published code did, so that less is missing.
    """

    name: str
    needs: tuple[str, ...]
    channels: Callable[[Device], tuple[Channel, ...]]
    compute: Callable[[Recordings], Floats | Floats32]
    fills_gaps: bool = False

    def is_available(self, device: Device) -> bool:
        """Whether the device carries every sensor the feature needs."""
        return all(device.has(sensor) for sensor in self.needs)


def read_sensor(name: str) -> Callable[[Recordings], Floats]:
    """A `Feature.compute` that gives the sensor's own readings, (N, C) in C order of the sensor's shape."""

    def compute(recordings: Recordings) -> Floats:
        return recordings.sensors[name].reshape(recordings.n_rows, -1).astype(np.float64)

    return compute
