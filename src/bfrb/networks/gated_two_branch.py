"""The two-branch network with a gate that closes the proximity branch when it carries nothing."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from bfrb.networks import blocks
from bfrb.networks.network import Inputs, Output, Shape
from bfrb.networks.specs import GatedTwoBranchSpec
from bfrb.networks.two_branch import TwoBranch


class GatedTwoBranch(TwoBranch):
    """`TwoBranch` whose proximity branch is multiplied by a learned gate.

    The gate is computed from the mean of the proximity input over time (dense, ReLU, dense, sigmoid). It is trained
    to tell whether the readings are there at all, on sequences that lose them at random.
    """

    Spec = GatedTwoBranchSpec

    def __init__(self, shape: Shape, spec: GatedTwoBranchSpec) -> None:
        super().__init__(shape, spec)
        channels = shape.channels["proximity"]
        self.gate: nn.Sequential | None = None
        if channels:
            self.gate = nn.Sequential(nn.Linear(channels, spec.gate_units), nn.ReLU(), nn.Linear(spec.gate_units, 1))
            blocks.initialise(self.gate)

    def forward(self, inputs: Inputs, lengths: Tensor | None) -> Output:
        """Logits of padded sequences, and the gate's logit under `present`."""
        inputs, lengths = self.pad(inputs, lengths)
        proximity = self.read_proximity(inputs, lengths)
        if self.gate is None or proximity is None:
            return super().forward(inputs, lengths)
        rows = inputs["proximity"].transpose(1, 2)
        gate = self.gate(blocks.masked_mean(rows, blocks.padding_mask(lengths, rows.shape[2])))
        gated = proximity * torch.sigmoid(gate)[:, :, None]
        output = self.classify(self.read_imu(inputs, lengths), gated, lengths, rows.shape[2])
        return replace(output, present={"proximity": gate[:, 0]})
