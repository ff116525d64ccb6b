"""Recordings as of the other wrist. The symmetries themselves stand with every sensor of a `Device`."""

from dataclasses import replace

import numpy as np

from bfrb.arrays import Bools
from bfrb.study.recordings import Recordings

LEFT_HANDED = 0
"""Value of the column `handedness` for a left-handed subject, who wears the device on the left wrist."""


def mirror(recordings: Recordings, which: Bools) -> Recordings:
    """Recordings as if the chosen ones (R,) had been made on the other wrist, exact up to the heading."""
    if not which.any():
        return recordings
    rows = np.repeat(which, recordings.lengths)
    sensors = {}
    for sensor in recordings.device.sensors:
        values = recordings.sensors[sensor.name].copy()
        values[rows] = sensor.left_hand.apply(values[rows])
        sensors[sensor.name] = values
    return replace(recordings, sensors=sensors)


def is_left_handed(recordings: Recordings) -> Bools:
    """(R,) Whether each recording's subject is known to be left-handed."""
    if "handedness" not in recordings.table.columns:
        return np.zeros(len(recordings), dtype=bool)
    return np.array([value == LEFT_HANDED for value in recordings.table["handedness"].to_list()], dtype=bool)


def as_right_handed(recordings: Recordings) -> Recordings:
    """Recordings with those of left-handed subjects mirrored, so that networks meet right hands only.

    Subjects whose handedness is not known are taken for right-handed.
    """
    return mirror(recordings, is_left_handed(recordings))
