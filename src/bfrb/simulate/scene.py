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

from bfrb.arrays import Array, Floats, Floats32
from bfrb.simulate.body import BED, Solids

FAR_M = 2.0
"""Distance reported for a ray that meets nothing."""

AIR = -1
"""Material of a ray that meets nothing."""

_SIGHT_M, _SPECK_M = 0.6, 0.001
_CHUNK = 256  # the arrays of so many rows stay in the processor's cache
_SIDE = 8


@dataclass(frozen=True)
class Layout:
    """Where the five proximity sensors sit and look, in the frame of the device.

    Parameters
    ----------
    origin
        (5, 3) places in metres.
    rays
        (5, 64, 3) unit directions of the pixels, row-wise.
    forward
        (5, 64) cosines of the angles between the pixels and the middles of their sensors.
    """

    origin: Floats
    rays: Floats
    forward: Floats


@lru_cache(maxsize=8)
def helios_layout(field_rad: float, tilt_rad: float) -> Layout:
    """One sensor in the middle looking along z, four around it tilted to +y, +x, -y, -x (to hand, thumb, elbow, 5th).

    Parameters
    ----------
    field_rad
        Edge of the square field of view.
    tilt_rad
        Tilt of the four outer sensors.
    """
    lean = np.array([[0, 0], [0, 1], [1, 0], [0, -1], [-1, 0]])
    origin = np.column_stack([0.012 * lean, np.zeros(5)])
    sine, cosine = np.sin(tilt_rad), np.cos(tilt_rad)
    aim = np.column_stack([lean * sine, np.where(np.abs(lean).sum(axis=1) > 0, cosine, 1.0)])
    # Columns run along +x in the middle, upper and lower sensor; the side sensors are mounted a quarter turn on.
    column = np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0]])
    row = np.cross(aim, column)
    angle = (np.arange(_SIDE) - 3.5) / _SIDE * field_rad
    v, u = np.meshgrid(np.tan(angle), np.tan(angle), indexing="ij")
    rays = aim[:, None] + u.ravel()[:, None] * column[:, None] + v.ravel()[:, None] * row[:, None]
    length = np.linalg.norm(rays, axis=-1)
    return Layout(origin, rays / length[..., None], 1 / length)


@dataclass(frozen=True)
class Forms:
    """P solids in N rows as the device sees them.

    Parameters
    ----------
    matrix
        (P, N, 3, 3) symmetric matrices: a point p of the surface has (p - c) M (p - c) = 1.
    centre
        (P, N, 3) c, in metres.
    size
        (P, N) largest radius.
    material
        (P,) what they are made of.
    """

    matrix: Floats
    centre: Floats
    size: Floats
    material: npt.NDArray[np.int8]


def seen_from(place: Floats, rotation: Floats, solids: Solids) -> Forms:
    """Solids of N rows in the frame of a device at (N, 3) places with (N, 3, 3) rotations, device to room."""
    back = np.swapaxes(rotation, -1, -2)
    axes = back @ solids.axes
    matrix = (axes / solids.radii[..., None, :] ** 2) @ np.swapaxes(axes, -1, -2)
    centre = np.einsum("nij,pnj->pni", back, solids.centre - place)
    return Forms(matrix, centre, solids.radii.max(axis=-1), solids.material)


@dataclass(frozen=True)
class View:
    """What all pixels see.

    Parameters
    ----------
    distance
        (N, 5, 64) metres to the nearest surface, `FAR_M` where there is none.
    material
        (N, 5, 64) what it is made of, `AIR` where there is none.
    forward
        (5, 64) cosines of the angles between the pixels and the middles of their sensors.
    """

    distance: Floats32
    material: npt.NDArray[np.int8]
    forward: Floats32


def look(layout: Layout, forms: Forms, height: Floats, up: Floats) -> View:
    """Cast all rays of all rows.

    Parameters
    ----------
    height
        (N,) metres of the device above the bed or seat.
    up
        (N, 3) the room's vertical in the frame of the device.
    """
    rows, pixels = len(height), layout.rays[..., 0].size
    distance = np.full((rows, pixels), FAR_M, dtype=np.float32)
    material = np.full((rows, pixels), AIR, dtype=np.int8)
    for begin in range(0, rows, _CHUNK):
        part = slice(begin, begin + _CHUNK)
        _cast_plane(layout, height[part], up[part], distance[part], material[part])
        for solid in range(len(forms.material)):
            _cast_solid(layout, forms, solid, part, distance[part], material[part])
    shape = (rows, *layout.rays.shape[:2])
    return View(distance.reshape(shape), material.reshape(shape), layout.forward.astype(np.float32))


def _cast_plane(layout: Layout, height: Floats, up: Floats, distance: Array, material: Array) -> None:
    """Rays of some rows against the horizontal plane below; nearer hits replace what is there."""
    slope = up.astype(np.float32) @ layout.rays.reshape(-1, 3).T.astype(np.float32)
    above = np.repeat(height[:, None] + up @ layout.origin.T, layout.rays.shape[1], axis=1)
    hit = (-above / np.minimum(slope, -1e-3)).astype(np.float32)
    near = (slope < -1e-3) & (hit < distance) & (hit > 0)
    np.copyto(distance, hit, where=near)
    material[near] = BED


def _cast_solid(layout: Layout, forms: Forms, solid: int, part: slice, distance: Array, material: Array) -> None:
    """Rays of some rows against one ellipsoid; only rows in which it is near and in view are looked at."""
    centre, size = forms.centre[solid, part], forms.size[solid, part]
    # All rays point away from the wrist, to positive z.
    near = (np.linalg.norm(centre, axis=1) - size < _SIGHT_M) & (centre[:, 2] + size > 0) & (size > _SPECK_M)
    rows = np.flatnonzero(near)
    if not len(rows):
        return
    hit = _hits(layout, forms.matrix[solid, part][rows], centre[rows])
    seen = distance[rows]
    nearer = hit < seen
    distance[rows] = np.minimum(hit, seen)
    materials = material[rows]
    materials[nearer] = forms.material[solid]
    material[rows] = materials


def _hits(layout: Layout, matrix: Floats, centre: Floats) -> Floats32:
    """(n, 320) distances from the sensors along their rays to an ellipsoid; `FAR_M` where it is missed.

    A sensor inside the solid (pressed into hair or clothes) sees it at distance 0.
    """
    to_solid = layout.origin - centre[:, None]
    half = to_solid @ matrix
    outside = (half * to_solid).sum(axis=-1) - 1
    a = np.stack([matrix[:, i, j] for i, j in _PAIRS], axis=1).astype(np.float32) @ _squares(layout)
    b = np.empty_like(a)
    sites, pixels = layout.rays.shape[:2]
    for site in range(sites):
        b[:, site * pixels : (site + 1) * pixels] = half[:, site].astype(np.float32) @ layout.rays[site].T.astype(
            np.float32
        )
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


_PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
