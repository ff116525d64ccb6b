"""Building blocks whose answer never depends on padding.

Shapes are (B, C, T) for convolutions and (B, T, C) for recurrences. A `mask` is (B, 1, T), 1 on real rows and 0 on
padding, and a block that is given zeros on padding returns zeros on padding.

Where all sequences are of one length there is no padding: `lengths` and `mask` are None, and the same answer takes
fewer and plainer steps. Convolutions and what stands between them then take (B, C, 1, T) as well, images one pixel high
(`as_images`), for which ONNX Runtime and phones have faster kernels.
"""

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional


def padding_mask(lengths: Tensor | None, steps: int) -> Tensor | None:
    """(B, 1, T) float mask, 1 where a sequence of `lengths` (B,) has rows; None without lengths."""
    if lengths is None:
        return None
    positions = torch.arange(steps, device=lengths.device)
    return (positions[None, :] < lengths[:, None]).to(torch.get_default_dtype())[:, None, :]


def as_images(x: Tensor, lengths: Tensor | None) -> Tensor:
    """(B, C, 1, T) of (B, C, T) without lengths, else the same."""
    return x.unsqueeze(2) if lengths is None else x


def as_rows(x: Tensor) -> Tensor:
    """(B, C, T) of (B, C, T) or (B, C, 1, T)."""
    return x.squeeze(2) if x.dim() == 4 else x


def masked_mean(x: Tensor, mask: Tensor | None) -> Tensor:
    """(B, C) mean over the real rows of (B, C, T), which is zero on padding."""
    return x.mean(dim=tuple(range(2, x.dim()))) if mask is None else x.sum(dim=2) / mask.sum(dim=2).clamp(min=1.0)


def reverse_rows(x: Tensor, lengths: Tensor | None) -> Tensor:
    """(B, T, C) with the real rows of every sequence in reverse order; padding stays at the end.

    A second reversal restores the original. This makes a backward recurrence start at a sequence's last row rather
    than in its padding.
    """
    if lengths is None:
        return x.flip(1)
    positions = torch.arange(x.shape[1], device=x.device)[None, :]
    source = torch.where(positions < lengths[:, None], lengths[:, None] - 1 - positions, positions)
    return torch.gather(x, 1, source[:, :, None].expand(-1, -1, x.shape[2]))


