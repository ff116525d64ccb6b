"""Answer a source of any size on a cluster: part by part, by predictors that stay loaded, into files that are whole.

The outputs are folders of Parquet files, one for each part of the source, or one file each, as without a cluster. The
main output's folder, or `<out>.partial` beside a file, holds

    _plan.json             what is being answered: repeated, the same command goes on, and another is refused
    _parts/00000.json      what was counted in a part; it is written last, so that the part is done if it is there

Ray Data hands the parts to actors. As all that they give lies in files, it moves nothing but the parts' numbers.
"""

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import ray

from bfrb import errors
from bfrb.cluster.connection import check_folders, look_at_nodes
from bfrb.cluster.parts import Parts, plan_parts
from bfrb.cluster.places import Place
from bfrb.cluster.tasks import RETRIES, RayTasks, as_told, here, take
from bfrb.errors import BfrbError, ConfigError
from bfrb.predict.answering import Opening, answer_batches, open_for
from bfrb.predict.predictor import load
from bfrb.processes import PROCESSORS
from bfrb.read.store import Store
from bfrb.read.tables import SUFFIXES, Table, read_table, stack_tables, write_table, write_tables
from bfrb.stream.listen import Listening, Summary, listen_to

ACTOR_MEMORY = 2**29  # bytes that a loaded predictor and a batch may need (`benchmarks/cluster.py`)

PLAN, PARTS = "_plan.json", "_parts"

Answering = Callable[[Path | Store], tuple[Mapping[str, Table], Mapping[str, Any]]]
"""Gives of a part the tables by the names of the outputs, empty ones left out, and what is counted, as plain values."""

Note = dict[str, Any]
"""What is kept of a part that is done: `about`, what was counted; `tables`, which files it has; and how it went."""


@dataclass(frozen=True)
class Predicting:
    """`bfrb predict`, with its options."""

    how: Opening
    outputs: ClassVar[tuple[str, ...]] = ("predictions",)  # names of the tables that it gives, the main one first

    def load(self, bundle: Path) -> Answering:
        """What answers parts."""
        predictor = load(bundle)

        def answer(part: Path | Store) -> tuple[Mapping[str, Table], Mapping[str, Any]]:
            counts: Counter[str] = Counter()
            source = open_for(predictor, part, self.how)
            answers = stack_tables(list(answer_batches(predictor, source, counts)))
            return {"predictions": answers}, {"gestures": dict(counts)}

        return answer


