"""The design of the CMI study: which sequences a subject does, how long they take, who the subjects are."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Floats, Ints
from bfrb.simulate.spec import PeopleSpec, StudySpec, TimingSpec
from bfrb.study.labels import BEHAVIORS, CMI_GESTURES, ORIENTATIONS, TARGET_GESTURES

STRAIGHT, LEAN, BACK, SIDE = range(len(ORIENTATIONS))
MOVES, RELAXES, PAUSES, PERFORMS = range(len(BEHAVIORS))

_POSTURES_OF: dict[str, tuple[int, ...]] = {
    **dict.fromkeys((*TARGET_GESTURES, "Text on phone"), (STRAIGHT, LEAN, BACK, SIDE)),
    **dict.fromkeys(("Pull air toward your face", "Wave hello", "Write name in air"), (STRAIGHT, BACK, SIDE)),
    "Drink from bottle/cup": (STRAIGHT,),
    "Feel around in tray and pull out an object": (STRAIGHT,),
    "Glasses on/off": (STRAIGHT,),
    **dict.fromkeys(("Pinch knee/leg skin", "Scratch knee/leg skin", "Write name on leg"), (LEAN,)),
}

SEQUENCES_PER_SUBJECT = 2 * sum(len(postures) for postures in _POSTURES_OF.values())
"""Every gesture in each of its postures, once from each start."""

_PACE = {
    "Drink from bottle/cup": 1.35,
    "Feel around in tray and pull out an object": 1.95,
    "Glasses on/off": 1.35,
    "Neck - scratch": 1.12,
    "Scratch knee/leg skin": 1.1,
    "Text on phone": 1.55,
    "Wave hello": 1.08,
}
"""Gestures before which people took longer than usual, by the published lengths of sequences; the others: 0.9."""

_INTERRUPTED = {"Neck - scratch": 9.0, "Eyebrow - pull hair": 3.0, "Scratch knee/leg skin": 3.0}
"""Gestures with more than the usual share of long interruptions."""


@dataclass(frozen=True)
class Plan:
    """The S sequences of one subject, in the order in which they are done."""

    gesture: Ints  # (S,) codes into `CMI_GESTURES.classes`
    orientation: Ints  # (S,) codes into `ORIENTATIONS`
    start: Ints  # (S,) codes into `BEHAVIORS`: `MOVES` or `RELAXES`
    rows: Ints  # (S, 3) rows of the transition, of the pause at the target and of the gesture
    back_s: Floats | float = -np.inf  # (S,) how long before its end a hand goes back to rest; -inf if it never does

    def __len__(self) -> int:
        return len(self.gesture)

    @property
    def offsets(self) -> Ints:
        """(S + 1,) first row of every sequence, and the number of rows."""
        return np.concatenate([[0], np.cumsum(self.rows.sum(axis=1))])

    def behavior(self) -> npt.NDArray[np.int8]:
        """(N,) code of what the hand does in every row."""
        codes = np.stack([self.start, np.full(len(self), PAUSES), np.full(len(self), PERFORMS)], axis=1)
        return np.repeat(codes.ravel(), self.rows.ravel()).astype(np.int8)


@dataclass(frozen=True)
class Person:
    """One subject."""

    number: int  # place in the study, from 1
    study_seed: int  # people of studies with different seeds are different people, and are called differently
    age: int
    adult: bool
    female: bool
    left_handed: bool
    height_m: float
    upper_arm_m: float  # shoulder to elbow
    forearm_m: float  # elbow to wrist
    upside_down: bool = False  # whether the device is worn turned by 180 degrees about its z axis
    no_fifth: float = 0.0  # share of the sequences without the fifth thermopile and time-of-flight sensor
    no_proximity: bool = False  # whether there are neither thermopiles nor time of flight
    missing: int = 0  # number of sequences that were lost
    bare_arms: bool = False  # whether the sleeves are short

    @property
    def name(self) -> str:
        """Subject id."""
        return f"SIM_{self.study_seed}_{self.number:06d}"


def draw_people(spec: StudySpec, drawn: np.random.SeedSequence, study_seed: int) -> list[Person]:
    """All subjects of the study of a seed; in a block every peculiarity is as frequent as in the published study."""
    rng, own = np.random.default_rng(drawn), spec.people
    people: list[Person] = []
    while len(people) < spec.subjects:
        left = set(rng.permutation(own.block)[: own.left_handed].tolist())
        turned = set(rng.permutation(own.block)[: own.upside_down].tolist())
        order = rng.permutation(own.block).tolist()
        no_fifth = dict(zip(order, own.without_fifth_sensor, strict=False))
        no_proximity = set(order[len(no_fifth) : len(no_fifth) + own.without_proximity])
        complete = spec.subjects - len(people) >= own.block
        missing = dict(zip(order, own.missing_sequences, strict=False)) if complete else {}
        people += [
            Person(
                number=len(people) + place + 1,
                study_seed=study_seed,
                **_draw_demographics(own, rng),
                left_handed=place in left,
                upside_down=place in turned,
                no_fifth=no_fifth.get(place, 0.0),
                no_proximity=place in no_proximity,
                missing=missing.get(place, 0),
            )
            for place in range(own.block)
        ]
    return people[: spec.subjects]


def _draw_demographics(spec: PeopleSpec, rng: np.random.Generator) -> dict[str, Any]:
    """Age, sex and body measures with the published means, spreads and correlations."""
    adult = bool(rng.random() >= spec.child_share)
    age = int(np.clip(18 + rng.gamma(2.2, 5.4), 18, 53)) if adult else int(rng.choice(np.arange(10, 18)))
    female = bool(rng.random() < spec.female_share)
    grown = 1 - np.exp(-(age - 3.5) / 5.0) if not adult else 1.0
    height = np.clip((167.5 if female else 174.5) * (0.55 + 0.45 * grown) + rng.normal(0, 6.5), 135, 190.5)
    arm = np.clip(0.307 * height + rng.normal(0, 2.9), 41, 60)
    forearm = np.clip(0.494 * arm + rng.normal(0, 1.7), 18, min(32, 0.62 * arm))
    return {
        "age": age,
        "adult": adult,
        "female": female,
        "height_m": round(float(height)) / 100,
        "upper_arm_m": (round(float(arm)) - round(float(forearm))) / 100,
        "forearm_m": round(float(forearm)) / 100,
    }


def draw_plan(person: Person, spec: TimingSpec, rng: np.random.Generator) -> Plan:
    """The sequences of one subject: every gesture in each of its postures, from both starts, in mixed order."""
    cells = [
        (CMI_GESTURES.classes.index(name), posture, start)
        for name, postures in _POSTURES_OF.items()
        for posture in postures
        for start in (MOVES, RELAXES)
    ]
    kept = rng.permutation(len(cells))[: len(cells) - person.missing]
    gesture, orientation, start = np.array(cells, dtype=np.int64)[kept].T
    return Plan(gesture, orientation, start, _draw_rows(gesture, start, spec, rng))


def _draw_rows(gesture: Ints, start: Ints, spec: TimingSpec, rng: np.random.Generator) -> Ints:
    """(S, 3) rows of transition, pause and gesture."""
    names = [CMI_GESTURES.classes[code] for code in gesture]
    slow = np.array([_PACE.get(name, 0.9) for name in names]) * np.exp(rng.normal(0, spec.subject_spread))
    size = len(gesture)
    moves = spec.moves_rows * slow * np.exp(rng.normal(0, spec.moves_spread, size))
    relaxes = spec.relaxes_rows * np.exp(rng.normal(0, spec.relaxes_spread, size))
    transition = np.where(start == MOVES, moves, relaxes)
    often = 2 * (start == MOVES) * spec.interrupted_share * np.array([_INTERRUPTED.get(name, 1.0) for name in names])
    transition = transition + (rng.random(size) < often) * rng.exponential(110.0, size)
    pause = spec.pause_rows * slow * np.exp(rng.normal(0, spec.pause_spread, size))
    perform = rng.normal(spec.gesture_rows, spec.gesture_spread, size)
    perform = np.where(rng.random(size) < spec.short_gesture_share, rng.uniform(0, 23, size), perform)
    rows: Ints = np.rint(np.stack([transition, pause, perform], axis=1)).astype(np.int64)
    rows = np.clip(rows, [2, 2, 0], [600, 80, 60])
    rows[:, 0] += np.maximum(0, 29 - rows.sum(axis=1))
    return rows
