"""What may not change an answer does not: real recordings through the whole path, networks with random weights."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from bfrb.features.rotations import multiply
from bfrb.features.sequences import Sequences, build_sequences, channel_statistics
from bfrb.networks.network import Output
from bfrb.networks.registry import Shape, build_network
from bfrb.read.sources import read
from bfrb.study.mirror import LEFT_HANDED, mirror
from bfrb.study.recordings import Recordings
from bfrb.train.batches import make_standardisers
from bfrb.train.presets import PRESETS

every_flavour = pytest.mark.parametrize("flavour", ["deployable", "benchmark"])


@pytest.fixture(scope="module")
def recordings(real_data: Path) -> Recordings:
    """Fifteen recordings of fourteen people."""
    return read(real_data / "cmi" / "train_sample.csv")


class Answering:
    """The networks of a preset with random weights and all that comes before it, scaled by what it is first shown."""

    def __init__(self, flavour: str, shown: Recordings) -> None:
        self.spec = PRESETS[flavour]
        sequences = self.sequences(shown)
        statistics = channel_statistics(sequences, np.arange(len(shown)))
        self.scalers = make_standardisers(statistics)
        shape = Shape({branch: len(found) for branch, found in sequences.channels.items()}, 18)
        torch.manual_seed(3)
        self.networks = [build_network(name, shape, self.spec.network(name)).eval() for name in self.spec.networks]

    def sequences(self, recordings: Recordings) -> Sequences:
        mirrored = self.spec.features.mirror_left_hand
        return build_sequences(recordings, self.spec.branches, mirror_left_hand=mirrored)

    def __call__(self, recordings: Recordings) -> torch.Tensor:
        batch = self.sequences(recordings).batch(np.arange(len(recordings)), 200)
        lengths = torch.from_numpy(batch.lengths)
        inputs = {name: scale(torch.from_numpy(batch.inputs[name]), lengths) for name, scale in self.scalers.items()}
        with torch.no_grad():
            outputs: list[Output] = [network(inputs, lengths) for network in self.networks]
        return torch.cat([output.logits for output in outputs], dim=1)

    def difference(self, first: Recordings, second: Recordings) -> float:
        """The largest one."""
        return float((self(first) - self(second)).abs().max())


def turned(recordings: Recordings, degrees: np.ndarray) -> Recordings:
    """The recordings as if every wearer had faced another way, turned by so many degrees about the vertical."""
    half = np.deg2rad(np.repeat(degrees, recordings.lengths)) / 2
    about_up = np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], axis=1)
    quaternion = multiply(about_up, recordings.sensors["quaternion"].astype(np.float64))
    return recordings.with_sensors(quaternion=quaternion.astype(np.float32))


@every_flavour
def test_the_sign_of_quaternions_does_not_matter_nor_the_compass_direction_to_the_deployable_flavour(
    flavour: str, recordings: Recordings
) -> None:
    answering, rng = Answering(flavour, recordings), np.random.default_rng(0)
    signs = rng.choice(np.float32([-1, 1]), (recordings.n_rows, 1))
    flipped = recordings.with_sensors(quaternion=recordings.sensors["quaternion"] * signs)
    assert answering.difference(recordings, flipped) < 1e-5
    other_way = answering.difference(recordings, turned(recordings, rng.uniform(0, 360, len(recordings))))
    assert other_way < 1e-4 if flavour == "deployable" else other_way > 1e-2


@every_flavour
def test_a_left_hand_is_answered_like_its_mirror_image(flavour: str, recordings: Recordings) -> None:
    right = recordings.with_table(recordings.table.with_columns(handedness=pl.lit(1 - LEFT_HANDED)))
    left = mirror(right, np.ones(len(right), dtype=bool))
    known = left.with_table(left.table.with_columns(handedness=pl.lit(LEFT_HANDED)))
    answering = Answering(flavour, right)
    assert answering.difference(right, known) < 1e-5
    assert answering.difference(right, left) > 1e-3
