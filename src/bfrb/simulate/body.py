"""The wearer: measures, postures, the solids that the sensors can see, and the dominant arm with the device on it.

Two frames are used. The **room** frame has z up, and y where a seated wearer looks; the compass heading is added
only when the quaternion is measured. The **body** frames (torso, head) have x to the wearer's right, y to the
front and z to the top of the head. Everybody is simulated with a right dominant hand; see `Track.mirrored`.

Lengths as shares of the height are those of Winter, Biomechanics and Motor Control of Human Movement (2009),
table 4.1; arm lengths are the wearer's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Bools, Floats, Ints
from bfrb.simulate.actions import TABLE
from bfrb.simulate.design import BACK, SIDE, Person, Plan
from bfrb.simulate.frames import about, across, dot, frame_of, normalised, rotated
from bfrb.simulate.spec import BodySpec

SKIN, HAIR, CLOTHES, LEG, OBJECT, BED = range(6)  # what a surface is made of
MIRROR = np.diag([-1.0, 1.0, 1.0])  # swaps left and right


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


HAND_SHARE = 0.098
"""Length of the straight hand from the wrist to the grip of thumb and index finger, as a share of the height."""

PALM_SHARE = 0.050  # length from the wrist to the knuckles, likewise

BEHIND_WRIST_M, OFF_AXIS_M = 0.035, 0.030
"""Place of the device: behind the wrist on the forearm's palm side, off the bone's axis."""

PRONATED_RAD, SUPINATED_RAD = -1.4, 1.75  # how far a forearm turns, with what the shoulder adds


@dataclass(frozen=True)
class Arm:
    """Lengths of the arm in metres, and how the device sits on it: turned about y, z and x, in radians, and where."""

    upper_m: float
    fore_m: float
    hand_m: float
    twist_rad: float
    tilt_rad: float
    nod_rad: float
    behind_wrist_m: float


@dataclass(frozen=True)
class Pose:
    """Where hand and arm are in each of S sequences (or N steps), in the room."""

    wrist: Floats  # (S, 3) place of the wrist in metres
    pole: Floats  # (S, 3) where the elbow points; only what is perpendicular to the line from shoulder to wrist matters
    pronation_rad: Floats  # (S,) turn of the forearm about itself, see `arm_frame`


@dataclass(frozen=True)
class Track:
    """The arm in N steps.

    The device's y axis points along the forearm to the hand, z away from the palm side of the wrist, x to the thumb (on
    a right hand). The hand goes with the forearm, however the device sits.
    """

    place: Floats  # (N, 3) place of the device in the room, in metres
    rotation: Floats  # (N, 3, 3) device to room
    forearm: Floats  # (N, 3, 3) forearm to room: what `rotation` would be of a device that sits straight and firmly
    wrist: Floats  # (N, 3) places of the joints
    elbow: Floats

    def rows(self, first: int, step: int) -> Track:
        """Every so manyth step."""
        every = slice(first, None, step)
        return Track(self.place[every], self.rotation[every], self.forearm[every], self.wrist[every], self.elbow[every])

    def mirrored(self) -> Track:
        """The mirror image of arm and device: a right-handed wearer becomes a left-handed one."""
        rotation, forearm = (MIRROR @ frames @ MIRROR for frames in (self.rotation, self.forearm))
        return Track(self.place @ MIRROR, rotation, forearm, self.wrist @ MIRROR, self.elbow @ MIRROR)

    def turned_over(self) -> Track:
        """The same movement with the device turned by 180 degrees about its z axis on the wrist."""
        return replace(self, rotation=self.rotation @ np.diag([-1.0, -1.0, 1.0]))


def draw_arm(person: Person, spec: BodySpec, rng: np.random.Generator) -> Arm:
    """The wearer's arm, and how the device sits on it."""
    twist, tilt = rng.normal(spec.device_twist_rad, spec.device_tilt_rad), rng.normal(0, spec.device_tilt_rad / 3)
    nod = spec.device_nod_rad + rng.normal(0, spec.device_tilt_rad / 2)
    behind = max(BEHIND_WRIST_M + rng.normal(0, spec.device_place_m), 0.0)
    return Arm(person.upper_arm_m, person.forearm_m, HAND_SHARE * person.height_m, twist, tilt, nod, behind)


def solve_arm(arm: Arm, shoulder: Floats, wrist: Floats, pole: Floats) -> tuple[Floats, Floats]:
    """(N, 3) elbows and wrists of a two-link arm whose elbow points to the pole; a wrist out of reach is pulled in.

    Shoulder, wrist and pole are (N, 3), places in metres and a direction.
    """
    line = wrist - shoulder
    distance = np.linalg.norm(line, axis=-1)
    axis = line / np.maximum(distance, 1e-9)[..., None]
    reach = _within_reach(arm, distance)
    along = (arm.upper_m**2 - arm.fore_m**2 + reach**2) / (2 * reach)
    off = np.sqrt(np.maximum(arm.upper_m**2 - along**2, 0))
    side = across(pole, axis)
    return shoulder + axis * along[..., None] + side * off[..., None], shoulder + axis * reach[..., None]


