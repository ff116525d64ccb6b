"""Vary recordings in physical units, before features are computed: another wearer, another day, another watch strap.

Every variation is a function from recordings to recordings with one strength above 0 and a random generator; what it
needs and the device lacks, it lets be. Because features are computed afterwards, on the one path from recordings to
network input, they always fit together: a turned device changes accelerometer and orientation alike. What comes out is
what the device could have given: readings within its range, orientations with w >= 0.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from bfrb.arrays import Array, Bools
from bfrb.errors import ConfigError
from bfrb.features.rotations import canonical, conjugate, multiply, rotate
from bfrb.parts import import_part
from bfrb.study.device import Sensor
from bfrb.study.mirror import mirror
from bfrb.study.recordings import Recordings
from bfrb.train.run import LOST_TOGETHER, VariationSpec

Variation = Callable[[Recordings, float, np.random.Generator], Recordings]


def vary(recordings: Recordings, spec: VariationSpec, rng: np.random.Generator) -> Recordings:
    """All variations of a spec, one after the other, one's own last; those of strength 0 are left out."""
    for name, strength in {**{name: getattr(spec, name) for name in VARIATIONS}, **spec.own}.items():
        if strength:
            recordings = find_variation(name)(recordings, strength, rng)
    return recordings


def find_variation(name: str) -> Variation:
    """The variation of that name, or at that import path `package.module:name`. ConfigError if there is none."""
    found = VARIATIONS[name] if name in VARIATIONS else import_part(name, "variation")
    if not callable(found):
        remedy = "make it a function from recordings, a strength and a generator to recordings"
        raise ConfigError(f"{name} is no variation, but {type(found).__name__}", remedy=remedy)
    variation: Variation = found
    return variation


def tilt_device(recordings: Recordings, degrees: float, rng: np.random.Generator) -> Recordings:
    """Every device worn turned by an angle of its own about an axis of its own; `degrees` is the angle's spread.

    A device turned by r reads vectors turned by the inverse of r, and its orientation is r followed by the old one.
    """
    axis = rng.normal(size=(len(recordings), 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    half = np.deg2rad(rng.normal(0.0, degrees, len(recordings)))[:, None] / 2
    turn = np.repeat(np.hstack([np.cos(half), np.sin(half) * axis]), recordings.lengths, axis=0)

    def turned(vectors: Array) -> Array:
        seen: Array = rotate(conjugate(turn), vectors.astype(np.float64))
        return seen

    return changed(
        recordings, acc=turned, gyr=turned, quaternion=lambda values: multiply(values.astype(np.float64), turn)
    )


def change_wrist(recordings: Recordings, chance: float, rng: np.random.Generator) -> Recordings:
    """Some recordings as if they had been made on the other wrist."""
    return mirror(recordings, rng.random(len(recordings)) < chance)


def lose_piece(recordings: Recordings, probability: float, rng: np.random.Generator) -> Recordings:
    """Every thermopile and every time-of-flight sensor measures nothing in a random share of the recordings."""
    pieces = {name: recordings.device.sensor(name).pieces for name in recordings.device.names_of("proximity")}
    return lose(
        recordings, {name: rng.random((len(recordings), count)) < probability for name, count in pieces.items()}
    )


def _lose_together(*names: str) -> Variation:
    """The variation that takes all of these sensors from a random share of the recordings."""

    def variation(recordings: Recordings, probability: float, rng: np.random.Generator) -> Recordings:
        return lose(recordings, dict.fromkeys(names, (rng.random(len(recordings)) < probability)[:, None]))

    return variation


def lose(recordings: Recordings, lost: Mapping[str, Bools]) -> Recordings:
    """The recordings without what is lost: for every sensor (R, 1), or (R, pieces)."""
    sensors = dict(recordings.sensors)
    for name in lost.keys() & sensors.keys():
        values, by_row = sensors[name], np.repeat(lost[name], recordings.lengths, axis=0)
        by_row = by_row.reshape(*by_row.shape, *(1 for _ in values.shape[2:]))
        sensors[name] = np.where(by_row, np.array(recordings.device.sensor(name).absent, dtype=values.dtype), values)
    return replace(recordings, sensors=sensors)


def changed(recordings: Recordings, **changes: Callable[[Array], Array]) -> Recordings:
    """The recordings with other readings of these sensors, where the device has them, as the device would give them."""
    sensors = dict(recordings.sensors)
    for sensor in recordings.device.sensors:
        if sensor.name in changes:
            sensors[sensor.name] = _possible(sensor, changes[sensor.name](sensors[sensor.name]))
    return replace(recordings, sensors=sensors)


def _possible(sensor: Sensor, values: Array) -> Array:
    """Readings within the sensor's range; of an orientation and its negative, which are one, that with w >= 0."""
    if sensor.no_response_code is not None:
        return values
    return (canonical(values) if sensor.unit_norm else values).clip(sensor.low, sensor.high)


VARIATIONS: dict[str, Variation] = {
    "tilt_device": tilt_device,
    "change_wrist": change_wrist,
    "lose_piece": lose_piece,
    **{name: _lose_together(*sensors) for name, sensors in LOST_TOGETHER.items()},
}
"""Every variation by name, in the order in which they are applied."""
