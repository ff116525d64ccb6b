"""The published two-branch network: a residual CNN for motion, a lighter one for proximity; recurrences; a gate."""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from bfrb.networks import blocks
from bfrb.networks.network import Inputs, Output, Shape
from bfrb.networks.specs import GatedTwoBranchSpec, TwoBranchSpec


class TwoBranch(nn.Module):
    """The published network.

    Two residual squeeze-excitation blocks on the IMU and two convolutions on ToF and thermopiles, then BiLSTM, BiGRU
    and a noisy dense path side by side, temporal attention and a dense head. Without channels of `proximity` the second
    branch is left out.
    """

    Spec = TwoBranchSpec

    def __init__(self, shape: Shape, spec: TwoBranchSpec) -> None:
        super().__init__()
        self.padded_rows = spec.padded_rows
        widths, dropout = spec.widths, (spec.imu_dropout, spec.proximity_dropout)
        half = shape.rows(spec.pooled_s[0])
        self.pools = half, shape.rows(spec.pooled_s[1], half)
        near, far = shape.rows(spec.imu_kernels_s[0]), shape.rows(spec.imu_kernels_s[1], half)
        block = blocks.ResidualSqueezeExcitation
        self.imu = nn.ModuleList(
            [
                block(shape.channels["imu"], widths[0], near, dropout[0], self.pools[0]),
                block(*widths, far, dropout[0], self.pools[1]),
            ]
        )
        self.proximity = nn.ModuleList()
        if shape.channels["proximity"]:
            near, far = shape.rows(spec.proximity_kernels_s[0]), shape.rows(spec.proximity_kernels_s[1], half)
            self.proximity.extend(
                [
                    blocks.ConvPool(shape.channels["proximity"], widths[0], near, dropout[1], self.pools[0]),
                    blocks.ConvPool(*widths, far, dropout[1], self.pools[1]),
                ]
            )
        merged = widths[1] * (2 if self.proximity else 1)
        self.lstm = blocks.Bidirectional(nn.LSTM, merged, spec.recurrent_units)
        self.gru = blocks.Bidirectional(nn.GRU, merged, spec.recurrent_units)
        self.noise = blocks.GaussianNoise(spec.noise_sd)
        self.noisy_path = nn.Linear(merged, spec.noise_units)
        self.dropout = nn.Dropout(spec.recurrent_dropout)
        summary = 4 * spec.recurrent_units + spec.noise_units
        self.attention = blocks.TemporalAttention(summary)
        self.head = blocks.DenseHead(
            summary, shape.classes, tuple(zip(spec.head_units, spec.head_dropouts, strict=True))
        )
        blocks.initialise(self)

    def forward(self, inputs: Inputs, lengths: Tensor | None) -> Output:
        """Logits of padded sequences (`models.network.Network`)."""
        inputs, lengths = self.pad(inputs, lengths)
        steps = inputs["imu"].shape[1]
        return self.classify(self.read_imu(inputs, lengths), self.read_proximity(inputs, lengths), lengths, steps)

    def pad(self, inputs: Inputs, lengths: Tensor | None) -> tuple[Inputs, Tensor | None]:
        """Inputs and lengths as they are; or all of one length with their padding, if the spec wants that."""
        rows = self.padded_rows
        if not rows:
            return inputs, lengths
        return {branch: functional.pad(values, (0, 0, 0, rows))[:, :rows] for branch, values in inputs.items()}, None

    def read_imu(self, inputs: Inputs, lengths: Tensor | None) -> Tensor:
        """(B, C, T') what the motion branch sees, in its pooled rows."""
        return self._run(self.imu, inputs["imu"], lengths)

    def read_proximity(self, inputs: Inputs, lengths: Tensor | None) -> Tensor | None:
        """The same of the proximity branch, if there is one."""
        return self._run(self.proximity, inputs["proximity"], lengths) if self.proximity else None

    def classify(self, imu: Tensor, proximity: Tensor | None, lengths: Tensor | None, steps: int) -> Output:
        """Recurrences, attention and head on the merged branches, of inputs of `steps` rows."""
        given = blocks.padding_mask(lengths, steps)
        for rows in self.pools:
            lengths = blocks.pooled_lengths(lengths, rows)
        merged = imu if proximity is None else torch.cat([imu, proximity], dim=1)
        seen = merged.transpose(1, 2)
        paths = [self.lstm(seen, lengths), self.gru(seen, lengths), functional.elu(self.noisy_path(self.noise(seen)))]
        summary = self.dropout(torch.cat(paths, dim=2))
        attended, weights = self.attention(summary, blocks.padding_mask(lengths, seen.shape[1]))
        if self.padded_rows:
            return Output(self.head(attended))
        weights = blocks.unpooled_weights(weights, math.prod(self.pools), given, steps)
        return Output(self.head(attended), attention=weights)

    def _run(self, layers: nn.ModuleList, rows: Tensor, lengths: Tensor | None) -> Tensor:
        """(B, T, C) rows through blocks that each pool some of them."""
        x = blocks.as_images(rows.transpose(1, 2), lengths)
        for layer, pooled in zip(layers, self.pools, strict=True):
            steps = x.shape[-1]
            x = layer(x, blocks.padding_mask(lengths, steps))
            lengths = blocks.pooled_lengths(lengths, pooled)
            if self.padded_rows:
                x = x[..., : steps // pooled]
        return blocks.as_rows(x)

    def decayed(self) -> list[nn.Parameter]:
        """Kernels of the convolutions, the recurrences and the dense head; not of gates, noisy path and attention."""
        return [*blocks.kernels(self.imu, self.proximity, self.lstm, self.gru, self.head)]


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
