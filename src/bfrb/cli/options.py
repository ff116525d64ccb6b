"""What several commands share: arguments and options, and how what they need is opened."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bfrb.predict.bundle import Bundle
    from bfrb.predict.predictor import Predictor

log = logging.getLogger(__name__)

BundleFolder = Annotated[Path, typer.Argument(help="The folder that `bfrb train` wrote.")]
DescriptionName = Annotated[
    str, typer.Option(help="How they are read: auto, cmi, searle2021, a name of `bfrb devices`, or a .toml file.")
]
Anyway = Annotated[
    bool,
    typer.Option(
        "--anyway",
        help="Go on with recordings that physics speaks against, or that lack what networks need.",
    ),
]
Demographics = Annotated[Path | None, typer.Option(help="A table of subjects; else the one beside the recordings.")]
RuleChanges = Annotated[list[str] | None, typer.Option("--set", help="key=value of the event rule, such as on=0.8.")]
AccUnit = Annotated[str, typer.Option(help="Unit of the accelerations: m/s^2, g or mg.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def tell_simulated(bundle: Bundle) -> None:
    """Say so if a bundle was trained on simulated recordings."""
    if bundle.manifest.simulated:
        log.warning("note: %s was trained on simulated recordings; its answers are for trying things out", bundle.path)


def load_predictor(path: Path) -> Predictor:
    """What answers with a bundle, with a word if it knows simulated recordings only; errors as of `bfrb.load`."""
    from bfrb.predict.predictor import load

    predictor = load(path)
    tell_simulated(predictor.bundle)
    return predictor
