"""The published networks in the notebook's conventions, where padding counts as rows."""

from __future__ import annotations

import pytest
import torch

from bfrb.networks.registry import Shape, build_network
from bfrb.networks.specs import GatedTwoBranchSpec, TwoBranchSpec

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
