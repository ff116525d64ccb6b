from __future__ import annotations

import pytest
import torch
from torch import nn

from bfrb.networks.registry import Output
from bfrb.networks.specs import GatedTwoBranchSpec
from bfrb.train.run import AuxiliarySpec, TrainingSpec
from bfrb.train.trainer import class_weights, compute_loss, known_loss
from learnable import make_examples

PLAIN = TrainingSpec(label_smoothing=0.0)
GATED = GatedTwoBranchSpec()


def some_logits(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_the_gate_is_judged_by_what_is_present() -> None:
    batch = make_examples()
    logits, gate = some_logits(48, 4), some_logits(48)
    with_gate = compute_loss(Output(logits, present={"proximity": gate}), batch, PLAIN, GATED, None)
    judged = nn.functional.binary_cross_entropy_with_logits(gate, batch.present["proximity"])
    torch.testing.assert_close(with_gate - compute_loss(Output(logits), batch, PLAIN, GATED, None), 0.2 * judged)


def test_auxiliary_labels_count_as_much_as_asked() -> None:
    batch = make_examples()
    logits, orientation, phase = some_logits(48, 4), some_logits(48, 4), some_logits(48, 12, 2)
    output = Output(logits, auxiliary={"orientation": orientation, "phase": phase})
    alone = compute_loss(output, batch, PLAIN, GATED, None)
    torch.testing.assert_close(alone, compute_loss(Output(logits), batch, PLAIN, GATED, None))
    spec = PLAIN.model_copy(update={"auxiliary": AuxiliarySpec(orientation=0.5, phase=0.25)})
    expected = 0.5 * known_loss(orientation, batch.auxiliary["orientation"])
    expected = expected + 0.25 * known_loss(phase, batch.auxiliary["phase"])
    torch.testing.assert_close(compute_loss(output, batch, spec, GATED, None), alone + expected)


def test_the_loss_of_rows_is_the_mean_over_what_is_known() -> None:
    logits = some_logits(2, 3, 2)
    codes = torch.tensor([[0, 1, -100], [1, -100, -100]])
    targets = torch.zeros(2, 3, 2)
    for sequence, row in ((0, 0), (0, 1), (1, 0)):
        targets[sequence, row, codes[sequence, row]] = 1.0
    expected = nn.functional.cross_entropy(logits.reshape(-1, 2), codes.reshape(-1), ignore_index=-100)
    torch.testing.assert_close(known_loss(logits, targets), expected)


def test_class_weights_balance_the_classes() -> None:
    targets = torch.eye(4)[torch.tensor([0] * 6 + [1] * 3 + [2])]
    weights = class_weights(targets)
    totals = weights * targets.sum(dim=0)
    torch.testing.assert_close(totals[:3], torch.full((3,), 10 / 3))
    assert weights[3] == 0


@pytest.mark.parametrize("label", range(4))
def test_a_class_weight_does_not_change_the_best_answer(label: int) -> None:
    batch = make_examples()
    chosen = batch.take((batch.targets.argmax(dim=1) == label).nonzero()[:1, 0].numpy())
    smoothed = torch.log(chosen.targets * 0.9 + 0.1 / 4)
    logits = smoothed.clone().requires_grad_()
    weights = torch.tensor([1.0, 5.0, 9.0, 0.1])
    compute_loss(Output(logits), chosen, TrainingSpec(label_smoothing=0.1), GATED, weights).backward()
    torch.testing.assert_close(logits.grad, torch.zeros_like(smoothed), atol=1e-6, rtol=0)
