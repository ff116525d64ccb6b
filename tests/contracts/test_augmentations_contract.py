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


@pytest.mark.parametrize("mixing", [mix_up, partial(mix_up, at="gesture")], ids=["any rows", "gestures"])
@pytest.mark.parametrize("seed", range(2))
def test_shapes_labels_and_padding_stay_right_strength_zero_changes_nothing_and_random_numbers_decide(
    mixing: Mixing, seed: int
) -> None:
    batch = make_examples()
    assert mixing(batch, 0.0, np.random.default_rng(seed)) is batch
    result, again = (mixing(batch, 0.5, np.random.default_rng(seed)) for _ in range(2))
    assert all(torch.equal(again.inputs[branch], values) for branch, values in result.inputs.items())
    assert len(result) == len(batch)
    torch.testing.assert_close(result.targets.sum(dim=1), torch.ones(len(batch)))
    assert result.targets.min() >= 0
    for branch, values in result.inputs.items():
        assert values.shape == batch.inputs[branch].shape
        padding = torch.arange(values.shape[1])[None, :] >= result.lengths[:, None]
        assert (values[padding] == 0).all()
        assert ((result.present[branch] >= 0) & (result.present[branch] <= 1)).all()


@pytest.mark.parametrize("seed", range(4))
def test_gestures_are_laid_upon_each_other_and_labels_have_the_shares_of_the_inputs(seed: int) -> None:
    batch, owner = make_examples(24), torch.arange(24)
    marked = torch.zeros(24, 12, 3)
    marked[owner, batch.onsets] = 1.0
    inputs = {"imu": marked, "proximity": 1.0 * owner[:, None, None].repeat(1, 12, 2)}
    batch = replace(batch, inputs=inputs, targets=torch.eye(24))  # each of a class of its own
    result = mix_up(batch, 0.5, np.random.default_rng(seed), at="gesture")
    torch.testing.assert_close(result.inputs["imu"][owner, batch.onsets], torch.ones(24, 3))
    plain = mix_up(batch, 0.5, np.random.default_rng(seed))
    torch.testing.assert_close(plain.inputs["proximity"][:, 0, 0], plain.targets @ (1.0 * owner))
    assert not torch.equal(plain.inputs["imu"], result.inputs["imu"])
