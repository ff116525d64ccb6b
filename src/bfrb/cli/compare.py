"""`bfrb compare`: which sensor, which technique pays."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from bfrb.cli.cluster import On, joined
from bfrb.cli.options import Anyway, DescriptionName
from bfrb.cli.show import print_json, print_table
from bfrb.cli.train import TrainingProgress, check_training_installed
from bfrb.errors import ConfigError
from bfrb.spec import read_toml
from bfrb.train.presets import SENSOR_VARIANTS, CompareSpec

logger = logging.getLogger(__name__)


def compare(
    source: Annotated[Path, typer.Argument(help="A store, a folder or a file with labelled recordings.")],
    out: Annotated[Path, typer.Option(help="A folder for the bundles and the results.")],
    variants: Annotated[Path | None, typer.Option(help="A .toml file with the variants.")] = None,
    sensors: Annotated[bool, typer.Option("--sensors", help="Compare what each kind of sensor adds.")] = False,
    preset: Annotated[str | None, typer.Option(help="Preset of all variants, instead of the file's.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value, a change to all variants.")] = None,
    folds: Annotated[Path | None, typer.Option(help="A file with the folds.")] = None,
    description: DescriptionName = "auto",
    anyway: Anyway = False,
    workers: Annotated[int, typer.Option(min=0, help="Networks at a time; 0: as many as there is room for.")] = 0,
    on: On = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as one JSON object.")] = False,
) -> None:
    """Train variants on the same folds and print their differences, paired over subjects. Goes on when repeated."""
    spec = read_variants(variants, sensors=sensors, preset=preset, changes=set_ or [])
    check_training_installed()
    from bfrb.read.sources import open_source
    from bfrb.study.folds import Folds
    from bfrb.train import compare as library
    from bfrb.train.crossval import RunOptions

    opened = open_source(source, description)
    fixed = None if folds is None else Folds.read(folds)
    with joined(on, workers, [out]) as cluster, TrainingProgress() as shown:
        options = RunOptions(workers, on=cluster, on_status=shown.update, anyway=anyway)
        try:
            results = library.compare(opened, spec, out, folds=fixed, options=options)
        except KeyboardInterrupt:
            logger.warning("stopped; the same command goes on from here (%s)", out)
            raise typer.Exit(130) from None
    logger.info("wrote %s", out / library.RESULTS)
    print_json(results) if as_json else show_comparison(results)


def read_variants(path: Path | None, *, sensors: bool, preset: str | None, changes: list[str]) -> CompareSpec:
    """What the options ask to compare.

    Raises
    ------
    ConfigError
        If they ask for a file and for sensors, or for neither, or the file is wrong.
    """
    if sensors == (path is not None):
        raise ConfigError("expected either variants or --sensors", remedy="name a .toml file, or add --sensors")
    spec = CompareSpec(variants=SENSOR_VARIANTS) if path is None else CompareSpec.from_toml(read_toml(path))
    new: dict[str, Any] = {"changes": (*spec.changes, *changes)} | ({} if preset is None else {"preset": preset})
    return spec.model_copy(update=new)


def show_comparison(results: dict[str, Any]) -> None:
    """Print a table per scenario: every variant's score, and how far it is above the reference's."""
    kind = "SIMULATED recordings" if results["simulated"] else "recordings"
    people = results["subjects"]
    about = f"{results['recordings']} {kind} of {people} subjects"
    columns = ("variant", "score", "95 %", f"above {results['reference']}", "95 % of that", "sure")
    for scenario in next(iter(results["variants"].values()))["scenarios"]:
        rows = [
            (name, *_cells(found["scenarios"][scenario], people))
            for name, found in results["variants"].items()
            if scenario in found["scenarios"]
        ]
        print_table(f"Sensors: {scenario} ({about})", columns, rows)


def _cells(found: dict[str, Any], people: int) -> tuple[object, ...]:
    from bfrb.metrics import ENOUGH_PEOPLE, excludes_zero

    shown = "{:.3f} to {:.3f}".format(*found["interval"])
    if "difference" not in found:
        return found["score"], shown, None, None, ""
    between = found["difference_interval"]
    few = people < ENOUGH_PEOPLE
    sure = "too few people to be sure" if few else "yes" if excludes_zero(between) else "no"
    return found["score"], shown, f"{found['difference']:+.3f}", "{:+.3f} to {:+.3f}".format(*between), sure
