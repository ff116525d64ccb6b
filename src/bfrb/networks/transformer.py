"""Every row looks at every other one: a small transformer, as unlike the convolutions of `stems` as can be."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from bfrb.networks import blocks
from bfrb.networks.network import Inputs, Output, Shape
from bfrb.networks.sensing import ImageStem, Losses, PhasePooling, at_rows, is_there
from bfrb.networks.specs import TransformerSpec
from bfrb.study.labels import ORIENTATIONS, PHASES

_MOTION = ("acc", "rotation")


class VectorEmbedding(nn.Module):
    """A row's numbers and their neighbours as one vector: (B, T, C) to (B, width, T), and whether any is there."""

    def __init__(self, channels: int, rows: int, width: int, losses: Losses) -> None:
        super().__init__()
        self.losses = losses
        self.norm = blocks.MaskedBatchNorm(channels)
        self.embed = nn.Conv1d(channels, width, rows, padding="same")

    def forward(self, rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The vectors, zero where nothing is there, and (B, 1, 1) 1 where anything is."""
        x = rows.transpose(1, 2)
        there = self.losses(is_there(x))
        known = there.amax(dim=1, keepdim=True)
        return self.embed(self.norm(x, mask * there)) * mask * known, known


class DistanceAttention(nn.Module):
    """Self-attention whose heads each have a reach: the further a row, the less it counts (Press et al. 2022, arXiv
    2108.12409), here with a learnt rate, and one for what comes before and one for what comes after.
    """  # noqa: D205

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.decay_bias = nn.Parameter(torch.linspace(-4.0, 0.0, heads)[:, None].repeat(1, 2))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, C) to (B, T, C)."""
        batch, steps, width = x.shape
        parts = self.project(x).reshape(batch, steps, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = parts[0], parts[1], parts[2]
        scores = torch.matmul(query, key.transpose(2, 3)) / math.sqrt(width // self.heads)
        scores = scores - self.penalty(steps, x.device)
        weights = torch.softmax(scores.masked_fill(mask[:, :, None, :] == 0, float("-inf")), dim=3)
        mixed: Tensor = self.join(torch.matmul(weights, value).transpose(1, 2).reshape(batch, steps, width))
        return mixed

    def penalty(self, steps: int, device: torch.device) -> Tensor:
        """(H, T, T) what is taken from the score of a row (last axis) in the eyes of another."""
        positions = torch.arange(steps, device=device)
        ahead = (positions[None, :] - positions[:, None]).to(self.decay_bias.dtype)
        rates = functional.softplus(self.decay_bias)[:, :, None, None]
        return rates[:, 0] * torch.relu(-ahead) + rates[:, 1] * torch.relu(ahead)


class Layer(nn.Module):
    """Attention, then two dense layers for every row, each around a shortcut."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.first_norm = nn.LayerNorm(width)
        self.mixing = DistanceAttention(width, heads)
        self.second_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, C) to (B, T, C)."""
        x = x + self.dropout(self.mixing(self.first_norm(x), mask))
        dense = self.narrow(self.dropout(functional.gelu(self.widen(self.second_norm(x)))))
        widened: Tensor = x + self.dropout(dense)
        return widened


class Transformer(nn.Module):
    """The groups of sensors are embedded row by row and added; pairs of rows then look at each other.

    In place of a group that is missing stands a learnt vector. Positions are known by distance only, so that a
    sequence may be of any length.

    Parameters
    ----------
    shape
        Channels of the branches `acc`, `rotation`, `thm` and `tof`; those without channels are left out.
    spec
        Sizes.
    """

    def __init__(self, shape: Shape, spec: TransformerSpec) -> None:
        super().__init__()
        self.groups = nn.ModuleDict(
            {name: _embedding(name, count, spec) for name, count in shape.channels.items() if _is_read(name, count)}
        )
        self.missing_bias = nn.Parameter(torch.zeros(len(self.groups), spec.width))
        self.pairs = nn.Conv1d(spec.width, spec.width, 3, stride=2, padding=1)
        self.layers = nn.ModuleList([Layer(spec.width, spec.heads, spec.dropout) for _ in range(spec.layers)])
        self.norm = nn.LayerNorm(spec.width)
        self.phases = nn.Conv1d(spec.width, len(PHASES), 1)
        self.pooling = PhasePooling(spec.width)
        summary = len(PHASES) * spec.width
        self.orientation = nn.Linear(summary, len(ORIENTATIONS))
        self.head = blocks.DenseHead(summary, shape.classes, ((spec.head_units, spec.head_dropout),))
        blocks.initialise(self)

    def forward(self, inputs: Inputs, lengths: Tensor) -> Output:
        """Logits of padded sequences (`models.network.Network`)."""
        steps = next(iter(inputs.values())).shape[1]
        x = self.pairs(self.embed(inputs, blocks.padding_mask(lengths, steps))).transpose(1, 2)
        mask = blocks.padding_mask(blocks.pooled_lengths(lengths), (steps + 1) // 2)
        for layer in self.layers:
            x = layer(x, mask)
        rows = self.norm(x).transpose(1, 2)
        phases = self.phases(rows)
        summary, attention = self.pooling(rows, phases, mask)
        auxiliary = {"orientation": self.orientation(summary), "phase": at_rows(phases, 2, steps)}
        return Output(self.head(summary), auxiliary=auxiliary, attention=attention)

    def embed(self, inputs: Inputs, mask: Tensor) -> Tensor:
        """(B, C, T) sum of what stands for the groups, zero on padding."""
        embedded = torch.zeros((), device=mask.device)
        for number, (name, group) in enumerate(self.groups.items()):
            seen, known = group(inputs[name], mask)
            embedded = embedded + seen + (1.0 - known) * self.missing_bias[number][:, None]
        return embedded * mask

    def decayed(self) -> list[nn.Parameter]:
        """Kernels of convolutions and dense layers; not of the pooling's attention."""
        return [*blocks.kernels(*(module for name, module in self.named_children() if name != "pooling"))]


def _is_read(name: str, channels: int) -> bool:
    return name in TransformerSpec.BRANCHES and channels > 0


def _embedding(name: str, channels: int, spec: TransformerSpec) -> nn.Module:
    """What embeds a group; all of them but acceleration are lost at times while training."""
    if name == "tof":
        widths = (*spec.image_widths, spec.site_width, spec.width)
        return ImageStem(channels, widths, Losses(spec.lose_group, spec.lose_piece))
    group = 0.0 if name == "acc" else spec.lose_group
    piece = 0.0 if name in _MOTION else spec.lose_piece
    return VectorEmbedding(channels, spec.embed_rows, spec.width, Losses(group, piece))
