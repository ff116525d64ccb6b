"""Real recordings whose quaternion is missing throughout: learnt to be done without, and answered by who can."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bfrb.features.sequences import build_sequences, channel_statistics
from bfrb.networks.registry import Shape, build_network
from bfrb.read.sources import read
from bfrb.study.labels import CMI_GESTURES
from bfrb.study.recordings import Recordings
from bfrb.train.batches import Examples, load_examples, make_standardisers
from bfrb.train.losses import class_loss
from bfrb.train.presets import PRESETS
from bfrb.train.run import RunSpec
from bfrb.train.spec import VariationSpec
from bfrb.train.variation import vary

SMALL = [
    "stems.motion_width=16",
    "stems.thm_width=8",
    "stems.tof_width=8",
    "stems.trunk_widths=[16, 32]",
    "stems.head_units=32",
    "stems.head_dropout=0.0",
    "stems.trunk_dropout=0.0",
]
EPOCHS = 120


@pytest.fixture(scope="module")
def recordings(real_data: Path) -> Recordings:
    """Fifteen recordings of fourteen people."""
    return read(real_data / "cmi" / "train_sample.csv")


def examples_of(recordings: Recordings, shown: Recordings, spec: RunSpec) -> Examples:
    """The recordings, scaled as `shown` is."""
    everybody = np.arange(len(shown))
    standardisers = make_standardisers(channel_statistics(build_sequences(shown, spec.branches), everybody))
    targets = np.eye(len(CMI_GESTURES), dtype=np.float32)[CMI_GESTURES.encode(recordings.gestures)]
    return load_examples(build_sequences(recordings, spec.branches), recordings, everybody, targets, standardisers, 80)


def share_right(examples: Examples, network: torch.nn.Module) -> float:
    logits = network.eval()(examples.inputs, examples.lengths).logits
    return float((logits.argmax(dim=1) == examples.targets.argmax(dim=1)).float().mean())


@pytest.mark.parametrize(("chance", "learnt"), [(0.3, True), (0.0, False)], ids=["lost at times", "never lost"])
def test_a_network_that_lost_orientation_at_times_answers_without_it(
    chance: float, learnt: bool, recordings: Recordings
) -> None:
    spec = PRESETS["deployable"].updated(SMALL)
    motion = recordings.without("thm", "tof")
    complete = examples_of(motion, motion, spec)
    bare = examples_of(motion.without("quaternion"), motion, spec)
    assert not bare.present["rotation"].any()
    assert bare.present["acc"].all()
    torch.manual_seed(0)
    shape = Shape({name: values.shape[2] for name, values in complete.inputs.items()}, len(CMI_GESTURES))
    network = build_network("stems", shape, spec.stems)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    rng = np.random.default_rng(0)
    for _ in range(EPOCHS):
        shown = examples_of(vary(motion, VariationSpec(lose_rotation=chance), rng), motion, spec)
        output = network.train()(shown.inputs, shown.lengths)
        loss = class_loss(output.heads["motion"], complete.targets, 0.0, None)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert share_right(complete, network) > 0.9
    assert (share_right(bare, network) > 0.8) is learnt
