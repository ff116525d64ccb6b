"""Rows of recordings side by side in torch, padded: the features' formulas inside graphs that are exported."""

import torch
from torch import Tensor

from bfrb.features.rows import Memo
from bfrb.study.device import Device


class PaddedRows(Memo):
    """Rows of a rectangular batch, for the formulas of `features`.

    (B, T, C) readings by sensor, channels in C order of its shape, NaN where nothing was measured; (B,) rows of every
    recording, whose rows never look at what stands after its end; and the device that was worn.
    """

    dtype = torch.float64
    """What readings are computed with, which the package does too."""

    def __init__(self, sensors: dict[str, Tensor], lengths: Tensor, device: Device) -> None:
        self.device = device
        self._sensors = sensors
        self._lengths = lengths

    def sensor(self, name: str) -> Tensor:
        """(B, T, C) Readings of a sensor."""
        return self._sensors[name]

    def images(self, name: str) -> tuple[Tensor, ...]:
        """(B, T, S) Sums over the pixels of each image."""
        flat = self._sensors[name]
        pixels = flat.reshape(*flat.shape[:2], self.device.sensor(name).pieces, -1)
        seen = pixels >= 0  # NaN, not measured, is not
        distance = torch.where(seen, pixels, 0.0)
        least = torch.where(seen, pixels, torch.inf).amin(dim=-1)
        largest = torch.where(seen, pixels, -torch.inf).amax(dim=-1)
        return seen.to(pixels.dtype).sum(dim=-1), distance.sum(dim=-1), distance.square().sum(dim=-1), least, largest

    def before(self, values: Tensor) -> Tensor:
        """(B, T, C) The values of the row before each."""
        return torch.cat([values[:, :1], values[:, :-1]], dim=1)

    def after(self, values: Tensor) -> Tensor:
        """(B, T, C) The values of the row after each."""
        later = torch.minimum(self._numbers(values) + 1, self._lengths[:, None, None] - 1).clamp(min=0)
        return values.gather(1, later.expand_as(values))

    def fill(self, values: Tensor) -> Tensor:
        """(B, T, C) NaN replaced by the last value before it in its recording, or else the first one after it."""
        known = ~torch.isnan(values) & (self._numbers(values) < self._lengths[:, None, None])
        numbers, rows = self._numbers(values).expand_as(values), values.shape[1]
        count = known.cumsum(dim=1)
        # The row of every known value by its place among them; the place behind the last takes what is of no use.
        places = torch.zeros_like(numbers[:, :1]).repeat(1, rows + 2, 1)
        places = places.scatter(1, torch.where(known, count, rows + 1), numbers)
        source = places.gather(1, count.clamp(min=1))
        return values.gather(1, torch.where(count[:, -1:] > 0, source, numbers))

    def running_count(self, events: Tensor) -> Tensor:
        """(B, T) How many events there were up to each row."""
        return events.to(torch.int64).cumsum(dim=1)

    def _numbers(self, values: Tensor) -> Tensor:
        return torch.arange(values.shape[1], device=values.device)[None, :, None]


class WindowRows(PaddedRows):
    """Rows of recordings of one length, in float32 and by plain steps only, which runtimes on phones know."""

    dtype = torch.float32

    def after(self, values: Tensor) -> Tensor:
        """(B, T, C) The values of the row after each."""
        return torch.cat([values[:, 1:], values[:, -1:]], dim=1)

    def fill(self, values: Tensor) -> Tensor:
        """(B, T, C) NaN replaced by the last value before it in its recording, or else the first one after it."""
        steps = [2**power for power in range((values.shape[1] - 1).bit_length())]
        for step in steps:  # what is filled from 1, 2, 4 ... rows before is filled from the last known one
            earlier = torch.cat([values[:, :step], values[:, :-step]], dim=1)
            values = torch.where(values == values, values, earlier)  # noqa: PLR0124  NaN is not itself
        for step in steps:
            later = torch.cat([values[:, step:], values[:, -step:]], dim=1)
            values = torch.where(values == values, values, later)  # noqa: PLR0124
        return values
