"""How soon, how fast and in how much memory a bundle answers on this machine."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.arrays import Floats
from bfrb.errors import ConfigError
from bfrb.predict.predictor import Predictor, load
from bfrb.processes import usable_processors
from bfrb.read.cmi_write import rows_of
from bfrb.study.device import HELIOS
from bfrb.study.recordings import Recordings

_AT_ONCE = 512
_WARM_UP_RUNS = 10


@dataclass(frozen=True)
class Benchmark:
    """What was measured.

    Parameters
    ----------
    members
        Networks of the ensemble.
    cores
        Processor cores that may be used.
    recordings
        Different recordings that were predicted.
    mean_rows
        Their mean length.
    load_s
        Time to open, check and load the bundle, once its code is imported.
    median_ms, p95_ms, p99_ms
        Time from one recording, a frame as far as the device has that form, to its gesture.
    cpu_ms
        Processor time of that, of all cores together; the median.
    per_second
        Recordings predicted in a second, many at once.
    loaded_mb, after_mb
        Resident memory of the process with the bundle loaded and warm, and after everything; None where the system
        does not tell.
    """

    members: int
    cores: int
    recordings: int
    mean_rows: float
    load_s: float
    median_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms: float
    per_second: float
    loaded_mb: float | None
    after_mb: float | None


@dataclass(frozen=True, eq=False)
class Loaded:
    """A predictor, and what loading it took."""

    predictor: Predictor
    seconds: float
    memory_mb: float | None

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Loaded:
        """Load a bundle.

        Raises
        ------
        BundleError
            If there is no bundle, or it is damaged.
        """
        start = time.perf_counter()
        predictor = load(path)
        return cls(predictor, time.perf_counter() - start, memory_mb())


def run_benchmark(loaded: Loaded, recordings: Recordings, runs: int = 200, seconds: float = 3.0) -> Benchmark:
    """Measure a bundle on some recordings.

    Parameters
    ----------
    loaded
        The bundle.
    recordings
        Taken in turn.
    runs
        Recordings that are asked for one by one.
    seconds
        How long to predict many at once.

    Raises
    ------
    DataError
        If the recordings are of another device.
    ConfigError
        If there is nothing to measure.
    """
    if runs < 1 or not len(recordings):
        raise ConfigError("expected recordings and runs to measure, got none", remedy="raise --runs, or name others")
    loaded.predictor.check_device(recordings.device)
    wall, cpu = _time_singles(loaded.predictor, recordings, runs)
    per_second = _time_many(loaded.predictor, recordings, seconds)
    median, late, last = np.quantile(wall, [0.5, 0.95, 0.99]) * 1e3
    return Benchmark(
        members=len(loaded.predictor.bundle.manifest.members),
        cores=usable_processors(),
        recordings=len(recordings),
        mean_rows=float(recordings.lengths.mean()),
        load_s=loaded.seconds,
        median_ms=float(median),
        p95_ms=float(late),
        p99_ms=float(last),
        cpu_ms=float(np.median(cpu) * 1e3),
        per_second=per_second,
        loaded_mb=loaded.memory_mb,
        after_mb=memory_mb(),
    )


def _time_singles(predictor: Predictor, recordings: Recordings, runs: int) -> Floats:
    """(2, runs) Wall and processor time in seconds of every answer to one recording."""
    inputs = [_as_asked(recordings[number]) for number in range(min(len(recordings), runs))]
    answer = predictor.predict_one if recordings.device.name == HELIOS.name else predictor.predict
    times = np.empty((_WARM_UP_RUNS + runs, 2))
    for run in range(len(times)):
        wall, cpu = time.perf_counter(), time.process_time()
        answer(inputs[run % len(inputs)])
        times[run] = time.perf_counter() - wall, time.process_time() - cpu
    return times[_WARM_UP_RUNS:].T


def _as_asked(recording: Recordings) -> Any:
    """A recording in the form in which a client has it: without labels, and as a frame if there is that form."""
    bare = Recordings(recording.device, recording.sensors, recording.offsets, recording.table.select("id", "subject"))
    return rows_of(bare) if recording.device.name == HELIOS.name else bare


def _time_many(predictor: Predictor, recordings: Recordings, seconds: float) -> float:
    """Recordings per second, many at once."""
    turns = _turns(len(recordings))
    done, start = 0, time.perf_counter()
    while not done or time.perf_counter() - start < seconds:
        done += len(predictor.predict(recordings[next(turns)]))
    return done / (time.perf_counter() - start)


def _turns(count: int) -> Iterator[slice]:
    while True:
        for start in range(0, count, _AT_ONCE):
            yield slice(start, start + _AT_ONCE)


def memory_mb() -> float | None:
    """Resident memory of this process, its highest where the present one is not told; None on Windows."""
    status = Path("/proc/self/status")
    if status.is_file():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return int(fields["VmRSS"].split()[0]) * 1024 / 1e6
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6
