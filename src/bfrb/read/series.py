"""`RecordedSamples`: those of recordings as a device gave them, brought to the wrist frame and to SI units."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Array, Floats, Ints
from bfrb.errors import DataError
from bfrb.study.description import Description
from bfrb.study.frame import Wrist, device_to_wrist, orientations_to_wrist, turns_to_wrist, vectors_to_wrist


@dataclass(frozen=True, eq=False)
class RecordedSamples:
    """The samples of some recordings, one recording after the other, at the times at which they were taken.

    `table`: one row per recording: `id`, `subject` and what else is known of it; `offsets`: (R + 1,) first sample of
    every recording, and N; `time_s`: (N,) times in seconds, not falling within a recording; of a clock, since 1970, or
    since the recording began; `sensors`: (N, C) readings of every sensor, with its value for "not measured"; `words`:
    (N,) texts of the columns of words, null where there is none.
    """

    table: pl.DataFrame
    offsets: Ints
    time_s: Floats
    sensors: Mapping[str, Array]
    words: Mapping[str, pl.Series] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.time_s)

    @property
    def rows(self) -> Iterator[slice]:
        """Where the samples of each recording are."""
        return (slice(start, stop) for start, stop in pairwise(self.offsets.tolist()))

    def rates_hz(self) -> list[float]:
        """(R,) samples per second: the median of what stands between two that differ in time; NaN if none do."""
        steps = [np.diff(self.time_s[rows]) for rows in self.rows]
        return [float(1.0 / np.median(step[step > 0])) if (step > 0).any() else np.nan for step in steps]

    @staticmethod
    def concat(parts: Sequence[RecordedSamples]) -> RecordedSamples:
        """One of several, whose sensors and words are the same."""
        first = parts[0]
        if len(parts) == 1:
            return first
        return RecordedSamples(
            pl.concat([part.table for part in parts], how="diagonal_relaxed"),
            np.concatenate([[0], np.cumsum(np.concatenate([np.diff(part.offsets) for part in parts]))]),
            np.concatenate([part.time_s for part in parts]),
            {name: np.concatenate([part.sensors[name] for part in parts]) for name in first.sensors},
            {name: pl.concat([part.words[name] for part in parts]) for name in first.words},
        )


def bring_to_wrist(
    sensors: Mapping[str, Array], description: Description, wrist: Wrist | None = None
) -> dict[str, Array]:
    """Readings in the files' units and in the device's axes, in the wrist frame and in SI units.

    `sensors`: (N, C) readings by sensor; those of motion come back as float32, others as they are; `description`: what
    they mean. Without axes, the device's own are kept; `wrist`: on which wrist it was, where the description does not
    say. Raises `DataError` if it is not known on which wrist it was, and its axes are said in words of a watch.
    """
    ways = ways_to_wrist(description, wrist)
    return {**sensors, **{name: ways[name](values) for name, values in sensors.items() if name in ways}}


_CHANGES: Mapping[str, Callable[[Array, Array], Array]] = {
    "acc": vectors_to_wrist,
    "gyr": turns_to_wrist,
    "quaternion": orientations_to_wrist,
}


def ways_to_wrist(description: Description, wrist: Wrist | None = None) -> dict[str, Callable[[Array], Array]]:
    """What `bring_to_wrist` does with (N, C) readings of each sensor; the same for one of them as for many."""
    matrix = np.eye(3, dtype=np.int64)
    if description.axes is not None:
        matrix = device_to_wrist(description.axes.words, known_wrist(description, wrist), crown=description.worn.crown)
    ways: dict[str, Callable[[Array], Array]] = {}
    for name in description.sensors:
        if name in _CHANGES:
            back = description.sensor(name).turns == "world_to_device" and name == "quaternion"
            signs = np.array([1.0, -1.0, -1.0, -1.0]) if back else 1.0
            ways[name] = partial(_to_wrist, name, description.scale(name) * signs, matrix)
    return ways


def _to_wrist(name: str, scale: Any, matrix: Array, values: Array) -> Array:
    scaled = np.asarray(values, np.float64) * scale
    changed = scaled if (matrix == np.eye(3)).all() else _CHANGES[name](scaled, matrix)
    return changed.astype(np.float32)


def known_wrist(description: Description, wrist: Wrist | None) -> Wrist:
    """The wrist of a recording: what is known of it itself, or else what the description says.

    Raises `DataError` if neither is known.
    """
    found = wrist or description.worn.wrist
    if found is None:
        raise DataError(
            f"{description.name} does not say on which wrist the device was worn",
            remedy='add wrist = "left" or wrist = "right" to its [worn], or the column that says it for each recording',
        )
    return found


def nearest_in_time(times: Floats, others: Floats, within: float) -> Ints:
    """For every time the position of the nearest other one, the earlier of two as near; -1 if none is within reach.

    `times`: (N,) times in seconds. A microsecond is no difference: so much is lost of a clock's since 1970; `others`:
    (M,) times, not falling; `within`: how far the nearest may be away.
    """
    after = np.minimum(np.searchsorted(others, times), len(others) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(times - others[before] <= others[after] - times + 1e-6, before, after)
    return np.where(np.abs(others[nearest] - times) <= within, nearest, -1)
