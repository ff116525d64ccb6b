"""`bfrb train`, `bfrb distill` and `bfrb compare`: recordings to bundles."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from bfrb.cli import options
from bfrb.cli.show import interval_text, print_json, print_table, progress
from bfrb.errors import BfrbError, ConfigError
from bfrb.spec import read_toml
from bfrb.train.presets import PRESETS, SENSOR_VARIANTS, CompareSpec, check_installed, read_preset
from bfrb.train.run import RunSpec

if TYPE_CHECKING:
    from bfrb.read.sources import Source
    from bfrb.study.folds import Folds
    from bfrb.train.crossval import Status

log = logging.getLogger(__name__)


def train(
    source: Annotated[Path | None, Argument(help="A store, a folder or a file with labelled recordings.")] = None,
    out: Annotated[Path | None, Option(help="Where the bundle shall be.")] = None,
    preset: Annotated[str, Option(help=f"{', '.join(PRESETS)}, or a .toml file with a run spec.")] = "quick",
    folds: Annotated[str | None, Option(help="Their number, 'subject' (leave one out), or a folds file.")] = None,
    networks: Annotated[str | None, Option(help="Names or package.module:Class, with commas between.")] = None,
    set_: options.Settings = None,
    seed: Annotated[int | None, Option(help="Seed of everything random.")] = None,
    description: options.DescriptionName = "auto",
    demographics: options.Demographics = None,
    anyway: options.Anyway = False,
    workers: options.Workers = 0,
    on: options.On = None,
    restart: options.Restart = False,
    overwrite: options.Overwrite = False,
    no_report: options.NoReport = False,
    as_json: options.AsJson = False,
    show_spec: Annotated[bool, Option("--show-spec", help="Print all settings as TOML; train nothing.")] = False,
) -> None:
    """Train an ensemble over subject-wise folds and write it as a bundle. A stopped run goes on when repeated."""
    spec, fold_file = _read_options(preset, folds, networks, seed, set_ or [])
    if show_spec:
        typer.echo(spec.to_toml(), nl=False)
        return
    if source is None or out is None:
        lacking = "recordings" if source is None else "--out, a place for the bundle"
        raise ConfigError(f"expected {lacking}", remedy="write, say, bfrb train recordings.csv --out model")
    check_training_installed()
    from bfrb.read.sources import open_source
    from bfrb.train.crossval import RunOptions, cross_validate

    opened = open_source(source, description, demographics)
    log.info("reading %s", opened.describe())
    with (
        options.resumable(f"{out}.partial"),
        options.joined(on, workers, [out.absolute().parent]) as cluster,
        telling() as shown,
    ):
        how = RunOptions(workers, restart, overwrite, on=cluster, on_status=shown, anyway=anyway)
        bundle = cross_validate(opened, spec, out, folds=fold_file, options=how)
    show_trained(bundle, None if no_report else opened, as_json)


def check_training_installed() -> None:
    """Refuse, by a ConfigError, to train without the packages for it; own networks may lie in the working folder."""
    check_installed()
    sys.path.append(os.getcwd())  # noqa: PTH109  as `python script.py` has its folder; processes that train get it too


def show_trained(bundle: Path, source: Source | None, as_json: bool) -> None:
    """Print a new bundle's scores, and write the page about it and what it was trained on, if that can be done."""
    from bfrb.cli.predict import score_bundle, show_scores
    from bfrb.report.html import default_page, write_report

    log.info("wrote %s", bundle)
    show_scores(score_bundle(bundle), as_json)
    if source is None:
        return
    page = default_page(bundle)
    try:
        write_report(bundle, page, source)
    except (BfrbError, OSError) as error:
        log.warning("the bundle is complete, but its report could not be written: %s", error)
    else:
        log.info("wrote %s", page)


def _read_options(
    preset: str, folds: str | None, networks: str | None, seed: int | None, assignments: list[str]
) -> tuple[RunSpec, Folds | None]:
    """The run spec with the command line's changes, and the folds if they come from a file."""
    from bfrb.study.folds import Folds

    no_file = folds is None or folds == "subject" or folds.isdecimal()
    fold_file = None if no_file else Folds.read(Path(str(folds)))
    named = None if networks is None else [name.strip() for name in networks.split(",") if name.strip()]
    given = {"seed": seed, "networks": named, "folds": folds if fold_file is None else len(fold_file)}
    changes = [f"{key}={value}" for key, value in given.items() if value is not None]
    return read_preset(preset).updated([*assignments, *changes]), fold_file


