"""Stems, which stand between the readings of one group of sensors and the rest of a network, and pooling by phase.

What is not known is 0 in a network's inputs, so a channel that is 0 throughout a sequence is one that was not measured,
and so is an image. Every stem normalises what is there with statistics of its own, gives 0 for what is not, and says
what was there, so that any of the sensors may be missing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bfrb.errors import ConfigError
from bfrb.networks import blocks
from bfrb.study.labels import PHASES

SIDE = 8
"""Pixels along a side of a time-of-flight image."""


def is_there(x: Tensor) -> Tensor:
    """(B, C, 1) 1 where anything was measured in (B, C, T), else 0."""
    return (x != 0).any(dim=2, keepdim=True).to(x.dtype)


def count_images(pixels: int) -> int:
    """How many time-of-flight images so many pixels are.

    Raises
    ------
    ConfigError
        If the pixels are not those of whole images.
    """
    if pixels % SIDE**2:
        raise ConfigError(
            f"expected images of {SIDE} by {SIDE} pixels, got {pixels} channels",
            remedy="let the branch tof hold tof_nearness and nothing else",
        )
    return pixels // SIDE**2


class ChannelStem(nn.Module):
    """Vectors of motion, or temperatures: batch-norm, filters over time for every channel alone, gates, mixing.

    Parameters
    ----------
    channels
        Number of channels C.
    filters
        Filters per channel, and the rows each looks at.
    width
        Channels of the result.
    """

    def __init__(self, channels: int, filters: tuple[int, int], width: int) -> None:
        super().__init__()
        count, rows = filters
        self.count = count
        self.first_norm = blocks.MaskedBatchNorm(channels)
        self.filters = blocks.Convolution(channels, channels * count, rows, groups=channels)
        self.norm = blocks.MaskedBatchNorm(channels * count)
        self.gates = blocks.SqueezeExcitation(channels * count)
        self.mix = blocks.ConvNormRelu(channels * count, width, 1)

    def forward(self, rows: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, T, C) to (B, width, T), and (B, 1, 1) 1 where any channel is there."""
        x = rows.transpose(1, 2)
        there = is_there(x)
        x = self.first_norm(x, blocks.both(mask, there))
        each = there.repeat_interleave(self.count, dim=1)
        x = self.gates(torch.relu(self.norm(self.filters(x), blocks.both(mask, each))), mask)
        known = there.amax(dim=1, keepdim=True)
        return self.mix(x, blocks.both(mask, known)), known


class ImageStem(nn.Module):
    """Time-of-flight images: the same small image network for every site, then the sites side by side.

    A pixel is seen by its nearness and by whether it has an answer at all.

    Parameters
    ----------
    pixels
        Pixels of all sites together.
    widths
        Channels of the convolution, of the dense layer after it, numbers that stand for one image, and channels of the
        result.

    Raises
    ------
    ConfigError
        If the pixels are not those of whole images.
    """

    def __init__(self, pixels: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.sites = count_images(pixels)
        edges, shapes, self.numbers, width = widths
        described = self.sites * self.numbers
        self.edges = nn.Conv2d(2, edges, 3, stride=2, padding=1)
        self.shapes = nn.Linear(edges * (SIDE // 2) ** 2, shapes)
        self.describe = nn.Conv1d(self.sites * shapes, described, 1, groups=self.sites, bias=False)
        self.norm = blocks.MaskedBatchNorm(described)
        self.mix = blocks.ConvNormRelu(described, width, 1)

    def forward(self, rows: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, T, 64 S) to (B, width, T), and (B, 1, 1) 1 where any image is there."""
        batch, steps, _ = rows.shape
        by_site = rows.reshape(batch, steps, self.sites, SIDE**2)
        there = (by_site != 0).any(dim=3).any(dim=1).to(rows.dtype)[:, :, None]
        images = by_site.reshape(-1, 1, SIDE, SIDE)
        x = torch.cat([torch.relu(images), (images > 0).to(rows.dtype)], dim=1)
        x = torch.relu(self.shapes(torch.relu(self.edges(x)).flatten(1)))
        x = self.describe(x.reshape(batch, steps, -1).transpose(1, 2))
        each = there.repeat_interleave(self.numbers, dim=1)
        x = torch.relu(self.norm(x, blocks.both(mask, each)))
        known = there.amax(dim=1, keepdim=True)
        return self.mix(x, blocks.both(mask, known)), known


class PhasePooling(nn.Module):
    """Means over time, one for every phase, by attention among the rows that seem to be of that phase.

    Parameters
    ----------
    channels
        Number of channels C.
    by_phase
        Whether phases count. Without them as many attentions are each free to look at any row.
    """

    def __init__(self, channels: int, *, by_phase: bool = True) -> None:
        super().__init__()
        self.by_phase = by_phase
        self.attention = nn.Conv1d(channels, len(PHASES), 1)

    def forward(self, x: Tensor, phases: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, C, T) rows and (B, P, T) logits of phases to (B, P * C), and (B, T) the weights, mean over phases."""
        scores = self.attention(x)
        if self.by_phase:
            scores = scores + torch.log_softmax(phases, dim=1)
        weights = blocks.softmax_of_rows(scores, mask)
        return torch.matmul(weights, x.transpose(1, 2)).flatten(1), weights.mean(dim=1)
