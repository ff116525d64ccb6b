"""Made-up recordings of any device: random readings within each sensor's range, with gaps of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from bfrb.features.spec import FeatureSpec
from bfrb.networks.specs import TwoBranchSpec
from bfrb.study.device import Device, Sensor
from bfrb.study.recordings import Recordings

BASELINE_FEATURES = FeatureSpec().branches(TwoBranchSpec.BRANCHES)
"""The published network's features by branch, for all devices."""


def random_recordings(
    device: Device, lengths: Sequence[int], rng: np.random.Generator, missing: float = 0.1
) -> Recordings:
    """Recordings of the given lengths in which the share `missing` of every sensor's readings is absent."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    rows = int(offsets[-1])
    sensors = {sensor.name: _readings(sensor, rows, rng) for sensor in device.sensors}
    for sensor in device.sensors:
        sensors[sensor.name][rng.random(rows) < missing] = sensor.absent
    return Recordings(device, sensors, offsets, plain_table(len(lengths)))


def plain_table(recordings: int) -> pl.DataFrame:
    """A table with nothing but ids, all of one subject."""
    return pl.DataFrame({"id": [f"r{number}" for number in range(recordings)], "subject": ["s"] * recordings})


def _readings(sensor: Sensor, rows: int, rng: np.random.Generator) -> npt.NDArray[Any]:
    shape = (rows, *sensor.shape)
    if sensor.no_response_code is not None:
        return _images(sensor, shape, rng)
    if sensor.unit_norm:
        values = rng.normal(size=shape)
        return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
    return rng.uniform(sensor.low, sensor.high, shape).astype(np.float32)


def _images(sensor: Sensor, shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """Half of the pixels have no response, and one image in ten has none at all."""
    high = int(sensor.high)
    values = np.maximum(rng.integers(-high, high + 1, shape, dtype=np.int16), np.int16(sensor.no_response_code or 0))
    values[rng.random(shape[:2]) < 0.1] = sensor.no_response_code
    return values
