"""Vary recordings in physical units, before features are computed: another wearer, another day, another watch strap.

Every variation is a function from recordings to recordings with one strength and a random generator; strength 0 changes
nothing. Because features are computed afterwards, on the one path from recordings to network input, they always fit
together: a turned device changes accelerometer and orientation alike, and a slower movement has smaller accelerations.
What comes out is what the device could have given: readings within its range, orientations with w >= 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from bfrb.arrays import Array, Bools, Floats, Ints
from bfrb.errors import ConfigError
from bfrb.features.rotations import canonical, conjugate, multiply, rotate, up_in_wrist
from bfrb.parts import import_part, is_import_path
from bfrb.study.device import STANDARD_GRAVITY_M_S2, Sensor
from bfrb.study.mirror import mirror
from bfrb.study.recordings import Annotation, Recordings
from bfrb.train.spec import VariationSpec

Variation = Callable[[Recordings, float, np.random.Generator], Recordings]

MIN_ROWS = 2
"""No recording becomes shorter than this."""

GRAVITY_WINDOW_S = 2.0
"""Where orientation is unknown, the mean acceleration over so many seconds tells where up is."""


def vary(recordings: Recordings, spec: VariationSpec, rng: np.random.Generator) -> Recordings:
    """All variations of a spec, one after the other; one's own come last."""
    for name, variation in VARIATIONS.items():
        recordings = variation(recordings, getattr(spec, name), rng)
    for path, strength in spec.own.items():
        if strength:
            recordings = find_variation(path)(recordings, strength, rng)
    return recordings


def find_variation(name: str) -> Variation:
    """The variation of that name, or at that import path `package.module:name`.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if not is_import_path(name) and name not in VARIATIONS:
        raise ConfigError(f"no variation {name!r}", remedy=f"choose among {', '.join(VARIATIONS)}")
    found = VARIATIONS.get(name) or import_part(name, "variation")
    if not callable(found):
        raise ConfigError(
            f"{name} is no variation, but {type(found).__name__}",
            remedy="make it a function from recordings, a strength and a generator to recordings",
        )
    variation: Variation = found
    return variation


def stretch_time(recordings: Recordings, spread: float, rng: np.random.Generator) -> Recordings:
    """Every recording slower or faster by a factor of its own, between exp(-spread) and exp(spread).

    Rows are interpolated at the device's rate. A movement that takes s times as long has 1/s^2 of the acceleration
    and 1/s of the angular velocity; gravity stays. Gravity is known from the orientation; without one it is taken to
    have its standard size and the direction of the mean acceleration over `GRAVITY_WINDOW_S`, as accelerometry parts
    gravity from movement by a low-pass filter (van Hees et al. 2013, PLoS ONE 8(4), e61691). That is an
    approximation: a turn of the wrist quicker than the window counts as movement in part.
    """
    if spread == 0:
        return recordings
    factors = np.exp(rng.uniform(-spread, spread, len(recordings)))
    lengths = np.maximum(MIN_ROWS, np.rint(recordings.lengths * factors)).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    step = (recordings.lengths - 1) / (lengths - 1)
    place = (np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)) * np.repeat(step, lengths)
    before = np.minimum(place.astype(np.int64), np.repeat(recordings.lengths - 1, lengths))
    first = before + np.repeat(recordings.offsets[:-1], lengths)
    second = np.minimum(first + 1, np.repeat(recordings.offsets[1:] - 1, lengths))
    share = place - before
    sensors = {
        sensor.name: _interpolate(sensor, recordings.sensors[sensor.name], (first, second), share)
        for sensor in recordings.device.sensors
    }
    slowness = np.repeat((lengths - 1) / np.maximum(1, recordings.lengths - 1), lengths)[:, None]
    sensors |= _slow_down(sensors, slowness, offsets, round(GRAVITY_WINDOW_S * recordings.device.row_rate_hz))
    nearest = np.where(share < 0.5, first, second)
    annotations = {name: annotation.take(nearest) for name, annotation in recordings.annotations.items()}
    return _changed(recordings, sensors, offsets, annotations)


def _interpolate(sensor: Sensor, values: Array, rows: tuple[Ints, Ints], share: Floats) -> Array:
    """Readings between rows: interpolated where that means something, else those of the nearest row."""
    first, second = rows
    if sensor.no_response_code is not None:
        near: Array = values[np.where(share < 0.5, first, second)]
        return near
    start, end = values[first].astype(np.float64), values[second].astype(np.float64)
    if sensor.unit_norm:
        end = np.where((start * end).sum(axis=1, keepdims=True) < 0, -end, end)
    mixed: Floats = start + share[:, None] * (end - start)
    return mixed / np.linalg.norm(mixed, axis=1, keepdims=True) if sensor.unit_norm else mixed


def _slow_down(sensors: Mapping[str, Array], slowness: Floats, offsets: Ints, window: int) -> dict[str, Array]:
    """Accelerations and angular velocities of a movement that takes `slowness` (N, 1) times as long."""
    up = _moving_mean(sensors["acc"], offsets, window)
    up /= np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-9)
    if "quaternion" in sensors:
        known = up_in_wrist(sensors["quaternion"])
        up = np.where(np.isnan(known), up, known)
    moving = sensors["acc"] - STANDARD_GRAVITY_M_S2 * up
    slowed: dict[str, Array] = {"acc": sensors["acc"] + moving * (slowness**-2.0 - 1.0)}
    return slowed | ({"gyr": sensors["gyr"] / slowness} if "gyr" in sensors else {})


def _moving_mean(values: Floats, offsets: Ints, window: int) -> Floats:
    """(N, C) mean of what is known within half a window of each row, in the row's recording; 0 where nothing is."""
    rows = np.arange(len(values))
    first, stop = (np.repeat(border, np.diff(offsets)) for border in (offsets[:-1], offsets[1:]))
    first, stop = np.maximum(first, rows - window // 2), np.minimum(stop, rows + window // 2 + 1)
    known = ~np.isnan(values)
    sums, counts = (
        np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(found, axis=0)])
        for found in (np.where(known, values, 0.0), known)
    )
    mean: Floats = (sums[stop] - sums[first]) / np.maximum(counts[stop] - counts[first], 1)
    return mean


