"""
On a cluster
============

The same commands on more machines, with the same answers: ``--on ray``.
"""

# %%
# This machine as a cluster
# -------------------------
# ``--on ray`` begins a Ray cluster of this machine's cores, if none is running and ``RAY_ADDRESS`` names
# none; ``--on ray://head:10001`` goes to another. Everything else stays as it is.

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl

folder = Path(tempfile.mkdtemp())


def run(command: str) -> None:
    """Type a command, as in a terminal."""
    typed = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(typed, cwd=folder, capture_output=True, text=True, check=False)
    print(done.stdout if done.returncode < 2 else done.stderr)
    assert done.returncode < 2


run("bfrb simulate study --subjects 2 --seed 5")
run("bfrb train study --out model --on ray --set folds=2 --no-report")

# %%
# Every network was a task of its own, which asks for a core and its memory. A machine that is lost costs at
# most the epoch that was running; a driver that is killed goes on when the command is repeated.
#
# Predict in parts
# ----------------
# Sources are cut into parts, and predictors that stay loaded answer them; every part is a file that is whole
# or not there. Source and output may lie in an object store (``s3://...``).

run("bfrb ingest study --out store")
run("bfrb predict model store --out answers --on ray")
pl.read_parquet(folder / "answers" / "part-*.parquet").select("sequence_id", "prediction").head(3)

# %%
# ``docs/cluster.md`` goes from a laptop to three desktops, to SLURM and Kubernetes, and on paper to a million
# wearers.
