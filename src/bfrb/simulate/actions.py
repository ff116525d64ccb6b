"""What the hand does in each of the 18 gestures: where it goes, how it is held there, how it moves.

Places are given in the frame of a body part, in metres for a person of 1.70 m. Movements are described along three
directions at the place (away from the body, up along it, across it) and as pronation of the forearm.
"""

from dataclasses import dataclass, fields

import numpy as np

from bfrb.study.labels import CMI_GESTURES

HEAD, TORSO, THIGH, ROOM = range(4)
"""Body parts that a place can belong to; ROOM is the torso's place in upright axes, as for a table."""


@dataclass(frozen=True)
class Action:
    """One gesture, or one thing that a hand does between gestures."""

    part: int  # body part that the place belongs to
    place_m: tuple[float, float, float]  # where the fingertips go, in the part's frame
    palm: tuple[float, float, float]  # where the palm faces, in the part's frame
    flex_rad: float = 0.5  # how far the hand is bent towards the palm
    reach: float = 0.62  # from wrist to fingertips, as a share of the straight hand: fingers that pinch are bent
    swivel_rad: float = 0.35  # how far the elbow is lifted sideways from hanging down
    away_m: float = 0.0  # amplitudes of the movement at the place
    up_m: float = 0.0
    across_m: float = 0.0
    roll_rad: float = 0.08  # amplitude of the pronation that goes with it
    rate_hz: float = 1.2  # rate of the movement
    freedom: float = 1.0  # how much more than usual people differ in the rate and, to its power of 0.6, in the size
    ratios: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)  # rates of away, up, across and roll relative to it
    skew: float = 0.0  # 0 for an even movement, towards 1 for a slow pull with a quick return
    wander_m: float = 0.006  # size of slow drifts
    holds: str = ""  # what the hand holds: "", "phone", "cup"


