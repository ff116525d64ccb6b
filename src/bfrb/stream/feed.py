"""`Feed`: from whatever a source sends to windows that a predictor can be asked about."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bfrb.arrays import Floats
from bfrb.errors import DataError
from bfrb.read.orientation import with_gyroscope
from bfrb.stream.counts import StreamCounts
from bfrb.stream.orienting import Orienting
from bfrb.stream.resampling import Resampler, SegmentRows
from bfrb.stream.samples import TIME, RawSamples, check_samples, check_units, parse_samples
from bfrb.stream.spec import StreamSpec
from bfrb.stream.windowing import WindowBuffer, Windowing, Windows
from bfrb.study.device import Device
from bfrb.study.labels import LabelSet
from bfrb.study.rows import Aggregation

_PATIENT_SAMPLES = 256
"""So many samples may wait for a window to be complete."""

_EARLY_S = 1e-6
"""Rather look too early whether a window is complete than too late."""


Adapt = Callable[[Windows, Floats, LabelSet], Floats]


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
    adapt
        Turns (W, K) probabilities of windows into this wearer's, if something was learnt of them (`stream.personal`).
    """

    handedness: int | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    clock: StreamSpec = field(default_factory=StreamSpec)
    adapt: Adapt | None = None


class Feed:
    """Takes samples, gives windows.

    Parameters
    ----------
    device
        The device.
    windowing
        How windows are cut.
    wearer
        Who wears it, and what comes.
    how
        What a row holds if several samples fall into it.
    orients
        Whether an orientation is made, of gyroscope and accelerometer, where the device has one and none is sent.

    Raises
    ------
    ConfigError
        If a unit is not known.
    """

    def __init__(
        self,
        device: Device,
        windowing: Windowing,
        wearer: Wearer,
        how: Aggregation = "nearest",
        *,
        orients: bool = False,
    ) -> None:
        orients = orients and device.has("acc") and device.has("quaternion")
        self.device = device
        self.source = with_gyroscope(device) if orients else device
        self.wearer = wearer
        self.counts = StreamCounts()
        self._factors = check_units(wearer.units, self.source)
        orienting = Orienting(device, self.counts) if orients else None
        self._resampler = Resampler(device, wearer.clock, self.counts, how, orienting)
        self._buffer = WindowBuffer(device, windowing, self.counts)
        self._waiting: list[RawSamples] = []
        self._n_waiting = 0
        self._due_s = -math.inf
        self._untimed = 0
        self._timed: bool | None = None

    def take(self, values: Mapping[str, Any]) -> RawSamples:
        """What a source sent, in shape; nothing is done with it yet.

        Raises
        ------
        DataError
            If a name is no sensor, shapes do not fit together, or times come with some samples only.
        """
        timed = TIME in values
        if self._timed not in (None, timed):
            raise DataError("expected times with all samples or with none", remedy=f"send {TIME} always, or never")
        raw = parse_samples(values, self.source)
        self._timed = timed
        return raw

    def push(self, raw: RawSamples) -> Iterator[Windows]:
        """The windows that are complete; samples wait until one can be, so that single ones cost little."""
        if not raw.rows:
            return
        time_s = self._clock(raw.rows) if raw.time_s is None else raw.time_s
        self._waiting.append(replace(raw, time_s=time_s))
        self._n_waiting += raw.rows
        if self._is_due(time_s) or self._n_waiting >= _PATIENT_SAMPLES:
            yield from self._work_off()

    def finish(self) -> Iterator[Windows]:
        """The windows that were complete but for samples that might have come; what follows begins anew."""
        yield from self._work_off()
        yield from self._windows(self._resampler.finish())
        self._due_s = -math.inf

    def _clock(self, rows: int) -> Floats:
        """Times of samples that have none: they are rows at the device's rate."""
        time_s = (self._untimed + np.arange(rows)) / self.device.row_rate_hz
        self._untimed += rows
        return time_s

    def _is_due(self, time_s: Floats) -> bool:
        """Whether a window may be complete now, or the clock has been set back."""
        earliest_s = self._resampler.latest_s - self.wearer.clock.reorder_s
        # fmax and fmin step over NaN.
        return bool(np.fmax.reduce(time_s) >= self._due_s or np.fmin.reduce(time_s) < earliest_s)

    def _work_off(self) -> Iterator[Windows]:
        if self._waiting:
            waiting, self._waiting, self._n_waiting = self._waiting, [], 0
            yield from self._windows(self._resampler.push(check_samples(waiting, self.source, self._factors)))
        self._due_s = self._resampler.due_s(self._buffer.missing_rows) - _EARLY_S

    def _windows(self, rows: Iterator[SegmentRows]) -> Iterator[Windows]:
        found = (self._buffer.push(some) for some in rows)
        yield from (windows for windows in found if windows is not None)
