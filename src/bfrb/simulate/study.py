"""From a spec and a seed to recordings: one subject after the other, each from a seed of its own."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from bfrb.arrays import Array, Bools, Floats, Ints
from bfrb.read.tables import Table, make_table
from bfrb.simulate.body import Solids, arm_solids
from bfrb.simulate.design import PERFORMS, SEQUENCES_PER_SUBJECT, Person, Plan, draw_people, draw_plan
from bfrb.simulate.frames import about
from bfrb.simulate.motion import Wearing, wear
from bfrb.simulate.sensors import (
    helios_layout,
    measure_acc,
    measure_quaternion,
    measure_thm,
    measure_tof,
    see,
    specific_force,
    warmth_seen,
)
from bfrb.simulate.spec import SensorSpec, StudySpec
from bfrb.study.device import HELIOS
from bfrb.study.labels import BEHAVIORS, CMI_GESTURES, ORIENTATIONS, PHASES
from bfrb.study.recordings import Annotation, Recordings

FACING_RAD = -2.2  # heading of seated people: all faced about the same way in the published study
_TEST = 1  # what makes the seed of a test another than that of its study


def simulate_study(spec: StudySpec, seed: int) -> Recordings:
    """A whole study in memory; the same spec and seed give the same recordings.

    >>> study = simulate_study(StudySpec(subjects=1), seed=0)
    >>> len(study), study.simulated
    (102, True)
    """
    return Recordings.concat(list(simulate_subjects(spec, seed)))


def simulate_subjects(spec: StudySpec, seed: int, chosen: slice = slice(None)) -> Iterator[Recordings]:
    """The recordings of one subject after the other, or of some of them: a study of any size fits in memory."""
    for person, *how in jobs_of(spec, np.random.SeedSequence(seed), seed)[chosen]:
        yield _recordings(person, *simulate_subject(person, *how))


def simulate_test(spec: StudySpec, seed: int, subjects: int, chosen: slice = slice(None)) -> Iterator[Recordings]:
    """The recordings of so many subjects who are not in the study, one after the other, as a hidden test has them.

    Every second sequence of a subject, at random, has neither thermopiles nor time of flight. The labels are there;
    `bfrb.read.cmi_write.write_cmi` leaves them out.
    """
    root = np.random.SeedSequence([seed, _TEST])
    jobs = jobs_of(spec.model_copy(update={"subjects": subjects}), root, seed, before=spec.subjects)[chosen]
    for (person, *how), own in zip(jobs, root.spawn(subjects)[chosen], strict=True):
        recordings = _recordings(person, *simulate_subject(person, *how))
        blind = np.random.default_rng(own).permutation(len(recordings)) < len(recordings) // 2
        rows = np.repeat(blind, recordings.lengths)
        sensors = {name: recordings.sensors[name].copy() for name in ("thm", "tof")}
        for name, values in sensors.items():
            values[rows] = HELIOS.sensor(name).absent
        yield recordings.with_sensors(**sensors)


def jobs_of(
    spec: StudySpec, root: np.random.SeedSequence, seed: int, before: int = 0
) -> list[tuple[Person, StudySpec, Any]]:
    """What to simulate for every subject; their numbers follow on `before`."""
    spec = spec.widened()
    first, *seeds = root.spawn(spec.subjects + 1)
    people = [replace(person, number=before + person.number) for person in draw_people(spec, first, seed)]
    return [(person, spec, own) for person, own in zip(people, seeds, strict=True)]


def simulate_subject(person: Person, spec: StudySpec, seed: np.random.SeedSequence) -> tuple[Plan, dict[str, Array]]:
    """The sequences of one subject and the readings of all sensors in them."""
    entropy = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key)  # spawning changes what is spawned next
    plan_rng, motion_rng, rng = (np.random.default_rng(each) for each in entropy.spawn(3))
    person = replace(person, bare_arms=bool(plan_rng.random() < spec.body.bare_arms))
    plan = draw_plan(person, spec.timing, plan_rng)
    wearing = wear(person, plan, spec, motion_rng)
    sensors = measure_all(wearing, spec, plan.offsets[:-1], _draw_compass(plan, spec, rng), rng)
    _lose(sensors, person, plan, rng)
    return plan, sensors


Compass = tuple[Floats, Floats, Bools]
"""What the orientation is measured against.

