"""What is known of training recordings beside their class: posture, phase, what the hand does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Ints
from bfrb.study.labels import BEHAVIORS, ORIENTATIONS, PHASES
from bfrb.study.recordings import UNKNOWN, Recordings

Codes = npt.NDArray[np.int8]

AUXILIARY: Mapping[str, tuple[str, ...]] = {"orientation": ORIENTATIONS, "phase": PHASES, "behavior": BEHAVIORS}
"""Labels of recordings (columns of their table) and of rows (annotations), and their values in the order of a
network's logits."""


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


def read_labels(recordings: Recordings) -> Labels:
    """The labels that the recordings carry; those with other values than the known ones are left out."""
    by_recording = {
        name: np.array([values.index(text) if text in values else UNKNOWN for text in recordings.table[name]], np.int8)
        for name, values in AUXILIARY.items()
        if name in recordings.table.columns
    }
    by_row = {
        name: recordings.annotations[name].codes
        for name, values in AUXILIARY.items()
        if name in recordings.annotations and recordings.annotations[name].names == values
    }
    return Labels(by_recording, by_row, recordings.offsets)