ACTIONS: dict[str, Action] = {
    "Above ear - pull hair": Action(
        HEAD, (0.080, 0.000, 0.045), (-0.9, -0.1, -0.2), flex_rad=0.95,
        swivel_rad=0.75, away_m=0.0036, up_m=0.002, roll_rad=0.05, rate_hz=2.5, freedom=2.2, skew=0.6,
    ),
    "Cheek - pinch skin": Action(
        HEAD, (0.055, 0.070, -0.045), (-0.65, -0.70, 0.0), flex_rad=1,
        swivel_rad=0.30, away_m=0.0018, up_m=0.0009, across_m=0.0009, roll_rad=0.045, rate_hz=2.8, freedom=2.2,
        skew=0.5,
    ),
    "Eyebrow - pull hair": Action(
        HEAD, (0.032, 0.094, 0.028), (-0.50, -0.75, -0.45), flex_rad=1,
        swivel_rad=0.45, away_m=0.0026, up_m=0.0012, roll_rad=0.035, rate_hz=2.6, freedom=2.2, skew=0.6,
    ),
    "Eyelash - pull hair": Action(
        HEAD, (0.034, 0.092, 0.008), (-0.50, -0.75, -0.40), flex_rad=1,
        swivel_rad=0.42, away_m=0.0026, up_m=0.0008, roll_rad=0.03, rate_hz=2.6, freedom=2.2, skew=0.6, reach=0.64,
    ),
    "Forehead - pull hairline": Action(
        HEAD, (0.025, 0.075, 0.092), (-0.45, -0.70, -0.6), flex_rad=0.9,
        swivel_rad=0.65, away_m=0.0036, up_m=0.002, roll_rad=0.05, rate_hz=2.5, freedom=2.2, skew=0.6,
    ),
    "Forehead - scratch": Action(
        HEAD, (0.018, 0.090, 0.060), (-0.45, -0.75, -0.45), flex_rad=0.95,
        swivel_rad=0.58, up_m=0.0022, across_m=0.0016, away_m=0.0009, roll_rad=0.07, rate_hz=4.4, reach=0.76,
    ),
    "Neck - pinch skin": Action(
        HEAD, (0.050, 0.030, -0.125), (-0.75, -0.60, 0.25), flex_rad=0.95,
        swivel_rad=0.25, away_m=0.0018, up_m=0.0014, roll_rad=0.05, rate_hz=2.8, freedom=2.2, skew=0.5,
    ),
    "Neck - scratch": Action(
        HEAD, (0.050, 0.025, -0.112), (-0.80, -0.50, 0.20), flex_rad=0.95,
        swivel_rad=0.35, up_m=0.0028, across_m=0.0016, away_m=0.0009, roll_rad=0.10, rate_hz=4.3, reach=0.76,
    ),
    "Drink from bottle/cup": Action(
        HEAD, (0.020, 0.150, -0.060), (-0.85, -0.40, 0.1), flex_rad=0.1, reach=0.60,
        swivel_rad=0.50, up_m=0.030, away_m=0.030, roll_rad=0.15, rate_hz=0.40, holds="cup",
    ),
    "Feel around in tray and pull out an object": Action(
        ROOM, (0.10, 0.50, 0.16), (0.0, 0.0, -1.0), flex_rad=0.9, reach=0.9,
        swivel_rad=0.25, across_m=0.022, up_m=0.016, away_m=0.008, roll_rad=0.14, rate_hz=1.1, freedom=1.5,
        ratios=(1.3, 1.0, 0.7, 0.8), wander_m=0.03,
    ),
    "Glasses on/off": Action(
        HEAD, (0.078, 0.075, 0.010), (-0.9, -0.3, 0.0), flex_rad=0.3,
        swivel_rad=0.50, across_m=0.060, away_m=0.020, up_m=0.035, roll_rad=0.25, rate_hz=0.45, wander_m=0.02,
    ),
    "Pinch knee/leg skin": Action(
        THIGH, (0.0, -0.075, 0.34), (0.0, 1.0, 0.0),
        swivel_rad=0.30, away_m=0.003, across_m=0.0025, roll_rad=0.06, rate_hz=2.6, freedom=2.2, skew=0.5,
    ),
    "Pull air toward your face": Action(
        HEAD, (0.04, 0.22, -0.03), (-0.2, -0.95, 0.0), flex_rad=0.2,
        swivel_rad=0.45, away_m=0.085, up_m=0.035, roll_rad=0.30, rate_hz=0.85, skew=0.3, wander_m=0.02,
    ),
    "Scratch knee/leg skin": Action(
        THIGH, (0.0, -0.075, 0.34), (0.0, 1.0, 0.0),
        swivel_rad=0.30, up_m=0.008, across_m=0.004, roll_rad=0.08, rate_hz=3.6, reach=0.9,
    ),
    "Text on phone": Action(
        TORSO, (0.03, 0.26, 0.29), (-0.35, -0.80, 0.6), flex_rad=0.05, reach=0.75,
        swivel_rad=0.20, away_m=0.0015, up_m=0.002, across_m=0.002, roll_rad=0.025, rate_hz=2.3, holds="phone",
        ratios=(1.0, 0.7, 1.3, 0.8), wander_m=0.008,
    ),
    "Wave hello": Action(
        HEAD, (0.26, 0.28, 0.06), (0.1, 0.95, 0.1), flex_rad=0.0, reach=1.0,
        swivel_rad=0.40, across_m=0.055, away_m=0.010, roll_rad=0.30, rate_hz=1.8, wander_m=0.01,
    ),
    "Write name in air": Action(
        TORSO, (0.10, 0.48, 0.38), (-0.3, 0.35, -0.9), flex_rad=0.1, reach=0.9,
        swivel_rad=0.35, up_m=0.040, across_m=0.035, away_m=0.010, roll_rad=0.10, rate_hz=1.3,
        ratios=(0.6, 1.0, 0.73, 0.8), wander_m=0.05,
    ),
    "Write name on leg": Action(
        THIGH, (0.0, -0.078, 0.26), (0.0, 1.0, 0.0), flex_rad=0.15, reach=0.92,
        swivel_rad=0.30, up_m=0.012, across_m=0.010, roll_rad=0.06, rate_hz=1.5, freedom=1.5,
        ratios=(0.6, 1.0, 0.73, 0.8), wander_m=0.025,
    ),
}  # fmt: skip
"""The gestures, by name."""

