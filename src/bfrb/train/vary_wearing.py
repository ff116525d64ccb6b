"""Variations of how a device is worn, and of where its wearer faces."""

from __future__ import annotations

import numpy as np

from bfrb.arrays import Floats
from bfrb.features.rotations import conjugate, multiply, rotate
from bfrb.study.mirror import mirror
from bfrb.study.recordings import Recordings
from bfrb.train.changed import changed


def tilt_device(recordings: Recordings, degrees: float, rng: np.random.Generator) -> Recordings:
    """Every device worn turned by an angle of its own about an axis of its own; `degrees` is the angle's spread.

    A device turned by r reads vectors turned by the inverse of r, and its orientation is r followed by the old one.
    """
    if degrees == 0:
        return recordings
    axis = rng.normal(size=(len(recordings), 3))
    angle = np.deg2rad(rng.normal(0.0, degrees, len(recordings)))
    turn = np.repeat(rotation_about(axis, angle), recordings.lengths, axis=0)
    sensors = dict(recordings.sensors)
    for name in ("acc", "gyr"):
        if name in sensors:
            sensors[name] = rotate(conjugate(turn), sensors[name].astype(np.float64))
    if "quaternion" in sensors:
        sensors["quaternion"] = multiply(sensors["quaternion"].astype(np.float64), turn)
    return changed(recordings, sensors)


def change_wrist(recordings: Recordings, chance: float, rng: np.random.Generator) -> Recordings:
    """Some recordings as if they had been made on the other wrist."""
    return mirror(recordings, rng.random(len(recordings)) < chance) if chance else recordings


def turn_heading(recordings: Recordings, degrees: float, rng: np.random.Generator) -> Recordings:
    """Every recording made facing another compass direction, up to `degrees` away; only the orientation changes."""
    if degrees == 0 or "quaternion" not in recordings.sensors:
        return recordings
    angle = np.deg2rad(rng.uniform(-degrees, degrees, len(recordings)))
    turn = np.repeat(rotation_about(np.tile([0.0, 0.0, 1.0], (len(recordings), 1)), angle), recordings.lengths, axis=0)
    turned = multiply(turn, recordings.sensors["quaternion"].astype(np.float64))
    return changed(recordings, dict(recordings.sensors) | {"quaternion": turned})


def rotation_about(axis: Floats, angle: Floats) -> Floats:
    """(R, 4) quaternions of rotations by `angle` (R,) rad about `axis` (R, 3)."""
    unit = axis / np.linalg.norm(axis, axis=1, keepdims=True)
    return np.column_stack([np.cos(angle / 2), np.sin(angle / 2)[:, None] * unit])
