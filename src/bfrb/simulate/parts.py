"""Parts of a made-up study as stores: jobs that processes of this machine, or many machines, can do, and go on with."""

import json
from collections.abc import Iterator
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

PEOPLE, MOST_PARTS = 6, 2000  # subjects of a part; more in a study that would have more parts than that


def plan_parts(folder: Path, spec: StudySpec, seed: int, *, test: int = 0, hours: float = 0.0) -> dict[Path, Job]:
    """Jobs that make the parts of a study, each a store in a folder, by their places; those that are there do nothing.

    With `test` so many other subjects come beside the study's; with `hours`, continuous recordings so long instead of
    sequences and a test. ConfigError if the folder holds parts of another study.
    """
    plan = {"bfrb": version("bfrb"), "spec": spec.model_dump(mode="json"), "seed": seed, "test": test, "hours": hours}
    text, note = json.dumps(plan, indent=1), folder / "plan.json"
    if not note.exists():
        write_text(note, text)
    elif note.read_text(encoding="utf-8") != text:
        raise ConfigError(f"{folder} holds parts of another study", remedy="delete it, or choose another output")
    jobs: dict[Path, Job] = {}
    for kind, subjects in (("part", spec.subjects), ("test", 0 if hours else test)):
        people = max(PEOPLE, -(-subjects // MOST_PARTS))
        for number, first in enumerate(range(0, subjects, people)):
            place, chosen = folder / f"{kind}-{number:05d}", slice(first, min(first + people, subjects))
            jobs[place] = partial(_make_part, place, spec, seed, chosen, test if kind == "test" else 0, hours)
    return jobs


def read_parts(folder: Path, kind: str = "part") -> Iterator[Recordings]:
    """The recordings of all parts, in order, in bounded memory."""
    for place in sorted(folder.glob(f"{kind}-*")):
        yield from Store.open(place).batches()


def _make_part(place: Path, spec: StudySpec, seed: int, chosen: slice, test: int, hours: float) -> None:
    if place.exists():
        return
    if hours:
        made = simulate_days(spec, DaySpec(hours=hours), seed, chosen)
    else:
        made = simulate_test(spec, seed, test, chosen) if test else simulate_subjects(spec, seed, chosen)
    write_store(made, place, source=f"simulated subjects {chosen.start + 1} to {chosen.stop}, seed {seed}")
