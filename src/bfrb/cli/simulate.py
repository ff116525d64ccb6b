"""`bfrb simulate`: a made-up study in the layout of the real one."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bfrb.cli.cluster import On, joined
from bfrb.cli.options import Overwrite
from bfrb.cli.show import progress
from bfrb.errors import DataError
from bfrb.processes import usable_processors

if TYPE_CHECKING:
    from bfrb.simulate.spec import StudySpec
    from bfrb.study.recordings import Recordings

STORES = "stores"
"""On a cluster: the format of a study in parts, none of which any machine has to hold whole."""

logger = logging.getLogger(__name__)


def simulate(
    out: Annotated[Path, typer.Argument(help="The folder to make.")],
    subjects: Annotated[int | None, typer.Option(min=1, help="Number of subjects; 81 are the real study.")] = None,
    test: Annotated[int, typer.Option(min=0, help="Also so many other subjects as a test without labels.")] = 0,
    hours: Annotated[
        float, typer.Option(min=0, help="Instead, a continuous recording so long of each, as a store.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same study.")] = 0,
    preset: Annotated[str, typer.Option(help="study, wide, or a .toml file with a study spec.")] = "study",
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value, such as timing.reach_s=0.5.")] = None,
    file_format: Annotated[
        str, typer.Option("--format", help="csv or parquet; on a cluster also stores, one for some people each.")
    ] = "csv",
    processes: Annotated[int, typer.Option(min=0, help="Processes; 0: one per core.")] = 0,
    overwrite: Overwrite = False,
    on: On = None,
) -> None:
    """Simulate wearers of the Helios device and write their recordings in the CMI layout."""
    from bfrb.read.cmi_write import check_format, check_new_folder, write_cmi
    from bfrb.read.store import check_place, write_store
    from bfrb.simulate.parts import read_parts
    from bfrb.simulate.spec import mark_of

    spec = read_study_spec(preset, subjects, set_ or [])
    kind = None if file_format == STORES and on is not None else check_format(file_format)
    if kind is None and out.exists():
        raise DataError(f"{out}: there is something already", remedy="choose another place")
    check_place(out, overwrite) if hours else check_new_folder(out, overwrite)
    folder, title = out.with_name(f"{out.name}.partial"), f"{spec.subjects} simulated subjects"
    if on is None:
        made = _made_here(spec, seed, test, hours, processes)
    else:
        _make_on(on, folder, spec, seed, test, hours, processes)
        made = read_parts(folder), read_parts(folder, "test")
    if kind is None:
        folder.rename(out)
    elif hours:
        write_store(made[0], out, source=f"simulated days of {hours:g} h, seed {seed}", overwrite=overwrite)
        title = f"{spec.subjects} simulated continuous recordings of {hours:g} h"
    else:
        mark = mark_of(spec, seed, test)
        write_cmi(made[0], out, test=made[1], file_format=kind, mark=mark, overwrite=overwrite)
    if on is not None and kind is not None:
        shutil.rmtree(folder)
    logger.info("wrote %s: %s%s", out, title, f" and {test} others for a test" if test else "")


def _made_here(
    spec: StudySpec, seed: int, test: int, hours: float, processes: int
) -> tuple[Iterator[Recordings], Iterator[Recordings]]:
    """The recordings of the study and of the test, as processes of this machine make them."""
    from bfrb.simulate.day import DaySpec, simulate_days
    from bfrb.simulate.study import simulate_subjects, simulate_test

    if hours:
        return _watched(simulate_days(spec, DaySpec(hours=hours), seed), spec.subjects), iter(())
    workers = processes or usable_processors()
    parts = _watched(simulate_subjects(spec, seed, min(workers, spec.subjects)), spec.subjects)
    others = _watched(simulate_test(spec, seed, test, min(workers, test)), test) if test else iter(())
    return parts, others


def _make_on(on: str, folder: Path, spec: StudySpec, seed: int, test: int, hours: float, workers: int) -> None:
    """Have the parts of a study made on a cluster; those that are there already are not made again."""
    from bfrb.simulate.parts import part_jobs, settle

    settle(folder, spec, seed, test=test, hours=hours)
    with joined(on, workers, [folder]) as cluster, progress("simulating on Ray") as show:
        kinds = [0, test] if test and not hours else [0]
        jobs = {
            name: job for kind in kinds for name, job in part_jobs(folder, spec, seed, test=kind, hours=hours).items()
        }
        if cluster is not None:
            for number, _ in enumerate(cluster.results(jobs), start=1):
                show(number / len(jobs))


def read_study_spec(preset: str, subjects: int | None, assignments: Iterable[str]) -> StudySpec:
    """The spec that the options describe."""
    from bfrb.simulate.spec import StudySpec, named_spec

    path = Path(preset)
    spec = StudySpec.from_toml(path.read_text(encoding="utf-8")) if path.suffix == ".toml" else named_spec(preset)
    more = [] if subjects is None else [f"subjects={subjects}"]
    return spec.updated([*more, *assignments])


def _watched(parts: Iterator[Recordings], total: int) -> Iterator[Recordings]:
    """The same parts, with a progress bar on stderr."""
    from rich.console import Console
    from rich.progress import track

    return iter(track(parts, total=total, description="simulating subjects", console=Console(stderr=True)))
