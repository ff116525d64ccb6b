"""A stem for every group of sensors, an answer from motion alone and one from all sensors, in one network."""

import math

import torch
from torch import Tensor, nn

from bfrb.errors import ConfigError
from bfrb.networks import blocks
from bfrb.networks.network import Inputs, Output, Shape
from bfrb.networks.specs import StemsSpec
from bfrb.study.labels import BEHAVIORS, ORIENTATIONS, PHASES

SIDE = 8
"""Pixels along a side of a time-of-flight image."""


def is_there(x: Tensor) -> Tensor:
    """(B, C, 1) 1 where anything was measured in (B, C, T), else 0."""
    return (x != 0).any(dim=2, keepdim=True).to(x.dtype)


def count_images(pixels: int) -> int:
    """How many time-of-flight images so many pixels are. ConfigError if the pixels are not those of whole images."""
    if pixels % SIDE**2:
        problem = f"expected images of {SIDE} by {SIDE} pixels, got {pixels} channels"
        raise ConfigError(problem, remedy="let the branch tof hold tof_nearness and nothing else")
    return pixels // SIDE**2


class ChannelStem(nn.Module):
    """Vectors of motion, or temperatures: batch-norm, filters over time for every channel alone, gates, mixing.

    There are so many filters per channel, which look at so many rows.
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

    A pixel is seen by its nearness and by whether it has an answer at all. The widths are those of the convolution, of
    the dense layer after it, the numbers that stand for one image, and the channels of the result.
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

    Where phases do not count, as many attentions are each free to look at any row.
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


class Stems(nn.Module):
    """One stem each for acceleration, rotation, thermopiles and time-of-flight images; then two answers.

    The first is made from motion alone. The second is made from everything. Where no proximity sensor measured, the
    first is the network's; elsewhere the two are blended. A phase head finds the rows of the gesture, and both answers
    pool what comes before the gesture and the gesture apart. Branches without channels have no stem.
    """

    Spec = StemsSpec

    def __init__(self, shape: Shape, spec: StemsSpec) -> None:
        super().__init__()
        self.motion_share = spec.motion_share
        self.motion, self.proximity = (
            nn.ModuleDict({branch: _stem(branch, shape, spec) for branch in branches if shape.channels[branch]})
            for branches in (spec.MOTION, ("thm", "tof"))
        )
        first, second = spec.trunk_widths
        half = shape.rows(spec.pooled_s[0])
        self.pools = half, shape.rows(spec.pooled_s[1], half)
        near, far = shape.rows(spec.trunk_kernels_s[0]), shape.rows(spec.trunk_kernels_s[1], half)
        block = blocks.ResidualSqueezeExcitation
        self.first = block(spec.motion_width * len(self.motion), first, near, spec.trunk_dropout, half)
        self.second = block(first, second, far, spec.trunk_dropout, self.pools[1])
        self.phases = nn.Conv1d(second, len(PHASES), 1)
        self.behaviors = nn.Conv1d(second, len(BEHAVIORS), 1)
        self.pooling = PhasePooling(second, by_phase=spec.pool_by_phase)
        head = ((spec.head_units, spec.head_dropout),)
        self.head = blocks.DenseHead(len(PHASES) * second, shape.classes, head)
        self.orientation = nn.Linear(len(PHASES) * second, len(ORIENTATIONS))
        if self.proximity:
            seen = spec.thm_width * ("thm" in self.proximity) + spec.tof_width * ("tof" in self.proximity)
            self.nearby = blocks.ConvPool(seen, first, near, spec.trunk_dropout, half)
            self.together = block(2 * first, second, far, spec.trunk_dropout, self.pools[1])
            self.together_pooling = PhasePooling(second, by_phase=spec.pool_by_phase)
            self.together_head = blocks.DenseHead(2 * len(PHASES) * second, shape.classes, head)
        blocks.initialise(self)

    def forward(self, inputs: Inputs, lengths: Tensor | None) -> Output:
        """Logits of padded sequences (`models.network.Network`)."""
        steps = next(iter(inputs.values())).shape[1]
        mask = blocks.padding_mask(lengths, steps)
        lengths = blocks.pooled_lengths(lengths, self.pools[0])
        motion, _ = _sense(self.motion, inputs, mask)
        moved = self.first(blocks.as_images(motion, lengths), mask)
        halved = blocks.padding_mask(lengths, moved.shape[-1])
        rows = blocks.as_rows(self.second(moved, halved))
        quartered = blocks.padding_mask(blocks.pooled_lengths(lengths, self.pools[1]), rows.shape[2])
        phases = self.phases(rows)
        summary, attention = self.pooling(rows, phases, quartered)
        alone, times = self.head(summary), math.prod(self.pools)
        auxiliary = {
            "orientation": self.orientation(summary),
            "phase": blocks.unpooled(phases, times, steps).transpose(1, 2),
            "behavior": blocks.unpooled(self.behaviors(rows), times, steps).transpose(1, 2),
        }
        if not self.proximity:
            attention = blocks.unpooled_weights(attention, times, mask, steps)
            return Output(alone, auxiliary=auxiliary, attention=attention)
        near, known = _sense(self.proximity, inputs, mask)
        beside = self.nearby(blocks.as_images(near, lengths), mask)
        together = blocks.as_rows(self.together(torch.cat([moved, beside], dim=1), halved))
        pooled, looked = self.together_pooling(together, phases, quartered)
        full = self.together_head(torch.cat([summary, pooled], dim=1))
        share = known[:, :, 0] * (1.0 - self.motion_share)
        attention = blocks.unpooled_weights(torch.lerp(attention, looked, share), times, mask, steps)
        blended = torch.lerp(alone, full, share)
        return Output(blended, auxiliary=auxiliary, heads={"motion": alone}, attention=attention)

    def decayed(self) -> list[nn.Parameter]:
        """Kernels of convolutions and dense layers; not of gates and attention."""
        return [*blocks.kernels(*(module for name, module in self.named_children() if "pooling" not in name))]


def _stem(branch: str, shape: Shape, spec: StemsSpec) -> nn.Module:
    if branch == "tof":
        return ImageStem(shape.channels["tof"], (*spec.image_widths, spec.site_width, spec.tof_width))
    width = spec.thm_width if branch == "thm" else spec.motion_width
    return ChannelStem(shape.channels[branch], (spec.filters, shape.rows(spec.filter_s)), width)


def _sense(stems: nn.ModuleDict, inputs: Inputs, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """(B, C, T) what the stems see side by side, and (B, 1, 1) 1 where any of them sees something."""
    seen = [stem(inputs[branch], mask) for branch, stem in stems.items()]
    values = torch.cat([found for found, _ in seen], dim=1)
    return values, torch.cat([known for _, known in seen], dim=1).amax(dim=1, keepdim=True)
