"""
From the Keras notebook
=======================

Whoever trained the published two-branch notebook keeps the networks, and gains everything else: no TensorFlow
where it answers, Kaggle's gateway, reports, streams.
"""

# %%
# What the notebook leaves
# ------------------------
# A folder with networks, a scaler, and the names of features and gestures. Here it is made with random
# weights, to have something to import; ``keras_notebook.py`` beside this page has the two networks as the
# notebook defines them.

import tempfile
from pathlib import Path

import numpy as np

import keras_notebook

folder = Path(tempfile.mkdtemp())
networks = {"D-111_0.h5": keras_notebook.build(seed=0), "v0629_0.keras": keras_notebook.build(seed=1, gated=True)}
fit = np.random.default_rng(0).normal(size=(200, len(keras_notebook.COLUMNS)))
keras_notebook.make_folder(folder / "notebook", networks, fit)
sorted(path.name for path in (folder / "notebook").iterdir())

# %%
# Import it
# ---------
# Every layer and every setting is checked on the way: what differs from the published networks is refused by
# name rather than answered wrongly.

import subprocess
import sys

done = subprocess.run(
    [sys.executable, "-m", "bfrb", "import-keras", "notebook", "--out", "model"],
    cwd=folder,
    capture_output=True,
    text=True,
    check=False,
)
print(done.stdout or done.stderr)

# %%
# Predict, without Keras
# ----------------------

import bfrb
from bfrb.simulate.spec import StudySpec
from bfrb.simulate.study import simulate_study

recordings = simulate_study(StudySpec(subjects=1), seed=3)[:5]
predictor = bfrb.load(folder / "model")
predictor.predict(recordings).to_frame().select("sequence_id", "prediction")

# %%
# The weights are random, and so are the answers; that they are those of Keras to 1e-5 is tested with every
# change of this package. ``bfrb serve model --protocol kaggle`` answers the competition's gateway with them,
# ``bfrb evaluate model recordings`` scores them.
