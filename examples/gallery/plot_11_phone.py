"""
On a phone
==========

One file from samples to probabilities, and the proof that it says what the package says.
"""
# sphinx_gallery_thumbnail_path = "images/web-page.png"

# %%
# A bundle, and its export
# ------------------------

import json
import tempfile
from pathlib import Path

import bfrb
from bfrb.simulate.spec import StudySpec
from bfrb.simulate.study import simulate_study

folder = Path(tempfile.mkdtemp())
recordings = simulate_study(StudySpec(subjects=2), seed=2)[::3]
predictor = bfrb.train(
    recordings,
    out=folder / "model",
    preset="quick",
    settings={"folds": 2, "networks": ["context"], "training.epochs": 3},
)

# %%
# ``bfrb export`` writes one graph with everything inside: filling of gaps, features, scaling, mirroring of
# left hands, networks.

import subprocess
import sys

command = [sys.executable, "-m", "bfrb", "export", "model", "--out", "phone", "--window", "5"]
subprocess.run(command, cwd=folder, check=True, capture_output=True)
{path.name: f"{path.stat().st_size / 1000:.0f} kB" for path in sorted((folder / "phone").iterdir())}

# %%
# Ten lines, anywhere
# -------------------
# What a phone has to do, here with nothing but onnxruntime and NumPy: five seconds of samples of the wrist
# frame, NaN for what was not measured.

import numpy as np
import onnxruntime

about = json.loads((folder / "phone" / "input.json").read_text())
session = onnxruntime.InferenceSession(folder / "phone" / "model.onnx")
one = recordings[recordings.lengths >= 50][0]
shapes = {entry.name: entry for entry in session.get_inputs()}
samples = {name: one.sensors[name][:50].reshape(1, 50, -1).astype("f4") for name in shapes if name in one.sensors}
samples |= {name: np.zeros(1, bool) for name in shapes if name == "left_handed"}
[probabilities] = session.run(["probabilities"], samples)
about["output"]["classes"][int(probabilities[0].argmax())], float(probabilities[0].max())

# %%
# Is it the same?
# ---------------
# ``golden.json`` holds samples and what the package says of them; ``check_golden.py`` beside it compares, in
# twenty lines to be rewritten in Swift or Kotlin. Run your whole chain over it: nothing else finds a wrong
# sign or axis.

checked = subprocess.run(
    [sys.executable, "check_golden.py"], cwd=folder / "phone", capture_output=True, text=True, check=True
)
print(checked.stdout)
