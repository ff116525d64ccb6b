"""Which pose an arm takes: the hand touches its place, and the rest is the least uncomfortable way to do so."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bfrb.arrays import Bools, Floats, Ints
from bfrb.simulate.actions import TABLE, habits
from bfrb.simulate.arm import Arm, Pose, arm_frame, follow, pronation_for, solve_arm
from bfrb.simulate.body import Posture, Solids, head_scale, knee
from bfrb.simulate.design import Person, Plan
from bfrb.simulate.frames import across, dot, normalised, rotated, turned
from bfrb.simulate.spec import StudySpec

_UP = np.array([0.0, 0.0, 1.0])
_SWIVELS_RAD = np.linspace(-0.9, 2.1, 16)
_FLEXES_RAD = np.array([-0.6, -0.3, 0.0, 0.3])
_CLEARANCE_M = 0.04
_HABIT = (0.3, 0.3, 0.6, 0.6)
"""Discomfort of a swivel that is not one's own, by posture."""

_HEAVY = (1.7, 1.7, 0.8, 1.6)
"""Discomfort of an elbow held up against gravity by the length of the upper arm, by posture; beds carry it."""


@dataclass(frozen=True)
class Target:
    """Where the hand goes in each of S sequences.

    Parameters
    ----------
    pose
        The arm with the hand there.
    directions
        (S, 3, 3) columns: away from the place, up along it, across it.
    flex_rad
        (S,) how far the hand is bent towards the palm.
    """

    pose: Pose
    directions: Floats
    flex_rad: Floats


def draw_spread(plan: Plan, spec: StudySpec, rng: np.random.Generator) -> Floats:
    """(S, 7) deviations of place, palm and swivel: a subject's habit for each gesture, and chance."""
    body = spec.body
    between = np.array([body.landmark_between_m] * 3 + [body.palm_between] * 3 + [body.swivel_between_rad])
    within = np.array([body.landmark_within_m] * 3 + [body.palm_within] * 3 + [body.swivel_within_rad])
    habit = habits(rng, 7) * 0.7 + rng.normal(0, 1, 7) * 0.7
    result: Floats = habit[plan.gesture] * between + rng.normal(0, 1, (len(plan), 7)) * within
    result[:, 3:] *= np.array([1.0, 1.0, *body.lying])[plan.orientation, None]
    return result


def target_pose(person: Person, plan: Plan, posture: Posture, body: Solids, spread: Floats, arm: Arm) -> Target:
    """The arm with the fingertips at the place of each gesture.

    Parameters
    ----------
    body
        What the arm must not enter.
    spread
        (S, 7) deviations from the ideal: place (3, metres), palm (3), swivel (radians).
    """
    code = plan.gesture
    frames, origin, scale = _parts(person, posture)
    which = (TABLE.part[code], np.arange(len(plan)))
    frame = frames[which]
    place = TABLE.place_m[code] * scale[TABLE.part[code], None] + spread[:, :3]
    tip = origin[which] + rotated(frame, place)
    palm = normalised(rotated(frame, TABLE.palm[code] + spread[:, 3:6]))
    pose, flex = _most_comfortable(arm, posture, body, Hand(tip, palm, spread[:, 6], code))
    return Target(pose, _directions(frame, palm), flex)


def _parts(person: Person, posture: Posture) -> tuple[Floats, Floats, Floats]:
    """Frames (4, S, 3, 3), origins (4, S, 3) and scales (4,) of head, torso, thigh and room."""
    size = person.height_m / 1.70
    thigh_z = normalised(knee(person, posture) - posture.hip)
    up = np.where(posture.lies[:, None], posture.pelvis[..., 1], posture.pelvis[..., 2])
    thigh = np.stack([posture.pelvis[..., 0], -across(up, thigh_z), thigh_z], axis=-1)
    side = posture.hip + posture.pelvis[..., 0] * 0.055 * person.height_m
    frames = np.stack([posture.head, posture.torso, thigh, posture.pelvis])
    origin = np.stack([posture.head_centre, posture.hip, side, posture.hip])
    return frames, origin, np.array([head_scale(person), size, size, size])


def _directions(frame: Floats, palm: Floats) -> Floats:
    away = -palm
    up = across(frame[..., 2], away)
    return np.stack([away, up, np.cross(up, away)], axis=-1)


@dataclass(frozen=True)
class Hand:
    """What the hand shall do in S sequences: tip (S, 3), palm (S, 3), swivel_rad (S,) added, code (S,) of gestures."""

    tip: Floats
    palm: Floats
    swivel_rad: Floats
    code: Ints


