"""What several commands share: arguments and options, and how what they need is opened."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bfrb.errors import ConfigError

if TYPE_CHECKING:
    from bfrb.predict.bundle import Bundle
    from bfrb.predict.predictor import Predictor

log = logging.getLogger(__name__)

BundleFolder = Annotated[Path, typer.Argument(help="The folder that `bfrb train` wrote.")]
Dataset = Annotated[
    str, typer.Option(help="How they are read: auto, cmi, searle2021, a name of `bfrb devices`, or a .toml file.")
]
Demographics = Annotated[Path | None, typer.Option(help="A table of subjects; else the one beside the recordings.")]
RuleChanges = Annotated[list[str] | None, typer.Option("--set", help="key=value of the event rule, such as on=0.8.")]
AccUnit = Annotated[str, typer.Option(help="Unit of the accelerations: m/s^2, g or mg.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def need(what: str, packages: tuple[str, ...], extra: str) -> None:
    """Refuse to begin without packages that only this needs.

    Raises
    ------
    ConfigError
        If one is not installed.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"{what} needs {', '.join(missing)}", remedy=f'install them with: pip install "bfrb[{extra}]"'
        )


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