def _within_reach(arm: Arm, distance: Floats) -> Floats:
    """Distances from shoulder to wrist, bent smoothly to what a folded and a stretched arm can do."""
    shortest = 0.45 * min(arm.upper_m, arm.fore_m) + abs(arm.upper_m - arm.fore_m)
    longest = 0.99 * (arm.upper_m + arm.fore_m)
    folded = (distance**8 + shortest**8) ** 0.125
    stretched = longest * (0.85 + 0.14 * np.tanh((folded / longest - 0.85) / 0.14))
    return np.where(folded < 0.85 * longest, folded, stretched)


def _fore_and_hinge(shoulder: Floats, elbow: Floats, wrist: Floats) -> tuple[Floats, Floats]:
    """(N, 3) directions along the forearm to the hand, and of the axis that the elbow bends about."""
    fore = normalised(wrist - elbow)
    return fore, normalised(np.cross(elbow - shoulder, fore))


def arm_frame(shoulder: Floats, elbow: Floats, wrist: Floats, pronation_rad: Floats) -> Floats:
    """(N, 3, 3) frames of the forearm: y to the hand, z away from the palm side, x to the thumb of a right hand.

    The (N,) pronation is 0 with the thumb up when the forearm points forward, positive with the palm turned up.
    """
    fore, hinge = _fore_and_hinge(shoulder, elbow, wrist)
    cosine, sine = np.cos(pronation_rad)[..., None], np.sin(pronation_rad)[..., None]
    return frame_of(fore, sine * np.cross(hinge, fore) - cosine * hinge)


def pronation_for(shoulder: Floats, elbow: Floats, wrist: Floats, palm: Floats) -> Floats:
    """(N,) pronation that turns the palm as near to a direction as the forearm can turn."""
    fore, hinge = _fore_and_hinge(shoulder, elbow, wrist)
    angle = np.arctan2(dot(palm, np.cross(hinge, fore)), -dot(palm, hinge))
    angle = np.where(angle < -0.75 * np.pi, angle + 2 * np.pi, angle)  # what lies behind is reached by supination
    return np.asarray(np.clip(angle, PRONATED_RAD, SUPINATED_RAD))


def follow(arm: Arm, shoulder: Floats, pose: Pose) -> Track:
    """The arm and the device on it for (N,) poses of the hand."""
    elbow, wrist = solve_arm(arm, shoulder, pose.wrist, pose.pole)
    forearm = arm_frame(shoulder, elbow, wrist, pose.pronation_rad)
    place = wrist - arm.behind_wrist_m * forearm[..., 1] + OFF_AXIS_M * forearm[..., 2]
    worn = about(1, arm.twist_rad) @ about(2, arm.tilt_rad) @ about(0, arm.nod_rad)
    return Track(place, forearm @ worn, forearm, wrist, elbow)


def bent(rotation: Floats, flex_rad: Floats) -> tuple[Floats, Floats]:
    """(N, 3) directions along and out of a palm that is bent by (N,) radians on forearms with (N, 3, 3) frames."""
    cosine, sine = np.cos(flex_rad)[:, None], np.sin(flex_rad)[:, None]
    y, z = rotation[..., 1], rotation[..., 2]
    return cosine * y + sine * z, cosine * z - sine * y


def arm_solids(person: Person, shoulder: Floats, track: Track, code: Ints, flex_rad: Floats) -> Solids:
    """Upper arm, forearm, hand and what it holds in N rows.

    They follow from (N, 3) places of the shoulder in metres, the track, (N,) codes of gestures, and (N,) how far the
    hand is bent towards the palm.
    """
    size = person.height_m / 1.70
    upper, fore = track.elbow - shoulder, track.wrist - track.elbow
    forearm = track.forearm
    reach = (TABLE["reach"][code] * HAND_SHARE * person.height_m)[:, None]
    # The palm is bent less than the line to the fingertips, the fingers more.
    flat, facing = bent(forearm, flex_rad - 0.35)
    fingers, _ = bent(forearm, flex_rad)
    knuckles, tip = track.wrist + PALM_SHARE * person.height_m * flat, track.wrist + reach * fingers
    hand_axes = np.stack([forearm[..., 0], flat, facing], axis=-1)
    thumb = track.wrist + 0.55 * (knuckles - track.wrist) + 0.030 * size * forearm[..., 0]
    phone, cup = ((TABLE["holds"][code] == held)[:, None] for held in ("phone", "cup"))
    object_radii = np.where(phone, [0.036, 0.075, 0.010], np.where(cup, [0.035, 0.035, 0.06], 1e-4))
    cup_axes = np.stack([flat, facing, forearm[..., 0]], axis=-1)
    upper_axes, finger_axes = frame_of(normalised(upper), forearm[..., 2]), frame_of(normalised(tip - knuckles), facing)
    sleeve = SKIN if person.bare_arms else CLOTHES
    return Solids.of((
        (shoulder + 0.5 * upper, upper_axes, [0.05, 0.56 * person.upper_arm_m, 0.05], sleeve),
        (track.elbow + 0.32 * fore, forearm, [0.046, 0.42 * person.forearm_m, 0.046], SKIN),
        (0.5 * (track.wrist + knuckles), hand_axes, [0.042 * size, 0.054 * size, 0.015], SKIN),
        (0.5 * (knuckles + tip), finger_axes, [0.034 * size, 0.045 * size, 0.012], SKIN),
        (0.5 * (thumb + tip), frame_of(normalised(tip - thumb), facing), [0.011, 0.035 * size, 0.011], SKIN),
        (tip + 0.02 * facing, np.where(cup[..., None], cup_axes, hand_axes), object_radii, OBJECT),
    ))  # fmt: skip
