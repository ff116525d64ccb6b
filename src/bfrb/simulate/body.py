"""The wearer: measures, postures and the solids that the sensors can see.

Two frames are used. The **room** frame has z up, and y where a seated wearer looks; the compass heading is added
only when the quaternion is measured. The **body** frames (torso, head) have x to the wearer's right, y to the
front and z to the top of the head. Everybody is simulated with a right dominant hand; see `Track.mirrored`.

Lengths as shares of the height are those of Winter, Biomechanics and Motor Control of Human Movement (2009),
table 4.1; arm lengths are the wearer's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Bools, Floats, Ints
from bfrb.simulate.design import BACK, SIDE, Person, Plan
from bfrb.simulate.frames import about, normalised, rotated
from bfrb.simulate.spec import BodySpec

SKIN, HAIR, CLOTHES, LEG, OBJECT, BED = range(6)
"""What a surface is made of."""

MIRROR = np.diag([-1.0, 1.0, 1.0])
"""Swaps left and right."""


@dataclass(frozen=True)
class Solids:
    """P ellipsoids in each of S sequences (or N rows), in the room frame."""

    centre: Floats  # (P, S, 3) in metres
    axes: Floats  # (P, S, 3, 3) columns are the directions of the semi-axes
    radii: Floats  # (P, S, 3) lengths of the semi-axes in metres
    material: npt.NDArray[np.int8]  # (P,) what they are made of

    @classmethod
    def of(cls, parts: Iterable[tuple[Floats, Floats, npt.ArrayLike, int]]) -> Solids:
        """From (S, 3) centre, (S, 3, 3) axes, (3,) or (S, 3) radii and material of each."""
        centre, axes, radii, material = zip(*parts, strict=True)
        sizes = [np.broadcast_to(radius, centre[0].shape) for radius in radii]
        return cls(np.stack(centre), np.stack(axes), np.stack(sizes), np.array(material, dtype=np.int8))

    def take(self, which: Ints) -> Solids:
        """The solids of some sequences (or rows)."""
        return Solids(self.centre[:, which], self.axes[:, which], self.radii[:, which], self.material)

    def joined(self, other: Solids) -> Solids:
        """These and other solids of the same rows."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("centre", "axes", "radii", "material"))
        return Solids(*(np.concatenate(pair) for pair in pairs))

    def mirrored(self) -> Solids:
        """Their image in a mirror that swaps left and right."""
        return Solids(self.centre @ MIRROR, MIRROR @ self.axes @ MIRROR, self.radii, self.material)


@dataclass(frozen=True)
class Posture:
    """How the wearer sits or lies in each of S sequences, at 0 m: the height of the bed or seat."""

    orientation: Ints  # (S,) posture codes
    pelvis: Floats  # (S, 3, 3) frames of these parts in the room
    torso: Floats
    head: Floats
    hip: Floats  # (S, 3) places in the room, in metres; the shoulder is that of the dominant arm
    shoulder: Floats
    head_centre: Floats
    neck: Floats
    elbow_down: Floats  # (S, 3) unit directions in which the elbow of a loose arm hangs

    @property
    def lies(self) -> Bools:
        """(S,) Whether the wearer lies."""
        return np.isin(self.orientation, (BACK, SIDE))

    @property
    def thigh(self) -> Floats:
        """(S, 3, 3) Frames of the thighs; z points to the knee: forward when seated, along the body when lying."""
        seated, lying = (self.pelvis @ about(0, np.array(angle)) for angle in (-np.pi / 2, np.pi + 0.25))
        return np.where(self.lies[:, None, None], lying, seated)


# By posture: straight, lean, back, side.
_PELVIS = np.array([np.eye(3), np.eye(3), [[-1, 0, 0], [0, 0, 1], [0, 1, 0]], [[0, 1, 0], [0, 0, 1], [1, 0, 0]]])
_HIP_M = np.array([0.09, 0.09, 0.11, 0.18])
_BENT = np.array([
    [[0.02, 0.0, 0.0], [0.05, 0.0, 0.0]],
    [[0.70, -0.40, 0.05], [0.75, -0.05, 0.0]],
    [[0.10, 0.0, 0.0], [0.20, 0.0, 0.0]],
    [[0.12, 0.0, 0.0], [0.10, 0.20, 0.0]],
])  # fmt: skip
"""Means of (nod forward, lean to the dominant side, turn to the other side) of torso and head, in radians.

On the side a pillow lifts the head."""

