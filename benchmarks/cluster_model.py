"""How long work takes on clusters that are larger than any here: a small model, run part by part, from measured rates.

    python benchmarks/cluster_model.py [--measured FILE] [--wearers 1000000]

Parts of skewed lengths are handed to workers, the largest first. A part costs a worker its own time and the time to
read it from a store that all share; the driver hands out one part after the other. All of these rates can be given; by
default they are those in `docs/cluster.md`, which `benchmarks/cluster.py` prints (its last line, as --measured FILE, is
used instead). Then what a number of wearers takes for good: cores, memory, network, storage, and what is full first.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

DAY_S = 86_400.0


@dataclass(frozen=True)
class Rates:
    """What was measured, or is assumed of a cluster."""

    per_core: float = 75.0
    """Recordings of 7 s that a core answers in a second, by 20 networks of the published size (`docs/speed.md`)."""
    start_s: float = 15.0
    """Until the first part is begun: Ray, actors, loading the bundle."""
    hand_out_s: float = 0.004
    """Of the driver for each part; it does one at a time."""
    part_recordings: int = 1000
    """Recordings of a part in the mean."""
    most_parts: int = 10_000
    """Parts of a source at most; a larger source has larger ones."""
    recording_bytes: float = 8e3
    """Bytes of a recording."""
    store_bytes_s: float = 5e9
    """That the shared disk or object store gives to all workers together."""
    link_bytes_s: float = 3e8
    """That it gives to one worker."""


def duration_s(recordings: int, workers: int, rates: Rates, *, spread: float = 0.5, seed: int = 0) -> float:
    """Seconds until the last of some recordings is answered by a number of workers."""
    parts = min(rates.most_parts, max(1, math.ceil(recordings / rates.part_recordings)))
    sizes = np.random.default_rng(seed).lognormal(-(spread**2) / 2, spread, parts)
    sizes = np.sort(sizes * recordings / sizes.sum())[::-1]
    free = [rates.start_s] * min(workers, parts)
    handed = sent = last = rates.start_s
    for size in sizes:
        handed += rates.hand_out_s
        begun = max(handed, heapq.heappop(free))
        size_bytes = float(size) * rates.recording_bytes
        sent = (
            max(sent, begun) + size_bytes / rates.store_bytes_s
        )  # what all workers read has to pass one after another
        ended = max(sent, begun + size_bytes / rates.link_bytes_s) + float(size) / rates.per_core
        heapq.heappush(free, ended)
        last = max(last, ended)
    return last


@dataclass(frozen=True)
class Wearing:
    """What a wearer sends, and what is made of it."""

    hours_per_day: float = 16.0
    bytes_per_hour: float = 1.5e6
    """Of stored rows: six channels at 50 Hz, compressed, or Helios at 10 Hz."""
    windows_per_hour: float = 1440.0
    """Windows of 5 s, a new one every 2.5 s."""
    answers_per_hour: float = 20e3
    """Bytes that are kept of the answers: events, not windows."""
    keeps_days: float = 90.0
    """How long recordings are kept."""


def plan(wearers: int, rates: Rates, wearing: Wearing, *, busy: float = 0.6, memory_per_core: float = 0.6e9) -> str:
    """What a number of wearers takes, every day anew, with cores that are kept busy for a share of the day."""
    windows = wearers * wearing.hours_per_day * wearing.windows_per_hour
    cores = math.ceil(windows / rates.per_core / (DAY_S * busy))
    arriving = wearers * wearing.hours_per_day * wearing.bytes_per_hour
    kept = arriving * wearing.keeps_days
    answers = wearers * wearing.hours_per_day * wearing.answers_per_hour
    read_s = arriving / (DAY_S * busy)
    full = {
        "reading, at 5 GB/s of the store": read_s / 5e9,
        "the driver, a run every hour": 24 * rates.most_parts * rates.hand_out_s / (DAY_S * busy),
    }
    first = max(full, key=lambda name: full[name])  # cores are bought, these two are not
    return "\n".join(
        [
            f"{wearers:,} wearers, {windows:.3g} windows a day",
            f"  cores    {cores:,} ({math.ceil(cores / 64)} machines of 64), busy {busy:.0%} of the day",
            f"  memory   {cores * memory_per_core / 1e9:,.0f} GB",
            f"  network  {arriving / DAY_S / 1e6:,.0f} MB/s in, {read_s / 1e6:,.0f} MB/s from the store to the workers",
            f"  storage  {arriving / 1e12:.1f} TB a day, {kept / 1e15:.2f} PB kept {wearing.keeps_days:.0f} days; "
            f"answers {answers / 1e12:.2f} TB a day",
            "  busy of what there is: " + ", ".join(f"{name} {share:.1%}" for name, share in full.items()),
            f"  full first: {first}",
        ]
    )


def read_rates(path: Path | None) -> Rates:
    """The rates that `benchmarks/cluster.py` printed last, or the default ones."""
    if path is None:
        return Rates()
    found = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
    (_, many), less = max(found["workers"].items(), key=lambda item: int(item[0])), found["tenth"]
    per_core = 0.9 * found["recordings"] / (many["cpu_s"] - less["cpu_s"])
    start_s = less["wall_s"] - found["recordings"] / 10 / per_core / max(map(int, found["workers"]))
    return replace(Rates(), per_core=per_core, start_s=max(0.0, start_s))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measured", type=Path)
    parser.add_argument("--recordings", type=int, default=100_000_000)
    parser.add_argument("--wearers", type=int, default=1_000_000)
    options = parser.parse_args()
    rates = read_rates(options.measured)
    print(rates)
    print(f"{options.recordings:,} recordings")
    alone = duration_s(options.recordings, 1, rates)
    for workers in (1, 2, 4, 8, 16, 64, 256, 1024, 4096, 16384):
        took = duration_s(options.recordings, workers, rates)
        print(f"{workers:6d} workers {took:12.0f} s, {alone / took / workers:6.1%} of what they could do at best")
    for workers in (2, 64, 1024):
        few, many = (duration_s(number, workers, rates) for number in (options.recordings // 10, options.recordings))
        print(f"ten times the work on {workers} workers takes {many / few:.2f} times as long")
    print(plan(options.wearers, rates, Wearing()))


if __name__ == "__main__":
    main()
