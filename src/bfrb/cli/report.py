"""`bfrb report`: what a bundle can do, as a page to look at."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from bfrb.cli.options import Dataset

logger = logging.getLogger(__name__)


def report(
    bundle: Annotated[Path, typer.Argument(help="The folder that `bfrb train` wrote.")],
    data: Annotated[
        Path | None, typer.Option(help="Its recordings, for people and signals; or new ones, to score it on.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The page, a .html file; by default beside the bundle.")] = None,
    dataset: Dataset = "auto",
    sensors: Annotated[
        bool, typer.Option("--sensors/--no-sensors", help="Answer the recordings again without each sensor.")
    ] = True,
) -> None:
    """Write a page that shows how good a bundle is, and on whom it fails: one file that needs no network."""
    from bfrb.read.sources import open_source
    from bfrb.report.html import default_page, write_report

    page = out or default_page(bundle)
    source = None if data is None else open_source(data, dataset)
    write_report(bundle, page, source, without_sensors=sensors)
    logger.info("wrote %s", page)
