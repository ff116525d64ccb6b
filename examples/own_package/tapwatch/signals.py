"""A feature, and a variation of recordings."""

import numpy as np

from bfrb.features.feature import vector_feature
from bfrb.features.rotations import magnitude
from bfrb.features.rows import Rows, Values
from bfrb.study.recordings import Recordings


def _wobble(rows: Rows) -> Values:
    acc = rows.sensor("acc")
    return magnitude(rows.after(acc) - 2.0 * acc + rows.before(acc))


WOBBLE = vector_feature("wobble", "m/s^2", "", ("acc",), _wobble)
"""How far each reading is from the straight line between its neighbours, in m/s^2."""


def drift(recordings: Recordings, sd_m_s2: float, rng: np.random.Generator) -> Recordings:
    """Every recording made with an accelerometer whose zero is off, in m/s^2."""
    off = np.repeat(rng.normal(0.0, sd_m_s2, (len(recordings), 3)), recordings.lengths, axis=0)
    sensor = recordings.device.sensor("acc")
    acc = (recordings.sensors["acc"] + off).clip(sensor.low, sensor.high)
    return recordings.with_sensors(acc=acc)
