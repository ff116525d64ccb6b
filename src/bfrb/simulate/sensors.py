"""The device's sensors: what the proximity sensors see, and small models of all from the truth to flawed numbers.

Everything seen is brought into the frame of the device, where the rays of all pixels are the same in every row. The
quadratic form of a ray and an ellipsoid then falls apart into matrix products: rows by the few numbers of a solid
on one side, the few numbers of a solid by the pixels on the other.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Bools, Floats, Floats32, Ints
from bfrb.simulate.body import BED, Solids
from bfrb.simulate.frames import about, rotated
from bfrb.simulate.spec import SensorSpec
from bfrb.study.device import HELIOS, STANDARD_GRAVITY_M_S2
from bfrb.study.frame import quaternion_of

FAR_M = 2.0  # distance reported for a ray that meets nothing
AIR = -1  # material of a ray that meets nothing

_SIGHT_M, _SPECK_M = 0.6, 0.001
_CHUNK = 256  # the arrays of so many rows stay in the processor's cache
_SIDE = 8
_PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


@dataclass(frozen=True)
class Layout:
    """Where the five proximity sensors sit and look, in the frame of the device."""

    origin: Floats  # (5, 3) places in metres
    rays: Floats  # (5, 64, 3) unit directions of the pixels, row-wise
    forward: Floats  # (5, 64) cosines of the angles between the pixels and the middles of their sensors


@lru_cache(maxsize=8)
def helios_layout(field_rad: float, tilt_rad: float) -> Layout:
    """One sensor in the middle looking along z, four around it tilted to +y, +x, -y, -x (to hand, thumb, elbow, 5th).

    `field_rad` is the edge of the square field of view, `tilt_rad` the tilt of the four outer sensors.
    """
    lean = np.array([[0, 0], [0, 1], [1, 0], [0, -1], [-1, 0]])
    origin = np.column_stack([0.012 * lean, np.zeros(5)])
    aim = np.column_stack([lean * np.sin(tilt_rad), np.where(lean.any(axis=1), np.cos(tilt_rad), 1.0)])
    # Columns run along +x in the middle, upper and lower sensor; the side sensors are mounted a quarter turn on.
    column = np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0]])
    row = np.cross(aim, column)
    angle = (np.arange(_SIDE) - 3.5) / _SIDE * field_rad
    v, u = np.meshgrid(np.tan(angle), np.tan(angle), indexing="ij")
    rays = aim[:, None] + u.ravel()[:, None] * column[:, None] + v.ravel()[:, None] * row[:, None]
    length = np.linalg.norm(rays, axis=-1)
    return Layout(origin, rays / length[..., None], 1 / length)


@dataclass(frozen=True)
class View:
    """What all pixels see in N rows."""

    distance: Floats32  # (N, 5, 64) metres to the nearest surface, `FAR_M` where there is none
    material: npt.NDArray[np.int8]  # (N, 5, 64) what it is made of, `AIR` where there is none
    forward: Floats32  # (5, 64) cosines of the angles between the pixels and the middles of their sensors


def see(place: Floats, rotation: Floats, solids: Solids, layout: Layout) -> View:
    """Cast all rays of N rows: against the solids of these rows, and the horizontal plane at height 0.

    The device is at (N, 3) places in metres with (N, 3, 3) rotations, device to room.
    """
    shape = (len(place), *layout.forward.shape)
    view = View(np.full(shape, FAR_M, np.float32), np.full(shape, AIR, np.int8), layout.forward.astype(np.float32))
    back = np.swapaxes(rotation, -1, -2)
    axes = back @ solids.axes
    matrix = (axes / solids.radii[..., None, :] ** 2) @ np.swapaxes(axes, -1, -2)
    centre = np.einsum("nij,pnj->pni", back, solids.centre - place)
    size = solids.radii.max(axis=-1)
    # Only rows in which a solid is near and in view are looked at: all rays point away from the wrist, to positive z.
    near = (np.linalg.norm(centre, axis=-1) - size < _SIGHT_M) & (centre[..., 2] + size > 0) & (size > _SPECK_M)
    for begin in range(0, len(place), _CHUNK):
        part = np.arange(begin, min(begin + _CHUNK, len(place)))
        _keep_nearer(view, part, _plane_hits(layout, place[part, 2], rotation[part, 2]), BED)
        for solid, material in enumerate(solids.material):
            seen = part[near[solid, part]]
            if len(seen):
                _keep_nearer(view, seen, _hits(layout, matrix[solid, seen], centre[solid, seen]), material)
    return view


def _keep_nearer(view: View, rows: npt.NDArray[np.intp], hit: Floats32, material: int) -> None:
    distance, made_of = view.distance[rows], view.material[rows]
    hit = hit.reshape(distance.shape)
    made_of[hit < distance] = material
    view.distance[rows], view.material[rows] = np.minimum(hit, distance), made_of


def _plane_hits(layout: Layout, height: Floats, up: Floats) -> Floats32:
    """(n, 320) distances along the rays to the plane so far below a device that sees the room's vertical (n, 3)."""
    slope = up.astype(np.float32) @ layout.rays.reshape(-1, 3).T.astype(np.float32)
    above = np.repeat(height[:, None] + up @ layout.origin.T, layout.rays.shape[1], axis=1)
    hit = (-above / np.minimum(slope, -1e-3)).astype(np.float32)
    return np.where((slope < -1e-3) & (hit > 0), hit, np.float32(FAR_M))


