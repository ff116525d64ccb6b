"""What a network is: padded sequences and lengths in, logits out; padding never changes the answer.

Without lengths all sequences are of one length. A network then takes no steps that only tell rows from padding; its
answer is the same. Bundles keep that form too (`bfrb.export.graphs`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from bfrb.networks.blocks import padding_mask

Inputs = Mapping[str, Tensor]
"""For every branch (B, T, C) standardised features, 0 where nothing is known and on padding (after the rows)."""


@dataclass(frozen=True)
class Shape:
    """What a network has to fit: channels of every branch, the number of classes, and how many rows a second has."""

    channels: Mapping[str, int]
    classes: int
    row_rate_hz: float = 10.0

    def rows(self, seconds: float, pooled: int = 1) -> int:
        """Rows in some time, one at least, where each stands for `pooled` rows of the input.

        Examples
        --------
        >>> Shape({}, 2, 50).rows(0.3), Shape({}, 2, 50).rows(1.0, pooled=10), Shape({}, 2, 5).rows(0.02)
        (15, 5, 1)
        """
        return max(1, round(seconds * self.row_rate_hz / pooled))


@dataclass(frozen=True)
class Output:
    """What a network gives."""

    logits: Tensor
    """(B, K) one number per class; `softmax` turns them into probabilities."""
    present: Mapping[str, Tensor] = field(default_factory=dict)
    heads: Mapping[str, Tensor] = field(default_factory=dict)
    """Further (B, K) logits of the classes, such as those from the motion sensors alone, trained like `logits`."""
    attention: Tensor | None = None
    """For networks that weigh rows: (B, T) weights over time, 0 on padding, summing to 1."""


@runtime_checkable
class Network(Protocol):
    """A `torch.nn.Module` from padded sequences to an `Output`."""

    def __call__(self, inputs: Inputs, lengths: Tensor | None) -> Output:
        """(B, T, C) per branch and (B,) lengths, or None where all are T, to (B, K) logits."""

    def decayed(self) -> list[nn.Parameter]:
        """The parameters that weight decay applies to."""


@runtime_checkable
class LinearAnswers(Network, Protocol):
    """A network whose answers are linear in features that do not learn, so that they can be solved for.

    `center` and `scale`, (D,) each, standardise the features; `plain`, (D,), tells those that are few and may weigh
    more than the others.
    """

    center: Tensor
    scale: Tensor
    plain: Tensor

    def place(self, inputs: Inputs, lengths: Tensor) -> None:
        """Fit what the features themselves depend on, such as thresholds, to some recordings."""

    def features(self, inputs: Inputs, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, D) features as they are, and 1 where they are known."""

    def standardise(self, features: Tensor, known: Tensor, columns: slice | None = None) -> Tensor:
        """(B, D) what the answers are linear in, of all features or of some columns of them."""

    def measured(self, inputs: Inputs) -> Mapping[str, Tensor]:
        """For every answer (B, 1) 1 where the sensors that it needs measured something."""

    def answers(self) -> Mapping[str, nn.Linear]:
        """The layers of the answers by name; each takes in the first of the features."""

    def eval(self) -> Any:
        """As of every module."""

    def state_dict(self) -> dict[str, Tensor]:
        """As of every module."""


class Standardise(nn.Module):
    """(B, T, C) features to zero mean and unit variance, if scaled; what is not known, and padding, becomes 0."""

    mean: Tensor
    sd: Tensor

    def __init__(self, mean: Tensor, sd: Tensor, *, scaled: bool = True) -> None:
        super().__init__()
        self.scaled = scaled
        self.register_buffer("mean", mean.to(torch.float32))
        self.register_buffer("sd", sd.to(torch.float32))

    def forward(self, values: Tensor, lengths: Tensor | None) -> Tensor:
        """Standardised values."""
        scaled = (values - self.mean) / self.sd if self.scaled else values
        known = scaled.masked_fill(torch.isnan(scaled), 0.0)
        mask = padding_mask(lengths, values.shape[1])
        return known if mask is None else known * mask.transpose(1, 2)
