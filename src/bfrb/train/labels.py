"""What is known of training recordings beside their class: posture, phase, what the hand does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Ints
from bfrb.study.labels import BEHAVIORS, ORIENTATIONS, PHASES
from bfrb.study.recordings import UNKNOWN, Recordings

Codes = npt.NDArray[np.int8]

PER_RECORDING: Mapping[str, tuple[str, ...]] = {"orientation": ORIENTATIONS}
"""Labels of whole recordings, and their values in the order of a network's logits."""

PER_ROW: Mapping[str, tuple[str, ...]] = {"phase": PHASES, "behavior": BEHAVIORS}
"""Labels of single rows, and their values in the order of a network's logits."""

AUXILIARY: Mapping[str, tuple[str, ...]] = {**PER_RECORDING, **PER_ROW}
"""All of them."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Codes into the values above, `UNKNOWN` (-1) where nothing is known.

    Parameters
    ----------
    recording
        For every label of recordings (R,) codes.
    row
        For every label of rows (N,) codes.
    offsets
        (R + 1,) first row of every recording, and N.
    """

    recording: Mapping[str, Codes]
    row: Mapping[str, Codes]
    offsets: Ints

    def batch(self, index: Ints, max_length: int) -> dict[str, Codes]:
        """(B,) codes of the numbered recordings, and (B, T) codes of their last `max_length` rows and padding."""
        starts, ends = self.offsets[index], self.offsets[index + 1]
        lengths = np.minimum(ends - starts, max_length)
        steps = np.arange(lengths.max())
        padding = steps >= lengths[:, None]
        rows = np.where(padding, 0, (ends - lengths)[:, None] + steps)
        by_row = {name: np.where(padding, np.int8(UNKNOWN), codes[rows]) for name, codes in self.row.items()}
        return {name: codes[index] for name, codes in self.recording.items()} | by_row

    def save(self, path: Path) -> None:
        """Write one file of plain arrays."""
        arrays: dict[str, Any] = {"offsets": self.offsets}
        arrays |= {f"recording.{name}": codes for name, codes in self.recording.items()}
        arrays |= {f"row.{name}": codes for name, codes in self.row.items()}
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    @staticmethod
    def load(path: Path) -> Labels:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            found = dict(arrays)
        parts = {
            kind: {name.removeprefix(f"{kind}."): codes for name, codes in found.items() if name.startswith(f"{kind}.")}
            for kind in ("recording", "row")
        }
        return Labels(parts["recording"], parts["row"], found["offsets"])


def read_labels(recordings: Recordings) -> Labels:
    """The labels that the recordings carry; those with other values than the known ones are left out."""
    table = recordings.table
    by_recording = {
        name: np.array([values.index(text) if text in values else UNKNOWN for text in table[name].to_list()], np.int8)
        for name, values in PER_RECORDING.items()
        if name in table.columns
    }
    by_row = {
        name: recordings.annotations[name].codes
        for name, values in PER_ROW.items()
        if name in recordings.annotations and recordings.annotations[name].names == values
    }
    return Labels(by_recording, by_row, recordings.offsets)
