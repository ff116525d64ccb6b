"""Fixed kernels, against a plain reference, and what happens where sensors are missing."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bfrb.networks.network import Shape
from bfrb.networks.rocket import Kernels, Rocket, changes, dilations, nine_tap_kernels, stretch
from bfrb.networks.specs import RocketSpec

SPEC = RocketSpec(rows=34, biases=2, edge=0.0)
EVERYTHING = Shape({"acc": 4, "rotation": 3, "thm": 2, "tof": 128}, 5)


def reference(signal: np.ndarray, bank: Kernels, kernel: int, number: int) -> list[tuple[float, float]]:
    """By loops, of one (rows, 2 C) signal: for every bias the share of answers above it, and its rise half to half."""
    rows, dilation = len(signal), bank.dilations[number]
    twos = list(combinations(range(9), 3))[kernel % 84]
    mixed = signal[:, bank.mixing[number, kernel].numpy() > 0].sum(axis=1)
    padded = np.concatenate([np.zeros(4 * dilation), mixed, np.zeros(4 * dilation)])
    answers = sum((2.0 if tap in twos else -1.0) * padded[tap * dilation : tap * dilation + rows] for tap in range(9))
    above = [answers > float(bias) for bias in bank.biases[number, kernel]]
    return [(one.mean(), one[17:].mean() - one[:17].mean()) for one in above]


def test_features_are_shares_of_answers_above_their_thresholds() -> None:
    torch.manual_seed(0)
    bank = Kernels([range(3)], [range(3)], SPEC)
    rows = torch.randn(2, 34, 3)
    features, known = bank(rows, None)
    assert features.shape == known.shape == (2, bank.widths[0])
    assert known.all()
    assert not bank.mixing[:, :84, 3:].any()
    assert not bank.mixing[:, 84:, :3].any()
    signals = torch.cat([rows, changes(rows)], dim=2).numpy()
    expected = np.array(
        [[[reference(one, bank, kernel, number) for number in range(3)] for kernel in range(168)] for one in signals]
    ).reshape(2, -1)
    found = features[:, : expected.shape[1]].numpy()
    np.testing.assert_allclose(found, expected, atol=1 / 8)  # one row may fall either way
    assert np.abs(found - expected).mean() < 1e-3
    plain = features[:, expected.shape[1] :][:, :24].reshape(2, 6, 4)
    view = torch.from_numpy(signals)
    statistics = [view.mean(1), view.std(1, correction=0), view.amin(1), view.amax(1)]
    torch.testing.assert_close(plain, torch.stack(statistics, dim=2), atol=1e-5, rtol=1e-5)


def test_a_swing_has_its_power_in_its_band_of_frequency() -> None:
    bank = Kernels([range(2)], [range(2)], RocketSpec(rows=32))
    times = torch.arange(32) / 32
    swings = torch.stack([torch.sin(2 * torch.pi * 5 * times), 3.0 + torch.sin(2 * torch.pi * 12 * times)], dim=1)
    spectra = bank(swings[None], None)[0][0, -2 * 16 :].reshape(2, 16)
    assert spectra.argmax(dim=1).tolist() == [4, 11]
    assert (spectra.median(dim=1).values < spectra.max(dim=1).values - 4.0).all()
    assert bank.plain.nonzero().flatten().tolist() == list(range(len(bank.plain) - 2 * (2 * 4 + 16), len(bank.plain)))


class Dimensions(TorchDispatchMode):
    """Notes the most dimensions that anything has."""

    most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        self.most = max([self.most, *(one.ndim for one in tree_leaves(found) if isinstance(one, torch.Tensor))])
        return found


def test_no_tensor_has_more_dimensions_than_mobile_runtimes_know() -> None:
    network = Rocket(EVERYTHING, SPEC).eval()
    inputs = {branch: torch.rand(1, 40, count) for branch, count in EVERYTHING.channels.items()}
    with torch.no_grad(), Dimensions() as dimensions:
        network(inputs, None)
    assert 4 <= dimensions.most <= 6


def test_the_kernels_are_those_of_the_paper() -> None:
    kernels = nine_tap_kernels()
    assert kernels.shape == (84, 9)
    assert len({tuple(kernel.tolist()) for kernel in kernels}) == 84
    assert (kernels.sum(dim=1) == 0).all()
    assert (dilations(96), dilations(33), dilations(9), dilations(2)) == ((1, 2, 4, 8), (1, 2, 4), (1,), (1,))


@pytest.mark.parametrize("length", [1, 2, 20, 50])
def test_stretching_is_linear_interpolation(length: int) -> None:
    values = np.random.default_rng(0).normal(size=(length, 2))
    padded = torch.zeros(1, 60, 2)
    padded[0, :length] = torch.from_numpy(values)
    found = stretch(padded, torch.tensor([length]), 31)[0].numpy()
    places = np.linspace(0, length - 1, 31)
    expected = [np.interp(places, np.arange(length), column) for column in values.T]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_soft_edge_is_near_the_hard_one_and_follows_small_changes() -> None:
    torch.manual_seed(3)
    rows = torch.randn(4, 34, 3)
    banks = []
    for edge in (0.0, 0.2):
        torch.manual_seed(1)
        banks.append(Kernels([range(3)], [range(3)], SPEC.model_copy(update={"edge": edge})))
    hard, soft = (bank(rows, None)[0] for bank in banks)
    assert (hard - soft).abs().mean() < 0.03
    moved = banks[1](rows + 1e-5, None)[0]
    assert 0 < (moved - soft).abs().max() < 1e-3


def test_thresholds_are_placed_at_quantiles_of_the_answers() -> None:
    torch.manual_seed(0)
    bank = Kernels([range(3)], [range(3)], RocketSpec(rows=34, biases=2, edge=0.0, contrast=0.0))
    rows, lengths = 50.0 * torch.randn(40, 34, 3) + 7.0, torch.full((40,), 34)
    bank.place(rows, lengths)
    shares = bank(rows, lengths)[0].mean(dim=0)[: 168 * 3 * 2].reshape(168, -1, 2)
    torch.testing.assert_close(1.0 - shares, bank.orders[:, None].expand_as(shares), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("missing", "stage"),
    [((), "all"), (("tof",), "all"), (("thm", "tof"), "motion"), (("rotation", "thm", "tof"), "acc")],
)
def test_what_was_not_measured_takes_no_part_and_the_answer_is_of_the_stage_that_has_its_sensors(
    missing: tuple[str, ...], stage: str
) -> None:
    torch.manual_seed(6)
    rocket = Rocket(EVERYTHING, SPEC).eval()
    inputs = {name: (name not in missing) * torch.randn(3, 21, count) for name, count in EVERYTHING.channels.items()}
    features, layer = rocket.standardise(*rocket.features(inputs, None)), rocket.answers()[stage]
    torch.testing.assert_close(rocket(inputs, None).logits, layer(features[:, : layer.in_features]))
    silent = features[rocket.features(inputs, None)[1] == 0]
    assert (silent == 0).all()
    assert bool(len(silent)) == bool(missing)
    assert len(silent) < features.numel()
