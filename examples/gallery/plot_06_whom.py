"""
Which people fail, and why
==========================

A mean hides people for whom a detector does not work. Look at every person, then at what they have in common.
"""

# %%
# Every person, by networks that had not seen them
# ------------------------------------------------
# Six simulated people, half of the recordings of each; the folds of a training keep people apart, so that
# everyone is judged out of fold.

import json
import tempfile
from pathlib import Path

import bfrb
from bfrb.simulate.spec import StudySpec
from bfrb.simulate.study import simulate_study

folder = Path(tempfile.mkdtemp())
recordings = simulate_study(StudySpec(subjects=6), seed=21)[::2]
bfrb.train(recordings, out=folder / "model", preset="quick", settings={"folds": 2})
scores = json.loads((folder / "model" / "scores.json").read_text())["all"]

# %%
# The score of everyone, against that of all together:

from bfrb.report.figures import plot_subjects

plot_subjects(scores["per_subject"], scores["score"])

# %%
# Is it the person, or what they did?
# -----------------------------------
# Some gestures are hard for everybody. Precision and recall of each:

from bfrb.report.figures import plot_classes

plot_classes(scores["per_class"])

# %%
# What is taken for what, the behaviours looked for first:

import numpy as np
import polars as pl

from bfrb.report.figures import plot_confusion
from bfrb.study.labels import CMI_GESTURES

answers = pl.read_parquet(folder / "model" / "out_of_fold.parquet").filter(pl.col("scenario") == "all")
classes = CMI_GESTURES.classes
named = np.array([classes.index(gesture) for gesture in answers["prediction"]])
true = np.array([classes.index(gesture) for gesture in answers["gesture"]])
counts = np.zeros((len(classes), len(classes)), int)
np.add.at(counts, (true, named), 1)
plot_confusion(counts, classes, [gesture in CMI_GESTURES.targets for gesture in classes])

# %%
# What do they have in common?
# ----------------------------
# Left hands, age, a sensor that was off: everything that is known about a recording stands in
# ``recordings.table``, and whether a sensor measured in ``recordings.measured``. Groups of people differ by
# chance, the more the smaller they are.

right = pl.DataFrame({"id": answers["id"], "right": named == true})
known = recordings.table.select("id", "subject", "handedness", "age").with_columns(
    thermopiles=pl.Series(recordings.measured("thm"))
)
joined = known.join(right, on="id")
joined.group_by("subject", "handedness", "age").agg(pl.col("right").mean().round(2), pl.len().alias("recordings")).sort(
    "right"
)

# %%
# ``bfrb report model --data recordings`` shows all of this on one page, with intervals over people and the
# signals of the surest mistakes.
