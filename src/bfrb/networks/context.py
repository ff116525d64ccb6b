"""What the wrist does now, against what it did before: posture and liveliness over a short and a long time.

Behaviours come in a context: somebody sits still and reads, and then the hand moves a little. The network describes the
last seconds and the minutes up to now by the same few numbers, and answers from both.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from bfrb.networks import blocks
from bfrb.networks.network import Inputs, Output, Shape
from bfrb.networks.specs import ContextSpec

_SMOOTHINGS_S = (0.3, 0.9, 3.1)
"""Of the moving means that part a signal into quick, medium and slow movement, and posture."""

_LOUDNESS_S = 2.5
_STEP_S = 0.5  # from one value of the course to the next

_FLOOR = 1e-3  # added to energies before their logarithm, in units of the training data's variance


class Context(nn.Module):
    """Energies of quick, medium and slow movement and the posture, of the branches `acc` and `rotation`.

    They are told of the last rows, and their course until then.
    """

    Spec = ContextSpec

    def __init__(self, shape: Shape, spec: ContextSpec) -> None:
        super().__init__()
        self.branches = spec.BRANCHES
        self.near_rows, self.step = shape.rows(spec.near_s), shape.rows(_STEP_S)
        # Odd, so that a mean has its row in the middle.
        *self.smoothings, self.loudness = (shape.rows(each) | 1 for each in (*_SMOOTHINGS_S, _LOUDNESS_S))
        traces = sum(shape.channels[branch] for branch in spec.BRANCHES) * (len(_SMOOTHINGS_S) + 1)
        self.norm = nn.BatchNorm1d(3 * traces, eps=1e-3)
        self.dropout = nn.Dropout(spec.dropout)
        layers = ((spec.head_units, spec.head_dropout),) if spec.head_units else ()
        self.head = blocks.DenseHead(3 * traces, shape.classes, layers)
        blocks.initialise(self)

    def forward(self, inputs: Inputs, lengths: Tensor | None) -> Output:
        """Logits of padded sequences (`models.network.Network`)."""
        with torch.no_grad():
            described = self.describe(inputs, lengths)
        described = self.norm(described).clamp(-4.0, 4.0)
        return Output(self.head(self.dropout(described)))

    def describe(self, inputs: Inputs, lengths: Tensor | None) -> Tensor:
        """(B, D) every trace's mean over the last rows, and its mean and spread over all rows."""
        x = torch.cat([inputs[branch] for branch in self.branches], dim=2).transpose(1, 2)
        mask = blocks.padding_mask(lengths, x.shape[2])
        known = (x != 0).any(dim=1, keepdim=True).to(x.dtype)
        known = known if mask is None else mask * known
        traces, energies = self._traces(x, known)
        ends = x.shape[2] if lengths is None else lengths[:, None]
        positions = torch.arange(x.shape[2], device=x.device)
        near = known * (positions[None, :] >= ends - self.near_rows)[:, None, :].to(x.dtype)
        now = [torch.log(_mean(energies, near) + _FLOOR), _mean(x, near)]
        counted = known[:, :, :: self.step]
        mean = _mean(traces, counted)
        spread = torch.sqrt(_mean((traces - mean[:, :, None]).square(), counted) + _FLOOR)
        return torch.cat([*now, mean, spread], dim=1)

    def _traces(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 4 C, T / step) logarithms of every channel's energies, and its posture; (B, 3 C, T) those energies."""
        smooth, bands = x, []
        for rows in self.smoothings:
            smoother = _moving_mean(x, known, rows)
            bands.append(smooth - smoother)
            smooth = smoother
        energies = torch.cat(bands, dim=1).square() * known
        loudness = torch.log(_moving_mean(energies, known, self.loudness, self.step) + _FLOOR)
        return torch.cat([loudness, smooth[:, :, :: self.step]], dim=1), energies

    def decayed(self) -> list[nn.Parameter]:
        """Kernels of the dense layers."""
        return [*blocks.kernels(self.head)]


def _moving_mean(x: Tensor, known: Tensor, rows: int, step: int = 1) -> Tensor:
    """(B, C, T / step) mean of the known rows about every `step`-th row."""
    total = functional.avg_pool1d(x * known, rows, stride=step, padding=rows // 2)
    share = functional.avg_pool1d(known, rows, stride=step, padding=rows // 2)
    return total / share.clamp(min=0.5 / rows)


def _mean(x: Tensor, weights: Tensor) -> Tensor:
    """(B, C) mean of (B, C, T) over the rows of weight 1."""
    return (x * weights).sum(dim=2) / weights.sum(dim=2).clamp(min=1.0)
