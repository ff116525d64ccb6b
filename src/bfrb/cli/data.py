"""`bfrb check` and `bfrb ingest`: what is in a source, and a source made into a store."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bfrb.cli.options import Dataset, Demographics
from bfrb.cli.show import print_json, print_table, progress

if TYPE_CHECKING:
    from bfrb.read.check import CheckReport

log = logging.getLogger(__name__)

Source = Annotated[Path, typer.Argument(metavar="SRC", help="A store, or a folder or file with recordings.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def check(
    source: Source, dataset: Dataset = "auto", demographics: Demographics = None, as_json: AsJson = False
) -> None:
    """Show what is in recordings and what is wrong with them. Exit code 0: fine, 1: warnings, 2: unusable."""
    from bfrb.read.check import check as check_source

    with progress("checking") as show:
        report = check_source(source, dataset=dataset, demographics=demographics, progress=show)
    if as_json:
        print_json(report.to_dict())
    else:
        _print_report(report)
    if report.exit_code:
        first = report.findings[0]
        log.error("%s is %s: %s\n  to do: %s", source, report.verdict, first.sentence, first.remedy)
        raise typer.Exit(report.exit_code)


def ingest(
    source: Source,
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    dataset: Dataset = "auto",
    demographics: Demographics = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a store that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Turn recordings into a store: typed, compressed, opened at once."""
    from bfrb.read.ingest import ingest as ingest_source

    with progress("ingesting") as show:
        store = ingest_source(
            source,
            out,
            dataset=dataset,
            demographics=demographics,
            overwrite=overwrite,
            progress=show,
        )
    manifest = store.manifest
    size = sum(file.size for file in (manifest.table, *manifest.parts))
    if as_json:
        described = manifest.model_dump(include={"simulated", "source", "rows", "recordings"})
        described["device"] = manifest.device.name
        print_json({"store": str(out)} | described | {"bytes": size})
    else:
        log.info("wrote %s: %d recordings, %d rows, %.1f MB", out, manifest.recordings, manifest.rows, size / 1e6)


def _print_report(report: CheckReport) -> None:
    found = report.to_dict()
    simulated = " (SIMULATED)" if report.simulated else ""
    norm = found["quaternion_norm"]
    rows: list[tuple[str, object]] = [
        ("source", report.source),
        ("device", report.device.name + simulated),
        ("recordings", found["recordings"]),
        ("rows", f"{found['rows']}, {found['shortest_rows']} to {found['longest_rows']} in a recording"),
        ("subjects", found["subjects"]),
        ("without demographics", len(found["subjects_without_demographics"])),
        ("quaternion norm", None if norm is None else f"{norm[0]:.5f} to {norm[1]:.5f}"),
        ("posture", report.posture),
        ("verdict", report.verdict),
    ]
    print_table("Recordings", ("", "found"), rows)
    _print_sensors(found["sensors"])
    if found["gestures"]:
        print_table("Gestures", ("gesture", "number"), found["gestures"].items())
    if found["findings"]:
        keys = ("severity", "kind", "count", "what", "remedy")
        findings = [[finding[key] for key in keys] for finding in found["findings"]]
        print_table("Findings", ("", "kind", "number", "what", "to do"), findings)


def _print_sensors(sensors: list[dict[str, Any]]) -> None:
    columns = ("sensor", "unit", "rows missing %", "recordings without", "smallest", "largest", "glitches")
    keys = ("recordings_without", "low", "high", "glitches")
    rows = [
        (sensor["name"], sensor["unit"], 100.0 * sensor["missing_share"], *(sensor[key] for key in keys))
        for sensor in sensors
    ]
    print_table("Sensors", columns, rows)
