"""`bfrb simulate`: a made-up study in the layout of the real one."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bfrb.cli.options import Overwrite
from bfrb.processes import usable_processors

if TYPE_CHECKING:
    from bfrb.simulate.spec import StudySpec
    from bfrb.study.recordings import Recordings

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
    file_format: Annotated[str, typer.Option("--format", help="csv or parquet.")] = "csv",
    processes: Annotated[int, typer.Option(min=0, help="Processes; 0: one per core.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Simulate wearers of the Helios device and write their recordings in the CMI layout."""
    from bfrb.read.cmi_write import check_format, check_new_folder, write_cmi
    from bfrb.simulate.spec import mark_of
    from bfrb.simulate.study import simulate_subjects, simulate_test

    spec = read_study_spec(preset, subjects, set_ or [])
    if hours:
        _simulate_days(spec, hours, seed, out, overwrite=overwrite)
        return
    kind = check_format(file_format)
    check_new_folder(out, overwrite)
    workers = processes or usable_processors()
    parts = _watched(simulate_subjects(spec, seed, min(workers, spec.subjects)), spec.subjects)
    others = _watched(simulate_test(spec, seed, test, min(workers, test)), test) if test else ()
    write_cmi(parts, out, test=others, file_format=kind, mark=mark_of(spec, seed, test), overwrite=overwrite)
    also = f" and {test} others for a test" if test else ""
    logger.info("wrote %s: %d simulated subjects%s", out, spec.subjects, also)


def _simulate_days(spec: StudySpec, hours: float, seed: int, out: Path, *, overwrite: bool) -> None:
    from bfrb.read.store import write_store
    from bfrb.simulate.day import DaySpec, simulate_days

    days = _watched(simulate_days(spec, DaySpec(hours=hours), seed), spec.subjects)
    write_store(days, out, source=f"simulated days of {hours:g} h, seed {seed}", overwrite=overwrite)
    logger.info("wrote %s: %d simulated continuous recordings of %g h", out, spec.subjects, hours)


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
