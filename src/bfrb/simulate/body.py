"""The wearer: measures, postures and the solids that the sensors can see.

Two frames are used. The **room** frame has z up, and y where a seated wearer looks; the compass heading is added
only when the quaternion is measured. The **body** frames (torso, head) have x to the wearer's right, y to the
front and z to the top of the head. Everybody is simulated with a right dominant hand; see `Track.mirrored`.

Lengths as shares of the height are those of Winter, Biomechanics and Motor Control of Human Movement (2009),
table 4.1; arm lengths are the wearer's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Bools, Floats, Ints
from bfrb.simulate.design import BACK, LEAN, SIDE, STRAIGHT, Person, Plan
from bfrb.simulate.frames import about, normalised, rotated
from bfrb.simulate.spec import BodySpec

SKIN, HAIR, CLOTHES, LEG, OBJECT, BED = range(6)
"""What a surface is made of."""

_MIRROR = np.diag([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Solids:
    """P ellipsoids in each of S sequences (or N rows), in the room frame.

    Parameters
    ----------
    centre
        (P, S, 3) in metres.
    axes
        (P, S, 3, 3) columns are the directions of the semi-axes.
    radii
        (P, S, 3) lengths of the semi-axes in metres.
    material
        (P,) what they are made of.
    """

    centre: Floats
    axes: Floats
    radii: Floats
    material: npt.NDArray[np.int8]

    def take(self, which: Ints) -> Solids:
        """The solids of some sequences (or rows)."""
        return Solids(self.centre[:, which], self.axes[:, which], self.radii[:, which], self.material)

    def joined(self, other: Solids) -> Solids:
        """These and other solids of the same rows."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("centre", "axes", "radii", "material"))
        return Solids(*(np.concatenate(pair) for pair in pairs))

    def mirrored(self) -> Solids:
        """Their image in a mirror that swaps left and right."""
        return Solids(self.centre @ _MIRROR, _MIRROR @ self.axes @ _MIRROR, self.radii, self.material)


@dataclass(frozen=True)
class Posture:
    """How the wearer sits or lies in each of S sequences.

    Parameters
    ----------
    orientation
        (S,) posture codes.
    pelvis, torso, head
        (S, 3, 3) frames of these parts in the room.
    hip, shoulder, head_centre, neck
        (S, 3) places in the room, in metres; the shoulder is that of the dominant arm.
    bed_height_m
        (S,) height of what the wearer lies or sits on.
    lies
        (S,) whether the wearer lies.
    elbow_down
        (S, 3) unit directions in which the elbow of a loose arm hangs.
    """

    orientation: Ints
    pelvis: Floats
    torso: Floats
    head: Floats
    hip: Floats
    shoulder: Floats
    head_centre: Floats
    neck: Floats
    bed_height_m: Floats
    lies: Bools
    elbow_down: Floats


_ON_BACK = np.array([[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]]).T
_ON_SIDE = np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]]).T
_PELVIS = {STRAIGHT: np.eye(3), LEAN: np.eye(3), BACK: _ON_BACK, SIDE: _ON_SIDE}
# Means of (nod forward, lean to the dominant side, turn to the other side) of torso and head, in radians.
_TORSO = {STRAIGHT: (0.02, 0.0, 0.0), LEAN: (0.70, -0.40, 0.05), BACK: (0.10, 0.0, 0.0), SIDE: (0.12, 0.0, 0.0)}
_HEAD = {STRAIGHT: (0.05, 0.0, 0.0), LEAN: (0.75, -0.05, 0.0), BACK: (0.20, 0.0, 0.0), SIDE: (0.10, 0.20, 0.0)}
"""On the side a pillow lifts the head."""

# Where a loose elbow hangs: shares of right, front and top of the torso, and of the room's up.
_ELBOW = {
    STRAIGHT: (0.45, -0.30, -0.10, -0.75),
    LEAN: (0.45, 0.05, -0.25, -0.75),
    BACK: (0.60, 0.05, -0.30, -0.35),
    SIDE: (0.10, 0.40, -0.35, -0.70),
}


def head_scale(person: Person) -> float:
    """Size of the head relative to a person of 1.70 m; heads vary far less than heights."""
    return float((person.height_m / 1.70) ** 0.35)


def draw_posture(person: Person, plan: Plan, spec: BodySpec, rng: np.random.Generator) -> Posture:
    """A posture for every sequence, around the subject's own way to sit and lie."""
    size = len(plan)
    habit = rng.normal(0, spec.posture_between_rad, (4, 2, 3))[plan.orientation]
    angles = habit + rng.normal(0, spec.posture_within_rad, (size, 2, 3))
    mean = np.array([[_TORSO[code], _HEAD[code]] for code in range(4)])[plan.orientation]
    pelvis = np.array([_PELVIS[code] for code in range(4)])[plan.orientation]
    spread = np.array([0.0, 0.0, spec.roll_back_rad, spec.roll_side_rad])[plan.orientation]
    roll = spread * (0.8 * rng.normal(0, 1, 4)[plan.orientation] + 0.6 * rng.normal(0, 1, size))
    return pose_body(person, plan.orientation, pelvis @ about(2, roll), mean + angles)