def _hits(layout: Layout, matrix: Floats, centre: Floats) -> Floats32:
    """(n, 320) distances from the sensors along their rays to an ellipsoid; `FAR_M` where it is missed.

    A point p of its surface has (p - c) M (p - c) = 1, with (n, 3, 3) matrices M and (n, 3) centres c in metres. A
    sensor inside the solid (pressed into hair or clothes) sees it at distance 0.
    """
    to_solid = layout.origin - centre[:, None]
    half = to_solid @ matrix
    outside = (half * to_solid).sum(axis=-1) - 1
    a = np.stack([matrix[:, i, j] for i, j in _PAIRS], axis=1).astype(np.float32) @ _squares(layout)
    sites, pixels = layout.rays.shape[:2]
    halves, rays = half.astype(np.float32), layout.rays.astype(np.float32)
    b: Floats32 = np.concatenate([halves[:, site] @ rays[site].T for site in range(sites)], axis=1)
    c = np.repeat(outside.astype(np.float32), pixels, axis=1)
    root = b * b
    root -= a * c
    missed = (root < 0) | (b > 0)
    np.maximum(root, 0, out=root)
    np.sqrt(root, out=root)
    root += b
    root /= a
    np.negative(root, out=root)
    np.copyto(root, np.float32(FAR_M), where=missed)
    np.copyto(root, np.float32(0), where=c < 0)
    return root


def _squares(layout: Layout) -> Floats32:
    """(6, 320) products of the components of all rays, as they go with the entries of a symmetric matrix."""
    rays = layout.rays.reshape(-1, 3).T
    return np.stack([rays[i] * rays[j] * (1 if i == j else 2) for i, j in _PAIRS]).astype(np.float32)


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
    room = spec.room_c + rng.normal(0, spec.room_spread_c)
    lengths = np.diff(np.append(starts, len(warmth)))
    base = room + spec.self_heating_c + rng.normal(0, 0.35, 5) + rng.normal(0, 0.3, (len(starts), 1))
    base = np.repeat(base, lengths, axis=0)
    skin = spec.skin_c + rng.normal(0, 0.9)
    share = 1 - np.exp(-1 / (HELIOS.row_rate_hz * spec.thermopile_lag_s))
    celsius = base + (skin - base) * lagged(np.minimum(spec.thermopile_gain * warmth, 1), starts, share)
    celsius += rng.normal(0, spec.thermopile_noise_c, celsius.shape)
    glitch = rng.random(celsius.shape) < spec.thermopile_glitch_share
    celsius[glitch] = rng.uniform(0, 1.5, int(glitch.sum()))
    celsius[rng.random(celsius.shape) < spec.thermopile_gap_share] = np.nan
    return celsius.astype(np.float32)
