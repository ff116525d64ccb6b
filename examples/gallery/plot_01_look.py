"""
Look at a recording
===================

Before anything is trained: what was measured, in which units, what is missing, and how it moves.
"""

# %%
# Recordings
# ----------
# ``bfrb.read`` takes a CSV, a store, a folder, or what a description tells of. Here one person is simulated
# instead, wearing the Helios device: accelerometer, orientation, five thermopiles, five time-of-flight images
# of 8 x 8 pixels.

import bfrb
from bfrb.simulate.spec import StudySpec
from bfrb.simulate.study import simulate_study

recordings = simulate_study(StudySpec(subjects=1), seed=3)
recordings

# %%
# One array for every sensor, in SI units and in the frame of the wrist, all recordings one after the other;
# ``offsets`` says where each begins. A single recording is a slice.

one = recordings[recordings.gestures == "Cheek - pinch skin"][0]
{name: values.shape for name, values in one.sensors.items()}

# %%
# Its signals. The shaded stretch is the gesture; what comes before is the way there.

from bfrb.report.figures import plot_signals

plot_signals(one)

# %%
# What physics makes of it
# ------------------------
# A resting accelerometer reads 9.81 m/s² upwards, so what it says is mostly how the wrist is held. With the
# orientation, gravity can be taken away; the rest is movement.

table = bfrb.features(one, ["acc", "linear_acc", "angular_velocity"])
table.select("time_s", "acc_z", "linear_acc_z", "angular_velocity_z").head()

# %%
# How strongly does a wrist move in each gesture? One row per recording, the mean over its rows:

import polars as pl

rows = bfrb.features(recordings, ["linear_acc_magnitude"], per="recording")
rows.with_columns(gesture=pl.Series(recordings.gestures)).group_by("gesture").agg(
    pl.col("linear_acc_magnitude_mean").mean().round(2), pl.len().alias("recordings")
).sort("linear_acc_magnitude_mean")

# %%
# What is missing
# ---------------
# Pixels that saw nothing are not a number, as is a sensor that was off. How much of each sensor was measured:

import numpy as np

{name: f"{np.isfinite(values).mean():.0%}" for name, values in recordings.sensors.items()}

# %%
# ``bfrb check FILE`` says the same of a file, and what is wrong with it; ``bfrb view FILE`` opens a page to
# leaf through.
