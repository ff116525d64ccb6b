"""`SampleSeries`: the samples of one recording as a device gave them, brought to the wrist frame and to SI units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bfrb.arrays import Array, Floats, Ints
from bfrb.errors import DataError
from bfrb.study.description import Description
from bfrb.study.frame import Wrist, device_to_wrist, orientations_to_wrist, turns_to_wrist, vectors_to_wrist


@dataclass(frozen=True, eq=False)
class SampleSeries:
    """The samples of one recording, at the times at which they were taken.

    Parameters
    ----------
    id, subject
        What it is called and whose it is.
    time_s
        (N,) times in seconds, not falling; of a clock, since 1970, or since the recording began.
    sensors
        (N, C) float32 readings of every sensor, NaN where nothing was measured.
    labels
        (N,) texts, None where a sample has none; None where there is no column of labels.
    facts
        What else is known of the recording, such as `wrist`, `age` or the button's presses.
    """

    id: str
    subject: str
    time_s: Floats
    sensors: Mapping[str, Array]
    labels: Array | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.time_s)

    @property
    def rate_hz(self) -> float:
        """Samples per second: the median of what stands between two that differ in time; NaN if none do."""
        steps = np.diff(self.time_s)
        steps = steps[steps > 0]
        return float(1.0 / np.median(steps)) if len(steps) else np.nan


def bring_to_wrist(
    sensors: Mapping[str, Array], description: Description, wrist: Wrist | None = None
) -> dict[str, Array]:
    """Readings in the files' units and in the device's axes, as (N, C) float32 in the wrist frame and in SI units.

    Parameters
    ----------
    sensors
        (N, C) readings by sensor.
    description
        What they mean. Without axes, the device's own are kept.
    wrist
        On which wrist it was, where the description does not say.

    Raises
    ------
    DataError
        If it is not known on which wrist it was, and its axes are said in words of a watch.
    """
    scaled = {name: np.asarray(values, dtype=np.float64) * description.scale(name) for name, values in sensors.items()}
    if "quaternion" in scaled and description.sensor("quaternion").turns == "world_to_device":
        scaled["quaternion"] = scaled["quaternion"] * np.array([1.0, -1.0, -1.0, -1.0])
    if description.axes is not None:
        matrix = device_to_wrist(description.axes.words, known_wrist(description, wrist), crown=description.worn.crown)
        change = {"acc": vectors_to_wrist, "gyr": turns_to_wrist, "quaternion": orientations_to_wrist}
        scaled |= {name: change[name](values, matrix) for name, values in scaled.items() if name in change}
    return {name: values.astype(np.float32) for name, values in scaled.items()}


def known_wrist(description: Description, wrist: Wrist | None) -> Wrist:
    """The wrist of a recording: what is known of it itself, or else what the description says.

    Raises
    ------
    DataError
        If neither is known.
    """
    found = wrist or description.worn.wrist
    if found is None:
        raise DataError(
            f"{description.name} does not say on which wrist the device was worn",
            remedy='add wrist = "left" or wrist = "right" to its [worn], or the column that says it for each recording',
        )
    return found


def nearest_in_time(times: Floats | Ints, others: Floats | Ints, within: float) -> Ints:
    """For every time the position of the nearest other one, the earlier of two as near; -1 if none is within reach.

    Parameters
    ----------
    times
        (N,) times, in any unit.
    others
        (M,) times, not falling.
    within
        How far the nearest may be away.
    """
    after = np.minimum(np.searchsorted(others, times), len(others) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(times - others[before] <= others[after] - times, before, after)
    return np.where(np.abs(others[nearest] - times) <= within, nearest, -1)