(N,) Turn of the room against the compass in radians, (3, 3) error of the vertical, (N,) rows without a quaternion.
"""


def measure_all(
    wearing: Wearing, spec: StudySpec, starts: Ints, compass: Compass, rng: np.random.Generator
) -> dict[str, Array]:
    """The readings of all sensors in sequences that begin at (S,) rows."""
    step, person, track = spec.steps_per_row, wearing.person, wearing.track
    track = track.mirrored() if person.left_handed else track
    track = track.turned_over() if person.upside_down else track
    force = specific_force(track.place, track.rotation, wearing.clock.rate_hz, starts * step, spec.body.strongest_m_s2)
    rows = track.rows(step // 2, step)
    layout = helios_layout(spec.sensors.tof_field_rad, spec.sensors.tof_tilt_rad)
    view = see(rows.place, rows.rotation, surroundings(wearing, spec), layout)
    return {
        "acc": measure_acc(force[step // 2 :: step], starts, spec.sensors, rng),
        "quaternion": measure_quaternion(rows.rotation, *compass),
        "thm": measure_thm(warmth_seen(view), starts, spec.sensors, rng),
        "tof": measure_tof(view, spec.sensors, rng),
    }


def surroundings(wearing: Wearing, spec: StudySpec) -> Solids:
    """All solids in every row."""
    first, step = spec.steps_per_row // 2, spec.steps_per_row
    sequence, flex = wearing.clock.sequence[first::step], wearing.flex_rad[first::step]
    shoulder, code = wearing.posture.shoulder[sequence], wearing.plan.gesture[sequence]
    moving = arm_solids(wearing.person, shoulder, wearing.track.rows(first, step), code, flex)
    solids = wearing.body.take(sequence).joined(moving)
    return solids.mirrored() if wearing.person.left_handed else solids


def draw_tilt(spec: SensorSpec, rng: np.random.Generator) -> Floats:
    """(3, 3) The error of the vertical."""
    return about(0, rng.normal(0, spec.tilt_error_rad)) @ about(1, rng.normal(0, spec.tilt_error_rad))


def _draw_compass(plan: Plan, spec: StudySpec, rng: np.random.Generator) -> Compass:
    """Headings with their drift, the vertical, and rows without a quaternion: whole sequences."""
    lengths = plan.rows.sum(axis=1)
    facing = FACING_RAD + rng.normal(0, spec.body.heading_rad)
    lying = rng.normal(0, spec.body.heading_rad, 4)[plan.orientation]
    drift = np.cumsum(rng.normal(0, spec.sensors.heading_drift_rad, len(plan)) * np.sqrt(lengths / 600))
    wander = rng.normal(0, 0.05, len(plan))
    heading = np.repeat(facing + lying + drift + wander, lengths)
    tilt = draw_tilt(spec.sensors, rng)
    return heading, tilt, np.repeat(rng.random(len(plan)) < spec.sensors.quaternion_gap_share, lengths)


def _lose(sensors: dict[str, Array], person: Person, plan: Plan, rng: np.random.Generator) -> None:
    """Take away what did not transmit: all proximity sensors of a subject, or the fifth in some sequences."""
    lost = np.zeros((len(plan), 5), dtype=bool)
    lost[:, 4] = rng.random(len(plan)) < person.no_fifth
    # Even the subject without proximity sensors had them in one sequence of twenty.
    lost |= ((rng.random(len(plan)) < 0.95) & person.no_proximity)[:, None]
    for name in ("thm", "tof"):
        sensors[name][np.repeat(lost, plan.rows.sum(axis=1), axis=0)] = HELIOS.sensor(name).absent


def _recordings(person: Person, plan: Plan, sensors: dict[str, Array]) -> Recordings:
    behavior = plan.behavior()
    annotations = {
        "behavior": Annotation(behavior, BEHAVIORS),
        "phase": Annotation((behavior == PERFORMS).astype(np.int8), PHASES),
    }
    return Recordings(HELIOS, sensors, plan.offsets, _table(person, plan), annotations, simulated=True)


def _table(person: Person, plan: Plan) -> Table:
    """One row per sequence, with the columns that recordings of the CMI layout have."""
    size = len(plan)
    target = CMI_GESTURES.is_target[plan.gesture]
    first = (person.number - 1) * SEQUENCES_PER_SUBJECT
    about_person = {
        "adult_child": np.int8(person.adult),
        "age": np.float32(person.age),
        "sex": np.int8(not person.female),
        "handedness": np.int8(not person.left_handed),
        "height_cm": np.float32(round(100 * person.height_m)),
        "shoulder_to_wrist_cm": np.float32(round(100 * (person.upper_arm_m + person.forearm_m))),
        "elbow_to_wrist_cm": np.float32(round(100 * person.forearm_m)),
    }
    return make_table(
        {
            "id": [f"SEQ_{person.study_seed}_{first + place + 1:06d}" for place in range(size)],
            "subject": [person.name] * size,
            "gesture": CMI_GESTURES.decode(plan.gesture).tolist(),
            "sequence_type": np.where(target, "Target", "Non-Target").tolist(),
            "orientation": [ORIENTATIONS[code] for code in plan.orientation],
            **{name: np.full(size, value) for name, value in about_person.items()},
        }
    )