def tilt_device(recordings: Recordings, degrees: float, rng: np.random.Generator) -> Recordings:
    """Every device worn turned by an angle of its own about an axis of its own; `degrees` is the angle's spread.

    A device turned by r reads vectors turned by the inverse of r, and its orientation is r followed by the old one.
    """
    if degrees == 0:
        return recordings
    axis = rng.normal(size=(len(recordings), 3))
    angle = np.deg2rad(rng.normal(0.0, degrees, len(recordings)))
    turn = np.repeat(_rotation_about(axis, angle), recordings.lengths, axis=0)
    vectors = [name for name in ("acc", "gyr") if name in recordings.sensors]
    sensors = {name: rotate(conjugate(turn), recordings.sensors[name].astype(np.float64)) for name in vectors}
    if "quaternion" in recordings.sensors:
        sensors["quaternion"] = multiply(recordings.sensors["quaternion"].astype(np.float64), turn)
    return _changed(recordings, sensors)


def change_wrist(recordings: Recordings, chance: float, rng: np.random.Generator) -> Recordings:
    """Some recordings as if they had been made on the other wrist."""
    return mirror(recordings, rng.random(len(recordings)) < chance) if chance else recordings


def turn_heading(recordings: Recordings, degrees: float, rng: np.random.Generator) -> Recordings:
    """Every recording made facing another compass direction, up to `degrees` away; only the orientation changes."""
    if degrees == 0 or "quaternion" not in recordings.sensors:
        return recordings
    angle = np.deg2rad(rng.uniform(-degrees, degrees, len(recordings)))
    up = np.tile([0.0, 0.0, 1.0], (len(recordings), 1))
    turn = np.repeat(_rotation_about(up, angle), recordings.lengths, axis=0)
    return _changed(recordings, {"quaternion": multiply(turn, recordings.sensors["quaternion"].astype(np.float64))})


def _rotation_about(axis: Floats, angle: Floats) -> Floats:
    """(R, 4) quaternions of rotations by `angle` (R,) rad about `axis` (R, 3)."""
    unit = axis / np.linalg.norm(axis, axis=1, keepdims=True)
    return np.column_stack([np.cos(angle / 2), np.sin(angle / 2)[:, None] * unit])


def shake_acc(recordings: Recordings, sd_m_s2: float, rng: np.random.Generator) -> Recordings:
    """Noise on every channel of the accelerometer, in m/s^2."""
    if sd_m_s2 == 0:
        return recordings
    values = recordings.sensors["acc"]
    return _changed(recordings, {"acc": values + rng.normal(0.0, sd_m_s2, values.shape)})


def warm_skin(recordings: Recordings, sd_celsius: float, rng: np.random.Generator) -> Recordings:
    """Every recording made with warmer or colder skin: all its thermopiles read as many degrees more or less."""
    if sd_celsius == 0 or "thm" not in recordings.sensors:
        return recordings
    warmer = np.repeat(rng.normal(0.0, sd_celsius, len(recordings)), recordings.lengths)[:, None]
    return _changed(recordings, {"thm": recordings.sensors["thm"] + warmer})


