"""Simulated days: the study's gestures among ordinary activities, as continuous, labelled Helios recordings.

A day is a chain of blocks of some minutes, each in one posture, and a block a chain of bouts: the hand rests, does
something ordinary (`EVERYDAY`: walk, type, eat ...), or one of the study's gestures, and goes back to rest. Bodies,
reaches, gestures and sensors are those of the study. What is crude: everyday activities are one place and one rhythm
each, walking is an arm that swings on a body that sits, the body takes its next posture while the hand goes to rest,
and with every block the device sits on the wrist a little differently.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from pydantic import Field

from bfrb.arrays import Array, Floats, Ints
from bfrb.read.tables import make_table
from bfrb.simulate.actions import EVERYDAY, EVERYTHING
from bfrb.simulate.body import Track
from bfrb.simulate.design import BACK, LEAN, MOVES, SIDE, STRAIGHT, Person, Plan
from bfrb.simulate.frames import minimum_jerk, normalised, turned
from bfrb.simulate.motion import Wearing, wear
from bfrb.simulate.spec import Quadruple, StudySpec
from bfrb.simulate.study import FACING_RAD, draw_tilt, jobs_of, measure_all
from bfrb.spec import NotNegative, Positive, Spec
from bfrb.study.device import HELIOS
from bfrb.study.labels import CMI_GESTURES, DAY_GESTURES, ORIENTATIONS, TARGET_GESTURES
from bfrb.study.recordings import Annotation, Recordings

REST = "rest"

ACTIVITIES = (REST, *EVERYTHING)  # names of what the hand does in every row, the row label `activity`

_EVERYDAY_IN = {
    STRAIGHT: tuple(EVERYDAY),
    LEAN: ("talk", "hold a book", "lean chin on hand"),
    BACK: ("hold a book",),
    SIDE: ("hold a book",),
}
_OTHERS_IN = {
    STRAIGHT: (
        "Drink from bottle/cup",
        "Feel around in tray and pull out an object",
        "Glasses on/off",
        "Pull air toward your face",
        "Text on phone",
        "Wave hello",
        "Write name in air",
    ),
    LEAN: ("Pinch knee/leg skin", "Scratch knee/leg skin", "Write name on leg", "Text on phone"),
    BACK: ("Text on phone", "Wave hello"),
    SIDE: ("Text on phone", "Wave hello"),
}
_JOIN_S = 1.0  # how long it takes from one bout's rest to the next one's

_RETURNS_S = 2.0


class DaySpec(Spec):
    """What a simulated day is made of."""

    hours: Positive = 2.0  # length of each recording
    block_s: float = Field(300.0, ge=60)  # about how long a posture is kept
    posture_shares: Quadruple = (0.62, 0.20, 0.10, 0.08)  # upright, leaning, on the back, on the side
    rest_share: float = Field(0.35, ge=0, le=1)  # share of the bouts in which the hand rests
    target_share: float = Field(0.10, ge=0, le=1)  # share of the bouts that are target behaviours
    other_share: float = Field(0.12, ge=0, le=1)  # share of the bouts that are the study's other gestures
    bout_s: Positive = 22.0  # median duration of rests and activities
    gesture_s: Positive = 9.0  # median duration of gestures
    spread: NotNegative = 0.6  # spread of the logarithm of durations


def simulate_days(study: StudySpec, day: DaySpec, seed: int, chosen: slice = slice(None)) -> Iterator[Recordings]:
    """One continuous recording of every subject, or of some of them, one after the other.

    Rows are annotated with `gesture` (the classes of `DAY_GESTURES`) and `activity` (`ACTIVITIES`). The same specs, of
    bodies, timing and sensors and of what is done in a day, and the same seed give the same recordings.

    >>> (recording,) = simulate_days(StudySpec(subjects=1), DaySpec(hours=0.05), seed=0)
    >>> len(recording), recording.n_rows >= 1800, recording.simulated
    (1, True, True)
    """
    for person, spec, own in jobs_of(study, np.random.SeedSequence([seed, _DAYS]), seed)[chosen]:
        # A day without proximity sensors, or with a lost fifth, is made by taking them away (`Recordings.without`).
        whole = replace(person, no_fifth=0.0, no_proximity=False)
        yield _simulate_day(whole, spec, day, np.random.default_rng(own))


_DAYS = 2  # what makes the seed of days another than that of a study


def _simulate_day(person: Person, study: StudySpec, day: DaySpec, rng: np.random.Generator) -> Recordings:
    rows = round(day.hours * 3600 * HELIOS.row_rate_hz)
    parts: list[dict[str, Array]] = []
    activities: list[Ints] = []
    facing, done, before = FACING_RAD + rng.normal(0, study.body.heading_rad), 0, None
    while done < rows:
        plan, activity = _draw_block(day, rng)
        wearing = _joined(wear(person, plan, study, rng), before)
        before = wearing.track.rows(len(wearing.clock.sequence) - 1, 1)
        then = facing + rng.normal(0, 1.0)
        parts.append(_measure(wearing, study, (facing, then), rng))
        activities.append(activity)
        facing, done = then, done + len(activity)
    sensors = {name: np.concatenate([part[name] for part in parts]) for name in HELIOS.sensor_names}
    return _recording(person, sensors, np.concatenate(activities))


def _recording(person: Person, sensors: dict[str, Array], activity: Ints) -> Recordings:
    facts = {"id": f"{person.name}-day", "subject": person.name, "handedness": int(not person.left_handed)}
    facts |= {"age": person.age, "sex": int(not person.female), "adult_child": int(person.adult)}
    gesture = np.where((activity > 0) & (activity <= len(CMI_GESTURES)), activity, 0)
    annotations = {
        "gesture": Annotation(gesture.astype(np.int8), DAY_GESTURES.classes),
        "activity": Annotation(activity.astype(np.int8), ACTIVITIES),
    }
    table = make_table({name: [value] for name, value in facts.items()})
    return Recordings(HELIOS, sensors, np.array([0, len(activity)]), table, annotations, simulated=True)


def _draw_block(day: DaySpec, rng: np.random.Generator) -> tuple[Plan, Ints]:
    """A chain of bouts in one posture, and (N,) what is done in every row, as codes into `ACTIVITIES`."""
    posture = int(rng.choice(len(ORIENTATIONS), p=np.array(day.posture_shares) / sum(day.posture_shares)))
    bouts: list[tuple[int, float]] = []
    while sum(seconds for _, seconds in bouts) < day.block_s:
        bouts.append(_draw_bout(day, posture, rng))
    codes, seconds = np.array([code for code, _ in bouts]), np.array([length for _, length in bouts])
    performed = np.rint(np.maximum(seconds, 3.0) * HELIOS.row_rate_hz).astype(np.int64)
    approach = np.rint(rng.uniform(1.5, 3.0, len(bouts)) * HELIOS.row_rate_hz).astype(np.int64)
    returns = np.full(len(bouts), round(_RETURNS_S * HELIOS.row_rate_hz))
    rows = np.stack([approach, np.full(len(bouts), 3), performed + returns], axis=1)
    # Who rests has gone back before the begin.
    back_s = np.where(codes == 0, rows.sum(axis=1) / HELIOS.row_rate_hz + 10.0, _RETURNS_S)
    plan = Plan(np.maximum(codes - 1, 0), np.full(len(bouts), posture), np.full(len(bouts), MOVES), rows, back_s)
    pieces = np.stack([rows[:, 0] + 3, performed, returns], axis=1)
    labels = np.stack([np.zeros_like(codes), codes, np.zeros_like(codes)], axis=1)
    return plan, np.repeat(labels.ravel(), pieces.ravel())


def _draw_bout(day: DaySpec, posture: int, rng: np.random.Generator) -> tuple[int, float]:
    kind = rng.random()
    names: tuple[str, ...] = _EVERYDAY_IN[posture]
    median_s = day.bout_s
    if kind < day.rest_share:
        names = (REST,)
    elif kind < day.rest_share + day.target_share:
        names, median_s = TARGET_GESTURES, day.gesture_s
    elif kind < day.rest_share + day.target_share + day.other_share:
        names, median_s = _OTHERS_IN[posture], day.gesture_s
    name = names[int(rng.integers(len(names)))]
    return ACTIVITIES.index(name), float(median_s * np.exp(rng.normal(0, day.spread)))


def _joined(wearing: Wearing, before: Track | None) -> Wearing:
    """The same without jumps from bout to bout, and from the block before: short reaches between the rests."""
    clock, track = wearing.clock, wearing.track
    half = round(_JOIN_S / 2 * clock.rate_hz)
    for start in (np.flatnonzero(np.diff(clock.sequence)) + 1).tolist():
        track = _bridged(track, track.rows(start - half, len(clock.sequence)), start - half, start + half)
    if before is not None:
        track = _bridged(track, before, 0, 2 * half)
    return replace(wearing, track=track)


def _bridged(track: Track, begin: Track, first: int, last: int) -> Track:
    """The track with the steps from `first` to `last` replaced by a smooth way from where `begin` is."""
    share = minimum_jerk((np.arange(first, last) - first + 1) / (last - first))
    changed = {name: values.copy() for name, values in vars(track).items()}
    for name, values in changed.items():
        start, end = getattr(begin, name)[0], values[last]
        way = _between(start, end, share) if start.ndim == 2 else (1 - share)[:, None] * start + share[:, None] * end
        values[first:last] = way
    return Track(**changed)


def _between(begin: Floats, end: Floats, share: Floats) -> Floats:
    """(n, 3, 3) frames on the way from one to another: turned about the axis that joins them."""
    turn = end @ begin.T
    angle = np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))
    axis = normalised(np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]))
    return np.swapaxes(turned(begin.T, axis, share[:, None] * angle), -1, -2)


def _measure(
    wearing: Wearing, spec: StudySpec, facing_rad: tuple[float, float], rng: np.random.Generator
) -> dict[str, Array]:
    """The readings of all sensors in a block, while the wearer turns from one heading to another."""
    seconds = np.arange(len(wearing.clock.sequence) // spec.steps_per_row) / HELIOS.row_rate_hz
    turn = minimum_jerk((seconds - seconds[-1] + 3.0) / 3.0)
    heading = facing_rad[0] + (facing_rad[1] - facing_rad[0]) * turn
    compass = heading, draw_tilt(spec.sensors, rng), np.zeros(len(seconds), dtype=bool)
    return measure_all(wearing, spec, np.zeros(1, dtype=np.int64), compass, rng)