EVERYDAY: dict[str, Action] = {
    "walk": Action(
        TORSO, (0.27, 0.06, 0.02), (-1.0, 0.0, 0.0), flex_rad=0.2, reach=0.85,
        swivel_rad=0.10, across_m=0.15, up_m=0.018, away_m=0.010, roll_rad=0.12, rate_hz=0.9,
        ratios=(2.0, 2.0, 1.0, 1.0), wander_m=0.01,
    ),
    "type": Action(
        ROOM, (0.08, 0.36, 0.16), (0.0, 0.0, -1.0), flex_rad=0.1, reach=0.85,
        swivel_rad=0.30, up_m=0.0025, across_m=0.006, away_m=0.003, roll_rad=0.03, rate_hz=2.9,
        ratios=(1.0, 0.6, 0.35, 0.7), wander_m=0.02,
    ),
    "eat": Action(
        HEAD, (0.01, 0.20, -0.10), (-0.2, -0.9, 0.2), flex_rad=0.4, reach=0.65,
        swivel_rad=0.40, away_m=0.085, up_m=0.060, roll_rad=0.35, rate_hz=0.22, skew=0.5, wander_m=0.01,
    ),
    "talk": Action(
        TORSO, (0.16, 0.38, 0.20), (-0.6, -0.2, 0.7), flex_rad=0.2, reach=0.9,
        swivel_rad=0.30, up_m=0.045, across_m=0.050, away_m=0.030, roll_rad=0.35, rate_hz=0.7,
        ratios=(0.8, 1.0, 0.63, 1.2), wander_m=0.05,
    ),
    "lean chin on hand": Action(
        HEAD, (0.030, 0.085, -0.105), (-0.35, -0.75, 0.45), flex_rad=0.6, reach=0.7,
        swivel_rad=0.30, away_m=0.0005, up_m=0.0005, roll_rad=0.01, rate_hz=0.25, wander_m=0.008,
    ),
    "hold a book": Action(
        TORSO, (0.12, 0.34, 0.24), (-0.5, -0.6, 0.6), flex_rad=0.2, reach=0.7,
        swivel_rad=0.20, up_m=0.003, across_m=0.002, roll_rad=0.03, rate_hz=0.15, wander_m=0.012,
    ),
}  # fmt: skip
"""What a hand does between gestures on a simulated day: small models, each a place and a rhythm, drawn from no data."""

EVERYTHING = (*CMI_GESTURES.classes, *EVERYDAY)  # all names, in the order of the table's rows


_ACTIONS = [(ACTIONS | EVERYDAY)[name] for name in EVERYTHING]
TABLE = {field.name: np.array([getattr(action, field.name) for action in _ACTIONS]) for field in fields(Action)}
"""Every field of the actions as an array with a row per name in `EVERYTHING`; gestures first, in their codes' order."""

AMPLITUDE = np.stack([TABLE[name] for name in ("away_m", "up_m", "across_m", "roll_rad")], axis=1)
"""(A, 4) Amplitudes of all actions: away, up and across in metres, roll in radians."""


def habits(rng: np.random.Generator, size: int) -> np.ndarray:
    """(A, size) a subject's own way with each action, in standard deviations; none with everyday ones."""
    gestures = rng.normal(0, 1, (len(CMI_GESTURES), size))
    return np.concatenate([gestures, np.zeros((len(EVERYDAY), size))])
