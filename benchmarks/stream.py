"""What a stream costs: one wearer, many wearers in one process, and the memory of a week.

    python benchmarks/stream.py BUNDLE                      # one wearer, and 500 of them
    python benchmarks/stream.py BUNDLE --week               # a week, fast forward

The bundle is one of the Helios device, such as `make demo` leaves in demo/model; `--members 1` (the default) uses its
first network only. Samples are made up: the cost does not depend on what they say. Bars: one wearer under 1 % of one
core, 500 in real time on 2 cores, memory flat over a week.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.predict.bundle import Bundle
from bfrb.predict.predictor import Predictor
from bfrb.stream.events import EventRule
from bfrb.stream.spec import EventSpec
from bfrb.stream.stream import Stream, StreamHub

RATE_HZ = 10
DAY_S = 86_400
FULL_S = 6
"""Seconds after which every wearer has been answered."""


def make_rows(rows: int, seed: int = 0) -> dict[str, Any]:
    """Rows of a worn Helios."""
    rng = np.random.default_rng(seed)
    quaternion = np.cumsum(rng.normal(0, 0.05, (rows, 4)), axis=0) + np.eye(4)[0]
    return {
        "acc": (rng.normal(0, 0.5, (rows, 3)) + 9.8 * np.eye(3)[2]).astype(np.float32),
        "quaternion": (quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)).astype(np.float32),
        "thm": rng.normal(28, 1, (rows, 5)).astype(np.float32),
        "tof": rng.integers(-1, 250, (rows, 5, 8, 8)).astype(np.int16),
    }


def some(values: dict[str, Any], start: int, size: int, time_s: float | None = None) -> dict[str, Any]:
    """Rows of these, with times."""
    begin_s = start / RATE_HZ if time_s is None else time_s
    rows = {name: array[start : start + size] for name, array in values.items()}
    return {"time_s": begin_s + np.arange(len(rows["acc"])) / RATE_HZ, **rows}


def cpu_s() -> float:
    """Processor seconds of all threads of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def memory_mb() -> float:
    """Resident memory now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * resource.getpagesize() / 2**20


def one_wearer(predictor: Predictor, seconds: int) -> dict[str, float]:
    """Row by row: the share of one core that a stream takes, and the time until a push is answered."""
    values = make_rows(seconds * RATE_HZ)
    stream, waits = Stream(predictor), []
    before = cpu_s()
    for row in range(seconds * RATE_HZ):
        start = time.perf_counter()
        stream.push(some(values, row, 1))
        waits.append(time.perf_counter() - start)
    share = (cpu_s() - before) / seconds
    return {
        "percent_of_a_core": 100 * share,
        "p99_ms": 1000 * float(np.quantile(waits, 0.99)),
        "windows": stream.counts.windows,
    }


def many_wearers(predictor: Predictor, wearers: int, seconds: int) -> dict[str, float]:
    """All send a row ten times a second: how much faster than real time that is worked off, and the longest lag.

    Measured is what comes after the first windows are full.
    """
    begins = FULL_S * RATE_HZ
    values = [make_rows(begins + seconds * RATE_HZ, seed) for seed in range(20)]
    hub = StreamHub(predictor)
    names = [f"wearer {number}" for number in range(wearers)]
    # Wearers begin at different moments, so that their windows do not all end at the same one.
    late = np.random.default_rng(0).integers(0, RATE_HZ, wearers)
    waits: list[float] = []
    for row in range(begins + seconds * RATE_HZ):
        if row == begins:
            waits, before, begin, answered = [], cpu_s(), time.perf_counter(), hub.counts.windows
        start = time.perf_counter()
        hub.push({name: some(values[n % 20], row, 1) for n, name in enumerate(names) if row >= late[n]})
        waits.append(time.perf_counter() - start)
    took = time.perf_counter() - begin
    return {
        "wearers": wearers,
        "times_real_time": seconds / took,
        "cores": (cpu_s() - before) / seconds,
        "longest_push_ms": 1000 * max(waits),
        "windows": hub.counts.windows - answered,
    }


def week(predictor: Predictor, days: int) -> dict[str, Any]:
    """Memory at the end of every day of one stream; windows every 5 s, to get through it."""
    values = make_rows(6000)
    stream = Stream(predictor, EventRule(spec=EventSpec(step_s=5.0, on=0.0, off=0.0)))
    memory, start = [], time.perf_counter()
    for day in range(days):
        for second in range(0, DAY_S, 60):
            # A gap every few hours, so that events end.
            now_s = day * DAY_S + second + 30.0 * (second // 20_000)
            stream.push(some(values, (second * RATE_HZ) % 5400, 60 * RATE_HZ, now_s))
        memory.append(round(memory_mb(), 1))
    return {"days": days, "memory_mb": memory, "took_s": time.perf_counter() - start, **stream.counts.to_dict()}


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--wearers", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--week", action="store_true")
    parser.add_argument("--days", type=int, default=7)
    options = parser.parse_args()
    bundle = Bundle.open(options.bundle)
    members = bundle.manifest.members[: options.members]
    predictor = Predictor(replace(bundle, manifest=bundle.manifest.model_copy(update={"members": members})))
    if options.week:
        print(json.dumps(week(predictor, options.days), indent=1))
        return
    found = {
        "members": len(members),
        "one": one_wearer(predictor, 5 * options.seconds),
        "many": many_wearers(predictor, options.wearers, options.seconds),
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
