"""From a spec and a seed to recordings: one subject after the other, each from a seed of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from multiprocessing import active_children, get_context

import numpy as np

from bfrb.arrays import Array, Bools, Floats, Ints
from bfrb.errors import ConfigError
from bfrb.processes import children_without_interrupts
from bfrb.read.tables import Table, make_table
from bfrb.simulate.arm import Track, arm_solids
from bfrb.simulate.body import Posture, Solids, draw_posture, still_solids
from bfrb.simulate.design import PERFORMS, SEQUENCES_PER_SUBJECT, Person, Plan, draw_people, draw_plan
from bfrb.simulate.frames import about
from bfrb.simulate.motion import Motion, move_arm
from bfrb.simulate.scene import helios_layout
from bfrb.simulate.sensors import (
    measure_acc,
    measure_quaternion,
    measure_thm,
    measure_tof,
    see,
    specific_force,
    warmth_seen,
)
from bfrb.simulate.spec import StudySpec
from bfrb.study.device import HELIOS
from bfrb.study.labels import BEHAVIORS, CMI_GESTURES, ORIENTATIONS, PHASES
from bfrb.study.recordings import Annotation, Recordings

_POLL_S = 0.1


def simulate_study(spec: StudySpec, seed: int, processes: int = 1) -> Recordings:
    """A whole study in memory.

    Parameters
    ----------
    spec
        What to simulate.
    seed
        The same spec and seed give the same recordings, whatever the number of processes.
    processes
        Processes to use.

    Examples
    --------
    >>> study = simulate_study(StudySpec(subjects=1), seed=0)
    >>> len(study), study.simulated
    (102, True)
    """
    return Recordings.concat(list(simulate_subjects(spec, seed, processes)))


def simulate_subjects(spec: StudySpec, seed: int, processes: int = 1) -> Iterator[Recordings]:
    """The recordings of one subject after the other, so that a study of any size fits in memory."""
    yield from _simulate(_jobs(spec, np.random.SeedSequence(seed), seed), processes)


def simulate_test(spec: StudySpec, seed: int, subjects: int, processes: int = 1) -> Iterator[Recordings]:
    """The recordings of so many subjects who are not in the study, one after the other, as a hidden test has them.

    Every second sequence of a subject, at random, has neither thermopiles nor time of flight. The labels are there;
    `bfrb.read.cmi_write.write_cmi` leaves them out.
    """
    root = np.random.SeedSequence([seed, _TEST])
    jobs = _jobs(spec.model_copy(update={"subjects": subjects}), root, seed, before=spec.subjects)
    for recordings, own in zip(_simulate(jobs, processes), root.spawn(subjects), strict=True):
        yield _half_without_proximity(recordings, np.random.default_rng(own))


_TEST = 1
"""What makes the seed of a test another than that of its study."""


def _half_without_proximity(recordings: Recordings, rng: np.random.Generator) -> Recordings:
    """The same recordings, half of them, at random, as if thermopiles and time of flight had measured nothing."""
    proximity = [HELIOS.sensor(name) for name in ("thm", "tof")]
    blind = rng.permutation(len(recordings)) < len(recordings) // 2
    rows = np.repeat(blind, recordings.lengths)
    sensors = dict(recordings.sensors)
    for sensor in proximity:
        sensors[sensor.name] = sensors[sensor.name].copy()
        sensors[sensor.name][rows] = sensor.absent
    return replace(recordings, sensors=sensors)


def _simulate(jobs: list[Job], processes: int) -> Iterator[Recordings]:
    for (person, _, _), (plan, sensors) in zip(jobs, _in_order(jobs, processes), strict=True):
        yield _recordings(person, plan, sensors)


def simulate_one(spec: StudySpec, seed: int, number: int) -> tuple[Wearing, Recordings]:
    """The subject of that number in a study: the moving body, and what the sensors read of it.

    Raises
    ------
    ConfigError
        If the study has no such subject.
    """
    if not 1 <= number <= spec.subjects:
        raise ConfigError(f"the study has no subject {number}", remedy=f"its subjects are 1 to {spec.subjects}")
    job = _jobs(spec, np.random.SeedSequence(seed), seed)[number - 1]
    wearing, _ = _wear(*job)
    return wearing, _recordings(wearing.person, *simulate_subject(*job))


def _jobs(spec: StudySpec, root: np.random.SeedSequence, seed: int, before: int = 0) -> list[Job]:
    """What to simulate for every subject; their numbers follow on `before`."""
    spec = spec.widened()
    first, *seeds = root.spawn(spec.subjects + 1)
    people = [replace(person, number=before + person.number) for person in draw_people(spec, first, seed)]
    return [(person, spec, own) for person, own in zip(people, seeds, strict=True)]


def _recordings(person: Person, plan: Plan, sensors: dict[str, Array]) -> Recordings:
    return Recordings(HELIOS, sensors, plan.offsets, _table(person, plan), _annotations(plan), simulated=True)


Job = tuple[Person, StudySpec, np.random.SeedSequence]
Result = tuple[Plan, dict[str, Array]]


def _in_order(jobs: list[Job], processes: int) -> Iterator[Result]:
    """Results in the order of the jobs; no more than two per process wait to be taken."""
    if processes == 1:
        yield from (simulate_subject(*job) for job in jobs)
        return
    others = set(active_children())
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for job in jobs:
                with children_without_interrupts():
                    waiting.append(pool.submit(simulate_subject, *job))
                if len(waiting) > 2 * processes:
                    yield _awaited(waiting.popleft())
            while waiting:
                yield _awaited(waiting.popleft())
        finally:
            if waiting:  # nobody wants the rest: it is not waited for
                pool.shutdown(wait=False, cancel_futures=True)
                for process in set(active_children()) - others:
                    process.terminate()


def _awaited(future: Future[Result]) -> Result:
    """The result. It is asked for again and again, for polars lets Ctrl-C not break into a long wait for a lock."""
    while not wait([future], timeout=_POLL_S).done:
        pass
    return future.result()


def simulate_subject(person: Person, spec: StudySpec, seed: np.random.SeedSequence) -> Result:
    """The sequences of one subject and the readings of all sensors in them."""
    wearing, rng = _wear(person, spec, seed)
    sensors = _measure(wearing, spec, rng)
    _lose(sensors, person, wearing.plan, rng)
    return wearing.plan, sensors


def _wear(person: Person, spec: StudySpec, seed: np.random.SeedSequence) -> tuple[Wearing, np.random.Generator]:
    """The moving body of one subject, and the generator for the sensors."""
    entropy = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key)  # spawning changes what is spawned next
    plan_rng, motion_rng, sensor_rng = (np.random.default_rng(each) for each in entropy.spawn(3))
    person = replace(person, bare_arms=bool(plan_rng.random() < spec.body.bare_arms))
    plan = draw_plan(person, spec.timing, plan_rng)
    posture = draw_posture(person, plan, spec.body, motion_rng)
    body = still_solids(person, posture)
    motion = move_arm(person, plan, posture, body, spec, motion_rng)
    return Wearing(person, plan, posture, body, motion), sensor_rng


@dataclass(frozen=True)
class Wearing:
    """One subject's sequences before anything is measured."""

    person: Person
    plan: Plan
    posture: Posture
    body: Solids
    motion: Motion


