"""What may not change an answer does not: real recordings through the whole path, networks with random weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from bfrb.features.rotations import multiply
from bfrb.features.sequences import build_sequences, channel_statistics
from bfrb.features.spec import BENCHMARK_ROTATION, DEPLOYABLE_ROTATION
from bfrb.networks.network import Output
from bfrb.networks.registry import Shape, build_network
from bfrb.read.sources import read
from bfrb.study.mirror import LEFT_HANDED, mirror
from bfrb.study.recordings import Recordings
from bfrb.train.batches import make_standardisers
from bfrb.train.presets import PRESETS

FLAVOURS = {"deployable": DEPLOYABLE_ROTATION, "benchmark": BENCHMARK_ROTATION}
every_flavour = pytest.mark.parametrize("flavour", FLAVOURS)


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

    def sequences(self, recordings: Recordings):
        return build_sequences(recordings, self.spec.branches, mirror_left_hand=True)

    def __call__(self, recordings: Recordings) -> torch.Tensor:
        batch = self.sequences(recordings).batch(np.arange(len(recordings)), 200)
        lengths = torch.from_numpy(batch.lengths)
        inputs = {
            branch: scale(torch.from_numpy(batch.inputs[branch]), lengths) for branch, scale in self.scalers.items()
        }
        with torch.no_grad():
            outputs: list[Output] = [network(inputs, lengths) for network in self.networks]
        return torch.cat([output.logits for output in outputs], dim=1)


def with_quaternion(recordings: Recordings, quaternion: np.ndarray) -> Recordings:
    return replace(recordings, sensors={**recordings.sensors, "quaternion": quaternion.astype(np.float32)})


def largest_difference(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first - second).abs().max())


def turned(recordings: Recordings, degrees: np.ndarray) -> Recordings:
    """The recordings as if every wearer had faced another way, turned by so many degrees about the vertical."""
    half = np.deg2rad(np.repeat(degrees, recordings.lengths)) / 2
    about_up = np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], axis=1)
    return with_quaternion(recordings, multiply(about_up, recordings.sensors["quaternion"].astype(np.float64)))


@every_flavour
def test_the_sign_of_quaternions_does_not_matter(flavour: str, recordings: Recordings) -> None:
    answering = Answering(flavour, recordings)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (recordings.n_rows, 1))
    flipped = with_quaternion(recordings, recordings.sensors["quaternion"] * signs)
    assert largest_difference(answering(recordings), answering(flipped)) < 1e-5


def test_the_compass_direction_does_not_matter_to_the_deployable_flavour(recordings: Recordings) -> None:
    degrees = np.random.default_rng(1).uniform(0, 360, len(recordings))
    answers = {flavour: Answering(flavour, recordings) for flavour in FLAVOURS}
    other_way = turned(recordings, degrees)
    differences = {
        flavour: largest_difference(found(recordings), found(other_way)) for flavour, found in answers.items()
    }
    assert differences["deployable"] < 1e-4
    assert differences["benchmark"] > 1e-2


@every_flavour
def test_a_left_hand_is_answered_like_its_mirror_image(flavour: str, recordings: Recordings) -> None:
    right = recordings.with_table(recordings.table.with_columns(handedness=pl.lit(1 - LEFT_HANDED)))
    left = mirror(right, np.ones(len(right), dtype=bool))
    known = left.with_table(left.table.with_columns(handedness=pl.lit(LEFT_HANDED)))
    answering = Answering(flavour, right)
    assert largest_difference(answering(right), answering(known)) < 1e-5
    assert largest_difference(answering(right), answering(left)) > 1e-3


@pytest.mark.parametrize("preset", ["benchmark", "deployable"])
def test_presets_have_the_inputs_that_their_names_promise(preset: str) -> None:
    spec = PRESETS[preset]
    assert spec.features.rotation == FLAVOURS[preset]
    assert spec.features.mirror_left_hand
    assert set(spec.branches) == {branch for name in spec.networks for branch in spec.network(name).BRANCHES}