def pose_body(person: Person, orientation: Ints, pelvis: Floats, angles: Floats) -> Posture:
    """The body in given postures.

    Parameters
    ----------
    orientation
        (S,) posture codes.
    pelvis
        (S, 3, 3) frame of the pelvis.
    angles
        (S, 2, 3) nod, lean and turn of the torso on the pelvis and of the head on the torso.
    """
    height = person.height_m
    torso = pelvis @ _bent(angles[:, 0])
    head = torso @ _bent(angles[:, 1])
    lies = np.isin(orientation, (BACK, SIDE))
    hip_height = np.select([orientation == BACK, orientation == SIDE], [0.11, 0.18], 0.09)
    hip = np.zeros((len(orientation), 3))
    hip[:, 2] = hip_height
    top = hip + torso[..., 2] * 0.288 * height
    shoulder = top + torso[..., 0] * 0.108 * height
    neck = top + torso[..., 2] * 0.045 * height
    head_centre = neck + head[..., 2] * 0.075 * height + head[..., 1] * 0.015
    loose = np.array([_ELBOW[code] for code in range(4)])[orientation]
    elbow_down = normalised(rotated(torso, loose[:, :3]) + loose[:, 3:] * np.array([0, 0, 1.0]))
    bed = np.zeros(len(hip))
    return Posture(orientation, pelvis, torso, head, hip, shoulder, head_centre, neck, bed, lies, elbow_down)


def _bent(angles: Floats) -> Floats:
    """(S, 3, 3) rotations by nod (forward), lean (to the right) and turn (to the left)."""
    return about(2, angles[:, 2]) @ about(0, -angles[:, 0]) @ about(1, angles[:, 1])


def still_solids(person: Person, posture: Posture) -> Solids:
    """The parts of the body that keep still: head, hair, neck, torso, thighs, the other forearm."""
    h, k = person.height_m, head_scale(person)
    t, d = posture.torso, posture.head
    thigh_axes = _thigh_axes(posture)
    side = posture.pelvis[..., 0] * 0.055 * h
    reach = thigh_axes[..., 2] * 0.13 * h
    lap = posture.hip + posture.pelvis @ np.array([-0.10, 0.14, 0.11])
    parts = (
        (posture.head_centre, d, np.array([0.076, 0.097, 0.118]) * k, SKIN),
        (posture.head_centre + d @ np.array([0, 0.038, -0.062]) * k, d, np.array([0.056, 0.060, 0.066]) * k, SKIN),
        (posture.head_centre + d @ np.array([0, -0.020, 0.024]) * k, d, np.array([0.083, 0.094, 0.110]) * k, HAIR),
        (posture.neck + d @ np.array([0, -0.005, 0.01]), d, np.array([0.056, 0.058, 0.085]) * k, SKIN),
        (posture.hip + t[..., 2] * 0.20 * h, t, np.array([0.094, 0.064, 0.112]) * h, CLOTHES),
        (posture.hip + t[..., 2] * 0.06 * h, t, np.array([0.090, 0.070, 0.090]) * h, CLOTHES),
        (posture.hip + side + reach, thigh_axes, np.array([0.046, 0.046, 0.165]) * h, LEG),
        (posture.hip - side + reach, thigh_axes, np.array([0.046, 0.046, 0.165]) * h, LEG),
        (lap, posture.pelvis, np.array([0.04, 0.13, 0.04]) * h / 1.7, SKIN),
    )
    return Solids(
        centre=np.stack([part[0] for part in parts]),
        axes=np.stack([part[1] for part in parts]),
        radii=np.stack([np.broadcast_to(part[2], posture.hip.shape) for part in parts]),
        material=np.array([part[3] for part in parts], dtype=np.int8),
    )


def _thigh_axes(posture: Posture) -> Floats:
    """(S, 3, 3) frames of the thighs; z points to the knee: forward when seated, along the body when lying."""
    seated = posture.pelvis @ about(0, np.array(-np.pi / 2))
    lying = posture.pelvis @ about(0, np.array(np.pi + 0.25))
    return np.where(posture.lies[:, None, None], lying, seated)


def knee(person: Person, posture: Posture) -> Floats:
    """(S, 3) place of the dominant side's knee."""
    side = posture.pelvis[..., 0] * 0.055 * person.height_m
    return posture.hip + side + _thigh_axes(posture)[..., 2] * 0.245 * person.height_m
