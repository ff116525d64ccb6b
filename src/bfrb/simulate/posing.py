"""Which pose an arm takes: the hand touches its place, and the rest is the least uncomfortable way to do so."""

from dataclasses import dataclass, replace

import numpy as np

from bfrb.arrays import Bools, Floats, Ints
from bfrb.simulate.actions import TABLE, habits
from bfrb.simulate.body import Arm, Pose, Posture, Solids, arm_frame, bent, follow, head_scale, pronation_for, solve_arm
from bfrb.simulate.design import Person, Plan
from bfrb.simulate.frames import across, dot, normalised, rotated, turned
from bfrb.simulate.spec import BodySpec

_SWIVELS_RAD = np.linspace(-0.9, 2.1, 16)
_FLEXES_RAD = np.array([-0.6, -0.3, 0.0, 0.3])
_CLEARANCE_M = 0.04
_HABIT = np.array([0.3, 0.3, 0.6, 0.6])  # discomfort of a swivel that is not one's own, by posture

_HEAVY = np.array([1.7, 1.7, 0.8, 1.6])
"""Discomfort of an elbow held up against gravity by the length of the upper arm, by posture; beds carry it."""


def draw_spread(plan: Plan, spec: BodySpec, rng: np.random.Generator) -> Floats:
    """(S, 7) deviations of place (3, metres), palm (3) and swivel (radians): a habit for each gesture, and chance."""
    between = np.repeat([spec.landmark_between_m, spec.palm_between, spec.swivel_between_rad], [3, 3, 1])
    within = np.repeat([spec.landmark_within_m, spec.palm_within, spec.swivel_within_rad], [3, 3, 1])
    habit = habits(rng, 7) * 0.7 + rng.normal(0, 1, 7) * 0.7
    result: Floats = habit[plan.gesture] * between + rng.normal(0, 1, (len(plan), 7)) * within
    result[:, 3:] *= np.array([1.0, 1.0, *spec.lying])[plan.orientation, None]
    return result


def target_pose(
    person: Person, plan: Plan, posture: Posture, body: Solids, spread: Floats, arm: Arm
) -> tuple[Pose, Floats, Floats]:
    """The arm with the fingertips at the place of each gesture and out of the body; `spread` is of `draw_spread`.

    With (S, 3, 3) directions in columns, away from the place, up along it and across it; and (S,) how far the hand is
    bent towards the palm, in radians.
    """
    code = plan.gesture
    part = TABLE["part"][code]
    frames, origin, scale = _parts(person, posture)
    frame = frames[part, np.arange(len(plan))]
    place = TABLE["place_m"][code] * scale[part, None] + spread[:, :3]
    tip = origin[part, np.arange(len(plan))] + rotated(frame, place)
    palm = normalised(rotated(frame, TABLE["palm"][code] + spread[:, 3:6]))
    pose, flex = _most_comfortable(arm, posture, body, Hand(tip, palm, spread[:, 6], code))
    up = across(frame[..., 2], -palm)
    return pose, np.stack([-palm, up, np.cross(up, -palm)], axis=-1), flex


def _parts(person: Person, posture: Posture) -> tuple[Floats, Floats, Floats]:
    """Frames (4, S, 3, 3), origins (4, S, 3) and scales (4,) of head, torso, thigh and room."""
    size = person.height_m / 1.70
    origin = posture.hip + posture.pelvis[..., 0] * 0.055 * person.height_m
    knee = origin + posture.thigh[..., 2] * 0.245 * person.height_m
    thigh_z = normalised(knee - posture.hip)
    up = np.where(posture.lies[:, None], posture.pelvis[..., 1], posture.pelvis[..., 2])
    thigh = np.stack([posture.pelvis[..., 0], -across(up, thigh_z), thigh_z], axis=-1)
    frames = np.stack([posture.head, posture.torso, thigh, posture.pelvis])
    origins = np.stack([posture.head_centre, posture.hip, origin, posture.hip])
    return frames, origins, np.array([head_scale(person), size, size, size])


@dataclass(frozen=True)
class Hand:
    """What the hand shall do in S sequences: tip (S, 3), palm (S, 3), swivel_rad (S,) added, code (S,) of gestures."""

    tip: Floats
    palm: Floats
    swivel_rad: Floats
    code: Ints

    def bend(self, flex_rad: Floats) -> Floats:
        """(S,) How far the hand is bent towards the palm if it is so much more than usual."""
        return np.maximum(TABLE["flex_rad"][self.code] + flex_rad, -0.2)


def _most_comfortable(arm: Arm, posture: Posture, body: Solids, hand: Hand) -> tuple[Pose, Floats]:
    """Try the elbow at many heights and the hand at several bends, and take what costs least."""
    swivels, flexes = (grid.ravel() for grid in np.meshgrid(_SWIVELS_RAD, _FLEXES_RAD))
    poses, costs = [], []
    for swivel, flex in zip(swivels, flexes, strict=True):
        pose = _reaching(arm, posture, hand, swivel + hand.swivel_rad, hand.bend(flex))
        effort = _HABIT[posture.orientation] * (swivel - TABLE["swivel_rad"][hand.code]) ** 2 + 0.8 * flex**2
        costs.append(_discomfort(arm, posture, body, hand.palm, pose) + effort)
        poses.append((pose.wrist, pose.pole, pose.pronation_rad))
    best = np.argmin(costs, axis=0), np.arange(len(hand.tip))
    wrist, pole, turn = (np.stack(found)[best] for found in zip(*poses, strict=True))
    return Pose(wrist, pole, turn), hand.bend(flexes[best[0]])


