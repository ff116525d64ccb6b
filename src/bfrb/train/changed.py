"""Recordings with other readings, kept within what the sensors can give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bfrb.arrays import Array, Ints
from bfrb.study.recordings import Annotation, Recordings


def changed(
    recordings: Recordings,
    sensors: Mapping[str, Array],
    offsets: Ints | None = None,
    annotations: Mapping[str, Annotation] | None = None,
) -> Recordings:
    """The recordings with some other readings, and perhaps other rows.

    Parameters
    ----------
    sensors
        New readings; those of a sensor that is left out stay. With new `offsets`, all sensors.
    offsets, annotations
        Of the new rows, if the rows are others.
    """
    possible = {}
    for sensor in recordings.device.sensors:
        values = sensors.get(sensor.name, recordings.sensors[sensor.name])
        possible[sensor.name] = values if sensor.no_response_code is not None else values.clip(sensor.low, sensor.high)
    return replace(
        recordings,
        sensors=possible,
        offsets=recordings.offsets if offsets is None else offsets,
        annotations=recordings.annotations if annotations is None else annotations,
    )
