"""`bfrb simulate`: a made-up study in the layout of the real one."""

import logging
import shutil
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from bfrb.cli.options import On, Overwrite, joined, resumable
from bfrb.cli.show import progress
from bfrb.errors import DataError
from bfrb.jobs import LocalProcesses
from bfrb.processes import usable_processors

STORES = "stores"  # the format of a study in parts, none of which any machine has to hold whole

logger = logging.getLogger(__name__)


def simulate(
    out: Annotated[Path, Argument(help="The folder to make.")],
    subjects: Annotated[int | None, Option(min=1, help="Number of subjects; 81 are the real study.")] = None,
    test: Annotated[int, Option(min=0, help="Also so many other subjects as a test without labels.")] = 0,
    hours: Annotated[float, Option(min=0, help="Instead, a store of a continuous recording so long of each.")] = 0,
    seed: Annotated[int, Option(min=0, help="The same seed gives the same study.")] = 0,
    preset: Annotated[str, Option(help="study, wide, or a .toml file with a study spec.")] = "study",
    set_: Annotated[list[str] | None, Option("--set", help="key=value, such as timing.reach_s=0.5.")] = None,
    file_format: Annotated[str, Option("--format", help="csv, parquet, or stores: one for some people each.")] = "csv",
    processes: Annotated[int, Option(min=0, help="Processes; 0: one per core.")] = 0,
    overwrite: Overwrite = False,
    on: On = None,
) -> None:
    """Simulate wearers of the Helios device and write their recordings in the CMI layout. Goes on when repeated."""
    from bfrb.read.cmi_write import check_format, check_new_folder, write_cmi
    from bfrb.read.store import check_place, write_store
    from bfrb.simulate.parts import plan_parts, read_parts
    from bfrb.simulate.spec import mark_of, read_study_spec

    spec = read_study_spec(preset).updated([*([f"subjects={subjects}"] if subjects else []), *(set_ or [])])
    kind = None if file_format == STORES else check_format(file_format)
    if kind is None and out.exists():
        raise DataError(f"{out}: there is something already", remedy="choose another place")
    check_place(out, overwrite) if hours else check_new_folder(out, overwrite)
    folder = out.with_name(f"{out.name}.partial")
    jobs = plan_parts(folder, spec, seed, test=test, hours=hours)
    named = {place.name: job for place, job in jobs.items() if not place.exists()}
    with resumable(folder), joined(on, processes, [folder]) as cluster, progress("simulating") as show:
        runner = cluster or LocalProcesses(processes or usable_processors())
        runner.run(named, lambda: show(sum(place.exists() for place in jobs) / len(jobs)))
    if kind is None:
        folder.rename(out)
    elif hours:
        made = f"simulated days of {hours:g} h, seed {seed}"
        write_store(read_parts(folder), out, source=made, overwrite=overwrite)
    else:
        parts, others, mark = read_parts(folder), read_parts(folder, "test"), mark_of(spec, seed, test)
        write_cmi(parts, out, test=others, file_format=kind, mark=mark, overwrite=overwrite)
    if kind is not None:
        shutil.rmtree(folder)
    what = f"continuous recordings of {hours:g} h" if hours else "subjects"
    others_too = f" and {test} others for a test" if test and not hours else ""
    logger.info("wrote %s: %d simulated %s%s", out, spec.subjects, what, others_too)
