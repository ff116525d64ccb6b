"""Variations of which sensors measure: one of several, a place on the wrist, a whole kind."""

from __future__ import annotations

import numpy as np

from bfrb.arrays import Bools
from bfrb.study.recordings import Recordings
from bfrb.train.changed import changed


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
    return changed(recordings, sensors)


def lose_piece(recordings: Recordings, probability: float, rng: np.random.Generator) -> Recordings:
    """A random share of the recordings in which one thermopile or one time-of-flight sensor measures nothing."""
    names = recordings.device.names_of("proximity")
    pieces = [(name, piece) for name in names for piece in range(recordings.device.sensor(name).pieces)]
    if probability == 0 or not pieces:
        return recordings
    chosen = rng.integers(len(pieces), size=len(recordings))
    chosen[rng.random(len(recordings)) >= probability] = -1
    by_row = np.repeat(chosen, recordings.lengths)
    sensors = {}
    for name in names:
        values = recordings.sensors[name].copy()
        for number, (owner, piece) in enumerate(pieces):
            if owner == name:
                values[by_row == number, piece] = recordings.device.sensor(name).absent
        sensors[name] = values
    return changed(recordings, sensors)


def lose_thm(recordings: Recordings, probability: float, rng: np.random.Generator) -> Recordings:
    """A random share of the recordings without any thermopile."""
    return _lose_all(recordings, ("thm",), probability, rng)


def lose_tof(recordings: Recordings, probability: float, rng: np.random.Generator) -> Recordings:
    """A random share of the recordings without any time-of-flight sensor."""
    return _lose_all(recordings, ("tof",), probability, rng)


def lose_proximity(recordings: Recordings, probability: float, rng: np.random.Generator) -> Recordings:
    """A random share of the recordings with neither thermopiles nor time-of-flight sensors."""
    return _lose_all(recordings, recordings.device.names_of("proximity"), probability, rng)


def lose_quaternion(recordings: Recordings, probability: float, rng: np.random.Generator) -> Recordings:
    """A random share of the recordings without an orientation."""
    return _lose_all(recordings, ("quaternion",), probability, rng)


def _lose_all(
    recordings: Recordings, names: tuple[str, ...], probability: float, rng: np.random.Generator
) -> Recordings:
    """A random share of the recordings in which none of the named sensors measures anything."""
    there = [name for name in names if name in recordings.sensors]
    if probability == 0 or not there:
        return recordings
    lost: Bools = np.repeat(rng.random(len(recordings)) < probability, recordings.lengths)
    sensors = {}
    for name in there:
        values = recordings.sensors[name].copy()
        values[lost] = recordings.device.sensor(name).absent
        sensors[name] = values
    return changed(recordings, sensors)
