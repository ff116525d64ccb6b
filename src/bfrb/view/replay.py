"""Recordings played back as if they came from a device right now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from bfrb.read.sources import Source
from bfrb.stream.samples import TIME

PAUSE_S = 2.0
"""Silence between two recordings: longer than what streams take for a gap."""

CHUNK_S = 0.2
REPLAYED = "replay"


def replay(source: Source, sleep: Callable[[float], None] = time.sleep) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The rows of all recordings at true speed, one recording after the other.

    Parameters
    ----------
    source
        The recordings.
    sleep
        Waits some seconds.

    Yields
    ------
    The name of a wearer, and samples for a `Stream`; their clock starts at 0 and runs on from recording to recording.
    """
    rate_hz = source.device.row_rate_hz
    step = max(1, round(CHUNK_S * rate_hz))
    begin = time.monotonic()
    clock_s = 0.0
    for batch in source.batches():
        for number in range(len(batch)):
            recording = batch[number]
            for start in range(0, recording.n_rows, step):
                rows = slice(start, min(start + step, recording.n_rows))
                sensors = {name: values[rows] for name, values in recording.sensors.items()}
                times = clock_s + np.arange(rows.start, rows.stop) / rate_hz
                sleep(max(0.0, float(times[-1]) - (time.monotonic() - begin)))
                yield REPLAYED, {TIME: times, **sensors}
            clock_s += recording.n_rows / rate_hz + PAUSE_S
