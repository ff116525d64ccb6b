"""What every registered augmentation has to hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bfrb.training.augment import AUGMENTATIONS, lose_proximity, mix_up
from learnable import make_examples

every_augmentation = pytest.mark.parametrize("name", AUGMENTATIONS)


@every_augmentation
@pytest.mark.parametrize("seed", range(5))
def test_shapes_labels_and_padding_stay_right(name: str, seed: int) -> None:
    batch = make_examples()
    result = AUGMENTATIONS[name](batch, 0.5, np.random.default_rng(seed))
    assert len(result) == len(batch)
    torch.testing.assert_close(result.targets.sum(dim=1), torch.ones(len(batch)))
    assert result.targets.min() >= 0
    for branch, values in result.inputs.items():
        assert values.shape == batch.inputs[branch].shape
        padding = torch.arange(values.shape[1])[None, :] >= result.lengths[:, None]
        assert (values[padding] == 0).all()
        assert ((result.present[branch] >= 0) & (result.present[branch] <= 1)).all()


@every_augmentation
def test_strength_zero_changes_nothing(name: str) -> None:
    batch = make_examples()
    assert AUGMENTATIONS[name](batch, 0.0, np.random.default_rng(0)) is batch


@every_augmentation
def test_the_same_generator_gives_the_same_batch(name: str) -> None:
    first, second = (AUGMENTATIONS[name](make_examples(), 0.5, np.random.default_rng(7)) for _ in range(2))
    assert all(torch.equal(first.inputs[branch], second.inputs[branch]) for branch in first.inputs)


def test_mixed_labels_have_the_shares_of_the_mixed_inputs() -> None:
    batch = make_examples()
    result = mix_up(batch, 1.0, np.random.default_rng(3))
    share = result.targets.max(dim=1).values.min()
    mixed = (result.targets > 0).sum(dim=1) == 2
    assert mixed.any()
    shares = result.targets[mixed].sort(dim=1).values[:, -2:]
    assert (shares.max(dim=1).values - shares.max()).abs().max() < 1e-6
    assert share <= 1


def test_lost_proximity_is_as_if_never_measured() -> None:
    batch = make_examples(400)
    result = lose_proximity(batch, 0.35, np.random.default_rng(0))
    lost = result.present["proximity"] == 0
    assert lost.float().mean().item() == pytest.approx(0.35, abs=0.08)
    assert (result.inputs["proximity"][lost] == 0).all()
    assert torch.equal(result.inputs["proximity"][~lost], batch.inputs["proximity"][~lost])
    assert torch.equal(result.inputs["imu"], batch.inputs["imu"])
