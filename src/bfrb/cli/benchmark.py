"""`bfrb benchmark`: how soon and how fast a bundle answers on this machine."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bfrb.cli.options import Dataset
from bfrb.cli.show import print_json, print_table
from bfrb.errors import ConfigError

if TYPE_CHECKING:
    from bfrb.predict.predictor import Predictor
    from bfrb.study.recordings import Recordings

log = logging.getLogger(__name__)

MAX_ROWS = 50_000
"""About as many rows of the given recordings are used."""


def benchmark(
    bundle: Annotated[Path, typer.Argument(help="The folder that `bfrb train` wrote.")],
    data: Annotated[Path | None, typer.Argument(help="Recordings to predict; simulated ones by default.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Recordings that are asked for one by one.")] = 200,
    seconds: Annotated[float, typer.Option(min=0.0, help="How long to predict many at once.")] = 3.0,
    dataset: Dataset = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")] = False,
) -> None:
    """Measure how soon and how fast a bundle answers on this machine, and in how much memory."""
    from bfrb.predict.benchmark import Loaded, run_benchmark

    loaded = Loaded.open(bundle)
    recordings = _simulated(loaded.predictor) if data is None else _read(loaded.predictor, data, dataset)
    figures = asdict(run_benchmark(loaded, recordings, runs, seconds))
    if as_json:
        print_json(figures)
    else:
        _show(figures)


def _read(predictor: Predictor, data: Path, dataset: str) -> Recordings:
    from bfrb.read.sources import open_source
    from bfrb.study.recordings import Recordings

    source = open_source(data, dataset)
    predictor.check_device(source.device)
    parts, rows = [], 0
    for part in source.batches(MAX_ROWS):
        parts.append(part)
        rows += part.n_rows
        if rows >= MAX_ROWS:
            break
    return predictor.cut(Recordings.concat(parts))


def _simulated(predictor: Predictor) -> Recordings:
    from bfrb.simulate.spec import StudySpec
    from bfrb.simulate.study import simulate_study
    from bfrb.study.device import HELIOS

    if predictor.device.name != HELIOS.name:
        raise ConfigError(
            f"recordings of {predictor.device.name!r} cannot be simulated", remedy="name recordings to predict"
        )
    return simulate_study(StudySpec(subjects=1), seed=0)


def _show(figures: dict[str, Any]) -> None:
    title = f"{figures['members']} networks, {figures['cores']} cores, {figures['recordings']} recordings"
    memory = [(name, figures[key]) for name, key in _MEMORY if figures[key] is not None]
    rows = [
        ("load the bundle", f"{figures['load_s']:.2f} s"),
        *((f"one recording, {name}", f"{figures[key]:.1f} ms") for name, key in _TIMES),
        ("many at once", f"{figures['per_second']:.0f} per second"),
        *((name, f"{value:.0f} MB") for name, value in memory),
    ]
    print_table(title, ("", "measured"), rows)


_TIMES = (
    ("median", "median_ms"),
    ("95th percentile", "p95_ms"),
    ("99th percentile", "p99_ms"),
    ("processor time", "cpu_ms"),
)
_MEMORY = (("memory, loaded", "loaded_mb"), ("memory, after all", "after_mb"))
