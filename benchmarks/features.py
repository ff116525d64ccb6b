"""How fast the published features are computed, and how much faster than loops over rows.

    python benchmarks/features.py [--recordings 8151] [--sample 60]

Computes the 45 channels of random recordings of the study's size and length distribution on one core, and for a
sample of them the same channels with loops over rows (scipy rotations, pandas statistics). The loops' time for all
recordings is extrapolated from the time per recording of the sample. All times are of the processor. Exits with 1 if
a bar is missed.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

# One core: to be set before NumPy starts its threads.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
import pandas as pd

from bfrb.features.sequences import build_sequences
from bfrb.study.device import HELIOS
from bfrb.study.recordings import Recordings
from made_up import BASELINE_FEATURES, random_recordings
from published import published_fill, published_imu, published_tof

SECONDS_BAR = 1.5
RATIO_BAR = 100.0
BATCH_BAR_MS = 1.0
LENGTH_QUANTILES = (
    [0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0],
    [29, 43, 46, 51, 59, 78, 103, 127, 210, 700],
)


def main() -> int:
    """Measure, print, and say whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=8151)
    parser.add_argument("--sample", type=int, default=60, help="recordings that the row loops are timed on")
    options = parser.parse_args()
    use_one_core()
    rng = np.random.default_rng(0)
    lengths = np.interp(rng.random(options.recordings), *LENGTH_QUANTILES).astype(int)
    recordings = random_recordings(HELIOS, lengths.tolist(), rng, missing=0.01)

    vectorised_s = best_of(3, lambda: build_sequences(recordings, BASELINE_FEATURES))
    sample = recordings[rng.choice(len(recordings), options.sample, replace=False)]
    frames = [raw_frame(sample[number]) for number in range(len(sample))]
    loops_s = best_of(3, lambda: [row_loops(frame) for frame in frames]) / len(frames) * len(recordings)
    sequences = build_sequences(sample, BASELINE_FEATURES)
    batch_ms = 1e3 * best_of(20, lambda: sequences.batch(np.arange(min(64, len(sample))), 127))

    ratio = loops_s / vectorised_s
    print(f"{datetime.date.today()}, {cpu_name()}, {os.cpu_count()} cores (one used), NumPy {np.__version__}")
    print(f"{len(recordings)} random recordings, {recordings.n_rows} rows, 45 channels")
    print(f"whole batch at once   {vectorised_s:8.2f} s   (best of 3; bar {SECONDS_BAR:g} s)")
    print(f"row loops             {loops_s:8.0f} s   (extrapolated from {1e3 * loops_s / len(recordings):.1f} ms a")
    print(f"                                  recording, best of 3 over {len(frames)})")
    print(f"ratio                 {ratio:8.0f}     (bar {RATIO_BAR:g})")
    print(f"one batch of 64       {batch_ms:8.2f} ms  (127 rows at most; bar {BATCH_BAR_MS:g} ms)")
    return int(not (vectorised_s < SECONDS_BAR and ratio >= RATIO_BAR and batch_ms < BATCH_BAR_MS))


def row_loops(frame: pd.DataFrame) -> np.ndarray:
    """(n, 45) All channels of one recording, as published."""
    acc = frame[list(HELIOS.sensor("acc").columns)].to_numpy()
    quaternion = frame[list(HELIOS.sensor("quaternion").columns)].to_numpy()
    imu = published_imu(acc, quaternion, HELIOS.row_rate_hz)
    thm = frame[list(HELIOS.sensor("thm").columns)].to_numpy()
    return published_fill(np.hstack([*imu.values(), thm, published_tof(frame)]))


def raw_frame(recording: Recordings) -> pd.DataFrame:
    """One recording as its raw table, empty where nothing was measured."""
    columns: dict[str, np.ndarray] = {}
    for sensor in recording.device.sensors:
        values = recording.sensors[sensor.name].reshape(recording.n_rows, -1)
        known = np.where(sensor.is_absent(values), np.nan, values.astype(np.float64))
        columns.update(zip(sensor.columns, known.T, strict=True))
    return pd.DataFrame(columns)


def best_of(times: int, action: Callable[[], object]) -> float:
    """Shortest processor time in s: one core does it all, so that what else runs beside it counts little."""
    durations = []
    for _ in range(times):
        start = time.process_time()
        action()
        durations.append(time.process_time() - start)
    return min(durations)


def use_one_core() -> None:
    """Pin this process, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def cpu_name() -> str:
    """The processor's name, as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
