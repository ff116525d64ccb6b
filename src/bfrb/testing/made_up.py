"""Made-up recordings of any device: random readings within each sensor's range, with gaps of every kind."""

from collections.abc import Sequence

import numpy as np

from bfrb.arrays import Array
from bfrb.read.tables import make_table
from bfrb.study.device import Device, Sensor
from bfrb.study.recordings import Recordings


def expect(condition: object, problem: str) -> None:
    """Raise an `AssertionError` that tells the problem, unless the condition holds."""
    if not condition:
        raise AssertionError(problem)


def random_recordings(
    device: Device, lengths: Sequence[int], rng: np.random.Generator, missing: float = 0.1
) -> Recordings:
    """Recordings of the given lengths, all of one subject, in which a share of every sensor's readings is absent.

    >>> from bfrb.study.device import GALAXY_WATCH
    >>> random_recordings(GALAXY_WATCH, [3, 40], np.random.default_rng(0))
    <Recordings: 2 of galaxy_watch, 1 subject, 43 rows, acc gyr>
    """
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    rows = int(offsets[-1])
    sensors = {sensor.name: _readings(sensor, rows, rng) for sensor in device.sensors}
    for sensor in device.sensors:
        sensors[sensor.name][rng.random(rows) < missing] = sensor.absent
    names = [f"r{number}" for number in range(len(lengths))]
    return Recordings(device, sensors, offsets, make_table({"id": names, "subject": ["s"] * len(names)}))


def _readings(sensor: Sensor, rows: int, rng: np.random.Generator) -> Array:
    shape = (rows, *sensor.shape)
    if sensor.no_response_code is not None:
        return _images(sensor, shape, rng)
    if sensor.unit_norm:
        values = rng.normal(size=shape)
        unit: Array = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
        return unit
    return rng.uniform(sensor.low, sensor.high, shape).astype(np.float32)


def _images(sensor: Sensor, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Half of the pixels have no response, and one image in ten has none at all."""
    high = int(sensor.high)
    values = np.maximum(rng.integers(-high, high + 1, shape, dtype=np.int16), np.int16(sensor.no_response_code or 0))
    values[rng.random(shape[:2]) < 0.1] = sensor.no_response_code
    return values
