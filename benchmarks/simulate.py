"""Time and memory of a simulated study: `python benchmarks/simulate.py [--subjects 81] [--processes 2]`.

Bar: 8,151 sequences in under 120 s on 2 cores and under 4 GB, all processes together.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from bfrb.data.cmi_write import write_cmi
from bfrb.simulate.files import mark_of
from bfrb.simulate.spec import StudySpec
from bfrb.simulate.study import simulate_subjects


def main() -> None:
    """Simulate, write, and print seconds, sequences per second and the largest memory of each kind of process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=81)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    options = parser.parse_args()
    spec = StudySpec(subjects=options.subjects)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        parts = simulate_subjects(spec, 0, options.processes)
        out = write_cmi(parts, Path(folder) / "study", file_format=options.format, mark=mark_of(spec, 0))
        seconds = time.perf_counter() - begin
        megabytes = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    parent, worker = (
        resource.getrusage(who).ru_maxrss / 1e6 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(
        f"{options.subjects} subjects in {seconds:.1f} s with {options.processes} processes, {megabytes:.0f} MB written"
    )
    print(f"peak memory: {parent:.2f} GB in the parent, {worker:.2f} GB in the largest worker")


if __name__ == "__main__":
    main()
