"""How the hand moves: rest, a smooth reach, a pause at the target, the gesture; and the arm that follows it."""

from dataclasses import dataclass, replace

import numpy as np

from bfrb.arrays import Floats, Ints
from bfrb.simulate.actions import AMPLITUDE, TABLE, habits
from bfrb.simulate.body import Pose, Posture, Solids, Track, draw_arm, draw_posture, follow, still_solids
from bfrb.simulate.design import MOVES, Person, Plan
from bfrb.simulate.frames import about, across, dot, minimum_jerk, normalised, rotated, smoothed, turned
from bfrb.simulate.posing import draw_spread, rest_pose, target_pose
from bfrb.simulate.spec import BodySpec, StudySpec
from bfrb.study.device import HELIOS

RETURN_S = 1.2  # how long the hand takes from the target back to rest

_SMALLER = 1.5
"""Power of the rate by which quick movements are smaller: between equal speed (1) and equal acceleration (2)."""

_NOD_AND_YAW = np.array([0.9, 0.5])
"""How the device rocks: more about the axis across the wrist than about the one out of the palm."""


@dataclass(frozen=True)
class Clock:
    """N steps of motion of one subject's sequences."""

    sequence: Ints  # (N,) sequence that a step belongs to
    time_s: Floats  # (N,) time since the sequence's begin
    ends_s: Floats  # (S, 3) when transition, pause and gesture end
    rate_hz: float  # steps per second


def make_clock(plan: Plan, spec: StudySpec) -> Clock:
    """The steps of a plan."""
    rate = HELIOS.row_rate_hz * spec.steps_per_row
    steps = plan.rows.sum(axis=1) * spec.steps_per_row
    sequence = np.repeat(np.arange(len(plan)), steps)
    first = np.repeat(np.cumsum(steps) - steps, steps)
    time = (np.arange(len(sequence)) - first) / rate
    return Clock(sequence, time, np.cumsum(plan.rows, axis=1) / HELIOS.row_rate_hz, rate)


def approach(plan: Plan, clock: Clock, travel_m: Floats, reach_s: float, rng: np.random.Generator) -> Floats:
    """(N,) How near the hand is to the target: 0 at rest, 1 at the target; far reaches (S,) take longer.

    From `MOVES` the hand rests and then goes; from `RELAXES` it is at the target, goes to rest and comes back.
    """
    size, i = len(plan), clock.sequence
    reach = reach_s * np.sqrt(0.3 + 1.6 * travel_m) * np.exp(rng.normal(0, 0.22, size))
    arrival = clock.ends_s[:, 0] + rng.normal(0.02, 0.10, size)
    rise = minimum_jerk((clock.time_s - (arrival - reach)[i]) / reach[i])
    leave = rng.uniform(-0.1, 0.25, size)
    settle = rng.uniform(-2.2, -0.6, size)
    begin = np.where(plan.start == MOVES, settle, leave)
    fall = 1 - minimum_jerk((clock.time_s - begin[i]) / (1.1 * reach)[i])
    return np.asarray(1 - (1 - rise) * (1 - fall))


def staying(plan: Plan, clock: Clock) -> Floats:
    """(N,) Whether the hand stays at the target (1) or has gone back to rest (0); in the study it always stays."""
    leaves_s = (clock.ends_s[:, 2] - plan.back_s)[clock.sequence]
    return np.asarray(1 - minimum_jerk((clock.time_s - leaves_s) / RETURN_S))


