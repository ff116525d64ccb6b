"""A network."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from bfrb.networks.blocks import kernels, masked_mean, padding_mask
from bfrb.networks.network import Inputs, Output, Shape
from bfrb.networks.specs import NetworkSpec


class Spread(nn.Module):
    """Answers from the mean of every channel and of its square."""

    class Spec(NetworkSpec):
        """Its branches and sizes."""

        BRANCHES: ClassVar[tuple[str, ...]] = ("acc", "wobble")
        MOTION: ClassVar[tuple[str, ...]] = ("acc", "wobble")

        width: int = 32

    def __init__(self, shape: Shape, spec: Spec) -> None:
        super().__init__()
        self.branches = [branch for branch in spec.BRANCHES if shape.channels[branch]]
        channels = sum(shape.channels[branch] for branch in self.branches)
        self.hidden = nn.Linear(2 * channels, spec.width)
        self.answer = nn.Linear(spec.width, shape.classes)

    def forward(self, inputs: Inputs, lengths: Tensor | None) -> Output:
        """Logits of padded sequences."""
        rows = torch.cat([inputs[branch] for branch in self.branches], dim=2).transpose(1, 2)
        described = masked_mean(torch.cat([rows, rows.square()], dim=1), padding_mask(lengths, rows.shape[2]))
        return Output(self.answer(torch.tanh(self.hidden(described))))

    def decayed(self) -> list[nn.Parameter]:
        """The weights of the layers, not their biases."""
        return [*kernels(self)]
