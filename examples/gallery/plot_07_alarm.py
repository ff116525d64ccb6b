"""
An alarm at two an hour
=======================

A threshold decides how often a detector cries wolf. Choose it for a rate that a wearer would put up with, on
people the networks have not seen.
"""
# sphinx_gallery_thumbnail_path = "images/report-events.png"

# %%
# Hours of a wrist
# ----------------
# Four simulated people, a quarter of an hour each, with the behaviours in between other things.

import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl

folder = Path(tempfile.mkdtemp())


def run(command: str) -> str:
    """Type a command, as in a terminal; its output."""
    typed = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(typed, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode < 2, done.stderr
    return done.stdout


run("bfrb simulate hours --hours 0.25 --subjects 4 --seed 3")
print(run("bfrb train hours --out model --preset quick --set folds=2 --set rocket.biases=1 --no-report"))

# %%
# Thresholds for a rate
# ---------------------
# Everybody is answered by networks that had not seen them, and judged by thresholds that were chosen on the
# others.

print(run("bfrb calibrate model hours --out ready --false-alarms 2"))

# %%
# ``ready`` is the same bundle with the rule in it. A lower threshold finds more, and cries wolf more often:

told = json.loads(run("bfrb calibrate model hours --false-alarms 2 --json"))
pl.DataFrame(told["curve"])

# %%
# Use it
# ------
# On a file, or as it happens: ``bfrb stream ready`` says the same of samples that come one after the other.

run("bfrb simulate tomorrow --hours 0.2 --subjects 1 --seed 4")
run("bfrb detect ready tomorrow --out events.csv")
pl.read_csv(folder / "events.csv")
