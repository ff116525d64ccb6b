"""
Label, train, detect, correct
=============================

From unlabelled hours to a detector: label a little in the viewer, train on it, let it label the next recording,
correct that, train again.
"""
# sphinx_gallery_thumbnail_path = "images/viewer-continuous.png"

# %%
# Two people, nothing labelled
# ----------------------------
# Made-up recordings of a watch at 25 Hz: sometimes somebody bites their nails.

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

folder = Path(tempfile.mkdtemp()) / "watch"
folder.mkdir()
rng = np.random.default_rng(1)
happened = {}
for person in ["ann", "ben", "cleo", "dev"]:
    seconds = np.arange(0, 420, 1 / 25)
    biting = (seconds % 70 > 40) & (seconds % 70 < 60)
    held = np.where(biting[:, None], [0.8, 0.4, 0.45], [0.05, 0.3, 0.95]) + 0.02 * rng.normal(size=(len(seconds), 3))
    tapping = np.where(biting, 0.15 * np.sin(2 * np.pi * rng.uniform(2, 3) * seconds), 0)
    samples = 9.80665 * held / np.linalg.norm(held, axis=1, keepdims=True) + tapping[:, None]
    pl.DataFrame(samples, schema=["x", "y", "z"]).insert_column(0, pl.Series("time", seconds)).write_csv(
        folder / f"{person}.csv"
    )
    happened[person] = [(40.0 + start, 60.0 + start) for start in range(0, 420, 70)]

_ = (folder / "study.toml").write_text("""
name = "biting"

[file]
match = "*.csv"

[recordings]
id = "{file}"
subject = "{file}"

[time]
column = "time"
unit = "s"

[acc]
columns = ["x", "y", "z"]
unit = "m/s^2"

[labels]
files = "*.labels.csv"
targets = ["nail biting"]
unlabelled = "none"
""")

# %%
# Label
# -----
# ``bfrb view watch`` opens the recordings: drag over a stretch, name what happens, press Enter. Every label
# is saved at once, in ``watch.labels.csv`` beside the folder. This is what lies there after two people have
# been looked through; the description above names the file.

labels = folder.parent / "watch.labels.csv"


def save(people: list[str]) -> None:
    """What the viewer saves, once so many people are labelled."""
    rows = [
        {"recording": one, "start_s": start, "end_s": end, "label": "nail biting"}
        for one in people
        for start, end in happened[one]
    ]
    pl.DataFrame(rows).write_csv(labels)


save(["ann", "ben"])
pl.read_csv(labels).head(3)

# %%
# Train
# -----
# Only on what was looked through: with ``unlabelled = "none"``, a stretch without a label counts as "nothing
# happened". So the two recordings that nobody has seen yet wait in a folder of their own.

waiting = folder.parent / "waiting"
waiting.mkdir()
for name in ["cleo.csv", "dev.csv"]:
    (folder / name).rename(waiting / name)


def run(command: str) -> None:
    """Type a command, as in a terminal."""
    typed = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(typed, cwd=folder.parent, capture_output=True, text=True, check=False)
    print(done.stdout if done.returncode < 2 else done.stderr)
    assert done.returncode < 2


run("bfrb train watch --out model --folds 2 --no-report")

# %%
# Detect
# ------
# In the recordings of people who were not labelled yet:

run("bfrb detect model waiting/cleo.csv --description watch/study.toml --out cleo.csv")
events = pl.read_csv(folder.parent / "cleo.csv")
events.select("start_s", "end_s", "label", "confidence")

# %%
# Correct
# -------
# ``bfrb view watch --bundle model`` shows the answers over time beside the signals. What it found is taken
# over where it is right, and drawn anew where it is not; what was missed is added. Then train on everybody.

for name in ["cleo.csv", "dev.csv"]:
    (waiting / name).rename(folder / name)
save(["ann", "ben", "cleo", "dev"])
run("bfrb train watch --out better --folds 2 --no-report")

# %%
# How good is it on people it has not seen, as alarms?

run("bfrb calibrate better watch --out ready --false-alarms 2")
