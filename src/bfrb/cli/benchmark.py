"""`bfrb benchmark`: how soon and how fast a bundle answers on this machine."""

from __future__ import annotations

import sys
import time
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from bfrb.cli.options import DescriptionName
from bfrb.cli.show import print_json, print_table
from bfrb.errors import ConfigError

if TYPE_CHECKING:
    from bfrb.predict.predictor import Predictor
    from bfrb.study.recordings import Recordings

MAX_ROWS = 50_000
"""About as many rows of the given recordings are used."""

_WARM_UP_RUNS = 10
_ROWS = {
    "load_s": ("load the bundle", "{:.2f} s"),
    "median_ms": ("one recording, median", "{:.1f} ms"),
    "p95_ms": ("one recording, 95th percentile", "{:.1f} ms"),
    "p99_ms": ("one recording, 99th percentile", "{:.1f} ms"),
    "cpu_ms": ("one recording, processor time", "{:.1f} ms"),
    "per_second": ("many at once", "{:.0f} per second"),
    "peak_mb": ("memory, at most", "{:.0f} MB"),
}


def benchmark(
    bundle: Annotated[Path, typer.Argument(help="The folder that `bfrb train` wrote.")],
    data: Annotated[Path | None, typer.Argument(help="Recordings to predict; simulated ones by default.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Recordings that are asked for one by one.")] = 200,
    seconds: Annotated[float, typer.Option(min=0.0, help="How long to predict many at once.")] = 3.0,
    description: DescriptionName = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")] = False,
) -> None:
    """Measure how soon and how fast a bundle answers on this machine, and in how much memory."""
    from bfrb.predict.predictor import load
    from bfrb.processes import usable_processors

    start = time.perf_counter()
    predictor = load(bundle)
    figures: dict[str, Any] = {"load_s": time.perf_counter() - start}
    recordings = _simulate(predictor) if data is None else _read(predictor, data, description)
    figures |= {"members": len(predictor.bundle.manifest.members), "cores": usable_processors()}
    figures |= {"recordings": len(recordings), "mean_rows": float(recordings.lengths.mean())}
    figures |= _time_singles(predictor, recordings, runs)
    figures |= {"per_second": _time_many(predictor, recordings, seconds), "peak_mb": _peak_mb()}
    if as_json:
        print_json(figures)
    else:
        title = "{members} networks, {cores} cores, {recordings} recordings".format(**figures)
        known = {key: found for key, found in _ROWS.items() if figures[key] is not None}
        print_table(title, ("", "measured"), [(name, form.format(figures[key])) for key, (name, form) in known.items()])


def _time_singles(predictor: Predictor, recordings: Recordings, runs: int) -> dict[str, float]:
    """Quantiles of the time from one recording to its gesture, and the processor time, of all cores together."""
    singles = [recordings[number] for number in range(min(len(recordings), runs))]
    times = []
    for single in islice(cycle(singles), _WARM_UP_RUNS + runs):
        wall, cpu = time.perf_counter(), time.process_time()
        predictor.predict(single)
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    walls_ms, cpus_ms = 1e3 * np.array(times[_WARM_UP_RUNS:]).T
    median, late, last = np.quantile(walls_ms, [0.5, 0.95, 0.99]).tolist()
    return {"median_ms": median, "p95_ms": late, "p99_ms": last, "cpu_ms": float(np.median(cpus_ms))}


def _time_many(predictor: Predictor, recordings: Recordings, seconds: float) -> float:
    """Recordings per second, many at once."""
    done, start = 0, time.perf_counter()
    while not done or time.perf_counter() - start < seconds:
        done += len(predictor.predict(recordings))
    return done / (time.perf_counter() - start)


def _peak_mb() -> float | None:
    """Resident memory of this process at its highest; None on Windows."""
    if sys.platform == "win32":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def _read(predictor: Predictor, data: Path, description: str) -> Recordings:
    from bfrb.read.sources import open_source
    from bfrb.study.recordings import Recordings

    source = open_source(data, description, device=predictor.device, how=predictor.bundle.manifest.rows)
    predictor.check_device(source.device)
    parts: list[Recordings] = []
    for batch in source.batches(MAX_ROWS):
        parts.append(batch)
        if sum(part.n_rows for part in parts) >= MAX_ROWS:
            break
    return predictor.cut(Recordings.concat(parts))


def _simulate(predictor: Predictor) -> Recordings:
    from bfrb.simulate.spec import StudySpec
    from bfrb.simulate.study import simulate_study
    from bfrb.study.device import HELIOS

    if predictor.device.name != HELIOS.name:
        raise ConfigError(
            f"recordings of {predictor.device.name!r} cannot be simulated", remedy="name recordings to predict"
        )
    return simulate_study(StudySpec(subjects=1), seed=0)
