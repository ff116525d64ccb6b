"""`bfrb tune`: search for better settings."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from bfrb.cli.show import print_json, print_table
from bfrb.cli.train import TrainingProgress, check_training_installed
from bfrb.errors import ConfigError
from bfrb.spec import read_toml
from bfrb.train.tuning import TuneSpec

if TYPE_CHECKING:
    from bfrb.read.sources import Dataset

logger = logging.getLogger(__name__)

SHOWN_TRIALS = 10


def tune(
    source: Annotated[Path, typer.Argument(help="A store, a folder or a file with labelled recordings.")],
    space: Annotated[Path, typer.Option(help="A .toml file with the space to search.")],
    out: Annotated[Path, typer.Option(help="A folder for the study, the bundles and the results.")],
    trials: Annotated[int | None, typer.Option(min=1, help="Number of trials, instead of the file's.")] = None,
    dataset: Annotated[str, typer.Option(help="auto, cmi or searle2021.")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Networks trained at a time; 0: one per core.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as one JSON object.")] = False,
) -> None:
    """Search settings by their out-of-fold score; some subjects only judge what was found. Goes on when repeated."""
    spec = TuneSpec.from_toml(read_toml(space))
    if trials is not None:
        spec = spec.model_copy(update={"trials": trials})
    check_tuning_installed()
    from bfrb.read.sources import open_source
    from bfrb.train import tune as library
    from bfrb.train.crossval import RunOptions

    with TrainingProgress() as shown:
        options = library.TuneOptions(RunOptions(workers=workers, on_status=shown.update), on_trial=shown.name)
        try:
            results = library.tune(open_source(source, cast("Dataset", dataset)), spec, out, options)
        except KeyboardInterrupt:
            logger.warning("stopped; the same command goes on from here (%s)", out)
            raise typer.Exit(130) from None
    logger.info("wrote %s; train with it: bfrb train %s --preset %s", out / library.BEST, source, out / library.BEST)
    print_json(results) if as_json else show_tuning(results)


def check_tuning_installed() -> None:
    """Refuse to search without the packages that it needs.

    Raises
    ------
    ConfigError
        If one is not installed.
    """
    from importlib.util import find_spec

    check_training_installed()
    if find_spec("optuna") is None:
        raise ConfigError("tuning needs optuna", remedy='install it with: pip install "bfrb[tune]"')


def show_tuning(results: dict[str, Any]) -> None:
    """Print the best trials, and how good the best one is on the subjects that judge."""
    kind = "SIMULATED recordings" if results["simulated"] else "recordings"
    best = sorted(results["trials"], key=lambda trial: -float(trial["score"]))[:SHOWN_TRIALS]
    rows = [
        (trial["number"], trial["score"], ", ".join(f"{k}={v}" for k, v in trial["values"].items())) for trial in best
    ]
    title = (
        f"The best {len(rows)} of {len(results['trials'])} trials, out of fold, scenario {results['scenario']} ({kind})"
    )
    print_table(title, ("trial", "score", "values"), rows)
    judges = len(results["judges"])
    print_table(
        f"The best trial on the {judges} of {results['subjects']} subjects that no trial has seen ({kind})",
        ("scenario", "score", "95 %"),
        [(name, found["score"], _shown(found["interval"])) for name, found in results["judged"].items()],
    )


def _shown(interval: list[float] | None) -> str | None:
    return None if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
