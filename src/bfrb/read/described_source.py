"""`DescribedSource`: recordings of any device and any study, as rows at a steady rate, in the wrist frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Array
from bfrb.errors import DataError
from bfrb.read.annotations import Interval, label_samples, merged, of_recording, read_intervals
from bfrb.read.checks import Checker
from bfrb.read.columns import ROW
from bfrb.read.csv_blocks import Progress
from bfrb.read.demographics import Demographics, find_demographics, read_demographics
from bfrb.read.described import Reader
from bfrb.read.device_files import READERS
from bfrb.read.findings import Findings, Report, refuse
from bfrb.read.frames import as_polars
from bfrb.read.layouts import find_layout
from bfrb.read.orientation import add_orientation, makes_orientation, with_made_orientation
from bfrb.read.rows import make_rows
from bfrb.read.series import RecordedSamples
from bfrb.read.study_files import Blanks, find_label_files
from bfrb.study.description import Description, LabelsSpec
from bfrb.study.device import Device, device_of
from bfrb.study.labels import CMI, LabelSet, label_set_of
from bfrb.study.recordings import BATCH_ROWS, UNKNOWN, Annotation, Recordings
from bfrb.study.rows import Aggregation
from bfrb.study.stretches import STRETCH_ROWS, Stretch, cut_stretches

RATE_TOLERANCE = 0.1
"""Share by which the rate of a recording may be below that of its study; slower ones would be invented."""

SIMULATED_MARK = "simulated.toml"
"""A file of this name beside recordings says that they come from a simulator."""

_Words = Mapping[str, tuple[pl.Series, tuple[str, ...]]]


@dataclass(frozen=True)
class DescribedSource:
    """Recordings that a description says how to read.

    `path`: a file or a folder; `description`: how it is read; `wanted`: the device of a bundle that is to answer: the
    recordings are brought to its rate and its sensors, and what they lack was not measured. By default they keep their
    own, at the description's rate or that of the first recording; `how`: what a row holds if several samples fall into
    it; `demographics`: a table of the wearers, instead of the one that the description names.
    """

    path: Path
    description: Description
    wanted: Device | None = None
    how: Aggregation = "mean"
    demographics: Path | None = None
    report: Report | None = None

    @cached_property
    def device(self) -> Device:
        """The device that was worn, at the rate of the rows."""
        if self.wanted is not None and not self.description.time.steady:
            return self._as_wanted(self.wanted)
        device = self._own_device()
        makes = self.description.orientation == "made" and not self.description.time.steady
        return with_made_orientation(device) if makes and makes_orientation(device.sensor_names) else device

    def _own_device(self) -> Device:
        time, reader = self.description.time, Reader(self.description)
        if time.steady:
            return device_of(self.description)
        if time.rate_hz is not None and reader.format_of(reader.files(self.path)[0].path) not in READERS:
            return device_of(self.description)
        rate_hz = time.rate_hz or round(self._first[0], 2)
        if not np.isfinite(rate_hz):
            raise DataError(f"{self.path}: its times tell no rate", remedy="add rate_hz = ... to [time]")
        device = device_of(self.description, rate_hz)
        # A format of its own may hold fewer sensors than its devices can have.
        return device.with_sensors(map(device.sensor, self._first[1]))

    def _as_wanted(self, wanted: Device) -> Device:
        if self.description.axes is None and wanted.name not in (self.description.name, self.description.device):
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
        makes = wanted.has("quaternion") and makes_orientation(self._first[1])
        return with_made_orientation(wanted) if makes else wanted

    @cached_property
    def _first(self) -> tuple[float, tuple[str, ...]]:
        """Rate and sensors of the first recording, whose samples are not kept."""
        return _told_by(next(Reader(self.description).iter_samples(self.path)))

    @property
    def simulated(self) -> bool:
        """Whether a file beside the recordings says that they come from a simulator."""
        return (self.path if self.path.is_dir() else self.path.parent).joinpath(SIMULATED_MARK).is_file()

    @property
    def paths(self) -> tuple[Path, ...]:
        """What is read: the recordings, and the table of the wearers."""
        beside = self._participants()
        return (self.path,) if beside is None else (self.path, beside)

    def describe(self) -> str:
        """What is read, and how."""
        beside = self._participants()
        people = f" with {beside.name}" if beside else " with no demographics" if self.description.participants else ""
        return f"{self.path} as {self.description.name}{people}"

    def _participants(self) -> Path | None:
        """The table of the wearers."""
        spec = self.description.participants
        if self.demographics is not None:
            return self.demographics
        if spec is None:
            return None
        if spec.file is None:
            return find_demographics(self.path)
        place = (self.path if self.path.is_dir() else self.path.parent) / spec.file
        if not place.is_file():
            raise DataError(f"{place}: there is no table of participants", remedy="correct file in [participants]")
        return place

    @cached_property
    def label_set(self) -> LabelSet | None:
        """The classes: those of the description, or those that are found; None without labels.

        Raises `ConfigError` if a target is none of them.
        """
        spec = self.description.labels
        if spec.column is None and not (spec.files and self._intervals):
            return None
        if spec.classes:
            return label_set_of(self.description)
        found = {"none"} if spec.unlabelled == "none" else set()
        if spec.files:
            labels = {merged(interval.label, spec.merge) for interval in self._intervals}
        else:
            reader = Reader(self.description, Findings())  # what is damaged is told once, in reading
            labels = {*reader.find_words(self.path, "gesture"), *spec.unlabelled_in.values()}
        return label_set_of(self.description, found | {name for name in labels if name})

    def read(self) -> Recordings:
        """All recordings.

        Raises `DataError` if files are missing or damaged.
        """
        return Recordings.concat(list(self.batches()))

    def stretches(self, max_rows: int = STRETCH_ROWS, progress: Progress | None = None) -> Iterator[Stretch]:
        """The rows of all recordings, a stretch at a time; one recording at least is in memory."""
        return cut_stretches(self.batches(progress=progress), max_rows)

    def sample_stretches(self, max_rows: int = STRETCH_ROWS, progress: Progress | None = None) -> Iterator[Stretch]:
        """The samples of all recordings, as a stream would get them; where every sample is a row, the rows."""
        if self.description.time.steady:
            yield from self.stretches(max_rows, progress)
            return
        for samples, words in self._parts(progress):
            _check_rates(samples, self.device.row_rate_hz)
            codes = {name: _encode(*told) for name, told in words.items()}
            for about, rows in zip(samples.table.iter_rows(named=True), samples.rows, strict=True):
                for start in range(rows.start, rows.stop, max_rows):
                    part = slice(start, min(start + max_rows, rows.stop))
                    sensors = {
                        name: samples.sensors[name][part]
                        for name in self.device.sensor_names
                        if name in samples.sensors
                    }
                    labels = {name: Annotation(codes[name][part], words[name][1]) for name in codes}
                    begin_s, begins = float(samples.time_s[rows.start]), start == rows.start
                    yield Stretch(about, begins, samples.time_s[part], sensors, labels, self.simulated, begin_s)

    def batches(self, max_rows: int = BATCH_ROWS, progress: Progress | None = None) -> Iterator[Recordings]:
        """The recordings in batches; what stands in a block of a file, but one recording at least, is in memory."""
        waiting: list[Recordings] = []
        steady, simulated = self.description.time.steady, self.simulated
        for samples, words in self._parts(progress):
            part = to_recordings(samples, self.device, words, steady=steady, how=self.how, simulated=simulated)
            for batch in part.batches(max_rows):
                if waiting and sum(one.n_rows for one in waiting) + batch.n_rows > max_rows:
                    yield Recordings.concat(waiting)
                    waiting = []
                waiting.append(batch)
        if waiting:
            yield Recordings.concat(waiting)

    def _parts(self, progress: Progress | None) -> Iterator[tuple[RecordedSamples, _Words]]:
        """Samples, and their words with the classes of each."""
        report = self.report or refuse(str(self.path))
        table, spec, people = self._participants(), self.description.participants, None
        if table is not None or spec is not None:
            subject = "subject" if spec is None else spec.subject
            frame = None if table is None else read_demographics(table, subject, report)
            people = Demographics(report, frame, subject)
        empty = True
        for samples in Reader(self.description, self.report, people).iter_samples(self.path, progress):
            if empty:
                self.__dict__.setdefault("_first", _told_by(samples))
                empty = False
            yield self._with_labels(samples)
        if empty:
            raise DataError(f"{self.path}: holds no usable recordings", remedy="check that the files are complete")
        if people is not None:
            people.finish()

    def _with_labels(self, samples: RecordedSamples) -> tuple[RecordedSamples, _Words]:
        labels = {name: (series, self._classes(name)) for name, series in samples.words.items()}
        spec = self.description.labels
        if spec.files and self.label_set is not None:
            series = self._labelled(samples, spec)
            if spec.per == "row":
                labels["gesture"] = (series, self.label_set.classes)
            else:
                ids = samples.table["id"]
                words = [_only(series[rows], name) for rows, name in zip(samples.rows, ids, strict=True)]
                table = samples.table.insert_column(2, pl.Series("gesture", words, dtype=pl.String))
                samples = replace(samples, table=table)
        return samples, labels

    def _classes(self, name: str) -> tuple[str, ...]:
        if name == "gesture" and self.label_set is not None:
            return self.label_set.classes
        return self.description.columns[name].classes

    def _labelled(self, samples: RecordedSamples, spec: LabelsSpec) -> pl.Series:
        """(N,) the class of every sample by the files of labels."""
        parts = []
        for name, rows in zip(samples.table["id"], samples.rows, strict=True):
            labels = label_samples(samples.time_s[rows], of_recording(self._intervals, name), spec).tolist()
            names = {label: merged(label, spec.merge) for label in set(labels)}
            parts += [names[label] for label in labels]
        return pl.Series("gesture", parts, dtype=pl.String)

    @cached_property
    def _intervals(self) -> list[Interval]:
        """Intervals of all label files; a file that names no recording is of the recording that it is called like."""
        found: list[Interval] = []
        for file in find_label_files(self.path, self.description):
            for interval in read_intervals(file.path):
                named = interval.recording or self.description.recordings.id.format_map(Blanks(file.words))
                found.append(replace(interval, recording=named))
        return found


def _told_by(samples: RecordedSamples) -> tuple[float, tuple[str, ...]]:
    """Rate of the first recording, and its sensors."""
    return samples.rates_hz()[0], tuple(samples.sensors)


def _only(labels: pl.Series, recording: str) -> str | None:
    names = labels.drop_nulls().unique().sort().to_list()
    if len(names) > 1:
        raise DataError(
            f"the recording {recording!r} has the labels {', '.join(names[:3])}, and one was expected",
            remedy='say per = "row" in [labels]',
        )
    return names[0] if names else None


def to_recordings(
    samples: RecordedSamples,
    device: Device,
    words: _Words,
    *,
    steady: bool = False,
    how: Aggregation = "mean",
    simulated: bool = False,
) -> Recordings:
    """Recordings of samples, as rows of a device.

    `words`: (N,) texts by the names of the annotations that they become, and the classes of each; `steady`: whether
    every sample is a row; by default they are brought to the rate of the device; `how`: what a row holds if several
    samples fall into it; `simulated`: whether they come from a simulator. Raises `DataError` if a recording has fewer
    samples a second than rows are asked for, or readings are not possible.
    """
    samples = samples if steady else add_orientation(samples, device)
    kept = tuple(sensor for sensor in device.sensors if sensor.name in samples.sensors)
    codes = {name: _encode(*told) for name, told in words.items()}
    if steady:
        sensors = {sensor.name: samples.sensors[sensor.name].reshape(-1, *sensor.shape) for sensor in kept}
        offsets = samples.offsets
    else:
        _check_rates(samples, device.row_rate_hz)
        sensors, rows, offsets = make_rows(samples, device.model_copy(update={"sensors": kept}), how)
        for name, numbers in codes.items():  # the last sample of a row counts
            codes[name] = np.full(offsets[-1], UNKNOWN, dtype=np.int8)
            codes[name][rows] = numbers
    annotations = {name: Annotation(codes[name], words[name][1]) for name in words}
    return Recordings(device, sensors, offsets, samples.table, annotations, simulated)


def _encode(texts: pl.Series, classes: tuple[str, ...]) -> Array:
    codes = {name: code for code, name in enumerate(classes)}
    return np.array([codes.get(text, UNKNOWN) for text in texts.to_list()], dtype=np.int8)


def _check_rates(samples: RecordedSamples, rate_hz: float) -> None:
    for recording, found in zip(samples.table["id"], samples.rates_hz(), strict=True):
        if found < (1 - RATE_TOLERANCE) * rate_hz:
            raise DataError(
                f"the recording {recording!r} has {found:.4g} samples a second, and {rate_hz:g} are asked for",
                remedy="leave it out, or ask for a lower rate: what was not measured is not invented",
            )


def recordings_from_frame(
    frame: Any, demographics: Any = None, report: Report | None = None, description: Description | None = None
) -> Recordings:
    """Recordings in a polars or pandas frame, as the Kaggle gateway sends them.

    `frame`: rows of whole recordings. Columns may come in any order, as numbers or as strings; those that are optional
    may be null or absent; others are ignored; `demographics`: a frame with a row per subject; may be None or empty;
    `description`: how it is read; by default as the CMI study. Raises `DataError` if the frame has no rows, lacks
    columns, or holds impossible values.
    """
    described = description or CMI
    told = report or refuse("the frame")
    rows = as_polars(frame, "the frame")
    people = Demographics(told, as_polars(demographics, "the demographics"))
    reader = Reader(described, told, people)
    layout = find_layout(tuple(rows.columns), described, frozenset(), "the frame")
    reader.refuse_unread(rows.columns, told)
    numbered = rows.with_row_index(ROW, offset=1)
    samples = reader.samples_of(numbered, layout, Checker(told, described.file.strict), {})
    if samples is None:
        raise DataError("the frame has no rows", remedy="give all rows of at least one recording")
    words = {name: (series, described.words[name].classes) for name, series in samples.words.items()}
    recordings = to_recordings(samples, device_of(described), words, steady=described.time.steady)
    people.finish()
    return recordings
