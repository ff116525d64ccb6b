"""When in a recording the gesture is: the phases (`bfrb.study.labels.PHASES`) that networks tell row by row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Floats, Ints
from bfrb.read.tables import Table, make_table
from bfrb.study.labels import PHASES
from bfrb.study.recordings import UNKNOWN, Recordings


def most_probable_course(probabilities: Floats, offsets: Ints) -> npt.NDArray[np.int8]:
    """(N,) Codes of the phases, each recording going on from the first to the second once, or never, and not back.

    Of all such courses it is the one with the largest product of probabilities. A row that looks like the gesture amid
    rows that do not is not taken for its beginning.

    Parameters
    ----------
    probabilities
        (N, 2) probabilities of `bfrb.study.labels.PHASES`; rows with NaN get -1, as unknown labels have.
    offsets
        (R + 1,) first row of every recording, and N.

    Examples
    --------
    >>> of_gesture = np.array([0.1, 0.7, 0.1, 0.8, 0.4, 0.9])
    >>> most_probable_course(np.stack([1 - of_gesture, of_gesture], axis=1), np.array([0, 6])).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    logs = np.log(np.clip(probabilities, 1e-12, None))
    lean = np.nan_to_num(logs[:, 1] - logs[:, 0])
    lengths = np.diff(offsets)
    steps = np.arange(lengths.max(initial=0) + 1)
    inside = steps < lengths[:, None]
    gains = np.zeros(inside.shape)
    gains[inside] = lean
    begins = gains[:, ::-1].cumsum(axis=1)[:, ::-1].argmax(axis=1)
    codes: npt.NDArray[np.int8] = (steps >= begins[:, None])[inside].astype(np.int8)
    codes[np.isnan(probabilities).any(axis=1)] = UNKNOWN
    return codes


def phase_table(recordings: Recordings, probabilities: Floats | None) -> Table:
    """A polars frame: `sequence_id`, `row` (from 0), then one probability column per phase, empty where not known."""
    rows = recordings.n_rows
    known = np.full((rows, len(PHASES)), np.nan) if probabilities is None else probabilities
    ids = np.repeat(np.array(recordings.ids, dtype=object), recordings.lengths).tolist()
    numbers = np.arange(rows) - np.repeat(recordings.offsets[:-1], recordings.lengths)
    table = make_table({"sequence_id": ids, "row": numbers} | dict(zip(PHASES, known.T, strict=True)))
    return table.fill_nan(None)
