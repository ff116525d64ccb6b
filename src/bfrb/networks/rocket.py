"""Fixed convolution kernels, pooled over time, and a linear answer that is solved for instead of learnt.

The kernels are the 84 of MiniRocket (Dempster, Schmidt and Webb 2021, arXiv 2012.08791): 9 weights, three of them 2 and
six -1, at several dilations, each over some of the channels. Every recording is stretched to one number of rows first,
so that padding never matters and a window of any rate will do. Nothing before the linear answer has weights that learn;
what depends on data (where an answer of a kernel counts as positive, the scale of every feature) is placed once.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from bfrb.networks import blocks
from bfrb.networks.network import Inputs, Output, Shape
from bfrb.networks.sensing import SIDE, count_images
from bfrb.networks.specs import RocketSpec

_TAPS = 9
_GOLDEN = 0.6180339887498949
"""Multiples of it, modulo 1, are spread evenly over 0 to 1: which quantile each bias is."""
_LIMIT = 4.0
"""Features are cut at so many standard deviations."""
_STAGES = {"acc": ("acc",), "motion": ("rotation",), "all": ("thm", "tof")}
"""What each answer adds to the one before it; the last one whose sensors measured something is the network's."""


def nine_tap_kernels() -> Tensor:
    """(84, 9) kernels: 2 at three taps, -1 at the other six, in the order of `itertools.combinations`."""
    taps = torch.tensor(list(combinations(range(_TAPS), 3)))
    return torch.full((len(taps), _TAPS), -1.0).scatter(1, taps, 2.0)