def _reaching(arm: Arm, posture: Posture, hand: Hand, swivel: Floats, flex: Floats) -> Pose:
    """(S,) poses in which a hand with the given bend touches the tips, found by fixed point."""
    reach = TABLE["reach"][hand.code][:, None] * arm.hand_m
    wrist = hand.tip - 0.8 * reach * hand.palm
    for _ in range(5):
        pole = _swung(posture, wrist, swivel)
        elbow, reached = solve_arm(arm, posture.shoulder, wrist, pole)
        turn = pronation_for(posture.shoulder, elbow, reached, hand.palm)
        fingers, _ = bent(arm_frame(posture.shoulder, elbow, reached, turn), flex)
        wrist = 0.3 * wrist + 0.7 * (hand.tip - reach * fingers)
    return Pose(wrist, pole, turn)


def _swung(posture: Posture, wrist: Floats, swivel: Floats) -> Floats:
    """(S, 3) poles of an elbow that is swung outwards from where it hangs."""
    axis = normalised(wrist - posture.shoulder)
    return turned(across(posture.elbow_down, axis), axis, -swivel)


def _discomfort(arm: Arm, posture: Posture, body: Solids, palm: Floats, pose: Pose) -> Floats:
    """(S,) cost: of a raised or crossed elbow, a palm that faces wrong, an arm in body or bed, a place out of reach."""
    track = follow(arm, posture.shoulder, pose)
    elbow, wrist = track.elbow - posture.shoulder, track.wrist - posture.shoulder
    right, front, top = (posture.torso[..., axis] for axis in range(3))
    wrong = 1 - dot(track.forearm[..., 2], palm)
    sunk = np.maximum(0.05 - track.elbow[:, 2], 0) + np.maximum(0.05 - track.wrist[:, 2], 0)
    middle = 0.5 * (track.elbow + track.wrist)
    inside = sum(_depth(body, place) for place in (track.place, track.wrist, middle, track.elbow))
    missed = np.linalg.norm(track.wrist - pose.wrist, axis=1)
    behind = np.maximum(-0.04 - dot(elbow, front), 0) + np.maximum(-0.06 - dot(wrist, front), 0)
    raised, crossed = dot(elbow, top) / arm.upper_m, np.maximum(-dot(elbow, right) / arm.upper_m, 0)
    lifted = _HEAVY[posture.orientation] * (elbow[:, 2] / arm.upper_m)
    pressed = 40 * sunk + 60 * inside + 60 * missed + 15 * behind
    return np.asarray(lifted + 0.8 * raised + 0.8 * crossed + 0.9 * wrong + pressed)


def _depth(body: Solids, place: Floats) -> Floats:
    """(S,) metres, about, by which places come nearer to any part of the body than an arm can."""
    local = np.einsum("psji,psj->psi", body.axes, place - body.centre)
    scaled = np.linalg.norm(local / body.radii, axis=-1)
    distance = np.linalg.norm(local, axis=-1) * (1 - 1 / np.maximum(scaled, 1e-6))
    return np.asarray(np.maximum(_CLEARANCE_M - distance, 0).sum(axis=0))


def rest_pose(person: Person, plan: Plan, posture: Posture, spread: Floats, arm: Arm, face_down: Bools) -> Pose:
    """(S,) poses of the relaxed arm: the hand on the lap, beside the body or on it, or on the bed before the chest.

    `spread` is of `draw_spread`; (S,) `face_down` tells whether the palm lies down: on the thigh, the belly or the hip.
    """
    place, palm, down = (table[plan.orientation, face_down.astype(int)] for table in (_REST_M, _REST_PALM, _REST_ELBOW))
    size = person.height_m / 1.70
    wrist = posture.hip + rotated(posture.pelvis, place * size + spread[:, :3] * 2)
    loose = replace(posture, elbow_down=normalised(rotated(posture.pelvis, down)))
    pole = _swung(loose, wrist, spread[:, 6])
    elbow, wrist = solve_arm(arm, posture.shoulder, wrist, pole)
    facing = normalised(rotated(posture.pelvis, palm) + 0.8 * spread[:, 3:6])
    return Pose(wrist, pole, pronation_for(posture.shoulder, elbow, wrist, facing))


# By posture (straight, lean, back, side) and whether the palm lies down, in the frame of the pelvis: to the right, to
# the front, to the head. On the back, front is up; on the side, right is up.
_REST_M = np.array([
    [[0.11, 0.30, 0.13], [0.11, 0.30, 0.13]],
    [[0.09, 0.34, 0.12], [0.09, 0.34, 0.12]],
    [[0.28, 0.00, -0.02], [0.05, 0.14, 0.12]],
    [[-0.03, 0.26, 0.36], [0.10, 0.12, -0.02]],
])  # fmt: skip
"""Places of the wrist in metres, for a person of 1.70 m."""

_REST_PALM = np.array([
    [[-0.45, 0.0, 0.89], [-0.4, 0.0, -1.0]],
    [[-0.45, 0.0, 0.89], [-0.4, 0.0, -1.0]],
    [[-0.55, 0.82, 0.0], [-0.3, -1.0, 0.0]],
    [[0.3, -0.6, 0.6], [-1.0, -0.2, 0.0]],
])  # fmt: skip
"""Where the palm faces."""

_REST_ELBOW = np.array([
    [[0.45, -0.30, -0.85], [0.45, -0.30, -0.85]],
    [[0.45, -0.50, -0.6], [0.45, -0.50, -0.6]],
    [[0.35, -1.0, -0.2], [0.80, -0.5, -0.3]],
    [[-0.40, 0.20, -0.6], [0.2, -0.60, -0.3]],
])  # fmt: skip
"""Where the elbow hangs."""