class MaskedBatchNorm(nn.Module):
    """Batch normalisation (Ioffe and Szegedy 2015) of (B, C, T) whose statistics leave padding out.

    The momentum is the share of the newest batch in the running statistics.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-3) -> None:
        super().__init__()
        self.momentum = momentum
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Normalise; the result is zero where the mask is, which may be (B, C, T) too."""
        if self.training and mask is not None:
            mean, variance = self._moments(x, mask)
            scale = self.weight * torch.rsqrt(variance + self.eps)
            shift = self.bias - mean * scale
            return (x * scale[:, None] + shift[:, None]) * mask
        known = (self.running_mean, self.running_var, self.weight, self.bias)
        normalised = functional.batch_norm(x, *known, self.training, self.momentum, self.eps)
        return normalised if mask is None else normalised * mask

    def _moments(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        rows = (mask.sum(dim=(0, 2)) * (x.shape[2] / mask.shape[2])).clamp(min=1.0)
        masked = x * mask
        mean = masked.sum(dim=(0, 2)) / rows
        variance = ((masked * x).sum(dim=(0, 2)) / rows - mean.square()).clamp(min=0.0)
        with torch.no_grad():
            unbiased = variance * rows / (rows - 1.0).clamp(min=1.0)
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
        return mean, variance


class Convolution(nn.Conv1d):
    """Convolution without bias to as many rows; an even kernel sees one row more after a row than before it."""

    def __init__(self, inputs: int, channels: int, kernel: int, groups: int = 1) -> None:
        super().__init__(inputs, channels, kernel, padding=kernel // 2, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) to (B, `channels`, T)."""
        if x.dim() == 4:
            padding = (0, self.kernel_size[0] // 2)
            convolved = functional.conv2d(x, self.weight[:, :, None], padding=padding, groups=self.groups)
        else:
            convolved = super().forward(x)
        return convolved if self.kernel_size[0] % 2 else convolved[..., 1:]


class ConvNormRelu(nn.Module):
    """Convolution without bias, masked batch-norm, ReLU: (B, C, T) to (B, `channels`, T)."""

    def __init__(self, inputs: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = Convolution(inputs, channels, kernel)
        self.norm = MaskedBatchNorm(channels)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Zero on padding if the input is."""
        return torch.relu(self.norm(self.conv(x), mask))


class SqueezeExcitation(nn.Module):
    """Channel gates from the mean over time (Hu et al. 2018, arXiv 1709.01507)."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, max(1, channels // reduction))
        self.excite = nn.Linear(max(1, channels // reduction), channels)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, T) with every channel weighted between 0 and 1."""
        gates = torch.sigmoid(self.excite(torch.relu(self.squeeze(masked_mean(x, mask)))))
        return x * gates.reshape(*gates.shape, *[1] * (x.dim() - 2))


class ResidualSqueezeExcitation(nn.Module):
    """Two convolutions with squeeze-excitation around a shortcut, then pooling of `rows` to one, and dropout."""

    def __init__(self, inputs: int, channels: int, kernel: int, dropout: float, rows: int = 2) -> None:
        super().__init__()
        self.rows = rows
        self.first = ConvNormRelu(inputs, channels, kernel)
        self.second = ConvNormRelu(channels, channels, kernel)
        self.gates = SqueezeExcitation(channels)
        self.shortcut: nn.Conv1d | None = None
        if inputs != channels:
            self.shortcut = Convolution(inputs, channels, 1)
            self.shortcut_norm = MaskedBatchNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, T) to (B, channels, ceil(T / rows))."""
        shortcut = x if self.shortcut is None else self.shortcut_norm(self.shortcut(x), mask)
        x = self.gates(self.second(self.first(x, mask), mask), mask)
        pooled: Tensor = self.dropout(pool(torch.relu(x + shortcut), self.rows))
        return pooled


class ConvPool(nn.Module):
    """Convolution, masked batch-norm, ReLU, pooling of `rows` to one, dropout."""

    def __init__(self, inputs: int, channels: int, kernel: int, dropout: float, rows: int = 2) -> None:
        super().__init__()
        self.rows = rows
        self.conv = ConvNormRelu(inputs, channels, kernel)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, T) to (B, channels, ceil(T / rows))."""
        pooled: Tensor = self.dropout(pool(self.conv(x, mask), self.rows))
        return pooled


def pool(x: Tensor, rows: int) -> Tensor:
    """Maximum over so many rows of values >= 0; fewer last ones are kept, zeros on padding never win."""
    return functional.max_pool2d(x, (1, rows), ceil_mode=True)


def pooled_lengths(lengths: Tensor | None, rows: int) -> Tensor | None:
    """(B,) lengths after `pool`."""
    return None if lengths is None else torch.div(lengths + (rows - 1), rows, rounding_mode="floor")


def unpooled_weights(weights: Tensor, times: int, mask: Tensor | None, steps: int) -> Tensor:
    """(B, T) weights of the input's rows, from (B, ceil(T / `times`)): rows pooled together have the same."""
    spread = weights[:, None].repeat_interleave(times, dim=2)[:, :, :steps]
    spread = (spread if mask is None else spread * mask)[:, 0]
    return spread / spread.sum(dim=1, keepdim=True)


class Bidirectional(nn.Module):
    """An LSTM or GRU run from both ends of every sequence, not of its padding: (B, T, C) to (B, T, 2 * units)."""

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU], inputs: int, units: int) -> None:
        super().__init__()
        self.forwards = kind(inputs, units, batch_first=True)
        self.backwards = kind(inputs, units, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """(B, T, 2 * units)."""
        if torch.onnx.is_in_onnx_export():
            return self._in_graph(x, lengths)
        ahead, _ = self.forwards(x)
        back, _ = self.backwards(reverse_rows(x, lengths))
        return torch.cat([ahead, reverse_rows(back, lengths)], dim=2)

    def _in_graph(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """The same as one operator of ONNX, whose gates have another order."""
        kind, order = ("LSTM", (0, 3, 1, 2)) if isinstance(self.forwards, nn.LSTM) else ("GRU", (1, 0, 2))
        ways = [[_reorder(weights, order) for weights in way.parameters()] for way in (self.forwards, self.backwards)]
        inner, recurrent, inner_bias, recurrent_bias = (torch.stack(pair) for pair in zip(*ways, strict=True))
        inputs = [x.transpose(0, 1), inner, recurrent, torch.cat([inner_bias, recurrent_bias], dim=1)]
        attributes: dict[str, Any] = {"hidden_size": self.forwards.hidden_size, "direction": "bidirectional"}
        if kind == "GRU":
            attributes["linear_before_reset"] = 1
        if lengths is not None:
            inputs.append(lengths.to(torch.int32))
        shape = (x.shape[1], 2, x.shape[0], self.forwards.hidden_size)
        rows = torch.onnx.ops.symbolic(kind, inputs, attributes, dtype=x.dtype, shape=shape)
        by_way = rows.permute(2, 0, 1, 3)
        side_by_side = [by_way, torch.tensor([0, 0, shape[1] * shape[3]])]  # 0 stands for the size there is
        return torch.onnx.ops.symbolic("Reshape", side_by_side, dtype=x.dtype, shape=by_way.flatten(2).shape)


def _reorder(weights: Tensor, order: tuple[int, ...]) -> Tensor:
    """Weights of a recurrence with its gates in another order."""
    gates = weights.reshape(len(order), -1, *weights.shape[1:])
    return gates[list(order)].flatten(0, 1)


class GaussianNoise(nn.Module):
    """Noise of standard deviation `sd` while training, nothing otherwise."""

    def __init__(self, sd: float) -> None:
        super().__init__()
        self.sd = sd

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as `x`."""
        return x + self.sd * torch.randn_like(x) if self.training else x


class TemporalAttention(nn.Module):
    """Weighted mean over time; the weights are a softmax of tanh scores over the real rows."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Linear(channels, 1)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, T, C) to (B, C), and the weights."""
        weights = self.weights(x, mask)
        return torch.matmul(weights.unsqueeze(1), x).squeeze(1), weights

    def weights(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, T) attention weights, zero on padding, summing to 1."""
        return softmax_of_rows(torch.tanh(self.score(x)).squeeze(2), None if mask is None else mask[:, 0])


def softmax_of_rows(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax over time, the last axis; 0 on padding."""
    masked = scores if mask is None else scores.masked_fill(mask == 0, float("-inf"))
    return torch.softmax(masked, dim=-1)


class DenseHead(nn.Module):
    """Dense layers without bias, each with batch-norm, ReLU and dropout, then logits: (B, C) to (B, K)."""

    def __init__(self, inputs: int, classes: int, layers: tuple[tuple[int, float], ...]) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for units, dropout in layers:
            norm = nn.BatchNorm1d(units, eps=1e-3)
            parts += [nn.Linear(inputs, units, bias=False), norm, nn.ReLU(), nn.Dropout(dropout)]
            inputs = units
        self.layers = nn.Sequential(*parts)
        self.logits = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, K) logits."""
        logits: Tensor = self.logits(self.layers(x))
        return logits


def kernels(*modules: nn.Module) -> Iterator[nn.Parameter]:
    """Input kernels of all convolutions, dense layers and recurrences, but those of squeeze-excitation."""
    for module in modules:
        if isinstance(module, SqueezeExcitation):
            continue
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
            yield cast("nn.Parameter", module.weight)
        elif isinstance(module, nn.LSTM | nn.GRU):
            yield cast("nn.Parameter", module.weight_ih_l0)
        yield from kernels(*module.children())


def initialise(network: nn.Module) -> None:
    """Draw weights as the published networks do: Glorot kernels, orthogonal recurrences, forget bias 1.

    Sources: Glorot and Bengio 2010; Saxe et al. 2014; Jozefowicz et al. 2015.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LSTM | nn.GRU):
            _initialise_recurrence(module)


def _initialise_recurrence(module: nn.LSTM | nn.GRU) -> None:
    units = module.hidden_size
    for name, weight in module.named_parameters():
        if name.startswith("weight_ih"):
            nn.init.xavier_uniform_(weight)
        elif name.startswith("weight_hh"):
            for gate in torch.split(weight.data, units):
                nn.init.orthogonal_(gate)
        else:
            nn.init.zeros_(weight)
            if isinstance(module, nn.LSTM) and name.startswith("bias_ih"):
                nn.init.ones_(weight.data[units : 2 * units])
