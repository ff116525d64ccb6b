"""Continuous recordings cut into windows, each with the label that most of its rows have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated

import numpy as np
import polars as pl
from pydantic import Field

from bfrb.errors import DataError
from bfrb.spec import Positive, Spec
from bfrb.study.device import Device
from bfrb.study.recordings import UNKNOWN, Annotation, Recordings
from bfrb.study.stretches import Stretch


class WindowSpec(Spec):
    """How continuous recordings are cut."""

    length_s: Positive = 5.0
    """The seconds that a window is judged by: its label is what happens in most of them."""
    step_s: Positive = 5.0
    context_s: Annotated[float, Field(ge=0.0)] = 0.0
    """Seconds before those that the networks are shown too; not measured before a recording begins."""

    def rows(self, rate_hz: float) -> tuple[int, int, int]:
        """Rows of length, step and context, at so many rows a second."""
        length, step, context = (round(value * rate_hz) for value in (self.length_s, self.step_s, self.context_s))
        return length, step, context


def label_windows(
    recordings: Recordings, length: int, step: int, annotation: str = "gesture", context: int = 0, given: int = 0
) -> Recordings:
    """Windows of `length` rows, `step` rows apart, with the majority of a row label as their `gesture`.

    A window most of whose rows are not labelled gets no gesture (null). Of labels that are equally frequent, the one
    that comes first in the annotation's names wins.

    `length`, `step`: in rows; `annotation`: name of the row label; `context`: every window begins with so many rows
    more, on which its label does not depend; `given`: so many rows of the first window's context are the first rows of
    each recording; those before were not measured. Raises `DataError` if there is no such annotation, or no recording
    is long enough.
    """
    if annotation not in recordings.annotations:
        raise DataError(
            f"expected row labels {annotation!r}, found {', '.join(recordings.annotations) or 'none'}",
            remedy="use recordings whose rows are labelled",
        )
    windows = _lengthen(recordings, context - given).windows(context + length, step)
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

    Raises `DataError` if no recording is as long as a window.
    """
    if recordings.gestures is not None or "gesture" not in recordings.annotations:
        return recordings
    length, step, context = spec.rows(recordings.device.row_rate_hz)
    return label_windows(recordings, length, step, context=context)


def cut_continuous_stretches(stretches: Iterable[Stretch], device: Device, spec: WindowSpec) -> Iterator[Recordings]:
    """The windows of `cut_continuous` for recordings that come in stretches, in memory that does not grow with them.

    `stretches`: the labelled rows of continuous recordings, one after the other; `device`: their device; `spec`: how
    they are cut.
    """
    cutter = _Cutter(device, spec)
    for stretch in stretches:
        windows = cutter.push(stretch)
        if windows is not None:
            yield windows


class _Cutter:
    """Keeps the rows that the next windows need."""

    def __init__(self, device: Device, spec: WindowSpec) -> None:
        self._device = device
        self._length, self._step, self._context = spec.rows(device.row_rate_hz)

    def push(self, stretch: Stretch) -> Recordings | None:
        """The windows that are complete with these rows."""
        if stretch.begins:
            self._first = self._done = 0
            self._sensors = {name: values[:0] for name, values in stretch.sensors.items()}
            self._codes = {name: label.codes[:0] for name, label in stretch.annotations.items()}
        self._sensors = {name: np.concatenate([old, stretch.sensors[name]]) for name, old in self._sensors.items()}
        self._codes = {
            name: np.concatenate([old, stretch.annotations[name].codes]) for name, old in self._codes.items()
        }
        end = self._first + len(next(iter(self._sensors.values())))
        stop = max(0, (end - self._length) // self._step + 1)
        windows = self._windows(stretch, stop) if stop > self._done else None
        self._done = max(stop, self._done)
        self._forget(min(end, max(self._first, self._done * self._step - self._context)))
        return windows

    def _forget(self, first: int) -> None:
        dropped = first - self._first
        # Copies: a view would keep all rows that ever came.
        self._sensors = {name: values[dropped:].copy() for name, values in self._sensors.items()}
        self._codes = {name: codes[dropped:].copy() for name, codes in self._codes.items()}
        self._first = first

    def _windows(self, stretch: Stretch, stop: int) -> Recordings:
        """The windows before a number that were not given yet."""
        first = max(0, self._done * self._step - self._context)
        rows = slice(first - self._first, (stop - 1) * self._step + self._length - self._first)
        sensors = {name: values[rows] for name, values in self._sensors.items()}
        labels = {name: Annotation(self._codes[name][rows], label.names) for name, label in stretch.annotations.items()}
        table = pl.DataFrame({name: [value] for name, value in stretch.about.items()})
        offsets = np.array([0, rows.stop - rows.start])
        piece = Recordings(self._device, sensors, offsets, table, labels, stretch.simulated)
        given = self._done * self._step - first
        windows = label_windows(piece, self._length, self._step, context=self._context, given=given)
        ids = [f"{stretch.id}@{number * self._step}" for number in range(self._done, stop)]
        return windows.with_table(windows.table.with_columns(id=pl.Series(ids)))
