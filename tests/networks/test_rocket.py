"""Fixed kernels, against a plain reference, and what happens where sensors are missing."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from bfrb.networks.network import Shape
from bfrb.networks.rocket import KernelBank, Rocket, changes, dilations, nine_tap_kernels, stretch
from bfrb.networks.specs import RocketSpec

SPEC = RocketSpec(rows=33, biases=2, segments=2, edge=0.0)
EVERYTHING = Shape({"acc": 4, "rotation": 3, "thm": 2, "tof": 128}, 5)


def reference(signal: np.ndarray, bank: KernelBank, number: int, dilation: int) -> np.ndarray:
    """(84, biases, segments) share of answers above each bias, of one (rows, C) signal, by loops."""
    rows = len(signal)
    parts = np.arange(rows) * SPEC.segments // rows
    found = np.zeros((84, SPEC.biases, SPEC.segments))
    for kernel, twos in enumerate(combinations(range(9), 3)):
        mixed = signal[:, bank.mixing[number, kernel].numpy() > 0].sum(axis=1)
        padded = np.concatenate([np.zeros(4 * dilation), mixed, np.zeros(4 * dilation)])
        answers = sum(
            (2.0 if tap in twos else -1.0) * padded[tap * dilation : tap * dilation + rows] for tap in range(9)
        )
        for bias in range(SPEC.biases):
            above = answers > float(bank.biases[number, kernel, bias])
            found[kernel, bias] = [above[parts == part].mean() for part in range(SPEC.segments)]
    return found


def test_features_are_shares_of_answers_above_their_thresholds() -> None:
    torch.manual_seed(0)
    bank = KernelBank(3, SPEC)
    rows = torch.randn(2, 33, 3)
    features, known = bank(rows, None)
    assert features.shape == known.shape == (2, bank.width)
    assert known.all()
    pairs = [(signal, dilation) for signal in (rows, changes(rows)) for dilation in dilations(33)]
    size = 84 * SPEC.biases * SPEC.segments
    for number, (signal, dilation) in enumerate(pairs):
        expected = np.stack([reference(one.numpy(), bank, number, dilation) for one in signal])
        found = features[:, number * size : (number + 1) * size].numpy()
        np.testing.assert_allclose(found, expected.reshape(2, -1), atol=1 / 16 + 1e-6)  # one row may fall either way
        assert np.abs(found - expected.reshape(2, -1)).mean() < 1e-3
    plain = features[:, len(pairs) * size :][:, :12]
    expected = torch.cat([rows.mean(1), rows.std(1, correction=0), rows.amin(1), rows.amax(1)], dim=1)
    torch.testing.assert_close(plain, expected, atol=1e-5, rtol=1e-5)


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
    rows = torch.randn(4, 33, 3)
    banks = []
    for edge in (0.0, 0.2):
        torch.manual_seed(1)
        banks.append(KernelBank(3, SPEC.model_copy(update={"edge": edge})))
    hard, soft = (bank(rows, None)[0] for bank in banks)
    assert (hard - soft).abs().mean() < 0.03
    moved = banks[1](rows + 1e-5, None)[0]
    assert 0 < (moved - soft).abs().max() < 1e-3


def test_thresholds_are_placed_at_quantiles_of_the_answers() -> None:
    torch.manual_seed(0)
    bank = KernelBank(3, RocketSpec(rows=33, biases=2, edge=0.0))
    rows, lengths = 50.0 * torch.randn(40, 33, 3) + 7.0, torch.full((40,), 33)
    bank.place(rows, lengths)
    shares = bank(rows, lengths)[0].mean(dim=0)[: -2 * 4 * 3].reshape(-1, 84, 2)
    torch.testing.assert_close(1.0 - shares, bank.orders.expand_as(shares), atol=0.02, rtol=0)


def inputs(*missing: str) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    made = {branch: torch.randn(3, 21, channels) for branch, channels in EVERYTHING.channels.items()}
    return {branch: torch.zeros_like(values) if branch in missing else values for branch, values in made.items()}


def network() -> Rocket:
    torch.manual_seed(6)
    return Rocket(EVERYTHING, SPEC).eval()


def test_what_was_not_measured_takes_no_part() -> None:
    rocket = network()
    features, known = rocket.features(inputs("thm"), None)
    silent = rocket.describe(inputs("thm"), None)[known == 0]
    assert 0 < len(silent) < features.numel()
    assert (silent == 0).all()


@pytest.mark.parametrize(
    ("missing", "stage"),
    [((), "all"), (("tof",), "all"), (("thm", "tof"), "motion"), (("rotation", "thm", "tof"), "acc")],
)
def test_the_answer_is_of_the_stage_that_has_its_sensors(missing: tuple[str, ...], stage: str) -> None:
    rocket = network()
    features = rocket.describe(inputs(*missing), None)
    layer = rocket.answers()[stage]
    torch.testing.assert_close(rocket(inputs(*missing), None).logits, layer(features[:, : layer.in_features]))


def test_an_answer_from_acceleration_does_not_look_at_rotation() -> None:
    rocket = network()
    one, other = inputs(), inputs()
    other["rotation"] = other["rotation"] + 1.0
    first, second = (rocket(values, None).heads["acc"] for values in (one, other))
    torch.testing.assert_close(first, second)
