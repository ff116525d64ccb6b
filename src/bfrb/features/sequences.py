"""`Sequences`: what networks are fed with. The one path from recordings to network input."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Bools, Floats, Floats32, Ints
from bfrb.errors import DataError
from bfrb.features.feature import Channel
from bfrb.features.pipeline import Features, available, channels_of, compute_features
from bfrb.features.rows import rows_of
from bfrb.files import writing_folder
from bfrb.study.mirror import as_right_handed
from bfrb.study.recordings import Recordings

Keep = Literal["first", "last"]
"""Which rows of a recording are used when it is too long."""

UNSCALED = ("tof",)
"""Branches that networks take in as they are: pixels of one image stay on one scale."""

_DESCRIPTION = "sequences.json"
_KINDS = {"values": "<f4", "valid": "|b1"}
"""Arrays of every branch, and their types."""

_BATCH_ROWS = 20_000


@dataclass(frozen=True, eq=False)
class Batch:
    """Some recordings as rectangular arrays."""

    inputs: dict[str, Floats32]
    """For every branch (B, T, C) values, NaN where nothing is known, 0 after a recording's end."""
    lengths: Ints
    """(B,) rows of each recording."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """Features of recordings, by branch of a network; a branch without channels is one the device cannot feed."""

    branches: Mapping[str, Features]
    offsets: Ints

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Ints:
        """(R,) Rows per recording."""
        return np.diff(self.offsets)

    @property
    def channels(self) -> dict[str, tuple[Channel, ...]]:
        """Channels by branch."""
        return {name: features.channels for name, features in self.branches.items()}

    def batch(self, index: npt.ArrayLike, max_length: int, keep: Keep = "last") -> Batch:
        """The numbered recordings, padded with 0 at their end to the longest of them.

        Longer ones than `max_length` rows keep the last ones, because the gesture is at the end, or the first ones, as
        published notebooks do.
        """
        chosen = np.asarray(index, dtype=np.int64)
        starts, ends = self.offsets[chosen], self.offsets[chosen + 1]
        lengths = np.minimum(ends - starts, max_length)
        starts = starts if keep == "first" else ends - lengths
        steps = np.arange(lengths.max())
        padding = steps >= lengths[:, None]
        rows = np.where(padding, 0, starts[:, None] + steps)
        inputs = {name: features.values[rows] for name, features in self.branches.items()}
        for values in inputs.values():
            values[padding] = 0.0
        return Batch(inputs, lengths)

    @staticmethod
    def load(folder: Path) -> Sequences:
        """Read what `save_sequences` wrote: the arrays stay on disk and are shared between processes.

        Raises `DataError` if the folder does not hold complete sequences.
        """
        try:
            described = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))["branches"]
            offsets = np.load(folder / "offsets.npy")
            branches = {}
            for name, told in described.items():
                # As plain arrays: every slice of a memmap carries the file's bookkeeping, which is slow.
                values, valid = (np.asarray(np.load(folder / f"{name}.{kind}.npy", mmap_mode="r")) for kind in _KINDS)
                shape = (int(offsets[-1]), len(told))
                if values.shape != shape or valid.shape != shape:
                    raise ValueError(f"the arrays of {name!r} are not of shape {shape}")
                branches[name] = Features(tuple(Channel(**channel) for channel in told), values, valid, offsets)
            return Sequences(branches, offsets)
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
            problem = f"expected sequences in {folder}, but {error}"
            raise DataError(problem, remedy="delete the folder and compute them again") from None


def build_sequences(
    recordings: Recordings, branches: Mapping[str, Sequence[str]], *, mirror_left_hand: bool = False
) -> Sequences:
    """Compute the features of every branch that the recordings' device can give, left hands mirrored first if asked to.

    `branches`: names of features by branch, such as `FeatureSpec().branches(...)` gives. Raises `ConfigError` if a name
    is no feature, or comes twice in a branch.
    """
    recordings = as_right_handed(recordings) if mirror_left_hand else recordings
    known = {branch: available(names, recordings.device) for branch, names in branches.items()}
    computed = {branch: compute_features(recordings, names) for branch, names in known.items()}
    return Sequences(computed, recordings.offsets)


def save_sequences(
    recordings: Recordings, branches: Mapping[str, Sequence[str]], folder: Path, *, mirror_left_hand: bool = False
) -> None:
    """Write what `build_sequences` gives as a folder of plain arrays and their description, whole or not at all.

    An earlier folder is replaced. A few recordings are computed at a time, in bounded memory.
    """
    device = recordings.device
    channels = {branch: channels_of(available(names, device), device) for branch, names in branches.items()}
    with writing_folder(folder) as unfinished:
        np.save(unfinished / "offsets.npy", recordings.offsets)
        description = {name: [asdict(channel) for channel in found] for name, found in channels.items()}
        (unfinished / _DESCRIPTION).write_text(json.dumps({"branches": description}, indent=1), encoding="utf-8")
        with ExitStack() as stack:
            files = {}
            for name, kind in product(channels, _KINDS):
                files[name, kind] = stack.enter_context((unfinished / f"{name}.{kind}.npy").open("wb"))
                shape = (recordings.n_rows, len(channels[name]))
                header = {"descr": _KINDS[kind], "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(files[name, kind], header)
            for part in recordings.batches(_BATCH_ROWS):
                computed = build_sequences(part, branches, mirror_left_hand=mirror_left_hand)
                for name, features in computed.branches.items():
                    features.values.tofile(files[name, "values"])
                    features.valid.tofile(files[name, "valid"])


@dataclass(frozen=True, eq=False)
class ChannelStatistics:
    """(C,) float64 mean and standard deviation of every channel, in the channels' units."""

    mean: Floats
    sd: Floats

    def standardise(self, values: Floats32) -> Floats32:
        """(..., C) values in standard deviations from the mean; NaN, nothing known, becomes the mean: 0."""
        scaled = (values - self.mean) / self.sd
        return np.nan_to_num(scaled, nan=0.0).astype(np.float32)


def channel_statistics(sequences: Sequences, recordings_index: npt.ArrayLike) -> dict[str, ChannelStatistics]:
    """Mean and standard deviation by branch, over the measured rows of the numbered recordings only.

    A channel that never changes gets standard deviation 1, one that was never measured mean 0 as well. The `UNSCALED`
    branches get mean 0 and standard deviation 1.
    """
    rows = rows_of(sequences.offsets, np.asarray(recordings_index, dtype=np.int64))
    statistics = {}
    for name, features in sequences.branches.items():
        moments = [
            (0.0, 1.0) if name in UNSCALED else _moments(features.values[rows, c], features.valid[rows, c])
            for c in range(len(features.channels))
        ]
        statistics[name] = ChannelStatistics(*np.array(moments, dtype=np.float64).reshape(-1, 2).T)
    return statistics


def _moments(values: Floats32, valid: Bools) -> tuple[float, float]:
    measured = values[valid].astype(np.float64)
    if not len(measured):
        return 0.0, 1.0
    return float(measured.mean()), float(measured.std()) or 1.0