def gesture_offsets(plan: Plan, clock: Clock, near: Floats, body: BodySpec, rng: np.random.Generator) -> Floats:
    """(N, 6) movement of the gesture: away, up and across in metres; roll, nod and yaw of the device in radians.

    Fingers work hardly at rest and a little in the pause, as (N,) `near` tells: how near the hand is to the target.
    """
    code, i = plan.gesture, clock.sequence
    size, skew = len(plan), TABLE["skew"][code][i]
    habit = habits(rng, 2)[code]
    own = rng.normal(0, 1, (size, 2))
    freedom = TABLE["freedom"][code][:, None] ** [1.0, 0.6]
    wide = (0.75 * habit + 0.66 * own) * [body.rhythm_spread, body.amplitude_spread] * freedom
    quicker = wide[:, :1]
    rate = TABLE["rate_hz"][code] * np.exp(quicker[:, 0])
    each = np.exp(rng.normal(0, 0.35, (size, 6)) + wide[:, 1:] - _SMALLER * quicker)
    rocking = body.rocking * _NOD_AND_YAW * AMPLITUDE[code][:, 3:]
    amplitude = np.concatenate([AMPLITUDE[code], rocking], axis=1) * each
    since = clock.time_s - clock.ends_s[i, 1]
    wobble = 0.35 * np.sin(2 * np.pi * (0.31 * clock.time_s + rng.random(size)[i]))
    turns = (rate[i] * since + wobble)[:, None] * TABLE["ratios"][code][i][:, [0, 1, 2, 3, 0, 2]]
    turns += rng.random((size, 6))[i]
    phase = 2 * np.pi * turns
    wave = np.sin(phase + skew[:, None] * np.sin(phase))
    swell = 1 + 0.35 * np.sin(2 * np.pi * (0.45 * clock.time_s + rng.random(size)[i]))
    started = minimum_jerk(since / 0.35)
    onset = started * swell
    moves: Floats = amplitude[i] * wave * onset[:, None]
    spring = body.recoil_m * np.exp(wide[:, 1])[i] * onset * skew * recoil(turns[:, 0])
    moves[:, [0, 2]] += spring[:, None] * np.stack([np.ones(size), rng.normal(0, 0.8, size)], axis=1)[i]
    works = 0.05 + 0.2 * near + 0.75 * started
    tendons = body.tendons_rad * np.exp(rng.normal(0, body.tendons_spread, size))[i]
    moves[:, 4:] += (works * tendons)[:, None] * _NOD_AND_YAW * _quick(len(i), rng)[:, 1:]
    return moves


def recoil(turns: Floats) -> Floats:
    """(N,) The spring of a hand when a pull ends, by how many pulls there were: in some a little, in some a lot."""
    pull = np.floor(turns)
    since = turns - pull
    strength = np.modf(np.abs(np.sin(12.9898 * pull) * 43758.5453))[0] * 2
    return np.asarray(strength * np.exp(-4.0 * since) * np.sin(2 * np.pi * 2 * since))


def _sway(size: int, clock: Clock, near: Floats, spread: float, rng: np.random.Generator) -> Floats:
    """(N, 5) slow drifts, sinusoids of 0.1 to 0.9 Hz: of about unit size at the target, in some sequences larger."""
    i = clock.sequence
    total = np.zeros((len(i), 5))
    for low, high in ((0.08, 0.2), (0.2, 0.45), (0.45, 0.9)):
        rate, phase = rng.uniform(low, high, (size, 5)), rng.random((size, 5))
        total += np.sin(2 * np.pi * (rate[i] * clock.time_s[:, None] + phase[i]))
    restless = np.sqrt(2 / 3) * np.exp(rng.normal(0, spread, size))
    return np.asarray(total * (restless[i] * (0.25 + 0.75 * near))[:, None])


@dataclass(frozen=True)
class Wearing:
    """One subject's sequences before anything is measured: the body, and the arm in all N steps."""

    person: Person
    plan: Plan
    posture: Posture
    body: Solids
    clock: Clock
    track: Track
    flex_rad: Floats  # (N,) how far the hand is bent towards the palm


