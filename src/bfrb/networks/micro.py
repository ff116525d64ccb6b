"""A network for microcontrollers: separable convolutions over what the motion sensors read, and nothing that recurs."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from bfrb.networks import blocks
from bfrb.networks.network import Inputs, Output, Shape
from bfrb.networks.specs import MicroSpec


class Separable(nn.Module):
    """A convolution of every channel by itself, then one across channels (Chollet 2017, arXiv 1610.02357)."""

    def __init__(self, inputs: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.depth = blocks.Convolution(inputs, inputs, kernel, groups=inputs)
        self.point = blocks.ConvNormRelu(inputs, channels, 1)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, T) to (B, `channels`, T), zero on padding."""
        found: Tensor = self.point(self.depth(x), mask)
        return found


class Micro(nn.Module):
    """A convolution, separable ones, each of the first followed by pooling; mean and maximum over time; an answer.

    Every operator runs in eight bits in interpreters for microcontrollers; there are about 45 thousand weights for six
    channels of the branch `samples`.
    """

    Spec = MicroSpec

    def __init__(self, shape: Shape, spec: MicroSpec) -> None:
        super().__init__()
        self.pools: list[int] = []
        kernels = []
        for number in range(len(spec.widths)):
            spread, times = math.prod(self.pools), 2 ** len(self.pools)
            kernels.append(shape.rows(spec.kernel_s * times, spread))
            if number < spec.pooled:
                self.pools.append(shape.rows(spec.pooled_s * times, spread))
        first = blocks.ConvNormRelu(shape.channels["samples"], spec.widths[0], kernels[0])
        others = [Separable(*widths, kernel) for widths, kernel in zip(pairwise(spec.widths), kernels[1:], strict=True)]
        self.layers = nn.ModuleList([first, *others])
        self.dropout = nn.Dropout(spec.dropout)
        self.head = blocks.DenseHead(2 * spec.widths[-1], shape.classes, ())
        blocks.initialise(self)

    def forward(self, inputs: Inputs, lengths: Tensor | None) -> Output:
        """Logits of padded sequences (`networks.network.Network`)."""
        if self.training and lengths is not None and (lengths == inputs["samples"].shape[1]).all():
            lengths = None  # there is no padding, and images are sooner learnt from
        x = blocks.as_images(inputs["samples"].transpose(1, 2), lengths)
        for number, layer in enumerate(self.layers):
            x = layer(x, blocks.padding_mask(lengths, x.shape[-1]))
            if number < len(self.pools):
                x, lengths = blocks.pool(x, self.pools[number]), blocks.pooled_lengths(lengths, self.pools[number])
        mean = blocks.masked_mean(x, blocks.padding_mask(lengths, x.shape[-1]))
        return Output(self.head(self.dropout(torch.cat([mean, x.flatten(2).amax(dim=2)], dim=1))))

    def decayed(self) -> list[nn.Parameter]:
        """Kernels of all layers."""
        return [*blocks.kernels(self.layers, self.head)]
