"""`bfrb distill`: an ensemble to one small network."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from bfrb.cli.options import Anyway, AsJson, BundleFolder, Demographics, DescriptionName, Overwrite
from bfrb.cli.train import TrainingProgress, check_training_installed, write_report_beside
from bfrb.train.presets import read_preset

log = logging.getLogger(__name__)


def distill(
    bundle: BundleFolder,
    data: Annotated[Path, typer.Argument(help="Labelled recordings, such as those it was trained on.")],
    out: Annotated[Path, typer.Option(help="Where the bundle of the small network shall be.")],
    preset: Annotated[str, typer.Option(help="small, micro, or a .toml file with a run spec.")] = "small",
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value, such as training.epochs=30.")] = None,
    description: DescriptionName = "auto",
    demographics: Demographics = None,
    anyway: Anyway = False,
    workers: Annotated[int, typer.Option(min=0, help="Networks at a time; 0: as many as there is room for.")] = 0,
    restart: Annotated[bool, typer.Option("--restart", help="Throw an unfinished run away.")] = False,
    overwrite: Overwrite = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no page about the bundle.")] = False,
    as_json: AsJson = False,
) -> None:
    """Teach one small network an ensemble's answers, those of each person by members that never saw them."""
    check_training_installed()
    from bfrb.cli.predict import print_bundle_scores
    from bfrb.predict.answering import open_as
    from bfrb.predict.bundle import Bundle
    from bfrb.read.judging import JudgedSource
    from bfrb.train.crossval import RunOptions
    from bfrb.train.distill import distill as write_bundle

    teacher = Bundle.open(bundle)
    opened = open_as(teacher, data, description, demographics)
    spec = read_preset(preset).updated(set_ or [])
    with TrainingProgress() as shown:
        options = RunOptions(workers=workers, restart=restart, overwrite=overwrite, on_status=shown.update)
        try:
            written = write_bundle(teacher, JudgedSource(opened, anyway), spec, out, options=options)
        except KeyboardInterrupt:
            log.warning("stopped; the same command goes on from here (%s.partial)", out)
            raise typer.Exit(130) from None
    log.info("wrote %s", written)
    print_bundle_scores(written, as_json=as_json)
    if not no_report:
        write_report_beside(written, opened)