def blur_tof(recordings: Recordings, sd_steps: float, rng: np.random.Generator) -> Recordings:
    """Noise on every time-of-flight pixel that sees something, in the sensor's steps; the rest stay as they are."""
    if sd_steps == 0 or "tof" not in recordings.sensors:
        return recordings
    sensor, values = recordings.device.sensor("tof"), recordings.sensors["tof"]
    noisy = values + np.float32(sd_steps) * rng.standard_normal(values.shape, dtype=np.float32)
    return _changed(recordings, {"tof": np.where(values >= 0, np.rint(noisy.clip(0, sensor.high)), values)})


def lose_pixels(recordings: Recordings, probability: float, rng: np.random.Generator) -> Recordings:
    """A random share of all time-of-flight pixels, anew in every row, gets no light back."""
    if probability == 0 or "tof" not in recordings.sensors:
        return recordings
    sensor, values = recordings.device.sensor("tof"), recordings.sensors["tof"]
    lost = (values >= 0) & (rng.random(values.shape, dtype=np.float32) < probability)
    return _changed(recordings, {"tof": np.where(lost, np.int16(sensor.no_response_code or 0), values)})


def lose_piece(recordings: Recordings, probability: float, rng: np.random.Generator) -> Recordings:
    """Every thermopile and every time-of-flight sensor measures nothing in a random share of the recordings."""
    names = recordings.device.names_of("proximity")
    if probability == 0 or not names:
        return recordings
    pieces = {name: recordings.device.sensor(name).pieces for name in names}
    return _lose(
        recordings, {name: rng.random((len(recordings), count)) < probability for name, count in pieces.items()}
    )


def lose_site(recordings: Recordings, probability: float, rng: np.random.Generator) -> Recordings:
    """A random share of the recordings in which one place on the wrist measures no proximity at all."""
    names = recordings.device.names_of("proximity")
    if probability == 0 or not names:
        return recordings
    sites = recordings.device.sensor(names[0]).shape[0]
    site = np.where(rng.random(len(recordings)) < probability, rng.integers(sites, size=len(recordings)), -1)
    return _lose(recordings, dict.fromkeys(names, site[:, None] == np.arange(sites)))


def _lose_together(*names: str, modality: str = "") -> Variation:
    """The variation that takes all of these sensors, or all of a modality, from a random share of the recordings."""

    def lose(recordings: Recordings, probability: float, rng: np.random.Generator) -> Recordings:
        there = [name for name in names or recordings.device.names_of(modality) if name in recordings.sensors]
        if probability == 0 or not there:
            return recordings
        return _lose(recordings, dict.fromkeys(there, (rng.random(len(recordings)) < probability)[:, None]))

    return lose


def _lose(recordings: Recordings, lost: Mapping[str, Bools]) -> Recordings:
    """The recordings without what is lost: for every sensor (R, 1), or (R, pieces)."""
    sensors = {}
    for name, which in lost.items():
        sensor, values = recordings.device.sensor(name), recordings.sensors[name]
        by_row = np.repeat(which, recordings.lengths, axis=0)
        by_row = by_row.reshape(*by_row.shape, *(1 for _ in values.shape[2:]))
        sensors[name] = np.where(by_row, np.array(sensor.absent, dtype=sensor.dtype), values)
    return _changed(recordings, sensors)


def _changed(
    recordings: Recordings,
    sensors: Mapping[str, Array],
    offsets: Ints | None = None,
    annotations: Mapping[str, Annotation] | None = None,
) -> Recordings:
    """The recordings with other readings of some sensors (with new offsets: of all), as the device would give them."""
    return replace(
        recordings,
        sensors={
            sensor.name: _possible(sensor, sensors[sensor.name])
            if sensor.name in sensors
            else recordings.sensors[sensor.name]
            for sensor in recordings.device.sensors
        },
        offsets=recordings.offsets if offsets is None else offsets,
        annotations=recordings.annotations if annotations is None else annotations,
    )


def _possible(sensor: Sensor, values: Array) -> Array:
    """Readings within the sensor's range; of an orientation and its negative, which are one, that with w >= 0."""
    if sensor.no_response_code is not None:
        return values
    return (canonical(values) if sensor.unit_norm else values).clip(sensor.low, sensor.high)


VARIATIONS: dict[str, Variation] = {
    "stretch_time": stretch_time,
    "tilt_device": tilt_device,
    "change_wrist": change_wrist,
    "turn_heading": turn_heading,
    "shake_acc": shake_acc,
    "warm_skin": warm_skin,
    "blur_tof": blur_tof,
    "lose_pixels": lose_pixels,
    "lose_piece": lose_piece,
    "lose_site": lose_site,
    "lose_thm": _lose_together("thm"),
    "lose_tof": _lose_together("tof"),
    "lose_proximity": _lose_together(modality="proximity"),
    "lose_rotation": _lose_together("quaternion", "gyr"),
}
"""Every variation by name, in the order in which they are applied."""
