"""Fixed convolution kernels, pooled over time, and a linear answer that is solved for instead of learnt.

The kernels are the 84 of MiniRocket (Dempster, Schmidt and Webb 2021, arXiv 2012.08791): 9 weights, three of them 2 and
six -1, at several dilations, each over some of the channels. Every recording is stretched to one number of rows first,
so that padding never matters and a window of any rate will do. Nothing before the linear answer has weights that learn;
what depends on data (where an answer of a kernel counts as positive, the scale of every feature) is placed once.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, combinations
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from bfrb.errors import ConfigError
from bfrb.networks import blocks
from bfrb.networks.network import Inputs, Output, Shape
from bfrb.networks.specs import RocketSpec

SIDE = 8
"""Pixels along a side of a time-of-flight image."""

_TAPS = 9
_KERNELS, _STATISTICS, _IMAGE_NUMBERS = 84, 4, 5
_BANDS, _FAINT = 16, 1e-2  # frequency bands of a channel, and the power that is added to each
_GOLDEN = 0.6180339887498949  # multiples of it, modulo 1, are spread evenly over 0 to 1: which quantile each bias is
_LIMIT = 4.0  # features are cut at so many standard deviations
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


def find_there(x: Tensor) -> Tensor:
    """(B, C) 1 where a channel of (B, T, C) measured something, else 0."""
    return x.abs().amax(dim=1).sign()


class Kernels(nn.Module):
    """Kernels over groups of channels and over their changes, plain statistics of both, and spectra.

    Of each kernel, dilation and bias there are the share of rows in which the kernel's answer is above the bias, and
    how much larger that is in the second half of the recording than in the first; of each channel the logarithm of its
    power in bands of frequency, from one swing in the recording to one in two rows. For every group the kernels look at
    1 to 9 of its channels each, drawn from torch's generator, and the statistics of its own channels come with it.
    """

    mixing: Tensor
    kernels: Tensor
    waves: Tensor
    bands: Tensor
    orders: Tensor
    importance: Tensor
    plain: Tensor
    biases: Tensor
    spread: Tensor

    def __init__(self, groups: Sequence[range], own: Sequence[range], spec: RocketSpec) -> None:
        super().__init__()
        self.rows, self.edge, self.contrast, self.own = spec.rows, spec.edge, spec.contrast, own
        self.dilations = dilations(spec.rows)
        channels = max(group.stop for group in groups)
        looked_at = [
            range(group.start + view * channels, group.stop + view * channels) for group in groups for view in range(2)
        ]
        drawn = [[_draw_channels(numbers, 2 * channels) for numbers in looked_at] for _ in self.dilations]
        self.register_buffer("mixing", torch.stack([torch.cat(each) for each in drawn]))
        firsts = range(0, _KERNELS * len(looked_at), _KERNELS)
        self.looked_at = [
            (slice(k, k + _KERNELS), slice(c.start, c.stop)) for k, c in zip(firsts, looked_at, strict=True)
        ]
        kernels = nine_tap_kernels().repeat(len(looked_at), 1)
        self.register_buffer("kernels", kernels[:, None, :, None], persistent=False)
        waves, bands = _bands(spec.rows)
        self.register_buffer("waves", waves, persistent=False)
        self.register_buffer("bands", bands, persistent=False)
        orders = torch.arange(1, len(kernels) * spec.biases + 1, dtype=torch.float64) * _GOLDEN % 1.0
        self.register_buffer("orders", orders.reshape(len(kernels), spec.biases).float(), persistent=False)
        spread = (self.mixing.sum(dim=2) * kernels.square().sum(dim=1)).sqrt()
        self.register_buffer("spread", spread)
        self.register_buffer("biases", spread[:, :, None] * torch.special.ndtri(self.orders))
        shares = torch.tensor([1.0, spec.contrast] if spec.contrast else [1.0])
        pooled = shares.repeat(1, len(kernels), len(self.dilations), spec.biases)
        statistics, spectra = torch.ones(1, 2 * channels, _STATISTICS), torch.ones(1, channels, bands.shape[1])
        parts = self._by_group(pooled, statistics, spectra)
        self.widths = [part.shape[1] for part in parts]
        self.register_buffer("importance", torch.cat(parts, dim=1)[0], persistent=False)
        parts = self._by_group(torch.zeros_like(pooled), statistics, spectra)
        self.register_buffer("plain", torch.cat(parts, dim=1)[0] > 0, persistent=False)

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, D) features of (B, T, C), and 1 where all channels that a feature looks at measured something."""
        view = self._view(x, lengths)
        slopes = 1.0 / (self.edge * self.spread) if self.edge else torch.ones_like(self.spread)
        levels = self.biases * slopes[:, :, None]
        answers = self._answers(view, self.mixing * slopes[:, :, None])
        pooled = torch.stack([self._pool(*each) for each in zip(answers, levels, strict=True)], dim=2)
        if self.contrast:
            pooled = torch.matmul(pooled, pooled.new_tensor([[0.5, -1.0], [0.5, 1.0]]))
        features = self._by_group(pooled, _statistics(view), self._spectra(view[:, : x.shape[2]]))
        there = find_there(x)
        each = x.new_ones(1, pooled.shape[3] * pooled.shape[4])  # runtimes multiply quicker than they expand
        known = torch.matmul(self._complete(there)[..., None], each)
        statistics = there.repeat(1, 2)[..., None].expand(-1, -1, _STATISTICS)
        parts = self._by_group(known, statistics, there[..., None].expand(-1, -1, self.bands.shape[1]))
        return torch.cat(features, dim=1), torch.cat(parts, dim=1)

    def _by_group(self, pooled: Tensor, statistics: Tensor, spectra: Tensor) -> list[Tensor]:
        """(B, D') of each group what is told of its (B, F, ...) kernels and of its own of (B, 2 C, S) and (B, C, S)."""
        views = torch.unflatten(statistics, 1, (2, -1))
        found = []
        for kernels, own in zip(pooled.chunk(len(self.own), dim=1), self.own, strict=True):
            channels = slice(own.start, own.stop)
            parts = [kernels, views[:, :, channels], spectra[:, channels]]
            found.append(torch.cat([part.flatten(1) for part in parts], dim=1))
        return found

    def place(self, x: Tensor, lengths: Tensor) -> None:
        """Put the biases at quantiles of the kernels' answers to the (B, T, C) recordings that have their channels."""
        complete = self._complete(find_there(x)) > 0
        for number, answers in enumerate(self._answers(self._view(x, lengths), self.mixing)):
            values = answers.masked_fill(~complete[:, :, number, None], torch.nan).transpose(0, 1).flatten(1)
            counts = (~values.isnan()).sum(dim=1, keepdim=True)
            found = values.sort(dim=1).values.gather(1, (self.orders * (counts - 1).clamp(min=0)).long())
            spread = (values - values.nanmean(dim=1, keepdim=True)).square().nanmean(dim=1).sqrt().clamp(min=1e-3)
            self.biases[number] = torch.where(counts > 0, found, self.biases[number])
            self.spread[number] = torch.where(counts[:, 0] > 0, spread, self.spread[number])

    def _complete(self, there: Tensor) -> Tensor:
        """(B, F, dilations) 1 where all channels that a kernel looks at are (B, C) there, else 0."""
        lacking, mixing = (1.0 - there).repeat(1, 2), self.mixing.transpose(0, 1)
        found = [torch.matmul(lacking[:, own], mixing[some, :, own].flatten(0, 1).t()) for some, own in self.looked_at]
        return torch.relu(1.0 - torch.cat(found, dim=1)).reshape(-1, *mixing.shape[:2])

    def _view(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """(B, 2 C, rows) the rows and their changes, stretched."""
        return stretch(torch.cat([x, changes(x)], dim=2), lengths, self.rows)

    def _spectra(self, view: Tensor) -> Tensor:
        """(B, C, bands) logarithms of the power of (B, C, rows) in bands of frequency."""
        swings = torch.matmul(view - view.mean(dim=2, keepdim=True), self.waves).square()
        return torch.log(torch.matmul(swings, self.bands) + _FAINT)

    def _answers(self, view: Tensor, mixing: Tensor) -> Iterator[Tensor]:
        """(B, F, rows) answers of the kernels to channels mixed so, dilation by dilation."""
        for dilation, weights in zip(self.dilations, mixing, strict=True):
            mixed = torch.cat([torch.matmul(weights[some, own], view[:, own]) for some, own in self.looked_at], dim=1)
            lacking = -self.rows % dilation
            if lacking:
                mixed = functional.pad(mixed, (0, lacking))
            # Rows that a kernel sees together stand in one column: many times as quick as a dilated convolution.
            columns = torch.unflatten(mixed, 2, (-1, dilation))
            answers = functional.conv2d(columns, self.kernels, None, 1, (_TAPS // 2, 0), 1, len(self.kernels))
            yield answers.flatten(2)[:, :, : self.rows] if lacking else answers.flatten(2)

    def _pool(self, answers: Tensor, levels: Tensor) -> Tensor:
        """(B, F, biases, 1 or 2) share of all rows, or of each half, whose (B, F, rows) answers are above their levels.

        Near a level a row counts by a part, from 0 to 1 over a distance of 1: a share that jumps would let the last
        digit of a sum, which differs between runtimes, change the answer.
        """
        answers, levels = answers[:, :, None], levels[:, :, None]
        counted = (answers + (0.5 - levels)).clamp(0.0, 1.0) if self.edge else (answers > levels).to(answers.dtype)
        return torch.unflatten(counted, 3, (2 if self.contrast else 1, -1)).mean(dim=4)


def _draw_channels(numbers: range, channels: int) -> Tensor:
    """(84, `channels`) 1 where a kernel looks at a channel: at 1 to 9 of the numbered ones, few as often as many."""
    most = min(len(numbers), _TAPS)
    counts = (2.0 ** (torch.rand(_KERNELS, 1) * torch.log2(torch.tensor(most + 1.0)))).floor()
    ranks = torch.rand(_KERNELS, len(numbers)).argsort(dim=1).argsort(dim=1)
    drawn = torch.zeros(_KERNELS, channels)
    drawn[:, list(numbers)] = (ranks < counts).to(drawn.dtype)
    return drawn


def _bands(rows: int) -> tuple[Tensor, Tensor]:
    """(`rows`, 2 F) cosines and sines of F frequencies under a Hann window, and (2 F, bands) which band each is in."""
    count = max(1, rows // 2)
    turns = 2 * torch.pi * torch.arange(rows)[:, None] * torch.arange(1, count + 1) / rows
    waves = torch.hann_window(rows, periodic=False)[:, None] * torch.cat([turns.cos(), turns.sin()], dim=1)
    band = torch.arange(count) * min(count, _BANDS) // count
    return waves, functional.one_hot(band.repeat(2)).to(waves.dtype)


def _statistics(view: Tensor) -> Tensor:
    """(B, C, 4) mean, spread, smallest and largest value of (B, C, rows)."""
    mean = view.mean(dim=2)
    spread = (view - mean[:, :, None]).square().mean(dim=2).sqrt()
    return torch.stack([mean, spread, view.amin(dim=2), view.amax(dim=2)], dim=2)


class Rocket(nn.Module):
    """Banks of kernels for acceleration, motion, thermopiles and images; answers from growing sets of them.

    One answer from acceleration alone, one from acceleration and rotation, one from everything: each is linear in the
    features of its banks. The one that knows most of what was measured is the network's. Branches without channels have
    no bank.
    """

    Spec = RocketSpec
    center: Tensor
    scale: Tensor
    plain: Tensor

    def __init__(self, shape: Shape, spec: RocketSpec) -> None:
        super().__init__()
        sizes = {branch: shape.channels[branch] for branch in spec.BRANCHES if shape.channels[branch]}
        if "tof" in sizes:
            sizes["tof"] = _IMAGE_NUMBERS * _count_images(sizes["tof"])
        ends = list(accumulate(sizes.values()))
        own = {branch: range(end - sizes[branch], end) for branch, end in zip(sizes, ends, strict=True)}
        looked_at = own | {"rotation": range(ends[list(sizes).index("rotation")])} if "rotation" in sizes else own
        self.branches = tuple(sizes)
        self.kernels = Kernels([looked_at[branch] for branch in sizes], list(own.values()), spec)
        known = dict(zip(sizes, accumulate(self.kernels.widths), strict=True))
        self.stages = {name: tuple(branch for branch in added if branch in sizes) for name, added in _STAGES.items()}
        self.stages = {name: added for name, added in self.stages.items() if added}
        width = self.kernels.plain.numel()
        self.plain = self.kernels.plain
        self.register_buffer("center", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        *partial, _ = self.stages
        self.partial = nn.ModuleDict(
            {name: blocks.DenseHead(known[self.stages[name][-1]], shape.classes, ()) for name in partial}
        )
        self.head = blocks.DenseHead(width, shape.classes, ())
        blocks.initialise(self)

    def answers(self) -> dict[str, nn.Linear]:
        """The linear layers that give the logits of each stage."""
        heads = cast("list[blocks.DenseHead]", [*self.partial.values(), self.head])
        return {name: head.logits for name, head in zip(self.stages, heads, strict=True)}

    def forward(self, inputs: Inputs, lengths: Tensor | None) -> Output:
        """Logits of padded sequences (`networks.network.Network`)."""
        with torch.no_grad():
            rows = self._rows(inputs)
            features = self.standardise(*self.kernels(rows, lengths))
            there = self._stages(rows)
        heads = {name: layer(features[:, : layer.in_features]) for name, layer in self.answers().items()}
        logits = next(iter(heads.values()))
        for name, answer in heads.items():
            logits = torch.where(there[name] > 0, answer, logits)
        last = next(reversed(heads))
        return Output(logits, heads={name: answer for name, answer in heads.items() if name != last})

    def standardise(self, features: Tensor, known: Tensor, columns: slice | None = None) -> Tensor:
        """(B, width) features in standard deviations from their means, or some of their columns; 0 where not known."""
        by = self.center, self.scale, self.kernels.importance
        center, scale, importance = by if columns is None else (each[columns] for each in by)
        return ((features - center) * scale).clamp(-_LIMIT, _LIMIT) * importance * known

    def features(self, inputs: Inputs, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, width) features as they are, and 1 where they are known."""
        found: tuple[Tensor, Tensor] = self.kernels(self._rows(inputs), lengths)
        return found

    def measured(self, inputs: Inputs) -> dict[str, Tensor]:
        """For every stage (B, 1) 1 where a sensor that it adds measured something."""
        return self._stages(self._rows(inputs))

    def _stages(self, rows: Tensor) -> dict[str, Tensor]:
        own, there = dict(zip(self.branches, self.kernels.own, strict=True)), find_there(rows)
        channels = {name: slice(own[added[0]].start, own[added[-1]].stop) for name, added in self.stages.items()}
        return {name: there[:, some].amax(dim=1, keepdim=True) for name, some in channels.items()}

    def place(self, inputs: Inputs, lengths: Tensor) -> None:
        """Put biases at quantiles of what the kernels answer to some recordings."""
        self.kernels.place(self._rows(inputs), lengths)

    def decayed(self) -> list[nn.Parameter]:
        """Weights of the answers."""
        return [*blocks.kernels(self.partial, self.head)]

    def _rows(self, inputs: Inputs) -> Tensor:
        """(B, T, C) all that was measured, images as a few numbers each."""
        rows = [_image_numbers(inputs[branch]) if branch == "tof" else inputs[branch] for branch in self.branches]
        return torch.cat(rows, dim=2)


def _count_images(pixels: int) -> int:
    """How many time-of-flight images so many pixels are. ConfigError if the pixels are not those of whole images."""
    if pixels % SIDE**2:
        problem = f"expected images of {SIDE} by {SIDE} pixels, got {pixels} channels"
        raise ConfigError(problem, remedy="let the branch tof hold tof_nearness and nothing else")
    return pixels // SIDE**2


def _image_numbers(x: Tensor) -> Tensor:
    """(B, T, 5 S) of (B, T, 64 S): mean nearness of the quarters of each image, and share of pixels with an answer."""
    half = SIDE // 2  # no more than six dimensions: mobile runtimes know no more
    images = x.reshape(*x.shape[:2], -1, SIDE * SIDE)
    quarters = x.reshape(*x.shape[:2], -1, half, 2, half).mean(dim=(3, 5)).reshape(*images.shape[:3], 4)
    answering = images.sign().mean(dim=3, keepdim=True)
    return torch.cat([quarters, answering], dim=3).flatten(2)
