"""`bfrb train`: recordings to a bundle."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bfrb.cli.cluster import On, joined
from bfrb.cli.options import Anyway, DescriptionName
from bfrb.errors import BfrbError, ConfigError
from bfrb.train.presets import check_installed, read_preset
from bfrb.train.run import RunSpec

if TYPE_CHECKING:
    from bfrb.read.sources import Source
    from bfrb.study.folds import Folds
    from bfrb.train.crossval import Status

logger = logging.getLogger(__name__)


def train(
    source: Annotated[Path | None, typer.Argument(help="A store, a folder or a file with labelled recordings.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the bundle shall be.")] = None,
    preset: Annotated[
        str,
        typer.Option(
            help="quick, baseline, benchmark, deployable, watch, wrist, micro, or a .toml file with a run spec."
        ),
    ] = "quick",
    folds: Annotated[str | None, typer.Option(help="Their number, 'subject' (leave one out), or a folds file.")] = None,
    networks: Annotated[
        str | None, typer.Option(help="Names, or package.module:Class of your own, separated by commas.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value, such as training.epochs=30.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    description: DescriptionName = "auto",
    demographics: Annotated[Path | None, typer.Option(help="Demographics that do not lie beside the data.")] = None,
    anyway: Anyway = False,
    workers: Annotated[int, typer.Option(min=0, help="Networks at a time; 0: as many as there is room for.")] = 0,
    on: On = None,
    restart: Annotated[bool, typer.Option("--restart", help="Throw an unfinished run away.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle that is there.")] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no page about the bundle.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as one JSON object.")] = False,
    show_spec: Annotated[
        bool, typer.Option("--show-spec", help="Print all settings as TOML, and train nothing.")
    ] = False,
) -> None:
    """Train an ensemble over subject-wise folds and write it as a bundle. A stopped run goes on when repeated."""
    spec, fold_file = _read_options(preset, folds, networks, seed, set_ or [])
    if show_spec:
        typer.echo(spec.to_toml(), nl=False)
        return
    if source is None or out is None:
        raise ConfigError(
            f"expected {'recordings' if source is None else '--out, a place for the bundle'}",
            remedy="write, say, bfrb train recordings.csv --out model",
        )
    check_training_installed()
    from bfrb.cli.predict import print_bundle_scores
    from bfrb.read.sources import open_source
    from bfrb.train.crossval import RunOptions, cross_validate

    opened = open_source(source, description, demographics)
    logger.info("reading %s", opened.describe())
    with joined(on, workers, [out.absolute().parent]) as cluster, TrainingProgress() as shown:
        options = RunOptions(workers, restart, overwrite, on=cluster, on_status=shown.update, anyway=anyway)
        try:
            bundle = cross_validate(opened, spec, out, folds=fold_file, options=options)
        except KeyboardInterrupt:
            logger.warning("stopped; the same command goes on from here (%s.partial)", out)
            raise typer.Exit(130) from None
    logger.info("wrote %s", bundle)
    print_bundle_scores(bundle, as_json=as_json)
    if not no_report:
        write_report_beside(bundle, opened)


def check_training_installed() -> None:
    """Refuse to train without the packages that only training needs; own networks may lie in the working folder.

    Raises
    ------
    ConfigError
        If one is not installed.
    """
    check_installed()
    sys.path.append(os.getcwd())  # noqa: PTH109  as `python script.py` has its folder; processes that train get it too


def write_report_beside(bundle: Path, source: Source) -> None:
    """Write the page about a new bundle, if that can be done; the bundle is good without it.

    Parameters
    ----------
    bundle
        The bundle. Its own files are checksummed, so the page lies beside it.
    source
        What it was trained on.
    """
    from bfrb.report.html import default_page, write_report

    page = default_page(bundle)
    try:
        write_report(bundle, page, source)
    except (BfrbError, OSError) as error:
        logger.warning("the bundle is complete, but its report could not be written: %s", error)
    else:
        logger.info("wrote %s", page)


def _read_options(
    preset: str, folds: str | None, networks: str | None, seed: int | None, assignments: list[str]
) -> tuple[RunSpec, Folds | None]:
    """The run spec with the command line's changes, and the folds if they come from a file."""
    changes = list(assignments)
    if seed is not None:
        changes.append(f"seed={seed}")
    if networks is not None:
        names = [name.strip() for name in networks.split(",") if name.strip()]
        changes.append(f"networks={names}")
    fold_file = None
    if folds is not None and folds != "subject" and not folds.isdecimal():
        from bfrb.study.folds import Folds

        fold_file = Folds.read(Path(folds))
        changes.append(f"folds={len(fold_file)}")
    elif folds is not None:
        changes.append(f"folds={folds}")
    return read_preset(preset).updated(changes), fold_file


class TrainingProgress:
    """One line on stderr, from the first epoch on: members and epochs done, the newest scores, the time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("", total=1.0)

    def __enter__(self) -> TrainingProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress.live.is_started:
            self._progress.stop()

    def update(self, status: Status) -> None:
        """Show how far the run is."""
        self._progress.start()
        self._progress.update(self._task, completed=status.share, description=describe(status))


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
