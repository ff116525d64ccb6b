"""`bfrb simulate`: a made-up study in the layout of the real one."""

import logging
import shutil
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from bfrb.cli.options import On, Overwrite, joined, resumable
from bfrb.cli.show import progress
from bfrb.jobs import LocalProcesses
from bfrb.processes import usable_processors

Format = Literal["csv", "parquet", "stores"]  # stores: in parts, none of which any machine has to hold whole

logger = logging.getLogger(__name__)


def simulate(
    out: Annotated[Path, Argument(help="The folder to make.")],
    subjects: Annotated[int | None, Option(min=1, help="Number of subjects; 81 are the real study.")] = None,
    test: Annotated[int, Option(min=0, help="Also so many other subjects as a test without labels.")] = 0,
    hours: Annotated[float, Option(min=0, help="Instead, a store of a continuous recording so long of each.")] = 0,
    seed: Annotated[int, Option(min=0, help="The same seed gives the same study.")] = 0,
    preset: Annotated[str, Option(help="study, wide, or a .toml file with a study spec.")] = "study",
    set_: Annotated[list[str] | None, Option("--set", help="key=value, such as timing.reach_s=0.5.")] = None,
    file_format: Annotated[Format, Option("--format", help="stores: one for some people each.")] = "csv",
    processes: Annotated[int, Option(min=0, help="Processes; 0: one per core.")] = 0,
    overwrite: Overwrite = False,
    on: On = None,
) -> None:
    """Simulate wearers of the Helios device and write their recordings in the CMI layout. Goes on when repeated."""
    from bfrb.read.cmi_write import write_cmi
    from bfrb.read.described_source import SIMULATED_MARK
    from bfrb.read.store import MANIFEST, check_place, write_store
    from bfrb.simulate.parts import plan_parts, read_parts
    from bfrb.simulate.spec import mark_of, read_study_spec

    spec = read_study_spec(preset).updated([*([f"subjects={subjects}"] if subjects else []), *(set_ or [])])
    check_place(out, overwrite and file_format != "stores", mark=MANIFEST if hours else SIMULATED_MARK)
    folder = out.with_name(f"{out.name}.partial")
    jobs = plan_parts(folder, spec, seed, test=test, hours=hours)
    named = {place.name: job for place, job in jobs.items() if not place.exists()}
    with resumable(folder), joined(on, processes, [folder]) as cluster, progress("simulating") as show:
        runner = cluster or LocalProcesses(processes or usable_processors())
        runner.run(named, lambda: show(sum(place.exists() for place in jobs) / len(jobs)))
    if file_format == "stores":
        folder.rename(out)
    elif hours:
        made = f"simulated days of {hours:g} h, seed {seed}"
        write_store(read_parts(folder), out, source=made, overwrite=overwrite)
    else:
        parts, others, mark = read_parts(folder), read_parts(folder, "test"), mark_of(spec, seed, test)
        write_cmi(parts, out, test=others, file_format=file_format, mark=mark, overwrite=overwrite)
    shutil.rmtree(folder, ignore_errors=True)
    what = f"continuous recordings of {hours:g} h" if hours else "subjects"
    others_too = f" and {test} others for a test" if test and not hours else ""
    logger.info("wrote %s: %d simulated %s%s", out, spec.subjects, what, others_too)
