"""
Your own network
================

A class of PyTorch with a ``Spec`` is trained, judged, saved and exported like the package's own.
"""

# %%
# Two classes
# -----------
# Networks train in processes of their own, so the class lies in a module that can be imported. It says which
# branches it looks at, and answers logits of padded recordings; blocks of the package know about padding.

import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
_ = (folder / "mine.py").write_text('''
"""A small network: two convolutions on the motion, a mean over time."""

from typing import ClassVar

import torch
from torch import nn

from bfrb.networks.blocks import kernels, masked_mean, padding_mask
from bfrb.networks.network import Output
from bfrb.networks.specs import NetworkSpec


class Small(nn.Module):
    class Spec(NetworkSpec):
        BRANCHES: ClassVar[tuple[str, ...]] = ("acc", "rotation")
        MOTION: ClassVar[tuple[str, ...]] = ("acc", "rotation")

        width: int = 32

    def __init__(self, shape, spec):
        super().__init__()
        channels = sum(shape.channels[branch] for branch in self.Spec.BRANCHES)
        self.first = nn.Conv1d(channels, spec.width, 5, padding=2)
        self.second = nn.Conv1d(spec.width, spec.width, 5, padding=2)
        self.answer = nn.Linear(spec.width, shape.classes)

    def forward(self, inputs, lengths):
        rows = torch.cat([inputs[branch] for branch in self.Spec.BRANCHES], dim=2).transpose(1, 2)
        mask = padding_mask(lengths, rows.shape[2])
        rows = torch.relu(self.second(torch.relu(self.first(rows))))
        return Output(self.answer(masked_mean(rows, mask)))

    def decayed(self):
        return list(kernels(self))
''')

# %%
# Train it
# --------
# By its import path, where the package's own networks have short names. Settings of its ``Spec`` stand under
# the name of its class.

import sys

import bfrb
from bfrb.simulate.spec import StudySpec
from bfrb.simulate.study import simulate_study

sys.path.insert(0, str(folder))  # where mine.py is
recordings = simulate_study(StudySpec(subjects=3), seed=8)[::2]
settings = {"networks": ["mine:Small"], "folds": 3, "training.epochs": 4, "sizes.Small.width": 24}
predictor = bfrb.train(recordings, out=folder / "model", preset="baseline", settings=settings)
predictor

# %%
# What it has to promise
# ----------------------
# ``bfrb.testing`` has the contract of a network as a class of tests: shapes, padding that changes nothing,
# gradients everywhere, an export that answers the same. In a file of tests of your own, this is all:
#
# .. code-block:: python
#
#    from bfrb.testing import NetworkContract
#
#
#    class TestSmall(NetworkContract):
#        network = "mine:Small"
#
# The bundle predicts without PyTorch, and without the module:

predictor.predict(recordings[:3]).to_frame().select("sequence_id", "prediction")
