"""Vary recordings in physical units, before features are computed: another wearer, another day, another watch strap.

Every variation is a function from recordings to recordings with one strength and a random generator; strength 0 changes
nothing. Because features are computed afterwards, on the one path from recordings to network input, they always fit
together: a turned device changes accelerometer and orientation alike, and a slower movement has smaller accelerations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bfrb.config import VariationSpec
from bfrb.data.device import Array, Sensor
from bfrb.data.recordings import Annotation, Recordings
from bfrb.features.motion import linear_acceleration
from bfrb.features.rotations import conjugate, multiply, rotate

Float = npt.NDArray[np.float64]
Variation = Callable[[Recordings, float, np.random.Generator], Recordings]


def vary(recordings: Recordings, spec: VariationSpec, rng: np.random.Generator) -> Recordings:
    """All variations of a spec, one after the other."""
    for name, variation in VARIATIONS.items():
        recordings = variation(recordings, getattr(spec, name), rng)
    return recordings


def stretch_time(recordings: Recordings, spread: float, rng: np.random.Generator) -> Recordings:
    """Every recording slower or faster by a factor of its own, between exp(-spread) and exp(spread).

    Rows are interpolated at the device's rate. A movement that takes s times as long has 1/s^2 of the acceleration
    and 1/s of the angular velocity; gravity stays.
    """
    if spread == 0:
        return recordings
    factors = np.exp(rng.uniform(-spread, spread, len(recordings)))
    lengths = np.maximum(2, np.rint(recordings.lengths * factors)).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    step = (recordings.lengths - 1) / (lengths - 1)
    ticks = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    place = ticks * np.repeat(step, lengths)
    before = np.minimum(place.astype(np.int64), np.repeat(recordings.lengths - 1, lengths))
    share = place - before
    first = before + np.repeat(recordings.offsets[:-1], lengths)
    second = np.minimum(first + 1, np.repeat(recordings.offsets[1:] - 1, lengths))
    nearest = np.where(share < 0.5, first, second)
    sensors = {
        sensor.name: _resample(sensor, recordings.sensors[sensor.name], (first, second, nearest), share)
        for sensor in recordings.device.sensors
    }
    slowness = np.repeat((lengths - 1) / np.maximum(1, recordings.lengths - 1), lengths)[:, None]
    annotations = {name: annotation.take(nearest) for name, annotation in recordings.annotations.items()}
    return _changed(recordings, _slow_down(sensors, slowness), offsets, annotations)


def _resample(sensor: Sensor, values: Array, rows: tuple[Any, Any, Any], share: Float) -> Array:
    """Readings between rows: interpolated where that means something, else those of the nearest row."""
    first, second, nearest = rows
    if sensor.no_response_code is not None:
        near: Array = values[nearest]
        return near
    start, end = values[first].astype(np.float64), values[second].astype(np.float64)
    if sensor.unit_norm:
        end = np.where((start * end).sum(axis=1, keepdims=True) < 0, -end, end)
    mixed: Float = start + share[:, None] * (end - start)
    if sensor.unit_norm:
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    return mixed


def _slow_down(sensors: dict[str, Array], slowness: Float) -> dict[str, Array]:
    """Accelerations and angular velocities of a movement that takes `slowness` (N, 1) times as long."""
    if "quaternion" in sensors:
        moving = linear_acceleration(sensors["acc"], sensors["quaternion"])
        change = np.nan_to_num(moving * (slowness**-2.0 - 1.0))
        sensors["acc"] = sensors["acc"] + change
    if "gyr" in sensors:
        sensors["gyr"] = sensors["gyr"] / slowness
    return sensors


def tilt_device(recordings: Recordings, degrees: float, rng: np.random.Generator) -> Recordings:
    """Every device worn turned by an angle of its own about an axis of its own; `degrees` is the angle's spread.

    A device turned by r reads vectors turned by the inverse of r, and its orientation is r followed by the old one.
    """
    if degrees == 0:
        return recordings
    axis = rng.normal(size=(len(recordings), 3))
    angle = np.deg2rad(rng.normal(0.0, degrees, len(recordings)))
    turn = np.repeat(_rotation(axis, angle), recordings.lengths, axis=0)
    sensors = dict(recordings.sensors)
    for name in ("acc", "gyr"):
        if name in sensors:
            sensors[name] = rotate(conjugate(turn), sensors[name].astype(np.float64))
    if "quaternion" in sensors:
        sensors["quaternion"] = multiply(sensors["quaternion"].astype(np.float64), turn)
    return _changed(recordings, sensors)


def turn_heading(recordings: Recordings, degrees: float, rng: np.random.Generator) -> Recordings:
    """Every recording made facing another compass direction, up to `degrees` away; only the orientation changes."""
    if degrees == 0 or "quaternion" not in recordings.sensors:
        return recordings
    angle = np.deg2rad(rng.uniform(-degrees, degrees, len(recordings)))
    turn = np.repeat(_rotation(np.tile([0.0, 0.0, 1.0], (len(recordings), 1)), angle), recordings.lengths, axis=0)
    turned = multiply(turn, recordings.sensors["quaternion"].astype(np.float64))
    return _changed(recordings, dict(recordings.sensors) | {"quaternion": turned})


def lose_site(recordings: Recordings, probability: float, rng: np.random.Generator) -> Recordings:
    """A random share of the recordings in which one place on the wrist measures no proximity at all."""
    names = recordings.device.names_of("proximity")
    if probability == 0 or not names:
        return recordings
    sites = recordings.device.sensor(names[0]).shape[0]
    site = np.where(rng.random(len(recordings)) < probability, rng.integers(sites, size=len(recordings)), -1)
    lost = np.repeat(site, recordings.lengths)[:, None] == np.arange(sites)
    sensors = dict(recordings.sensors)
    for name in names:
        values = sensors[name].copy()
        values[lost] = recordings.device.sensor(name).absent
        sensors[name] = values
    return _changed(recordings, sensors)


VARIATIONS: dict[str, Variation] = {
    "stretch_time": stretch_time,
    "tilt_device": tilt_device,
    "turn_heading": turn_heading,
    "lose_site": lose_site,
}
"""Every variation by name, in the order in which they are applied."""


def _rotation(axis: Float, angle: Float) -> Float:
    """(R, 4) quaternions of rotations by `angle` (R,) rad about `axis` (R, 3)."""
    unit = axis / np.linalg.norm(axis, axis=1, keepdims=True)
    return np.column_stack([np.cos(angle / 2), np.sin(angle / 2)[:, None] * unit])


def _changed(
    recordings: Recordings,
    sensors: dict[str, Array],
    offsets: npt.NDArray[np.int64] | None = None,
    annotations: dict[str, Annotation] | None = None,
) -> Recordings:
    """The recordings with other readings, kept within what the sensors can give."""
    possible = {}
    for sensor in recordings.device.sensors:
        values = sensors[sensor.name]
        possible[sensor.name] = values if sensor.no_response_code is not None else values.clip(sensor.low, sensor.high)
    return replace(
        recordings,
        sensors=possible,
        offsets=recordings.offsets if offsets is None else offsets,
        annotations=recordings.annotations if annotations is None else annotations,
    )
