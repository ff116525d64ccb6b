"""Time and memory of a simulated study: `python benchmarks/simulate.py [--subjects 81] [--processes 2]`.

Bars: 8,151 sequences in under 120 s on 2 cores and under 4 GB, all processes together; ten times as many
(`--subjects 810 --format parquet`) in no more memory.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

SAMPLE_S = 0.5


def memory_of(process: int) -> int:
    """Bytes of a Linux process and all that it started, pages that they share counted once; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    own = sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return own + sum(memory_of(int(child)) for child in children)


class PeakMemory:
    """Watches this process and its children while it is open; `peak` is the largest sum of theirs in bytes."""

    def __init__(self) -> None:
        self.peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(SAMPLE_S):
            self.peak = max(self.peak, memory_of(os.getpid()))


def main() -> None:
    """Simulate, write, print seconds, processor time, megabytes and the largest memory of all processes together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=81)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    parser.add_argument("--folder", type=Path, help="where to write and delete the study; by default a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, PeakMemory() as memory:
        begin = time.perf_counter()
        out = Path(folder) / "study"
        numbers = {"--subjects": options.subjects, "--processes": options.processes, "--format": options.format}
        arguments = [str(part) for option in numbers.items() for part in option]
        subprocess.run([sys.executable, "-m", "bfrb", "simulate", out, *arguments], check=True)
        seconds, used = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
        used_s = used.ru_utime + used.ru_stime
        megabytes = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[1]:.1f}")
    print(
        f"{options.subjects} subjects in {seconds:.1f} s with {options.processes} processes "
        f"({used_s:.1f} s of processor time), {megabytes:.0f} MB written as {options.format}"
    )
    print(f"peak memory of all processes together: {memory.peak / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
