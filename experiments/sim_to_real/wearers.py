"""What differs between simulated and real wearers, as variations of training recordings (`spec.toml`)."""

from __future__ import annotations

import numpy as np

from bfrb.arrays import Array
from bfrb.study.recordings import Recordings
from bfrb.train.variation import changed, lose


def shake_acc(recordings: Recordings, sd_m_s2: float, rng: np.random.Generator) -> Recordings:
    """Noise on every channel of the accelerometer, in m/s^2."""
    return changed(recordings, acc=lambda values: values + rng.normal(0.0, sd_m_s2, values.shape))


def warm_skin(recordings: Recordings, sd_celsius: float, rng: np.random.Generator) -> Recordings:
    """Every recording made with warmer or colder skin: all its thermopiles read as many degrees more or less."""
    warmer = np.repeat(rng.normal(0.0, sd_celsius, len(recordings)), recordings.lengths)[:, None]
    return changed(recordings, thm=lambda values: values + warmer)


def blur_tof(recordings: Recordings, sd_steps: float, rng: np.random.Generator) -> Recordings:
    """Noise on every time-of-flight pixel that sees something, in the sensor's steps; the rest stay as they are."""

    def blurred(values: Array) -> Array:
        noisy = values + np.float32(sd_steps) * rng.standard_normal(values.shape, dtype=np.float32)
        return np.where(values >= 0, np.rint(noisy.clip(0, recordings.device.sensor("tof").high)), values)

    return changed(recordings, tof=blurred)


def lose_pixels(recordings: Recordings, probability: float, rng: np.random.Generator) -> Recordings:
    """A random share of all time-of-flight pixels, anew in every row, gets no light back."""

    def thinned(values: Array) -> Array:
        lost = (values >= 0) & (rng.random(values.shape, dtype=np.float32) < probability)
        return np.where(lost, np.int16(recordings.device.sensor("tof").no_response_code or 0), values)

    return changed(recordings, tof=thinned)


def lose_site(recordings: Recordings, probability: float, rng: np.random.Generator) -> Recordings:
    """A random share of the recordings in which one place on the wrist measures no proximity at all."""
    names = recordings.device.names_of("proximity")
    sites = recordings.device.sensor(names[0]).shape[0] if names else 1
    site = np.where(rng.random(len(recordings)) < probability, rng.integers(sites, size=len(recordings)), -1)
    return lose(recordings, dict.fromkeys(names, site[:, None] == np.arange(sites)))