def wear(person: Person, plan: Plan, spec: StudySpec, rng: np.random.Generator) -> Wearing:
    """One subject going through a plan; the arm keeps out of the body."""
    size, own, posture = len(plan), spec.body, draw_posture(person, plan, spec.body, rng)
    body, clock = still_solids(person, posture), make_clock(plan, spec)
    arm, i = draw_arm(person, own, rng), clock.sequence
    target, directions, bent = target_pose(person, plan, posture, body, draw_spread(plan, own, rng), arm)
    face_down = rng.random(size) < np.array(own.palm_down)[plan.orientation]
    rest = rest_pose(person, plan, posture, draw_spread(plan, own, rng), arm, face_down)
    stays = staying(plan, clock)
    travel_m = np.linalg.norm(target.wrist - rest.wrist, axis=1)
    near = approach(plan, clock, travel_m, spec.timing.reach_s, rng) * stays
    moves = gesture_offsets(plan, clock, near, own, rng) * stays[:, None]
    sway = _sway(size, clock, near, own.sway_spread, rng)
    drift = TABLE["wander_m"][plan.gesture][i, None] * sway[:, :3] * (0.25 + 0.25 * near)[:, None]
    wrist = _path(rest.wrist, target.wrist, posture, i, near, rng)
    wrist += rotated(directions[i], moves[:, :3]) + drift + own.tremor_m * _quick(len(i), rng)
    lead = minimum_jerk(np.clip(1.15 * near - 0.05, 0, 1))
    detour = rng.normal(0, 0.2, size)[i] * (4 * lead * (1 - lead))
    turn = rest.pronation_rad[i] * (1 - lead) + target.pronation_rad[i] * lead + detour
    axis = normalised(wrist - posture.shoulder[i])
    swing = own.sway_rad * sway[:, 3:]
    pole = turned(_elbow_way(rest.pole, target.pole, posture, clock, near, axis), axis, swing[:, 1])
    track = follow(arm, posture.shoulder[i], Pose(wrist, pole, turn + moves[:, 3] + swing[:, 0]))
    # The device rocks on the tendons and the soft skin of the wrist, and slips round it.
    slip = rng.normal(0, own.device_slip_rad, size)[i]
    rotation = track.rotation @ about(1, slip) @ about(0, moves[:, 4]) @ about(2, moves[:, 5])
    flex = 0.30 * (1 - near) + bent[i] * near
    return Wearing(person, plan, posture, body, clock, replace(track, rotation=rotation), flex)


def _elbow_way(rest: Floats, target: Floats, posture: Posture, clock: Clock, near: Floats, axis: Floats) -> Floats:
    """(N, 3) where the elbow points on the way between two poses; it swings through where it would hang."""
    i, s = clock.sequence, near[:, None]
    pole = (1 - s) ** 2 * rest[i] + 1.2 * s * (1 - s) * posture.elbow_down[i] + s**2 * target[i]
    side = across(pole, axis)
    width = round(0.10 * clock.rate_hz)
    return smoothed(smoothed(side, i, width), i, width)


def _path(rest: Floats, target: Floats, posture: Posture, i: Ints, near: Floats, rng: np.random.Generator) -> Floats:
    """(N, 3) wrists on their way between two places: bowed to the front, so that they pass before the shoulder."""
    s = near[:, None]
    front = normalised(rotated(posture.torso, rng.normal([0.35, 0.90, 0.0], 0.20, rest.shape)))
    before = dot(0.5 * (rest + target) - posture.shoulder, front)
    bow = front * np.maximum(0.30 - before, 0.06 * np.linalg.norm(target - rest, axis=1))[:, None]
    straight = (1 - s) * rest[i] + s * target[i]
    return np.asarray(straight + 4 * s * (1 - s) * bow[i])


def _quick(steps: int, rng: np.random.Generator) -> Floats:
    """(N, 3) noise of unit size that lasts about a tenth of a second."""
    white = rng.normal(0, 1, (steps + 4, 3))
    return np.asarray((white[:-4] + 2 * white[1:-3] + 3 * white[2:-2] + 2 * white[3:-1] + white[4:]) / np.sqrt(19))
