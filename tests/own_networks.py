"""Parts of one's own, as a user of the package would write them."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from bfrb.networks import blocks
from bfrb.networks.network import Inputs, Output, Shape
from bfrb.networks.specs import NetworkSpec
from bfrb.study.recordings import Recordings


def weaken(recordings: Recordings, strength: float, rng: np.random.Generator) -> Recordings:
    """Every recording with up to so much less acceleration."""
    factors = np.repeat(rng.uniform(1.0 - strength, 1.0, len(recordings)), recordings.lengths)[:, None]
    return recordings.with_sensors(acc=recordings.sensors["acc"] * factors)


class MeanNetwork(nn.Module):
    """Answers from the mean acceleration."""

    class Spec(NetworkSpec):
        """Its sizes."""

        BRANCHES: ClassVar[tuple[str, ...]] = ("acc",)
        MOTION: ClassVar[tuple[str, ...]] = ("acc",)

        width: int = 8

    def __init__(self, shape: Shape, spec: Spec) -> None:
        super().__init__()
        self.hidden = nn.Linear(shape.channels["acc"], spec.width)
        self.answer = nn.Linear(spec.width, shape.classes)

    def forward(self, inputs: Inputs, lengths: Tensor | None) -> Output:
        """Logits of padded sequences."""
        rows = inputs["acc"].transpose(1, 2)
        mean = blocks.masked_mean(rows, blocks.padding_mask(lengths, rows.shape[2]))
        return Output(self.answer(torch.relu(self.hidden(mean))))

    def decayed(self) -> list[nn.Parameter]:
        """The kernels."""
        return [*blocks.kernels(self)]


class Branched(MeanNetwork):
    """Takes in a branch that nobody fills."""

    class Spec(MeanNetwork.Spec):
        """Its branches."""

        MOTION: ClassVar[tuple[str, ...]] = ("breath",)
        BRANCHES: ClassVar[tuple[str, ...]] = ("breath",)


class NoSpec(nn.Module):
    """Lacks its spec."""
