"""Continuous recordings cut into windows, each with the label that most of its rows have."""

from __future__ import annotations

import numpy as np
import polars as pl

from bfrb.config import WindowSpec
from bfrb.data.recordings import UNKNOWN, Recordings
from bfrb.errors import DataError


def label_windows(recordings: Recordings, length: int, step: int, annotation: str = "gesture") -> Recordings:
    """Windows of `length` rows, `step` rows apart, with the majority of a row label as their `gesture`.

    A window most of whose rows are not labelled gets no gesture (null). Of labels that are equally frequent, the one
    that comes first in the annotation's names wins.

    Parameters
    ----------
    length, step
        In rows.
    annotation
        Name of the row label.

    Raises
    ------
    DataError
        If there is no such annotation, or no recording is long enough.
    """
    if annotation not in recordings.annotations:
        raise DataError(
            f"expected row labels {annotation!r}, found {', '.join(recordings.annotations) or 'none'}",
            remedy="use recordings whose rows are labelled",
        )
    windows = recordings.windows(length, step)
    names = windows.annotations[annotation].names
    codes = windows.annotations[annotation].codes.reshape(len(windows), length)
    # The count of unlabelled rows comes last, so that it loses against an equally frequent label.
    votes = np.stack([(codes == code).sum(axis=1) for code in (*range(len(names)), UNKNOWN)], axis=1)
    winners = pl.Series("gesture", votes.argmax(axis=1))
    gestures = winners.replace_strict(range(len(names)), names, default=None, return_dtype=pl.String)
    return windows.with_table(windows.table.with_columns(gestures))


def cut_continuous(recordings: Recordings, spec: WindowSpec) -> Recordings:
    """Continuous recordings, whose rows are labelled, in windows as a spec asks; others as they are.

    Raises
    ------
    DataError
        If no recording is as long as a window.
    """
    if recordings.gestures is not None or "gesture" not in recordings.annotations:
        return recordings
    rate_hz = recordings.device.row_rate_hz
    return label_windows(recordings, round(spec.length_s * rate_hz), round(spec.step_s * rate_hz))
