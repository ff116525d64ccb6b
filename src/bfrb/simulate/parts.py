"""Parts of a made-up study as stores, so that many machines can make one of any size."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path

from bfrb.errors import ConfigError
from bfrb.files import write_text
from bfrb.jobs import Job
from bfrb.read.store import Store, write_store
from bfrb.simulate.day import DaySpec, simulate_days
from bfrb.simulate.spec import StudySpec
from bfrb.simulate.study import simulate_subjects, simulate_test
from bfrb.study.recordings import Recordings

PEOPLE = 4
"""Subjects of a part; more in a study of so many that parts would be more than `MOST_PARTS`."""

MOST_PARTS = 2000


def settle(folder: Path, spec: StudySpec, seed: int, *, test: int, hours: float) -> None:
    """Note in a folder of which study its parts are, or see that it is this one.

    Raises
    ------
    ConfigError
        If it is another one.
    """
    plan = {"bfrb": version("bfrb"), "spec": spec.model_dump(mode="json"), "seed": seed, "test": test, "hours": hours}
    text, place = json.dumps(plan, indent=1), folder / "plan.json"
    if not place.exists():
        write_text(place, text)
    elif place.read_text(encoding="utf-8") != text:
        raise ConfigError(f"{folder} holds parts of another study", remedy="delete it, or choose another output")


def part_jobs(folder: Path, spec: StudySpec, seed: int, *, test: int = 0, hours: float = 0.0) -> Mapping[str, Job]:
    """Jobs that make the parts that are not there yet, each a store in a folder.

    Parameters
    ----------
    test
        Make so many subjects of a test, instead of the study's.
    hours
        Make continuous recordings so long, instead of sequences.
    """
    subjects = test or spec.subjects
    people = max(PEOPLE, -(-subjects // MOST_PARTS))
    kind = "test" if test else "part"
    jobs = {}
    for number, first in enumerate(range(0, subjects, people)):
        place = folder / f"{kind}-{number:05d}"
        if not place.exists():
            chosen = slice(first, min(first + people, subjects))
            name = f"subjects {first + 1} to {chosen.stop}" + (" of the test" if test else "")
            jobs[name] = partial(_make_part, place, spec, seed, chosen, test, hours)
    return jobs


def read_parts(folder: Path, kind: str = "part") -> Iterator[Recordings]:
    """The recordings of all parts, in order, in bounded memory."""
    for place in sorted(folder.glob(f"{kind}-*")):
        yield from Store.open(place).batches()


def _make_part(place: Path, spec: StudySpec, seed: int, chosen: slice, test: int, hours: float) -> None:
    if place.exists():  # by another machine that was thought to be lost
        return
    if hours:
        made = simulate_days(spec, DaySpec(hours=hours), seed, chosen)
    elif test:
        made = simulate_test(spec, seed, test, chosen=chosen)
    else:
        made = simulate_subjects(spec, seed, chosen=chosen)
    write_store(made, place, source=f"simulated subjects {chosen.start + 1} to {chosen.stop}, seed {seed}")
