"""`Feed`: from whatever a source sends to windows that a predictor can be asked about."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bfrb.config import StreamSpec
from bfrb.data.device import Device
from bfrb.errors import DataError
from bfrb.inference.samples import TIME, Samples, check_units, take_samples
from bfrb.inference.sampling import Counts, Rows, Sampler
from bfrb.inference.windows import Cut, Windower, Windows

_PATIENT_SAMPLES = 256
"""So many samples may wait for a window to be complete."""

_EARLY_S = 1e-6
"""Rather look too early whether a window is complete than too late."""


@dataclass(frozen=True)
class Wearer:
    """Who wears the device, and what its source sends.

    Parameters
    ----------
    handedness
        1 right, 0 left, None unknown; matters to bundles that mirror left hands.
    units
        Units of the source by sensor, such as `{"acc": "g"}`; the device's own where nothing is said.
    clock
        What disorder is put up with.
    """

    handedness: int | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    clock: StreamSpec = field(default_factory=StreamSpec)


class Feed:
    """Takes samples, gives windows.

    Parameters
    ----------
    device
        The device.
    cut
        How windows are cut.
    wearer
        Who wears it, and what comes.

    Raises
    ------
    ConfigError
        If a unit is not known.
    """

    def __init__(self, device: Device, cut: Cut, wearer: Wearer) -> None:
        self.device = device
        self.wearer = wearer
        self.counts = Counts()
        self._factors = check_units(wearer.units, device)
        self._sampler = Sampler(device, wearer.clock, self.counts)
        self._windower = Windower(device, cut, self.counts)
        self._waiting: list[Samples] = []
        self._n_waiting = 0
        self._due_s = -math.inf
        self._untimed = 0
        self._timed: bool | None = None

    def take(self, values: Mapping[str, Any]) -> Samples:
        """What a source sent as samples; nothing is done with them yet.

        Raises
        ------
        DataError
            If a name is no sensor, shapes do not fit together, or times come with some samples only.
        """
        timed = TIME in values
        if self._timed not in (None, timed):
            raise DataError("expected times with all samples or with none", remedy=f"send {TIME} always, or never")
        samples = take_samples(values, self.device, self._factors)
        self._timed = timed
        return samples

    def push(self, samples: Samples) -> Iterator[Windows]:
        """The windows that are complete; samples wait until one can be, so that single ones cost little."""
        if not len(samples):
            return
        samples = samples if self._timed else self._dated(samples)
        self._waiting.append(samples)
        self._n_waiting += len(samples)
        if self._is_due(samples) or self._n_waiting >= _PATIENT_SAMPLES:
            yield from self._work_off()

    def finish(self) -> Iterator[Windows]:
        """The windows that were complete but for samples that might have come; what follows begins anew."""
        yield from self._work_off()
        for rows in self._sampler.finish():
            yield from self._windows(rows)
        self._due_s = -math.inf

    def _dated(self, samples: Samples) -> Samples:
        """Samples without times are rows at the device's rate."""
        time_s = (self._untimed + np.arange(len(samples))) / self.device.row_rate_hz
        self._untimed += len(samples)
        return replace(samples, time_s=time_s)

    def _is_due(self, samples: Samples) -> bool:
        """Whether a window may be complete now, or the clock has been set back."""
        earliest_s = self._sampler.latest_s - self.wearer.clock.reorder_s
        return bool(((samples.time_s >= self._due_s) | (samples.time_s < earliest_s)).any())

    def _work_off(self) -> Iterator[Windows]:
        if self._waiting:
            waiting, self._waiting, self._n_waiting = Samples.concat(self._waiting), [], 0
            for rows in self._sampler.push(waiting):
                yield from self._windows(rows)
        self._due_s = self._sampler.due_s(self._windower.missing_rows) - _EARLY_S

    def _windows(self, rows: Rows) -> Iterator[Windows]:
        windows = self._windower.push(rows)
        if windows is not None:
            yield windows