_ELBOW = np.array([
    [0.45, -0.30, -0.10, -0.75],
    [0.45, 0.05, -0.25, -0.75],
    [0.60, 0.05, -0.30, -0.35],
    [0.10, 0.40, -0.35, -0.70],
])  # fmt: skip
"""Where a loose elbow hangs: shares of right, front and top of the torso, and of the room's up."""


def head_scale(person: Person) -> float:
    """Size of the head relative to a person of 1.70 m; heads vary far less than heights."""
    return float((person.height_m / 1.70) ** 0.35)


def draw_posture(person: Person, plan: Plan, spec: BodySpec, rng: np.random.Generator) -> Posture:
    """A posture for every sequence, around the subject's own way to sit and lie."""
    size, height, orientation = len(plan), person.height_m, plan.orientation
    habit = rng.normal(0, spec.posture_between_rad, (4, 2, 3))[orientation]
    angles = _BENT[orientation] + (habit + rng.normal(0, spec.posture_within_rad, (size, 2, 3)))
    spread = np.array([0.0, 0.0, spec.roll_back_rad, spec.roll_side_rad])[orientation]
    roll = spread * (0.8 * rng.normal(0, 1, 4)[orientation] + 0.6 * rng.normal(0, 1, size))
    pelvis = _PELVIS[orientation] @ about(2, roll)
    torso = pelvis @ _bent(angles[:, 0])
    head = torso @ _bent(angles[:, 1])
    hip = _HIP_M[orientation, None] * [0, 0, 1]
    top = hip + torso[..., 2] * 0.288 * height
    shoulder = top + torso[..., 0] * 0.108 * height
    neck = top + torso[..., 2] * 0.045 * height
    head_centre = neck + head[..., 2] * 0.075 * height + head[..., 1] * 0.015
    loose = _ELBOW[orientation]
    elbow_down = normalised(rotated(torso, loose[:, :3]) + loose[:, 3:] * np.array([0, 0, 1.0]))
    return Posture(orientation, pelvis, torso, head, hip, shoulder, head_centre, neck, elbow_down)


def _bent(angles: Floats) -> Floats:
    """(S, 3, 3) rotations by nod (forward), lean (to the right) and turn (to the left)."""
    return about(2, angles[:, 2]) @ about(0, -angles[:, 0]) @ about(1, angles[:, 1])


def still_solids(person: Person, posture: Posture) -> Solids:
    """The parts of the body that keep still: head, hair, neck, torso, thighs, the other forearm."""
    h, k = person.height_m, head_scale(person)
    t, d, thigh = posture.torso, posture.head, posture.thigh
    side, reach = posture.pelvis[..., 0] * 0.055 * h, thigh[..., 2] * 0.13 * h
    lap = posture.hip + posture.pelvis @ np.array([-0.10, 0.14, 0.11])
    leg = np.array([0.046, 0.046, 0.165]) * h
    return Solids.of((
        (posture.head_centre, d, np.array([0.076, 0.097, 0.118]) * k, SKIN),
        (posture.head_centre + d @ np.array([0, 0.038, -0.062]) * k, d, np.array([0.056, 0.060, 0.066]) * k, SKIN),
        (posture.head_centre + d @ np.array([0, -0.020, 0.024]) * k, d, np.array([0.083, 0.094, 0.110]) * k, HAIR),
        (posture.neck + d @ np.array([0, -0.005, 0.01]), d, np.array([0.056, 0.058, 0.085]) * k, SKIN),
        (posture.hip + t[..., 2] * 0.20 * h, t, np.array([0.094, 0.064, 0.112]) * h, CLOTHES),
        (posture.hip + t[..., 2] * 0.06 * h, t, np.array([0.090, 0.070, 0.090]) * h, CLOTHES),
        (posture.hip + side + reach, thigh, leg, LEG),
        (posture.hip - side + reach, thigh, leg, LEG),
        (lap, posture.pelvis, np.array([0.04, 0.13, 0.04]) * h / 1.7, SKIN),
    ))  # fmt: skip
