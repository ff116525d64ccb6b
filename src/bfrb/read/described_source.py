"""`DescribedSource`: recordings of any device and any study, as rows at a steady rate, in the wrist frame."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.arrays import Array, Ints
from bfrb.errors import ConfigError, DataError
from bfrb.read.annotations import Interval, label_samples, merged, of_recording, read_intervals
from bfrb.read.batches import ReadInBatches
from bfrb.read.csv_blocks import Progress
from bfrb.read.described import find_files, iter_series
from bfrb.read.orientation import add_orientation, makes_orientation, with_made_orientation
from bfrb.read.series import SampleSeries
from bfrb.read.tables import make_table
from bfrb.study.description import Description
from bfrb.study.device import Device
from bfrb.study.labels import LabelSet
from bfrb.study.recordings import BATCH_ROWS, UNKNOWN, Annotation, Recordings
from bfrb.study.rows import Aggregation, OpenRows

log = logging.getLogger(__name__)

RATE_TOLERANCE = 0.1
"""Share by which the rate of a recording may be below that of its study; slower ones would be invented."""

_BLOCK = 1 << 16
_FACTS = ("age", "sex", "handedness", "adult_child")


@dataclass(frozen=True)
class DescribedSource(ReadInBatches):
    """Recordings that a description says how to read.

    Parameters
    ----------
    path
        A file or a folder.
    description
        How it is read.
    wanted
        The device of a bundle that is to answer: the recordings are brought to its rate and its sensors, and what they
        lack was not measured. By default they keep their own, at the description's rate or that of the first recording.
    how
        What a row holds if several samples fall into it.
    """

    path: Path
    description: Description
    wanted: Device | None = None
    how: Aggregation = "mean"

    @cached_property
    def device(self) -> Device:
        """The device that was worn, at the rate of the rows."""
        if self.wanted is not None:
            return self._as_wanted(self.wanted)
        rate_hz = self.description.time.rate_hz or round(self._first[0], 2)
        if not np.isfinite(rate_hz):
            raise DataError(f"{self.path}: its times tell no rate", remedy="add rate_hz = ... to [time]")
        values = self.description.device_values(rate_hz)
        # A format of its own may hold fewer sensors than its devices can have.
        values["sensors"] = [sensor for sensor in values["sensors"] if sensor["name"] in self._first[1]]
        device = Device.parse(values)
        return self._oriented(device) if self.description.orientation == "made" else device

    def _oriented(self, device: Device) -> Device:
        return with_made_orientation(device) if makes_orientation(self._first[1]) else device

    def _as_wanted(self, wanted: Device) -> Device:
        if self.description.axes is None and self.description.name != wanted.name:
            raise DataError(
                f"{self.description.name} does not say where the axes of its device point, and the bundle is of "
                f"another device, {wanted.name!r}",
                remedy="add [axes] and [worn] to the description (docs/own-data.md)",
            )
        if not set(self._first[1]) & set(wanted.sensor_names):
            raise DataError(
                f"{self.path} has {', '.join(self._first[1])}, the bundle needs {', '.join(wanted.sensor_names)}",
                remedy="use a bundle that was trained on such sensors",
            )
        return self._oriented(wanted) if wanted.has("quaternion") else wanted

    @cached_property
    def _first(self) -> tuple[float, tuple[str, ...]]:
        """Rate and sensors of the first recording, whose samples are not kept."""
        series = next(iter_series(self.path, self.description))
        return series.rate_hz, tuple(series.sensors)

    @property
    def simulated(self) -> bool:
        """Never: what is simulated says so in a file beside it."""
        return False

    @property
    def paths(self) -> tuple[Path, ...]:
        """What is read."""
        return (self.path,)

    def describe(self) -> str:
        """What is read, and how."""
        return f"{self.path} as {self.description.name}"

    @cached_property
    def label_set(self) -> LabelSet | None:
        """The classes: those of the description, or those that are found; None without labels.

        Raises
        ------
        ConfigError
            If a target is none of them.
        """
        spec = self.description.labels
        if spec.column is None and not spec.files:
            return None
        found = set(spec.classes)
        if not found:
            for series in iter_series(self.path, self.description):
                found |= {name for name in np.unique(_text(self._labels(series))) if name}
        classes = spec.classes or tuple(sorted(found, key=lambda name: (name != "none", name)))
        if not spec.targets:
            log.warning("%s names no targets: every class but none is taken for one", self.description.name)
        targets = spec.targets or tuple(name for name in classes if name != "none")
        strange = sorted(set(targets) - set(classes))
        if strange:
            raise ConfigError(
                f"{self.description.name} looks for {strange[0]!r}, which is no class",
                remedy=f"choose the targets among {', '.join(classes)}",
            )
        return LabelSet(self.description.name, classes, frozenset(targets))

    def batches(self, max_rows: int = BATCH_ROWS, progress: Progress | None = None) -> Iterator[Recordings]:
        """The recordings in batches; one at a time is in memory as samples."""
        waiting: list[Recordings] = []
        for series in iter_series(self.path, self.description):
            recording = self._recording(series)
            if waiting and sum(one.n_rows for one in waiting) + recording.n_rows > max_rows:
                yield Recordings.concat(waiting)
                waiting = []
            waiting.append(recording)
        if waiting:
            yield Recordings.concat(waiting)
        if progress is not None:
            progress(1.0)

    def _recording(self, series: SampleSeries) -> Recordings:
        rate_hz = self.device.row_rate_hz
        if series.rate_hz < (1 - RATE_TOLERANCE) * rate_hz:
            raise DataError(
                f"the recording {series.id!r} has {series.rate_hz:.4g} samples a second, and {rate_hz:g} are asked for",
                remedy="leave it out, or ask for a lower rate: what was not measured is not invented",
            )
        series = add_orientation(series, self.device)
        rows = place_samples(series, rate_hz)
        kept = tuple(sensor for sensor in self.device.sensors if sensor.name in series.sensors)
        sensors = make_rows(series, rows, self.device.model_copy(update={"sensors": kept}), self.how)
        count = int(rows[-1]) + 1 if len(rows) else 0
        table: dict[str, Any] = {"id": [series.id], "subject": [series.subject or "unknown"]}
        table |= {name: [series.facts[name]] for name in _FACTS if series.facts.get(name) is not None}
        annotations = {}
        if self.label_set is not None:
            labels = self._labels(series)
            if self.description.labels.per == "recording":
                table["gesture"] = [_only(labels, series.id)]
            else:
                annotations["gesture"] = _annotation(labels, rows, count, self.label_set)
        return Recordings(self.device, sensors, np.array([0, count]), make_table(table), annotations)

    def _labels(self, series: SampleSeries) -> Array:
        """(N,) The class of every sample, None where it is unknown."""
        spec = self.description.labels
        if spec.files:
            labels = label_samples(series.time_s, of_recording(self._intervals, series.id), spec)
        elif series.labels is None:
            labels = np.full(len(series), None, dtype=object)
        else:
            missing = "none" if spec.unlabelled == "none" else None
            labels = np.array([label or missing for label in series.labels.tolist()], dtype=object)
        names = {name: merged(name, spec.merge) for name in set(labels.tolist())}
        return np.array([names[label] for label in labels.tolist()], dtype=object)

    @cached_property
    def _intervals(self) -> list[Interval]:
        """Intervals of all label files; a file that names no recording is of the recording that it is called like."""
        folder = self.path if self.path.is_dir() else self.path.parent
        found: list[Interval] = []
        for file in find_files(folder, self.description, self.description.labels.files):
            for interval in read_intervals(file.path):
                named = interval.recording or self.description.recordings.id.format_map(_Blanks(file.words))
                found.append(replace(interval, recording=named))
        return found


class _Blanks(dict[str, str]):
    """Words of a path, and nothing for those that only a table knows."""

    def __missing__(self, key: str) -> str:
        return ""


def place_samples(series: SampleSeries, rate_hz: float) -> Ints:
    """(N,) The row that each sample falls into: row k stands k / rate after the first sample."""
    rows: Ints = np.floor((series.time_s - series.time_s[:1]) * rate_hz + 0.5).astype(np.int64)
    return rows


def make_rows(series: SampleSeries, rows: Ints, device: Device, how: Aggregation) -> dict[str, Array]:
    """For every sensor (n, *shape) readings at the device's rate; rows without a sample were not measured."""
    opened = OpenRows(device, how)
    offset = (series.time_s - series.time_s[:1]) * device.row_rate_hz
    parts: list[dict[str, Array]] = []
    done = 0
    for start in range(0, len(series), _BLOCK):
        block = slice(start, start + _BLOCK)
        first = int(rows[start])
        if first > done:
            parts.append(opened.take(first - done))
            done = first
        readings = {
            sensor.name: series.sensors[sensor.name][block].astype(sensor.dtype).reshape(-1, *sensor.shape)
            for sensor in device.sensors
        }
        measured = np.stack([~np.isnan(values).any(axis=1) for values in readings.values()], axis=1)
        opened.add(rows[block] - done, np.abs(offset[block] - rows[block]), readings, measured)
    if len(series):
        parts.append(opened.take(int(rows[-1]) + 1 - done))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}


def _annotation(labels: Array, rows: Ints, count: int, label_set: LabelSet) -> Annotation:
    """The label of the last sample in every row; unknown where there is none."""
    codes = np.full(count, UNKNOWN, dtype=np.int8)
    index = {name: code for code, name in enumerate(label_set.classes)}
    numbers = np.array([index.get(name, UNKNOWN) for name in labels.tolist()], dtype=np.int8)
    codes[rows] = numbers
    return Annotation(codes, label_set.classes)


def _only(labels: Array, recording: str) -> str | None:
    names = {name for name in labels.tolist() if name is not None}
    if len(names) > 1:
        raise DataError(
            f"the recording {recording!r} has the labels {', '.join(sorted(names)[:3])}, and one was expected",
            remedy='say per = "row" in [labels], or name a column in id that tells the recordings apart',
        )
    return names.pop() if names else None


def _text(labels: Array) -> Array:
    return np.array([name or "" for name in labels.tolist()], dtype=str)
