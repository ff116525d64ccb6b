"""Continuous recordings cut into windows, each with the label that most of its rows have."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from bfrb.arrays import Array
from bfrb.errors import DataError
from bfrb.spec import NotNegative, Positive, Spec
from bfrb.study.device import Device
from bfrb.study.recordings import UNKNOWN, Annotation, Recordings
from bfrb.study.stretches import Stretch

_LABEL = "label:"


class WindowSpec(Spec):
    """How continuous recordings are cut."""

    length_s: Positive = 5.0
    """The seconds that a window is judged by: its label is what happens in most of them."""
    step_s: Positive = 5.0
    context_s: NotNegative = 0.0
    """Seconds before those that the networks are shown too; not measured before a recording begins."""

    def rows(self, rate_hz: float) -> tuple[int, int, int]:
        """Rows of length, step and context, at so many rows a second."""
        length, step, context = (round(value * rate_hz) for value in (self.length_s, self.step_s, self.context_s))
        return length, step, context


def label_windows(recordings: Recordings, length: int, step: int, context: int = 0, given: int = 0) -> Recordings:
    """Windows of `length` rows, `step` rows apart, with the majority of the row label `gesture` as their `gesture`.

    A window most of whose rows are not labelled gets no gesture (null). Of labels that are equally frequent, the one
    that comes first in the annotation's names wins. Every window begins with `context` rows more, on which its label
    does not depend; `given` rows of the first one's are the first rows of each recording, and those before were not
    measured. Raises `DataError` if there is no such annotation, or no recording is long enough.
    """
    if "gesture" not in recordings.annotations:
        problem = f"expected row labels 'gesture', found {', '.join(recordings.annotations) or 'none'}"
        raise DataError(problem, remedy="use recordings whose rows are labelled")
    windows = _lengthen(recordings, context - given).windows(context + length, step)
    labels = windows.annotations["gesture"]
    codes, names = labels.codes.reshape(len(windows), -1)[:, context:], labels.names
    # The count of unlabelled rows comes last, so that it loses against an equally frequent label.
    votes = np.stack([(codes == code).sum(axis=1) for code in (*range(len(names)), UNKNOWN)], axis=1)
    winners = pl.Series("gesture", votes.argmax(axis=1))
    gestures = winners.replace_strict(range(len(names)), names, default=None, return_dtype=pl.String)
    return windows.with_table(windows.table.with_columns(gestures))


def _lengthen(recordings: Recordings, rows: int) -> Recordings:
    """The recordings with so many rows before their first in which nothing was measured."""
    if not rows:
        return recordings
    at, device, labels = np.repeat(recordings.offsets[:-1], rows), recordings.device, recordings.annotations
    sensors = {one.name: np.insert(recordings.sensors[one.name], at, one.absent, axis=0) for one in device.sensors}
    annotations = {name: Annotation(np.insert(old.codes, at, UNKNOWN), old.names) for name, old in labels.items()}
    offsets = recordings.offsets + rows * np.arange(len(recordings) + 1)
    return replace(recordings, sensors=sensors, offsets=offsets, annotations=annotations)


def cut_continuous(recordings: Recordings, spec: WindowSpec) -> Recordings:
    """Continuous recordings, whose rows are labelled, in windows as a spec asks; others as they are."""
    if recordings.gestures is not None or "gesture" not in recordings.annotations:
        return recordings
    length, step, context = spec.rows(recordings.device.row_rate_hz)
    return label_windows(recordings, length, step, context=context)


def cut_continuous_stretches(stretches: Iterable[Stretch], device: Device, spec: WindowSpec) -> Iterator[Recordings]:
    """The windows of `cut_continuous` for recordings that come in stretches, in memory that does not grow with them."""
    length, step, context = spec.rows(device.row_rate_hz)
    kept: dict[str, Array] = {}
    first = done = 0
    for stretch in stretches:
        codes = {_LABEL + name: label.codes for name, label in stretch.annotations.items()}
        if stretch.begins:
            kept, first, done = {**stretch.sensors, **codes}, 0, 0
        else:
            kept = {name: np.concatenate([kept[name], rows]) for name, rows in {**stretch.sensors, **codes}.items()}
        end = first + len(next(iter(kept.values())))
        stop = max(0, (end - length) // step + 1)
        if stop > done:
            begin = max(0, done * step - context)
            rows = slice(begin - first, (stop - 1) * step + length - first)
            some = {name: values[rows] for name, values in kept.items()}
            labels = {name: Annotation(some.pop(_LABEL + name), old.names) for name, old in stretch.annotations.items()}
            table = pl.DataFrame({name: [value] for name, value in stretch.about.items()})
            piece = Recordings(device, some, np.array([0, rows.stop - rows.start]), table, labels, stretch.simulated)
            windows = label_windows(piece, length, step, context=context, given=done * step - begin)
            ids = pl.Series([f"{stretch.id}@{number * step}" for number in range(done, stop)])
            yield windows.with_table(windows.table.with_columns(id=ids))
            done = stop
        dropped = min(end, max(first, done * step - context)) - first
        kept = {name: values[dropped:].copy() for name, values in kept.items()}  # a view would keep all that ever came
        first += dropped
