import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bfrb.networks import blocks
from bfrb.networks.registry import Shape, build_network
from bfrb.networks.specs import GatedTwoBranchSpec, TwoBranchSpec


def padded(lengths: list[int], channels: int, steps: int, seed: int = 0) -> torch.Tensor:
    """(B, C, T) random rows, zero on padding."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(len(lengths), channels, steps, generator=generator)
    return x * blocks.padding_mask(torch.tensor(lengths), steps)


def test_batch_norm_in_training_equals_torch_on_the_rows_alone() -> None:
    lengths = [5, 2, 7]
    x = padded(lengths, 3, 7)
    rows = torch.cat([x[row, :, :length].T for row, length in enumerate(lengths)])
    reference, masked = nn.BatchNorm1d(3, eps=1e-3), blocks.MaskedBatchNorm(3)
    expected = reference(rows)
    mask = blocks.padding_mask(torch.tensor(lengths), 7)
    result = masked(x, mask)
    found = torch.cat([result[row, :, :length].T for row, length in enumerate(lengths)])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(masked.running_mean, reference.running_mean)
    torch.testing.assert_close(masked.running_var, reference.running_var)
    assert (result * (1 - mask) == 0).all()


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("steps", [1, 2, 5, 8])
def test_pooling_keeps_fewer_last_rows(steps: int, rows: int) -> None:
    x = torch.arange(1.0, steps + 1)[None, None, :]
    pooled = blocks.pool(x, rows)
    assert pooled[0, 0].tolist() == [min(rows * (k + 1), steps) for k in range(-(-steps // rows))]
    assert blocks.pooled_lengths(torch.tensor([steps]), rows).tolist() == [pooled.shape[2]]


def test_weights_of_pooled_rows_are_shared_out_to_the_rows() -> None:
    mask = blocks.padding_mask(torch.tensor([5, 3]), 5)
    weights = blocks.unpooled_weights(torch.tensor([[0.5, 0.5, 0.0], [0.75, 0.25, 0.0]]), 2, mask, 5)
    torch.testing.assert_close(weights, torch.tensor([[0.25] * 4 + [0.0], [3 / 7, 3 / 7, 1 / 7, 0.0, 0.0]]))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_recurrence_equals_torch_bidirectional_on_each_sequence_alone(kind: type[nn.LSTM] | type[nn.GRU]) -> None:
    torch.manual_seed(0)
    ours = blocks.Bidirectional(kind, 3, 4)
    reference = kind(3, 4, batch_first=True, bidirectional=True)
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        getattr(reference, name).data = getattr(ours.forwards, name).data
        getattr(reference, f"{name}_reverse").data = getattr(ours.backwards, name).data
    lengths = torch.tensor([6, 2, 5])
    x = padded(lengths.tolist(), 3, 6).transpose(1, 2)
    result = ours(x, lengths)
    for row, length in enumerate(lengths.tolist()):
        expected, _ = reference(x[row : row + 1, :length])
        torch.testing.assert_close(result[row, :length], expected[0], atol=1e-6, rtol=1e-5)


@settings(max_examples=20)
@given(st.integers(0, 2**16))
def test_weights_start_as_glorot_and_orthogonal(seed: int) -> None:
    torch.manual_seed(seed)
    network = nn.ModuleList([nn.Conv1d(4, 6, 3), nn.LSTM(5, 8), nn.GRU(5, 8)])
    blocks.initialise(network)
    conv, lstm, gru = network
    assert conv.weight.abs().max().item() <= np.sqrt(6 / (4 * 3 + 6 * 3))
    assert torch.equal(conv.bias, torch.zeros(6))
    for gate in (*lstm.weight_hh_l0.data.split(8), *gru.weight_hh_l0.data.split(8)):
        torch.testing.assert_close(gate @ gate.T, torch.eye(8), atol=1e-5, rtol=0)
    assert lstm.bias_ih_l0.tolist() == [0.0] * 8 + [1.0] * 8 + [0.0] * 16


SHAPE = Shape({"imu": 5, "proximity": 4}, classes=3)
SIZES = {"widths": (8, 16), "recurrent_units": 6, "head_units": (12, 8), "padded_rows": 23}
SPECS = {"two_branch": TwoBranchSpec.parse(SIZES), "gated_two_branch": GatedTwoBranchSpec.parse(SIZES)}


@pytest.mark.parametrize("name", SPECS)
def test_a_network_that_pads_answers_as_if_zeros_were_rows(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name, SHAPE, SPECS[name]).eval()
    rows, longer, too_long = ({} for _ in range(3))
    for branch, channels in SHAPE.channels.items():
        rows[branch] = torch.randn(2, 9, channels)
        longer[branch] = torch.cat([rows[branch], torch.zeros(2, 14, channels)], dim=1)
        too_long[branch] = torch.cat([longer[branch], torch.randn(2, 5, channels)], dim=1)
    expected, lengths = network(longer, None), torch.tensor([9, 9])
    for inputs, known in ((rows, lengths), (rows, None), (longer, lengths), (too_long, None)):
        torch.testing.assert_close(network(inputs, known).logits, expected.logits)
    assert expected.attention is None, "its rows are not those of a recording"
    own = build_network(name, SHAPE, SPECS[name].model_copy(update={"padded_rows": 0})).eval()
    own.load_state_dict(network.state_dict())
    assert not torch.allclose(own(rows, None).logits, expected.logits, atol=1e-4)
