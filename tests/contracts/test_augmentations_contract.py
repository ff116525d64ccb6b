"""What every way of mixing examples has to hold."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from bfrb.train.batches import Examples, mix_up
from learnable import make_examples

Mixing = Callable[[Examples, float, np.random.Generator], Examples]

MIXINGS: dict[str, Mixing] = {
    "mix_up": mix_up,
    "mix_up at gestures": partial(mix_up, at="gesture"),
}
every_mixing = pytest.mark.parametrize("mixing", MIXINGS.values(), ids=MIXINGS)


@every_mixing
@pytest.mark.parametrize("seed", range(2))
def test_shapes_labels_and_padding_stay_right(mixing: Mixing, seed: int) -> None:
    batch = make_examples()
    result = mixing(batch, 0.5, np.random.default_rng(seed))
    assert len(result) == len(batch)
    torch.testing.assert_close(result.targets.sum(dim=1), torch.ones(len(batch)))
    assert result.targets.min() >= 0
    for branch, values in result.inputs.items():
        assert values.shape == batch.inputs[branch].shape
        padding = torch.arange(values.shape[1])[None, :] >= result.lengths[:, None]
        assert (values[padding] == 0).all()
        assert ((result.present[branch] >= 0) & (result.present[branch] <= 1)).all()


@every_mixing
def test_strength_zero_changes_nothing_and_random_numbers_decide(mixing: Mixing) -> None:
    batch = make_examples()
    assert mixing(batch, 0.0, np.random.default_rng(0)) is batch
    first, second = (mixing(batch, 0.5, np.random.default_rng(7)) for _ in range(2))
    assert all(torch.equal(first.inputs[branch], second.inputs[branch]) for branch in first.inputs)


def one_per_class(count: int = 24) -> Examples:
    """Examples that are each of a class of their own, so that labels tell who was mixed with whom."""
    return replace(make_examples(count), targets=torch.eye(count))


def test_mixed_labels_have_the_shares_of_the_mixed_inputs() -> None:
    batch, owner = one_per_class(), torch.arange(24.0)
    batch = replace(batch, inputs={**batch.inputs, "imu": owner[:, None, None].repeat(1, 12, 3)})
    result = mix_up(batch, 1.0, np.random.default_rng(3))
    torch.testing.assert_close(result.inputs["imu"][:, 0, 0], result.targets @ owner)


@pytest.mark.parametrize("seed", range(4))
def test_gestures_are_laid_upon_each_other(seed: int) -> None:
    batch = one_per_class()
    marked = torch.zeros(24, 12, 3)
    marked[torch.arange(24), batch.onsets] = 1.0
    batch = replace(batch, inputs={"imu": marked, "proximity": batch.inputs["proximity"]})
    result = mix_up(batch, 0.5, np.random.default_rng(seed), at="gesture")
    at_onset = result.inputs["imu"][torch.arange(24), batch.onsets]
    torch.testing.assert_close(at_onset, torch.ones(24, 3))
    assert not torch.equal(mix_up(batch, 0.5, np.random.default_rng(seed)).inputs["imu"], result.inputs["imu"])


def test_without_known_gestures_both_ways_of_mixing_are_one() -> None:
    batch = replace(make_examples(), onsets=None)
    first, second = (mix_up(batch, 0.5, np.random.default_rng(1), at=at) for at in ("start", "gesture"))
    assert torch.equal(first.inputs["imu"], second.inputs["imu"])