def _most_comfortable(arm: Arm, posture: Posture, body: Solids, hand: Hand) -> tuple[Pose, Floats]:
    """Try the elbow at many heights and the hand at several bends, and take what costs least."""
    swivels, flexes = (grid.ravel() for grid in np.meshgrid(_SWIVELS_RAD, _FLEXES_RAD))
    poses, costs = [], []
    for swivel, flex in zip(swivels, flexes, strict=True):
        bend = np.maximum(TABLE.flex_rad[hand.code] + flex, -0.2)
        pose = _reaching(arm, posture, hand, swivel + hand.swivel_rad, bend)
        own = np.array(_HABIT)[posture.orientation]
        effort = own * (swivel - TABLE.swivel_rad[hand.code]) ** 2 + 0.8 * flex**2
        costs.append(_discomfort(arm, posture, body, hand.palm, pose) + effort)
        poses.append(pose)
    best = np.argmin(costs, axis=0), np.arange(len(hand.tip))
    wrist, pole, turn = (
        np.stack([getattr(pose, name) for pose in poses])[best] for name in ("wrist", "pole", "pronation_rad")
    )
    return Pose(wrist, pole, turn), np.maximum(TABLE.flex_rad[hand.code] + flexes[best[0]], -0.2)


def _reaching(arm: Arm, posture: Posture, hand: Hand, swivel: Floats, flex: Floats) -> Pose:
    """(S,) poses in which a hand with the given bend touches the tips, found by fixed point."""
    bend, reach = flex[:, None], TABLE.reach[hand.code][:, None] * arm.hand_m
    wrist = hand.tip - 0.8 * reach * hand.palm
    for _ in range(5):
        pole = _swung(posture, wrist, swivel)
        elbow, bent = solve_arm(arm, posture.shoulder, wrist, pole)
        turn = pronation_for(posture.shoulder, elbow, bent, hand.palm)
        frame = arm_frame(posture.shoulder, elbow, bent, turn)
        fingers = np.cos(bend) * frame[..., 1] + np.sin(bend) * frame[..., 2]
        wrist = 0.3 * wrist + 0.7 * (hand.tip - reach * fingers)
    return Pose(wrist, pole, turn)


def _swung(posture: Posture, wrist: Floats, swivel: Floats) -> Floats:
    """(S, 3) poles of an elbow that is swung outwards from where it hangs."""
    axis = normalised(wrist - posture.shoulder)
    return turned(across(posture.elbow_down, axis), axis, -swivel)


def _discomfort(arm: Arm, posture: Posture, body: Solids, palm: Floats, pose: Pose) -> Floats:
    """(S,) cost of a pose.

    It grows with an elbow held up against gravity, beside the head or across the chest, with a palm that faces wrong,
    with an arm in the body or the bed, and with a place out of reach.
    """
    track = follow(arm, posture.shoulder, pose)
    lifted = dot(track.elbow - posture.shoulder, _UP) / arm.upper_m
    wrong = 1 - dot(track.forearm[..., 2], palm)
    sunk = np.maximum(posture.bed_height_m + 0.05 - track.elbow[:, 2], 0) + np.maximum(
        posture.bed_height_m + 0.05 - track.wrist[:, 2], 0
    )
    middle = 0.5 * (track.elbow + track.wrist)
    inside = sum(_depth(body, place) for place in (track.place, track.wrist, middle, track.elbow))
    missed = np.linalg.norm(track.wrist - pose.wrist, axis=1)
    front = posture.torso[..., 1]
    behind = np.maximum(-0.04 - dot(track.elbow - posture.shoulder, front), 0) + np.maximum(
        -0.06 - dot(track.wrist - posture.shoulder, front), 0
    )
    raised = dot(track.elbow - posture.shoulder, posture.torso[..., 2]) / arm.upper_m
    crossed = np.maximum(-dot(track.elbow - posture.shoulder, posture.torso[..., 0]) / arm.upper_m, 0)
    height = np.array(_HEAVY)[posture.orientation]
    cost: Floats = (
        height * lifted
        + 0.8 * raised
        + 0.8 * crossed
        + 0.9 * wrong
        + 40 * sunk
        + 60 * inside
        + 60 * missed
        + 15 * behind
    )
    return cost


def _depth(body: Solids, place: Floats) -> Floats:
    """(S,) metres, about, by which places come nearer to any part of the body than an arm can."""
    local = np.einsum("psji,psj->psi", body.axes, place - body.centre)
    scaled = np.linalg.norm(local / body.radii, axis=-1)
    distance = np.linalg.norm(local, axis=-1) * (1 - 1 / np.maximum(scaled, 1e-6))
    result: Floats = np.maximum(_CLEARANCE_M - distance, 0).sum(axis=0)
    return result


def rest_pose(person: Person, plan: Plan, posture: Posture, spread: Floats, arm: Arm, face_down: Bools) -> Pose:
    """(S,) poses of the relaxed arm: the hand on the lap, beside the body or on it, or on the bed before the chest.

    Parameters
    ----------
    spread
        (S, 7) deviations, see `draw_spread`.
    face_down
        (S,) whether the palm lies down: on the thigh, the belly or the hip.
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
