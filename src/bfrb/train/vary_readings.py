"""Variations of what sensors read: noise in their units, and another skin temperature."""

from __future__ import annotations

import numpy as np

from bfrb.arrays import Floats
from bfrb.features.rotations import multiply
from bfrb.study.recordings import Recordings
from bfrb.train.changed import changed
from bfrb.train.vary_wearing import rotation_about


def shake_acc(recordings: Recordings, sd_m_s2: float, rng: np.random.Generator) -> Recordings:
    """Noise on every channel of the accelerometer, in m/s^2."""
    return _add_noise(recordings, "acc", sd_m_s2, rng)


def shake_gyr(recordings: Recordings, sd_deg_s: float, rng: np.random.Generator) -> Recordings:
    """Noise on every channel of the gyroscope, in degrees per second."""
    return _add_noise(recordings, "gyr", sd_deg_s, rng)


def blur_thm(recordings: Recordings, sd_celsius: float, rng: np.random.Generator) -> Recordings:
    """Noise on every thermopile, in degrees Celsius."""
    return _add_noise(recordings, "thm", sd_celsius, rng)


def shake_quaternion(recordings: Recordings, sd_deg: float, rng: np.random.Generator) -> Recordings:
    """Every row's orientation off by a small rotation of its own, `sd_deg` degrees about every axis."""
    if sd_deg == 0 or "quaternion" not in recordings.sensors:
        return recordings
    vectors = rng.normal(0.0, np.deg2rad(sd_deg), (recordings.n_rows, 3))
    turn = rotation_about(vectors, np.linalg.norm(vectors, axis=1))
    return changed(recordings, {"quaternion": multiply(recordings.sensors["quaternion"].astype(np.float64), turn)})


def warm_skin(recordings: Recordings, sd_celsius: float, rng: np.random.Generator) -> Recordings:
    """Every recording made with warmer or colder skin: all its thermopiles read as many degrees more or less."""
    if sd_celsius == 0 or "thm" not in recordings.sensors:
        return recordings
    warmer = np.repeat(rng.normal(0.0, sd_celsius, len(recordings)), recordings.lengths)[:, None]
    return changed(recordings, {"thm": recordings.sensors["thm"] + warmer})


def blur_tof(recordings: Recordings, sd_steps: float, rng: np.random.Generator) -> Recordings:
    """Noise on every time-of-flight pixel that sees something, in the sensor's steps; the rest stay as they are."""
    if sd_steps == 0 or "tof" not in recordings.sensors:
        return recordings
    sensor, values = recordings.device.sensor("tof"), recordings.sensors["tof"]
    noisy = values + np.float32(sd_steps) * rng.standard_normal(values.shape, dtype=np.float32)
    return changed(recordings, {"tof": np.where(values >= 0, np.rint(noisy.clip(0, sensor.high)), values)})


def lose_pixels(recordings: Recordings, probability: float, rng: np.random.Generator) -> Recordings:
    """A random share of all time-of-flight pixels, anew in every row, gets no light back."""
    if probability == 0 or "tof" not in recordings.sensors:
        return recordings
    sensor, values = recordings.device.sensor("tof"), recordings.sensors["tof"]
    lost = (values >= 0) & (rng.random(values.shape, dtype=np.float32) < probability)
    return changed(recordings, {"tof": np.where(lost, np.int16(sensor.no_response_code or 0), values)})


def _add_noise(recordings: Recordings, name: str, sd: float, rng: np.random.Generator) -> Recordings:
    if sd == 0 or name not in recordings.sensors:
        return recordings
    values = recordings.sensors[name]
    noise: Floats = rng.normal(0.0, sd, values.shape)
    return changed(recordings, {name: values + noise})
