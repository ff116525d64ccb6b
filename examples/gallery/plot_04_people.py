"""
Train honestly over people
==========================

Recordings of one person are alike. Whoever lets them stand on both sides of a split measures how well the person
is recognised.
"""

# %%
# Windows of six people
# ---------------------
# Made up, and like real ones in one thing: everybody holds the arm in an own way and scratches at an own
# pace, and differs in that more than scratching differs from typing.

import tempfile
from pathlib import Path

import numpy as np
import polars as pl

import bfrb

rng = np.random.default_rng(4)
rows = []
for person in range(6):
    pace_hz = {"scratching": rng.uniform(2, 4), "typing": rng.uniform(2, 4), "rest": 0.0}
    habit = rng.normal(0, 0.5, 3)
    for window in range(60):
        label = ["scratching", "typing", "rest"][window % 3]
        seconds = np.arange(0, 5, 1 / 25)
        moving = np.sin(2 * np.pi * pace_hz[label] * seconds + rng.uniform(0, 6))
        held = (
            np.array([0.2, 0.3, 0.9])
            + habit
            + {"scratching": 0.15, "typing": 0.0, "rest": 0.05}[label]
            + rng.normal(0, 0.05, 3)
        )
        acc = (
            9.80665 * held / np.linalg.norm(held)
            + moving[:, None] * rng.uniform(1, 2, 3)
            + rng.normal(0, 0.3, (len(seconds), 3))
        )
        rows.append(
            pl.DataFrame(acc, schema=["x", "y", "z"]).with_columns(
                time=pl.Series(seconds),
                window=pl.lit(f"{person}-{window}"),
                person=pl.lit(f"person {person}"),
                label=pl.lit(label),
            )
        )
description = Path(tempfile.mkdtemp()) / "windows.toml"
_ = description.write_text("""
name = "windows"

[recordings]
id = "{window}"
subject = "{person}"

[time]
column = "time"
unit = "s"

[acc]
columns = ["x", "y", "z"]
unit = "m/s^2"

[labels]
column = "label"
per = "recording"
targets = ["scratching"]
""")
recordings = bfrb.read(pl.concat(rows), description)
recordings

# %%
# One model, judged twice
# -----------------------
# A random forest on a few numbers of every window, as it is often done. First with windows shuffled, then
# with people kept apart; nothing else is different.

from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold, KFold, cross_val_score

matrix = bfrb.features(recordings, ["acc", "acc_magnitude"], per="recording").select("^.*_(mean|sd|min|max)$")
forest = RandomForestClassifier(n_estimators=60, random_state=0)
shuffled = cross_val_score(forest, matrix, recordings.gestures, cv=KFold(6, shuffle=True, random_state=0))
apart = cross_val_score(forest, matrix, recordings.gestures, groups=recordings.subjects, cv=GroupKFold(6))
print(f"right answers, windows shuffled:   {shuffled.mean():.0%}")
print(f"right answers, people kept apart:  {apart.mean():.0%}, from {apart.min():.0%} to {apart.max():.0%} by person")

# %%
# The first number is what a paper would like to say, the second is what a new person would see. ``bfrb
# train`` knows only the second kind: its folds never divide a person, and what a bundle says of itself is out
# of fold.
#
# The package's networks, under scikit-learn
# ------------------------------------------
# ``bfrb.Classifier`` takes recordings where others take a matrix, and its ``groups`` say whose each is.

small = {"folds": 2}
classifier = bfrb.Classifier(preset="quick", settings=small, targets=["scratching"])
right = cross_val_score(
    classifier,
    recordings,
    recordings.gestures,
    groups=classifier.groups(recordings),
    cv=GroupKFold(2),
    scoring="accuracy",
)
print(f"right answers, people kept apart:  {right.mean():.0%}")
