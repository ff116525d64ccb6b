"""
What does each sensor add?
==========================

Time of flight and thermopiles cost power, room and money. Train with and without them, on the same folds, and look
at the differences.
"""
# sphinx_gallery_thumbnail_path = "images/viewer-recording.png"

# %%
# Train without
# -------------
# A small simulated study, and variants that differ in what the networks are shown: ``bfrb compare --sensors``
# trains all of them on the same folds, goes on where it stopped, and pairs the differences over people.

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())


def run(command: str) -> None:
    """Type a command, as in a terminal."""
    typed = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(typed, cwd=folder, capture_output=True, text=True, check=False)
    print(done.stdout if done.returncode < 2 else done.stderr)
    assert done.returncode < 2


run("bfrb simulate study --subjects 3 --seed 5")
run("bfrb compare study --out compared --sensors --set folds=2 --set rocket.biases=1 --set rocket.rows=48")

# %%
# An interval that does not hold zero says that the sensor surely helped, on people like these. With fewer
# than ten people the command calls nothing sure, whatever the interval says: three simulated people are an
# example, not a finding.
