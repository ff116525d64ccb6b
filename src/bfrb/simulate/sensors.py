"""The device's sensors: each a small model from the motion and what is around it to numbers with their flaws."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Bools, Floats, Floats32, Ints
from bfrb.simulate.frames import about, quaternion_of, rotated
from bfrb.simulate.scene import View
from bfrb.simulate.spec import SensorSpec
from bfrb.study.device import HELIOS, STANDARD_GRAVITY_M_S2

_TOF_LARGEST = 249

# By material: skin, hair, clothes, leg, object, bed; air, which is -1, stands last.
_REFLECTANCE = np.array([1.0, 0.85, 0.96, 0.96, 0.9, 0.98, 0.0], np.float32)
_WARMTH = np.array([1.0, 0.62, 0.42, 0.55, 0.1, 0.1, 0.0], np.float32)
"""Surface temperature between the room's (0) and bare skin's (1)."""


def specific_force(
    place: Floats, rotation: Floats, rate_hz: float, starts: Ints, strongest_m_s2: float = np.inf
) -> Floats:
    """(N, 3) acceleration minus gravity in the frame of the device, in m/s^2: what a perfect accelerometer reads.

    The device is at (N, 3) places in metres with (N, 3, 3) rotations, device to room, at `rate_hz`; sequences begin at
    (S,) `starts`, and nothing is differenced across them. Longer accelerations are shortened to the strongest.
    """
    acceleration = np.zeros_like(place)
    acceleration[1:-1] = (place[2:] - 2 * place[1:-1] + place[:-2]) * rate_hz**2
    ends = np.append(starts[1:], len(place)) - 1
    acceleration[starts] = acceleration[np.minimum(starts + 1, ends)]
    acceleration[ends] = acceleration[np.maximum(ends - 1, starts)]
    size = np.linalg.norm(acceleration, axis=1, keepdims=True)
    acceleration /= np.maximum(size / strongest_m_s2, 1)
    acceleration[:, 2] += STANDARD_GRAVITY_M_S2
    return rotated(np.swapaxes(rotation, 1, 2), acceleration)


def measure_acc(force: Floats, starts: Ints, spec: SensorSpec, rng: np.random.Generator) -> Floats32:
    """(N, 3) readings on the grid of 1/256 m/s^2, from (N, 3) specific force in sequences with (S,) first rows.

    Now and then the device is knocked: one row reads anything within what was ever published.
    """
    bias = rng.normal(0, spec.acc_bias_m_s2, 3)
    noisy = spec.acc_scale * force + bias + rng.normal(0, spec.acc_noise_m_s2, force.shape)
    knocked = np.flatnonzero(rng.random(len(starts)) < spec.knock_share)
    lengths = np.diff(np.append(starts, len(force)))[knocked]
    rows = starts[knocked] + np.floor(rng.random(len(knocked)) * lengths).astype(np.int64)
    noisy[rows] = rng.uniform(spec.knock_low_m_s2, spec.knock_high_m_s2, (len(rows), 3))
    sensor = HELIOS.sensor("acc")
    return np.clip(np.rint(noisy * 256) / 256, sensor.low, sensor.high).astype(np.float32)


def measure_quaternion(rotation: Floats, heading_rad: Floats, tilt: Floats, gaps: Bools) -> Floats32:
    """(N, 4) readings on the grid of 2^-14, of (N, 3, 3) rotations, device to room; NaN in (N,) gaps.

    The room is turned by (N,) headings against the world's compass; (3, 3) `tilt` is the error of the vertical.
    """
    world = about(2, heading_rad) @ tilt @ rotation
    quaternion = (np.rint(quaternion_of(world) * 2**14) / 2**14).astype(np.float32)
    quaternion[gaps] = np.nan
    return quaternion


def measure_tof(view: View, spec: SensorSpec, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """(N, 5, 8, 8) readings in steps of the sensor; -1 where nothing comes back.

    As the VL53L7CX does, a pixel tells how far away a surface is along the middle of the sensor, not along the ray: a
    flat wall gives the same reading in all pixels. The sensor sees some metres far; what ends its view here is the
    largest reading that the device sends on.
    """
    noise = 1 + spec.tof_noise * rng.standard_normal(view.distance.shape, dtype=np.float32)
    measured = view.distance * view.forward * noise
    within = measured < spec.tof_range_m * np.sqrt(_REFLECTANCE[view.material])
    within &= rng.random(view.distance.shape, dtype=np.float32) >= spec.tof_loss_share
    steps = np.where(within, np.rint(measured * (_TOF_LARGEST / spec.tof_range_m)), -1)
    return np.clip(steps, -1, _TOF_LARGEST).astype(np.int16).reshape(-1, 5, 8, 8)


def warmth_seen(view: View) -> Floats:
    """(N, 5) mean warmth of what each sensor's field of view holds: 0 the room, 1 bare skin; far things count less."""
    nearness = 1 / (1 + (view.distance / 0.25) ** 2)
    return np.asarray((_WARMTH[view.material] * nearness).mean(axis=-1).astype(np.float64))


def lagged(target: Floats, starts: Ints, share: float) -> Floats:
    """(N, C) values that follow `target` by `share` of the difference each row, from scratch at every start."""
    lengths = np.diff(np.append(starts, len(target)))
    padded = np.zeros((len(starts), lengths.max(), target.shape[1]))
    inside = np.arange(lengths.max()) < lengths[:, None]
    padded[inside] = target
    for row in range(1, padded.shape[1]):
        padded[:, row] = padded[:, row - 1] + share * (padded[:, row] - padded[:, row - 1])
    return padded[inside]


def measure_thm(warmth: Floats, starts: Ints, spec: SensorSpec, rng: np.random.Generator) -> Floats32:
    """(N, 5) readings in degrees C; now and then a glitch near 0, or nothing."""
    rows, size = len(warmth), len(starts)
    room = spec.room_c + rng.normal(0, spec.room_spread_c)
    lengths = np.diff(np.append(starts, rows))
    base = room + spec.self_heating_c + rng.normal(0, 0.35, 5) + rng.normal(0, 0.3, (size, 1))
    base = np.repeat(base, lengths, axis=0)
    skin = spec.skin_c + rng.normal(0, 0.9)
    share = 1 - np.exp(-1 / (HELIOS.row_rate_hz * spec.thermopile_lag_s))
    celsius = base + (skin - base) * lagged(np.minimum(spec.thermopile_gain * warmth, 1), starts, share)
    celsius += rng.normal(0, spec.thermopile_noise_c, celsius.shape)
    glitch = rng.random(celsius.shape) < spec.thermopile_glitch_share
    celsius[glitch] = rng.uniform(0, 1.5, int(glitch.sum()))
    celsius[rng.random(celsius.shape) < spec.thermopile_gap_share] = np.nan
    return celsius.astype(np.float32)