def _measure(wearing: Wearing, spec: StudySpec, rng: np.random.Generator) -> dict[str, Array]:
    """The readings of all sensors."""
    heading, tilt, gaps = _compass(wearing, spec, rng)
    return measure_all(wearing, spec, wearing.plan.offsets[:-1], Compass(heading, tilt, gaps), rng)


@dataclass(frozen=True)
class Compass:
    """What the orientation is measured against.

    Parameters
    ----------
    heading_rad
        (N,) turn of the room against the compass.
    tilt
        (3, 3) error of the vertical.
    gaps
        (N,) rows without a quaternion.
    """

    heading_rad: Floats
    tilt: Floats
    gaps: Bools


def measure_all(
    wearing: Wearing, spec: StudySpec, starts: Ints, compass: Compass, rng: np.random.Generator
) -> dict[str, Array]:
    """The readings of all sensors in sequences that begin at (S,) rows."""
    step = spec.steps_per_row
    track = _worn(wearing.motion.track, wearing.person)
    force = specific_force(
        track.place, track.rotation, wearing.motion.clock.rate_hz, starts * step, spec.body.strongest_m_s2
    )
    rows = track.rows(step // 2, step)
    solids, floor = surroundings(wearing, spec)
    layout = helios_layout(spec.sensors.tof_field_rad, spec.sensors.tof_tilt_rad)
    view = see(rows, solids, floor, layout)
    return {
        "acc": measure_acc(force[step // 2 :: step], starts, spec.sensors, rng),
        "quaternion": measure_quaternion(rows.rotation, compass.heading_rad, compass.tilt, compass.gaps),
        "thm": measure_thm(warmth_seen(view), starts, spec.sensors, rng),
        "tof": measure_tof(view, spec.sensors, rng),
    }


def _worn(track: Track, person: Person) -> Track:
    """The movement of the device on the hand, and the way round, that the person wears it."""
    track = track.mirrored() if person.left_handed else track
    return track.turned_over() if person.upside_down else track


def surroundings(wearing: Wearing, spec: StudySpec) -> tuple[Solids, Floats]:
    """All solids in every row, and (N,) the height of the bed or seat."""
    step = spec.steps_per_row
    every = slice(step // 2, None, step)
    rows, flex = wearing.motion.track.rows(step // 2, step), wearing.motion.flex_rad[every]
    sequence = wearing.motion.clock.sequence[every]
    shoulder = wearing.posture.shoulder[sequence]
    moving = arm_solids(wearing.person, shoulder, rows, wearing.plan.gesture[sequence], flex)
    solids = wearing.body.take(sequence).joined(moving)
    return solids.mirrored() if wearing.person.left_handed else solids, wearing.posture.bed_height_m[sequence]


def _compass(wearing: Wearing, spec: StudySpec, rng: np.random.Generator) -> tuple[Floats, Floats, Bools]:
    """(N,) heading of every row with its drift, (3, 3) the error of the vertical, (N,) rows without a quaternion."""
    plan = wearing.plan
    lengths = plan.rows.sum(axis=1)
    facing = FACING_RAD + rng.normal(0, spec.body.heading_rad)
    lying = rng.normal(0, spec.body.heading_rad, 4)[plan.orientation]
    drift = np.cumsum(rng.normal(0, spec.sensors.heading_drift_rad, len(plan)) * np.sqrt(lengths / 600))
    wander = rng.normal(0, 0.05, len(plan))
    heading = np.repeat(facing + lying + drift + wander, lengths)
    tilt = about(0, rng.normal(0, spec.sensors.tilt_error_rad)) @ about(1, rng.normal(0, spec.sensors.tilt_error_rad))
    # A gap is a whole stretch of a sequence, most often all of it.
    share = np.where(rng.random(len(plan)) < spec.sensors.quaternion_gap_share, 1.0, 0.0)
    gaps = np.repeat(share, lengths) > 0.5
    return heading, tilt, gaps


FACING_RAD = -2.2
"""Heading of seated people: all faced about the same way in the published study."""


def _lose(sensors: dict[str, Array], person: Person, plan: Plan, rng: np.random.Generator) -> None:
    """Take away what did not transmit: all proximity sensors of a subject, or the fifth in some sequences."""
    sequence = np.repeat(np.arange(len(plan)), plan.rows.sum(axis=1))
    lost = np.zeros((len(sequence), 5), dtype=bool)
    lost[:, 4] = (rng.random(len(plan)) < person.no_fifth)[sequence]
    # Even the subject without proximity sensors had them in one sequence of twenty.
    lost |= ((rng.random(len(plan)) < 0.95) & person.no_proximity)[sequence][:, None]
    sensors["thm"][lost] = np.nan
    sensors["tof"][lost] = HELIOS.sensor("tof").absent


def _table(person: Person, plan: Plan) -> Table:
    """One row per sequence, with the columns that recordings of the CMI layout have."""
    size = len(plan)
    gesture, target = CMI_GESTURES.decode(plan.gesture), CMI_GESTURES.is_target[plan.gesture]
    first = (person.number - 1) * SEQUENCES_PER_SUBJECT
    return make_table(
        {
            "id": [f"SEQ_{person.study_seed}_{first + place + 1:06d}" for place in range(size)],
            "subject": [person.name] * size,
            "gesture": gesture.tolist(),
            "sequence_type": np.where(target, "Target", "Non-Target").tolist(),
            "orientation": [ORIENTATIONS[code] for code in plan.orientation],
            "adult_child": np.full(size, person.adult, dtype=np.int8),
            "age": np.full(size, person.age, dtype=np.float32),
            "sex": np.full(size, not person.female, dtype=np.int8),
            "handedness": np.full(size, not person.left_handed, dtype=np.int8),
            "height_cm": np.full(size, round(100 * person.height_m), dtype=np.float32),
            "shoulder_to_wrist_cm": np.full(
                size, round(100 * (person.upper_arm_m + person.forearm_m)), dtype=np.float32
            ),
            "elbow_to_wrist_cm": np.full(size, round(100 * person.forearm_m), dtype=np.float32),
        }
    )


def _annotations(plan: Plan) -> dict[str, Annotation]:
    behavior = plan.behavior()
    return {
        "behavior": Annotation(behavior, BEHAVIORS),
        "phase": Annotation((behavior == PERFORMS).astype(np.int8), PHASES),
    }