@contextmanager
def telling() -> Iterator[Callable[[Status], None]]:
    """Yields what shows how far a run is: members and epochs done, the newest scores, the time left."""
    with progress("preparing") as show:
        yield lambda status: show(status.share, describe(status))


def describe(status: Status) -> str:
    """The state of a run in one line, such as `3/20 trained | two_branch-01 epoch 12/160 loss 1.93 score 0.61`."""
    parts = [f"{len(status.finished)}/{len(status.histories)} trained"]
    for name, history in status.histories.items():
        if name not in status.finished and history:
            newest = history[-1]
            score = "" if newest.score is None else f" score {newest.score:.3f}"
            place = f" on {status.places[name]}" if name in status.places else ""
            epochs = f"{newest.epoch + 1}/{status.epochs[name]}"
            parts.append(f"{name}{place} epoch {epochs} loss {newest.loss:.2f}{score}")
    return " | ".join(parts)


def distill(
    bundle: options.BundleFolder,
    data: Annotated[Path, Argument(help="Labelled recordings, such as those it was trained on.")],
    out: Annotated[Path, Option(help="Where the bundle of the small network shall be.")],
    preset: Annotated[str, Option(help="small, micro, or a .toml file with a run spec.")] = "small",
    set_: options.Settings = None,
    description: options.DescriptionName = "auto",
    demographics: options.Demographics = None,
    anyway: options.Anyway = False,
    workers: options.Workers = 0,
    restart: options.Restart = False,
    overwrite: options.Overwrite = False,
    no_report: options.NoReport = False,
    as_json: options.AsJson = False,
) -> None:
    """Train one small network in place of an ensemble, by the labels or also by what the ensemble answers."""
    check_training_installed()
    from bfrb.predict.answering import open_as
    from bfrb.predict.bundle import Bundle
    from bfrb.read.judging import JudgedSource
    from bfrb.train.crossval import RunOptions
    from bfrb.train.distill import distill as write_bundle

    options.check_outputs([out], [bundle, data])
    teacher = Bundle.open(bundle)
    opened = open_as(teacher, data, description, demographics)
    spec = read_preset(preset).updated(set_ or [])
    with options.resumable(f"{out}.partial"), telling() as shown:
        how = RunOptions(workers=workers, restart=restart, overwrite=overwrite, on_status=shown)
        written = write_bundle(teacher, JudgedSource(opened, anyway), spec, out, options=how)
    show_trained(written, None if no_report else opened, as_json)


def compare(
    source: options.Labelled,
    out: Annotated[Path, Option(help="A folder for the bundles and the results.")],
    variants: Annotated[Path | None, Option(help="A .toml file with the variants.")] = None,
    sensors: Annotated[bool, Option("--sensors", help="Compare what each kind of sensor adds.")] = False,
    preset: Annotated[str | None, Option(help="Preset of all variants, instead of the file's.")] = None,
    set_: options.Settings = None,
    folds: Annotated[Path | None, Option(help="A file with the folds.")] = None,
    description: options.DescriptionName = "auto",
    anyway: options.Anyway = False,
    workers: options.Workers = 0,
    on: options.On = None,
    as_json: options.AsJson = False,
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
    with options.resumable(out), options.joined(on, workers, [out]) as cluster, telling() as shown:
        how = RunOptions(workers, on=cluster, on_status=shown, anyway=anyway)
        results = library.compare(opened, spec, out, folds=fixed, options=how)
    log.info("wrote %s", out / library.RESULTS)
    print_json(results) if as_json else show_comparison(results)


def read_variants(path: Path | None, *, sensors: bool, preset: str | None, changes: list[str]) -> CompareSpec:
    """What the options ask to compare: a file or sensors, or a ConfigError."""
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
    from bfrb.metrics.intervals import ENOUGH_PEOPLE, excludes_zero

    shown = interval_text(found["interval"])
    if "difference" not in found:
        return found["score"], shown, None, None, ""
    between = found["difference_interval"]
    few = people < ENOUGH_PEOPLE
    sure = "too few people to be sure" if few else "yes" if excludes_zero(between) else "no"
    return found["score"], shown, f"{found['difference']:+.3f}", "{:+.3f} to {:+.3f}".format(*between), sure
