"""`bfrb check`, `bfrb ingest` and `bfrb devices`: what is in a source, a store made of it, and how it can be read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer import Argument, Option

from bfrb.cli.options import AsJson, Demographics, DescriptionName, Overwrite, check_outputs
from bfrb.cli.show import ShownTable, print_json, print_result, print_table, progress

if TYPE_CHECKING:
    from bfrb.read.check import CheckReport

log = logging.getLogger(__name__)

Source = Annotated[Path, Argument(metavar="SRC", help="A store, or a folder or file with recordings.")]


def check(
    source: Source, description: DescriptionName = "auto", demographics: Demographics = None, as_json: AsJson = False
) -> None:
    """Show what is in recordings and what is wrong with them. Exit code 0: fine, 1: warnings, 2: unusable."""
    from bfrb.read.check import check as check_source

    with progress("checking") as show:
        report = check_source(source, description=description, demographics=demographics, progress=show)
    print_result(report.to_dict(), as_json, *_report_tables(report))
    if report.exit_code:
        first = report.findings[0]
        log.error("%s is %s: %s\n  to do: %s", source, report.verdict, first.sentence, first.remedy)
        raise typer.Exit(report.exit_code)


def ingest(
    source: Source,
    out: Annotated[Path, Option(help="The folder to make.")],
    description: DescriptionName = "auto",
    demographics: Demographics = None,
    to: Annotated[Literal["store", "bids"], Option(help="store, or bids: a Motion-BIDS data set.")] = "store",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Turn recordings into a store: typed, compressed, opened at once."""
    from bfrb.read.motion_bids_write import write_motion_bids
    from bfrb.read.sources import ingest as ingest_source
    from bfrb.read.sources import open_source

    with progress("ingesting") as show:
        if to == "bids":
            count = write_motion_bids(open_source(source, description, demographics), out, show)
            found, told = {"bids": str(out), "recordings": count}, f"{count} recordings in Motion-BIDS"
        else:
            how: dict[str, Any] = {"description": description, "demographics": demographics, "overwrite": overwrite}
            manifest = ingest_source(source, out, progress=show, **how).manifest
            size = sum(file.size for file in (manifest.table, *manifest.parts))
            described = manifest.model_dump(include={"simulated", "source", "rows", "recordings"})
            found = {"store": str(out)} | described | {"device": manifest.device.name, "bytes": size}
            told = f"{manifest.recordings} recordings, {manifest.rows} rows, {size / 1e6:.1f} MB"
    if as_json:
        print_json(found)
    else:
        log.info("wrote %s: %s", out, told)


def _report_tables(report: CheckReport) -> Iterator[ShownTable]:
    found = report.to_dict()
    norm = found["quaternion_norm"]
    rows: list[tuple[str, object]] = [
        ("source", report.source),
        ("device", report.device.name + " (SIMULATED)" * report.simulated),
        ("recordings", found["recordings"]),
        ("rows", f"{found['rows']}, {found['shortest_rows']} to {found['longest_rows']} in a recording"),
        ("subjects", found["subjects"]),
        ("quaternion norm", None if norm is None else f"{norm[0]:.5f} to {norm[1]:.5f}"),
        ("posture", report.posture),
        ("verdict", report.verdict),
    ]
    if 0 < len(found["subjects_without_demographics"]) < found["subjects"]:  # where all are, the source says so
        rows.insert(5, ("without demographics", len(found["subjects_without_demographics"])))
    yield "Recordings", ("", "found"), rows
    keys = ("recordings_without", "low", "high", "glitches")
    sensors = [
        (sensor["name"], sensor["unit"], 100.0 * sensor["missing_share"], *(sensor[key] for key in keys))
        for sensor in found["sensors"]
    ]
    columns = ("sensor", "unit", "rows missing %", "recordings without", "smallest", "largest", "glitches")
    yield "Sensors", columns, sensors
    if found["gestures"]:
        yield "Gestures", ("gesture", "number"), found["gestures"].items()
    if found["findings"]:
        about = ("severity", "kind", "count", "what", "remedy")
        findings = [[finding[key] for key in about] for finding in found["findings"]]
        yield "Findings", ("", "kind", "number", "what", "to do"), findings


devices = typer.Typer(help="Whose files are read; `bfrb devices describe FILE` begins a description of your own.")


@devices.callback(invoke_without_command=True)
def list_devices(context: typer.Context) -> None:
    """List the descriptions that come with this package: names for --description and --device."""
    if context.invoked_subcommand is not None:
        return
    from bfrb.study.description import find_description, known_descriptions

    found = [find_description(name) for name in known_descriptions()]
    rows = [(one.name, one.title, " ".join(one.sensors), one.tested or "no real file", one.note) for one in found]
    print_table("Devices", ("name", "what", "sensors", "tested on", "mind"), rows)


@devices.command()
def describe(
    file: Annotated[Path, Argument(help="A file of your device.", exists=True, dir_okay=False)],
    out: Annotated[Path | None, Option(help="Where it goes, such as study.toml; else it is printed.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Look at a file and write a description of it, with a question where something cannot be known."""
    from bfrb.files import write_text
    from bfrb.read.describing import describe_file

    text = describe_file(file)
    if out is None:
        print(text, end="")
        return
    check_outputs([out], [file], overwrite=overwrite)
    write_text(out, text)
    print(f"wrote {out}: answer every ?, add [labels] if you have some; bfrb check {file.parent} --description {out}")
