"""
Your own watch in 40 lines
==========================

A table of samples from any wrist device, and a description of a dozen lines: no code to write.
"""

# %%
# Some recordings
# ---------------
# So that this page runs by itself, it writes files as a watch might: an accelerometer at 50 Hz, in g,
# milliseconds since 1970, one file per person, on the left wrist; what was done stands in a column. The
# movements are made up.

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

folder = Path(tempfile.mkdtemp()) / "watch"
folder.mkdir()
rng = np.random.default_rng(0)
RATE_HZ = 50
for person in ["ann", "ben", "cleo", "dev"]:
    seconds = np.arange(0, 240, 1 / RATE_HZ)
    label = np.array(["rest", "scratching", "typing", "scratching"])[(seconds // 20).astype(int) % 4]
    tempo = np.select([label == "scratching", label == "typing"], [rng.uniform(3, 4), 7.0], 0.0)
    size = np.select([label == "scratching", label == "typing"], [rng.uniform(0.3, 0.5), 0.05], 0.0)
    tilt = rng.normal(0, 0.1, (len(seconds), 3)) * 0.2 + np.where(
        (label == "scratching")[:, None], [0.6, 0.5, 0.6], [0.1, 0.2, 0.97]
    )
    shaking = size[:, None] * np.sin(2 * np.pi * tempo * seconds)[:, None] * [1.0, 0.4, 0.2]
    samples = tilt / np.linalg.norm(tilt, axis=1, keepdims=True) + shaking
    table = pl.DataFrame(samples, schema=["ax", "ay", "az"]).with_columns(
        timestamp=pl.Series(1_790_000_000_000 + (1000 * seconds).astype(int)), activity=pl.Series(label)
    )
    table.write_csv(folder / f"{person}.csv")
table.head(3)

# %%
# The description
# ---------------
# ``bfrb devices describe ann.csv --out study.toml`` begins one, and asks what it cannot see. Answered, it
# says:

description = """
name = "my_study"

[file]
match = "*.csv"

[recordings]
id = "{file}"
subject = "{file}"

[time]
column = "timestamp"
unit = "ms"

[acc]
columns = ["ax", "ay", "az"]
unit = "g"

[axes]
x = "3h"
y = "12h"
z = "out"

[worn]
wrist = "left"

[labels]
column = "activity"
targets = ["scratching"]
"""
_ = (folder / "study.toml").write_text(description)

# %%
# Is that so?
# -----------
# Units, signs and axes are held against physics, before anything is trained on them.


def run(command: str) -> None:
    """Type a command, as in a terminal."""
    typed = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(typed, cwd=folder, capture_output=True, text=True, check=False)
    print(done.stdout if done.returncode < 2 else done.stderr)
    assert done.returncode < 2


run("bfrb check .")

# %%
# Train, and find the behaviour
# -----------------------------
# Every fold keeps people apart, so the score is that of people whom the networks had not seen. (Here they are
# made up, and too easy.)

run("bfrb train . --out ../watch-model --preset quick --set folds=2 --no-report")
run("bfrb evaluate ../watch-model")

# %%
# A new recording of a whole day would be read the same way; here it is one of the four again.

run("bfrb detect ../watch-model ann.csv --description study.toml --out ../events.csv")
pl.read_csv(folder.parent / "events.csv").head()