def dilations(rows: int) -> tuple[int, ...]:
    """Powers of 2, up to the largest spacing with which a kernel is not longer than so many rows."""
    largest = max(1, (rows - 1) // (_TAPS - 1))
    return tuple(2**power for power in range(largest.bit_length()))


def stretch(x: Tensor, lengths: Tensor | None, rows: int) -> Tensor:
    """(B, C, `rows`) the rows of (B, T, C) brought to one number by linear interpolation; padding takes no part."""
    last = x.new_full((1, 1), x.shape[1] - 1) if lengths is None else (lengths[:, None] - 1).to(x.dtype)
    places = torch.arange(rows, device=x.device) / (rows - 1) * last
    apart = places[:, :, None] - torch.arange(x.shape[1], device=x.device)
    return torch.matmul(torch.relu(1.0 - apart.abs()), x).transpose(1, 2)


def changes(x: Tensor) -> Tensor:
    """(B, T, C) change from the row before, 0 in the first row."""
    return torch.cat([torch.zeros_like(x[:, :1]), x[:, 1:] - x[:, :-1]], dim=1)


class KernelBank(nn.Module):
    """Kernels over the channels of some branches and over their changes, and plain statistics of both.

    Parameters
    ----------
    channels
        Number of channels C. Each kernel at each dilation looks at 1 to 9 of them, drawn from torch's generator.
    spec
        Sizes.
    """

    kernels: Tensor
    mixing: Tensor
    windows: Tensor
    orders: Tensor
    biases: Tensor
    spread: Tensor

    def __init__(self, channels: int, spec: RocketSpec) -> None:
        super().__init__()
        self.rows, self.edge = spec.rows, spec.edge
        self.channels = channels
        self.dilations = dilations(spec.rows)
        kernels = nine_tap_kernels()
        self.register_buffer("kernels", kernels, persistent=False)
        banks = 2 * len(self.dilations)
        self.register_buffer("mixing", torch.stack([_draw_channels(channels, len(kernels)) for _ in range(banks)]))
        parts = torch.arange(spec.rows) * spec.segments // spec.rows
        share = functional.one_hot(parts, spec.segments).to(torch.float32)
        self.register_buffer("windows", share / share.sum(dim=0), persistent=False)
        orders = torch.arange(1, len(kernels) * spec.biases + 1, dtype=torch.float64) * _GOLDEN % 1.0
        self.register_buffer("orders", orders.reshape(len(kernels), spec.biases).float(), persistent=False)
        spread = (self.mixing.sum(dim=2) * kernels.square().sum(dim=1)).sqrt()
        self.register_buffer("spread", spread)
        self.register_buffer("biases", spread[:, :, None] * torch.special.ndtri(self.orders))
        self.width = banks * self.orders.numel() * spec.segments + 2 * 4 * channels

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, width) features of (B, T, C), and 1 where all channels that a feature looks at measured something."""
        views = self._views(x, lengths)
        found = [self._pool(answers, number) for number, answers in enumerate(self._answers(views))]
        there = (x != 0).any(dim=1).to(x.dtype)
        lacking = torch.matmul(1.0 - there, self.mixing.flatten(0, 1).t())
        known = (lacking == 0).to(x.dtype).repeat_interleave(found[0].shape[1] // len(self.kernels), dim=1)
        found += [_statistics(view) for view in views]
        return torch.cat(found, dim=1), torch.cat([known, there.repeat(1, 2 * 4)], dim=1)

    def place(self, x: Tensor, lengths: Tensor) -> None:
        """Put the biases at quantiles of the kernels' answers to (B, T, C) recordings, of those with all channels."""
        complete = (x != 0).any(dim=1).all(dim=1)
        if not complete.any():
            return
        for number, answers in enumerate(self._answers(self._views(x[complete], lengths[complete]))):
            values = answers.transpose(0, 1).flatten(1).sort(dim=1).values
            self.biases[number] = values.gather(1, (self.orders * (values.shape[1] - 1)).long())
            self.spread[number] = values.std(dim=1).clamp(min=1e-3)

    def _views(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        return stretch(x, lengths, self.rows), stretch(changes(x), lengths, self.rows)

    def _answers(self, views: tuple[Tensor, Tensor]) -> Iterator[Tensor]:
        """(B, 84, rows) answers of the kernels, for the rows and for their changes, dilation by dilation."""
        for number, (view, dilation) in enumerate(product(views, self.dilations)):
            weights = self.mixing[number][:, :, None] * self.kernels[:, None, :]
            reach = dilation * (_TAPS // 2)
            yield functional.conv2d(
                view[:, :, None], weights[:, :, None], padding=(0, reach), dilation=(1, dilation)
            ).squeeze(2)

    def _pool(self, answers: Tensor, number: int) -> Tensor:
        """(B, 84 * biases * segments) share of the rows in which (B, 84, rows) answers are above each bias.

        Near a bias a row counts by a part, from 0 to 1 over `edge` standard deviations: a share that jumps would let
        the last digit of a sum, which differs between runtimes, change the answer.
        """
        above = answers[:, :, None] - self.biases[number][:, :, None]
        if self.edge:
            counted = (above / (self.edge * self.spread[number][:, None, None]) + 0.5).clamp(0.0, 1.0)
        else:
            counted = (above > 0).to(answers.dtype)
        return torch.matmul(counted, self.windows).flatten(1)


def _draw_channels(channels: int, kernels: int) -> Tensor:
    """(kernels, C) 1 where a kernel looks at a channel: at 1 to 9 of them, small numbers as likely as large ones."""
    most = min(channels, _TAPS)
    counts = (2.0 ** (torch.rand(kernels, 1) * torch.log2(torch.tensor(most + 1.0)))).floor()
    ranks = torch.rand(kernels, channels).argsort(dim=1).argsort(dim=1)
    return (ranks < counts).to(torch.float32)


def _statistics(view: Tensor) -> Tensor:
    """(B, 4 C) mean, spread, smallest and largest value of (B, C, rows)."""
    mean = view.mean(dim=2)
    spread = (view - mean[:, :, None]).square().mean(dim=2).sqrt()
    return torch.cat([mean, spread, view.amin(dim=2), view.amax(dim=2)], dim=1)


class Rocket(nn.Module):
    """Banks of kernels for acceleration, motion, thermopiles and images; answers from growing sets of them.

    One answer from acceleration alone, one from acceleration and rotation, one from everything: each is linear in the
    features of its banks. The one that knows most of what was measured is the network's.

    Parameters
    ----------
    shape
        Channels of the branches `acc`, `rotation`, `thm` and `tof`; those without channels have no bank.
    spec
        Sizes.
    """

    Spec = RocketSpec
    center: Tensor
    scale: Tensor

    def __init__(self, shape: Shape, spec: RocketSpec) -> None:
        super().__init__()
        channels = {branch: shape.channels[branch] for branch in spec.BRANCHES if shape.channels[branch]}
        self.stages = {name: tuple(b for b in added if b in channels) for name, added in _STAGES.items()}
        self.stages = {name: added for name, added in self.stages.items() if added}
        sizes = channels | {"rotation": channels.get("acc", 0) + channels.get("rotation", 0)}
        if "tof" in channels:
            sizes["tof"] = _IMAGE_NUMBERS * count_images(channels["tof"])
        self.banks = nn.ModuleDict(
            {branch: KernelBank(sizes[branch], spec) for added in self.stages.values() for branch in added}
        )
        self.width = sum(bank.width for bank in self._banks())
        self.register_buffer("center", torch.zeros(self.width))
        self.register_buffer("scale", torch.ones(self.width))
        *partial, _ = self.stages
        self.partial = nn.ModuleDict({name: blocks.DenseHead(self.widths[name], shape.classes, ()) for name in partial})
        self.head = blocks.DenseHead(self.width, shape.classes, ())
        blocks.initialise(self)

    @property
    def widths(self) -> dict[str, int]:
        """How many of the features, the first ones, each answer is made of."""
        found, total = {}, 0
        for name, added in self.stages.items():
            total += sum(bank.width for branch, bank in zip(self.banks, self._banks(), strict=True) if branch in added)
            found[name] = total
        return found

    def answers(self) -> dict[str, nn.Linear]:
        """The linear layers that give the logits of each stage."""
        heads = cast("list[blocks.DenseHead]", [*self.partial.values(), self.head])
        return {name: head.logits for name, head in zip(self.stages, heads, strict=True)}

    def forward(self, inputs: Inputs, lengths: Tensor | None) -> Output:
        """Logits of padded sequences (`networks.network.Network`)."""
        with torch.no_grad():
            features = self.describe(inputs, lengths)
            there = self.measured(inputs)
        heads = {name: layer(features[:, : layer.in_features]) for name, layer in self.answers().items()}
        logits = next(iter(heads.values()))
        for name, answer in heads.items():
            logits = torch.lerp(logits, answer, there[name])
        last = next(reversed(heads))
        return Output(logits, heads={name: answer for name, answer in heads.items() if name != last})

    def describe(self, inputs: Inputs, lengths: Tensor | None) -> Tensor:
        """(B, width) features in standard deviations from their means, 0 where a channel was not measured."""
        return self.standardise(*self.features(inputs, lengths))

    def standardise(self, features: Tensor, known: Tensor) -> Tensor:
        """The same of features as they are, and where they are known."""
        return ((features - self.center) * self.scale).clamp(-_LIMIT, _LIMIT) * known

    def features(self, inputs: Inputs, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, width) features as they are, and 1 where they are known."""
        found = [
            bank(self._rows(branch, inputs), lengths) for branch, bank in zip(self.banks, self._banks(), strict=True)
        ]
        return torch.cat([values for values, _ in found], dim=1), torch.cat([known for _, known in found], dim=1)

    def measured(self, inputs: Inputs) -> dict[str, Tensor]:
        """For every stage (B, 1) 1 where a sensor that it adds measured something."""
        found = {branch: (inputs[branch] != 0).flatten(1).any(dim=1, keepdim=True) for branch in self.banks}
        return {
            name: torch.cat([found[branch] for branch in added], dim=1).any(dim=1, keepdim=True).to(self.center.dtype)
            for name, added in self.stages.items()
        }

    def place(self, inputs: Inputs, lengths: Tensor) -> None:
        """Put biases at quantiles of what the kernels answer to some recordings."""
        for branch, bank in zip(self.banks, self._banks(), strict=True):
            bank.place(self._rows(branch, inputs), lengths)

    def decayed(self) -> list[nn.Parameter]:
        """Weights of the answers."""
        return [*blocks.kernels(self.partial, self.head)]

    def _banks(self) -> list[KernelBank]:
        return cast("list[KernelBank]", list(self.banks.values()))

    def _rows(self, branch: str, inputs: Inputs) -> Tensor:
        """(B, T, C) what a bank looks at: rotation together with acceleration, images as a few numbers each."""
        if branch == "rotation" and "acc" in self.banks:
            return torch.cat([inputs["acc"], inputs["rotation"]], dim=2)
        return _image_numbers(inputs["tof"]) if branch == "tof" else inputs[branch]


_IMAGE_NUMBERS = 5


def _image_numbers(x: Tensor) -> Tensor:
    """(B, T, 5 S) of (B, T, 64 S): mean nearness of the quarters of each image, and share of pixels with an answer."""
    half = SIDE // 2
    images = x.reshape(*x.shape[:2], -1, 2, half, 2, half)
    quarters = images.mean(dim=(4, 6)).flatten(3)
    answering = images.sign().mean(dim=(3, 4, 5, 6))[..., None]
    return torch.cat([quarters, answering], dim=3).flatten(2)
