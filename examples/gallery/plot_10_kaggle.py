"""
Kaggle, from train.csv to a submission
======================================

The way of *CMI - Detect Behavior with Sensor Data*: train at home, rehearse the evaluation, submit without internet.
"""
# sphinx_gallery_thumbnail_path = "images/report-summary.png"

# %%
# ``train.csv`` may not be passed on, so a simulated study in the same layout stands for it; put the folder
# with the real files in its place.

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


run("bfrb simulate cmi --subjects 2 --test 1 --seed 7")
sorted(path.name for path in (folder / "cmi").iterdir())

# %%
# Train
# -----
# A store opens in seconds where the CSV of the whole study takes a minute. ``--preset baseline`` trains the
# published networks, two architectures over ten folds; ``quick`` is enough for a first submission.

run("bfrb ingest cmi/train.csv --out store")
run("bfrb train store --out model --preset quick --set folds=2 --set rocket.biases=1 --no-report")

# %%
# Rehearse
# --------
# An own gateway asks a server with this bundle, one sequence after the other and in a random order, as
# Kaggle's does; half of them without thermopiles and time of flight, as in the competition's test.

run("bfrb rehearse model --test cmi/test.csv --demographics cmi/test_demographics.csv --imu-share 0.5")
pl.read_parquet(folder / "submission.parquet").head(3)

# %%
# How good was it? The simulated test comes with its answers:

run("bfrb evaluate submission.parquet --answers cmi/test_answers.csv --prediction gesture")

# %%
# Submit, offline
# ---------------
# The evaluation has no internet. Where there is one, collect what is needed once and add the folder to the
# notebook as a dataset, together with ``model``:
#
# .. code-block:: console
#
#    $ pip wheel --wheel-dir wheels ".[kaggle]"
#
# In the notebook, two lines and no PyTorch:
#
# .. code-block:: console
#
#    !pip install --no-index -f /kaggle/input/bfrb/wheels "bfrb[kaggle]"
#    !bfrb serve /kaggle/input/bfrb/model --protocol kaggle
#
# ``bfrb.serve.kaggle.InferenceServer`` takes a function of your own instead.
