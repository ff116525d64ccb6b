"""Continuous recordings cut into windows, each with the label that most of its rows have."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
import polars as pl
from pydantic import Field

from bfrb.errors import DataError
from bfrb.spec import Positive, Spec
from bfrb.study.recordings import UNKNOWN, Annotation, Recordings


class WindowSpec(Spec):
    """How continuous recordings are cut."""

    length_s: Positive = 5.0
    """The seconds that a window is judged by: its label is what happens in most of them."""
    step_s: Positive = 5.0
    context_s: Annotated[float, Field(ge=0.0)] = 0.0
    """Seconds before those that the networks are shown too; not measured before a recording begins."""


def label_windows(
    recordings: Recordings, length: int, step: int, annotation: str = "gesture", context: int = 0
) -> Recordings:
    """Windows of `length` rows, `step` rows apart, with the majority of a row label as their `gesture`.

    A window most of whose rows are not labelled gets no gesture (null). Of labels that are equally frequent, the one
    that comes first in the annotation's names wins.

    Parameters
    ----------
    length, step
        In rows.
    annotation
        Name of the row label.
    context
        Every window begins with so many rows more, on which its label does not depend; those before a recording's
        first row were not measured.

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
    windows = _lengthen(recordings, context).windows(context + length, step)
    names = windows.annotations[annotation].names
    codes = windows.annotations[annotation].codes.reshape(len(windows), -1)[:, context:]
    # The count of unlabelled rows comes last, so that it loses against an equally frequent label.
    votes = np.stack([(codes == code).sum(axis=1) for code in (*range(len(names)), UNKNOWN)], axis=1)
    winners = pl.Series("gesture", votes.argmax(axis=1))
    gestures = winners.replace_strict(range(len(names)), names, default=None, return_dtype=pl.String)
    return windows.with_table(windows.table.with_columns(gestures))


def _lengthen(recordings: Recordings, rows: int) -> Recordings:
    """The recordings with so many rows before their first in which nothing was measured."""
    if not rows:
        return recordings
    number = np.repeat(np.arange(len(recordings)), recordings.lengths)
    places = np.arange(recordings.n_rows) + rows * (number + 1)
    total = recordings.n_rows + rows * len(recordings)
    sensors = {sensor.name: sensor.empty(total) for sensor in recordings.device.sensors}
    for name, values in recordings.sensors.items():
        sensors[name][places] = values
    annotations = {}
    for name, found in recordings.annotations.items():
        codes = np.full(total, UNKNOWN, dtype=np.int8)
        codes[places] = found.codes
        annotations[name] = Annotation(codes, found.names)
    offsets = recordings.offsets + rows * np.arange(len(recordings) + 1)
    return replace(recordings, sensors=sensors, offsets=offsets, annotations=annotations)


def cut_continuous(recordings: Recordings, spec: WindowSpec) -> Recordings:
    """Continuous recordings, whose rows are labelled, in windows as a spec asks; others as they are.

    Raises
    ------
    DataError
        If no recording is as long as a window.
    """
    if recordings.gestures is not None or "gesture" not in recordings.annotations:
        return recordings
    rows = [round(seconds * recordings.device.row_rate_hz) for seconds in (spec.length_s, spec.step_s, spec.context_s)]
    length, step, context = rows
    return label_windows(recordings, length, step, context=context)
