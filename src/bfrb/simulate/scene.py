"""What the device sees: rays against ellipsoids, exactly and for all rows of a subject at once.

Everything is brought into the frame of the device, where the rays of all pixels are the same in every row. The
quadratic form of a ray and an ellipsoid then falls apart into matrix products: rows by the few numbers of a solid
on one side, the few numbers of a solid by the pixels on the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Floats, Floats32
from bfrb.simulate.body import BED, Solids

FAR_M = 2.0
"""Distance reported for a ray that meets nothing."""

AIR = -1
"""Material of a ray that meets nothing."""

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
    rows, pixels = len(place), layout.rays[..., 0].size
    view = View(
        np.full((rows, pixels), FAR_M, dtype=np.float32),
        np.full((rows, pixels), AIR, dtype=np.int8),
        layout.forward.astype(np.float32),
    )
    back = np.swapaxes(rotation, -1, -2)
    axes = back @ solids.axes
    matrix = (axes / solids.radii[..., None, :] ** 2) @ np.swapaxes(axes, -1, -2)
    centre = np.einsum("nij,pnj->pni", back, solids.centre - place)
    size = solids.radii.max(axis=-1)
    # Only rows in which a solid is near and in view are looked at: all rays point away from the wrist, to positive z.
    near = (np.linalg.norm(centre, axis=-1) - size < _SIGHT_M) & (centre[..., 2] + size > 0) & (size > _SPECK_M)
    for begin in range(0, rows, _CHUNK):
        part = np.arange(begin, min(begin + _CHUNK, rows))
        _keep_nearer(view, part, _plane_hits(layout, place[part, 2], rotation[part, 2]), BED)
        for solid, material in enumerate(solids.material):
            seen = part[near[solid, part]]
            if len(seen):
                _keep_nearer(view, seen, _hits(layout, matrix[solid, seen], centre[solid, seen]), material)
    shape = (rows, *layout.rays.shape[:2])
    return View(view.distance.reshape(shape), view.material.reshape(shape), view.forward)


def _keep_nearer(view: View, rows: npt.NDArray[np.intp], hit: Floats32, material: int) -> None:
    """Hits (n, 320) of some rows replace what is farther."""
    distance, made_of = view.distance[rows], view.material[rows]
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