@dataclass(frozen=True)
class Detecting:
    """`bfrb detect`, with its options."""

    how: Listening
    windows: bool = False

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the tables that it gives, the main one first."""
        return ("events", "windows") if self.windows else ("events",)

    def load(self, bundle: Path) -> Answering:
        """What answers parts."""
        predictor = load(bundle)

        def answer(part: Path | Store) -> tuple[Mapping[str, Table], Mapping[str, Any]]:
            summary, windows = Summary(), []
            for found in listen_to(predictor, part, self.how):
                summary.add(found)
                if self.windows:
                    windows.append(found.window_table(predictor.label_set.classes))
            tables = {"events": summary.event_table()} | ({"windows": stack_tables(windows)} if windows else {})
            about = {"recordings": summary.recordings, "labels": summary.labels, "counts": summary.counts.to_dict()}
            return {name: table for name, table in tables.items() if table.height}, about

        return answer


Work = Predicting | Detecting


@dataclass(frozen=True)
class Outputs:
    """Where answers go: a folder, or one file, for every output of a work by its name, the main one first.

    ConfigError if they are of two kinds, or single files where none can be put together.
    """

    places: Mapping[str, Place]

    def __post_init__(self) -> None:
        files = [place for place in self.places.values() if Path(place.base).suffix in SUFFIXES]
        if files and (len(files) < len(self.places) or not all(place.is_local for place in files)):
            problem = f"expected folders for all outputs, got the file {files[0].name}"
            raise ConfigError(problem, remedy="name folders, or files of this machine's disks for all of them")

    @property
    def main(self) -> Place:
        """The first of them."""
        return next(iter(self.places.values()))

    @property
    def merged(self) -> bool:
        """Whether each is one file in the end."""
        return Path(self.main.base).suffix in SUFFIXES

    @property
    def folder(self) -> Place:
        """What holds the plan and what is done."""
        return Place(f"{self.main.name}.partial") if self.merged else self.main

    def part(self, output: str, number: int) -> Place:
        """Where the answers to a part go."""
        return (self.folder / output if self.merged else self.places[output]) / f"part-{number:05d}.parquet"

    def note(self, number: int) -> Place:
        """What says that a part is done."""
        return self.folder / PARTS / f"{number:05d}.json"

    def done(self) -> set[int]:
        """The parts that are done."""
        return {int(name.removesuffix(".json")) for name in (self.folder / PARTS).files() if name.endswith(".json")}


def answer_source(
    cluster: RayTasks,
    source: Place,
    bundle: Path,
    work: Work,
    outputs: Outputs,
    progress: Callable[[float], None] = lambda _: None,
) -> list[Note]:
    """Answer a source on a cluster; what is done already is not done again.

    The bundle is sent to the machines; `progress` is told the share that is done. Gives what is noted of every part, in
    the order of the source. BfrbError that of the first part that fails; if there is nothing to read, or a machine does
    not see the folders; ConfigError if the folder of the output holds answers to something else.
    """
    parts = plan_parts(source, work.how.description)
    files = {name: (Place.at(bundle) / name).read() for name in Place.at(bundle).files()}
    _settle(outputs.folder, parts, files, work)
    shared = [place.path for place in (outputs.folder, *outputs.places.values()) if place.is_local]
    folders = [path for path in dict.fromkeys(shared) if path.is_dir()]
    check_folders(look_at_nodes(folders, parts.samples()))
    done = outputs.done()
    todo = [number for number in parts.largest_first if number not in done]
    if todo:
        _answer(cluster, Task(parts, work, outputs), files, todo, progress)
    notes = [json.loads(outputs.note(number).read()) for number in range(len(parts.parts))]
    if outputs.merged:
        _merge(outputs, notes)
    return notes


def _settle(folder: Place, parts: Parts, files: Mapping[str, bytes], work: Work) -> None:
    """Note what is being answered, or see that it is what was answered before; ConfigError if it is not."""
    digest = hashlib.sha256(b"".join(name.encode() + held for name, held in sorted(files.items()))).hexdigest()
    options = {name: str(value) for name, value in asdict(work).items()}
    plan = {"bfrb": version("bfrb"), "bundle": digest, "work": type(work).__name__, "options": options}
    text = json.dumps(plan | {"source": parts.model_dump(mode="json")}, indent=1)
    place = folder / PLAN
    if place.kind == "nothing":
        if folder.files():
            raise ConfigError(f"{folder.name} holds something else", remedy="name a new folder")
        place.write(text.encode())
    elif (before := place.read().decode()) != text:
        old, new = json.loads(before), json.loads(text)
        changed = ", ".join(key for key in new if old.get(key) != new[key])
        problem = f"{folder.name} holds answers that differ in {changed}"
        raise ConfigError(problem, remedy="name a new folder, or delete this one")


@dataclass(frozen=True)
class Task:
    """What a machine has to know to answer parts."""

    parts: Parts
    work: Work
    outputs: Outputs


def _answer(
    cluster: RayTasks, task: Task, files: Mapping[str, bytes], todo: Sequence[int], progress: Callable[[float], None]
) -> None:
    """Have parts answered. Ray Data runs in a task, for it does not run behind an address of `ray://`."""
    actors = cluster.workers or min(len(todo), cluster.cores)
    remote = ray.remote(_run_data).options(num_cpus=0, max_retries=RETRIES)
    running = remote.remote(task, [ray.put(files)], list(todo), actors, cluster.memory(ACTOR_MEMORY))
    whole, poll_s = len(task.parts.parts), 0.5 if task.outputs.folder.is_local else 2.0
    try:
        while not ray.wait([running], timeout=poll_s)[0]:
            progress(len(task.outputs.done()) / whole)
        take("answering", running)
    finally:
        ray.cancel(running, force=True)  # which is nothing where it has ended
    progress(1.0)


def _run_data(task: Task, files: list[Any], todo: list[int], actors: int, memory: int) -> BfrbError | None:
    """Hand parts to actors, one by one; the first error that a user can mend."""
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    done = task.outputs.done()  # if this machine is not the first to run this
    rows = [{"part": number} for number in todo if number not in done]
    if not rows:
        return None
    answered = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        PartAnswerer,
        fn_constructor_args=(task, files),
        batch_size=None,
        compute=ray.data.ActorPoolStrategy(min_size=actors, max_size=actors, max_tasks_in_flight_per_actor=2),
        num_cpus=1,
        memory=memory,
    )
    for row in answered.iter_rows():
        if row["error"]:
            kind, problem, remedy = json.loads(row["error"])
            found: BfrbError = getattr(errors, kind)(problem, remedy=remedy)
            return found
    return None


class PartAnswerer:
    """An actor: a loaded predictor that answers one part after the other."""

    def __init__(self, task: Task, files: list[Any]) -> None:
        os.environ[PROCESSORS] = "1"  # Ray gives it one core, and others like it have the machine's other cores
        self._task = task
        self._folder = TemporaryDirectory(prefix="bfrb-")
        self._files = files

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Answer the numbered parts; errors that a user can mend are given, not raised."""
        errors = []
        for number in map(int, batch["part"]):
            try:
                self._do(number)
                errors.append("")
            except (BfrbError, OSError) as error:
                told = as_told(error, here())
                errors.append(json.dumps([type(told).__name__, told.problem, told.remedy]))
        return {"part": list(batch["part"]), "error": errors}

    @cached_property
    def _answering(self) -> Answering:
        for name, held in ray.get(self._files[0]).items():
            path = Path(self._folder.name, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(held)
        return self._task.work.load(Path(self._folder.name))

    def _do(self, number: int) -> None:
        import resource

        task, begun = self._task, time.perf_counter()
        with task.parts.opened(number) as part:
            tables, about = self._answering(part)
        for name, table in tables.items():
            with TemporaryDirectory(prefix="bfrb-") as folder:
                path = Path(folder, "table.parquet")
                write_table(table, path)
                task.outputs.part(name, number).write(path.read_bytes())
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        how = {"seconds": round(time.perf_counter() - begun, 3), "peak_mb": peak_mb}
        note = {"about": about, "tables": list(tables), "on": here(), "process": os.getpid()} | how
        task.outputs.note(number).write(json.dumps(note).encode())


def _merge(outputs: Outputs, notes: Sequence[Note]) -> None:
    """One file of each output, instead of the folder of parts."""
    for output, place in outputs.places.items():
        held = [number for number, note in enumerate(notes) if output in note["tables"]]
        if held:
            tables = (read_table(outputs.part(output, number).path) for number in held)
            write_tables(tables, place.path)
    outputs.folder.remove()
