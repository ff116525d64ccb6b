"""`DescribedSource`: recordings of any device and any study, as rows at a steady rate, in the wrist frame."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from bfrb.errors import DataError
from bfrb.read.annotations import Interval, label_samples, merged, read_intervals
from bfrb.read.checks import ROW, Checker
from bfrb.read.demographics import Demographics, find_demographics, read_demographics
from bfrb.read.described import Reader
from bfrb.read.device_files import READERS
from bfrb.read.findings import Finding, Findings, Report, refuse
from bfrb.read.frames import as_polars
from bfrb.read.layouts import find_layout
from bfrb.read.orientation import add_orientation, makes_orientation, with_made_orientation
from bfrb.read.series import RecordedSamples, make_rows
from bfrb.read.study_files import find_label_files
from bfrb.study.description import Description
from bfrb.study.device import Device, device_of
from bfrb.study.labels import CMI, LabelSet, label_set_of
from bfrb.study.recordings import BATCH_ROWS, UNKNOWN, Annotation, Progress, Recordings
from bfrb.study.rows import Aggregation
from bfrb.study.stretches import STRETCH_ROWS, BatchSource, Stretch

RATE_TOLERANCE = 0.1
"""Share by which the rate of a recording may be below that of its study; slower ones would be invented."""

SIMULATED_MARK = "simulated.toml"
"""A file of this name beside recordings says that they come from a simulator."""

_Labels = Mapping[str, Annotation]


@dataclass(frozen=True)
class DescribedSource(BatchSource):
    """Recordings that a description says how to read."""

    path: Path
    """A file or a folder."""
    description: Description
    wanted: Device | None = None
    """The device of a bundle that is to answer: recordings are brought to its rate and sensors, and what they lack was
    not measured. By default they keep their own, at the description's rate or that of the first recording."""
    how: Aggregation = "mean"
    demographics: Path | None = None
    """A table of the wearers, instead of the one that the description names."""
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
        of_its_own = not time.steady and reader.format_of(reader.files(self.path)[0].path) in READERS
        if time.steady or (time.rate_hz is not None and not of_its_own):
            return device_of(self.description)
        rate_hz = time.rate_hz or round(self._first[0], 2)
        if not np.isfinite(rate_hz):
            raise DataError(f"{self.path}: its times tell no rate", remedy="add rate_hz = ... to [time]")
        device = device_of(self.description, rate_hz)
        # A format of its own may hold fewer sensors than its devices can have.
        return device.with_sensors(map(device.sensor, self._first[1]))

    def _as_wanted(self, wanted: Device) -> Device:
        if self.description.axes is None and wanted.name not in (self.description.name, self.description.device):
            unsaid = f"{self.description.name} does not say where the axes of its device point"
            problem = f"{unsaid}, and the bundle is of another device, {wanted.name!r}"
            raise DataError(problem, remedy="add [axes] and [worn] to the description (docs/own-data.md)")
        if not set(self._first[1]) & set(wanted.sensor_names):
            problem = f"{self.path} has {', '.join(self._first[1])}, the bundle needs {', '.join(wanted.sensor_names)}"
            raise DataError(problem, remedy="use a bundle that was trained on such sensors")
        makes = wanted.has("quaternion") and makes_orientation(self._first[1])
        return with_made_orientation(wanted) if makes else wanted

    @cached_property
    def _first(self) -> tuple[float, tuple[str, ...]]:
        """Rate and sensors of the first recording, whose samples are not kept."""
        as_worn = self.description.model_copy(update={"axes": None})  # whichever wrist it was on
        return next(map(_told_by, Reader(as_worn).iter_samples(self.path)))

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
        """The classes: those of the description, or those that are found; None without labels."""
        spec = self.description.labels
        if spec.column is None and not (spec.files and self._intervals):
            return None
        if spec.classes:
            return label_set_of(self.description)
        found = {"none"} if spec.unlabelled == "none" else set()
        if spec.files:
            labels: set[str] = {interval.label for interval in self._intervals}
        else:
            reader = Reader(self.description, Findings())  # what is damaged is told once, in reading
            labels = {*reader.find_words(self.path, "gesture"), *spec.unlabelled_in.values()}
        return label_set_of(self.description, found | {name for name in labels if name})

    def sample_stretches(self, max_rows: int = STRETCH_ROWS, progress: Progress | None = None) -> Iterator[Stretch]:
        """The samples of all recordings, as a stream would get them; where every sample is a row, the rows."""
        if self.description.time.steady:
            yield from self.stretches(max_rows, progress)
            return
        for samples, labels in self._parts(progress):
            _check_rates(samples, self.device.row_rate_hz)
            readings = {name: samples.sensors[name] for name in self.device.sensor_names if name in samples.sensors}
            for about, rows in zip(samples.table.iter_rows(named=True), samples.rows, strict=True):
                begin_s = float(samples.time_s[rows.start])
                for start in range(rows.start, rows.stop, max_rows):
                    part = slice(start, min(start + max_rows, rows.stop))
                    sensors = {name: values[part] for name, values in readings.items()}
                    some, begins = {name: label.take(part) for name, label in labels.items()}, start == rows.start
                    yield Stretch(about, begins, samples.time_s[part], sensors, some, self.simulated, begin_s)

    def batches(self, max_rows: int = BATCH_ROWS, progress: Progress | None = None) -> Iterator[Recordings]:
        """The recordings in batches; what stands in a block of a file, but one recording at least, is in memory."""
        waiting: list[Recordings] = []
        steady, simulated = self.description.time.steady, self.simulated
        for samples, labels in self._parts(progress):
            part = to_recordings(samples, self.device, labels, steady=steady, how=self.how, simulated=simulated)
            for batch in part.batches(max_rows):
                if waiting and sum(one.n_rows for one in waiting) + batch.n_rows > max_rows:
                    yield Recordings.concat(waiting)
                    waiting = []
                waiting.append(batch)
        if waiting:
            yield Recordings.concat(waiting)

    def _parts(self, progress: Progress | None) -> Iterator[tuple[RecordedSamples, _Labels]]:
        report = self.report or refuse(str(self.path))
        table, spec, people = self._participants(), self.description.participants, None
        if table is not None or spec is not None:
            subject = "subject" if spec is None else spec.subject
            frame = None if table is None else read_demographics(table, subject, report)
            people = Demographics(report, frame, subject)
        ids: set[str] = set()
        for samples in Reader(self.description, self.report, people).iter_samples(self.path, progress):
            if not ids:
                self.__dict__.setdefault("_first", _told_by(samples))
            ids.update(samples.table["id"])
            yield self._with_labels(samples, report)
        if not ids:
            raise DataError(f"{self.path}: holds no usable recordings", remedy="check that the files are complete")
        if people is not None:
            people.finish()
        self._report_strays(ids, report)

    def _report_strays(self, ids: set[str], report: Report) -> None:
        """Say whose labels are of recordings that are not there."""
        if not self.path.is_dir() or not self.description.labels.files:
            return
        if strays := sorted({one.recording for one in self._intervals} - ids - {""}):
            expected, found = f"labels of recordings that are there, such as {min(ids)!r}", f"some of {strays[0]!r}"
            remedy = "call a file of labels like that of its recordings (p01.csv, p01_events.tsv), or correct its ids"
            report(Finding("labels of no recording", "warning", expected, found, remedy, count=len(strays)))

    def _with_labels(self, samples: RecordedSamples, report: Report) -> tuple[RecordedSamples, _Labels]:
        classes = {name: spec.classes for name, spec in self.description.columns.items()}
        if self.label_set is not None:
            classes["gesture"] = self.label_set.classes
        labels = {name: _encoded(series.to_list(), classes[name]) for name, series in samples.words.items()}
        spec = self.description.labels
        if spec.files and self.label_set is not None:
            found = []
            for name, rows in zip(samples.table["id"], samples.rows, strict=True):
                own = [one for one in self._intervals if one.recording in ("", name)]
                found.append(label_samples(samples.time_s[rows], own, spec))
                if any(one.label for one in own) and set(found[-1].tolist()) <= {None, "none"}:
                    expected, met = "labels of times within their recording", f"none, the first at {own[0].start_s:g} s"
                    remedy = "count from the first sample, in s or h:mm:ss, or give moments with their zone"
                    report(Finding("labels outside", "warning", expected, met, remedy, name))
            if spec.per == "row":
                labels["gesture"] = _encoded(np.concatenate(found).tolist(), classes["gesture"])
            else:
                words = [_only(one, name) for one, name in zip(found, samples.table["id"], strict=True)]
                table = samples.table.insert_column(2, pl.Series("gesture", words, dtype=pl.String))
                samples = replace(samples, table=table)
        return samples, labels

    @cached_property
    def _intervals(self) -> list[Interval]:
        """Intervals of all label files, with the class of each; a file that names no recording is of its namesake."""
        found: list[Interval] = []
        spec = self.description.labels
        for file in find_label_files(self.path, self.description):
            own = self.description.recordings.id.format_map(defaultdict(str, file.words))
            for one in read_intervals(file.path):
                label = merged(one.label, spec.merge) or ""
                found.append(replace(one, recording=one.recording or own, label=label))
        return found


def _told_by(samples: RecordedSamples) -> tuple[float, tuple[str, ...]]:
    return samples.rates_hz()[0], tuple(samples.sensors)


def _only(labels: npt.NDArray[np.object_], recording: str) -> str | None:
    names = sorted({label for label in labels.tolist() if label is not None})
    if len(names) > 1:
        problem = f"the recording {recording!r} has the labels {', '.join(names[:3])}, and one was expected"
        raise DataError(problem, remedy='say per = "row" in [labels]')
    return names[0] if names else None


def _encoded(words: list[str | None], classes: tuple[str, ...]) -> Annotation:
    codes: dict[str | None, int] = {name: code for code, name in enumerate(classes)}
    return Annotation(np.array([codes.get(word, UNKNOWN) for word in words], dtype=np.int8), classes)


def to_recordings(
    samples: RecordedSamples,
    device: Device,
    labels: _Labels,
    *,
    steady: bool = False,
    how: Aggregation = "mean",
    simulated: bool = False,
) -> Recordings:
    """Recordings of samples, as rows of a device; where they are steady, every sample is a row.

    Raises `DataError` if a recording has fewer samples a second than rows are asked for, or a reading is not possible.
    """
    samples = samples if steady else add_orientation(samples, device)
    kept = tuple(sensor for sensor in device.sensors if sensor.name in samples.sensors)
    if steady:
        sensors = {sensor.name: samples.sensors[sensor.name].reshape(-1, *sensor.shape) for sensor in kept}
        return Recordings(device, sensors, samples.offsets, samples.table, labels, simulated)
    _check_rates(samples, device.row_rate_hz)
    sensors, rows, offsets = make_rows(samples, device.model_copy(update={"sensors": kept}), how)
    annotations = {}
    for name, label in labels.items():  # the last sample of a row counts
        codes = np.full(offsets[-1], UNKNOWN, dtype=np.int8)
        codes[rows] = label.codes
        annotations[name] = Annotation(codes, label.names)
    return Recordings(device, sensors, offsets, samples.table, annotations, simulated)


def _check_rates(samples: RecordedSamples, rate_hz: float) -> None:
    for recording, found in zip(samples.table["id"], samples.rates_hz(), strict=True):
        if found < (1 - RATE_TOLERANCE) * rate_hz:
            problem = f"the recording {recording!r} has {found:.4g} samples a second, and {rate_hz:g} are asked for"
            remedy = "leave it out, or ask for a lower rate: what was not measured is not invented"
            raise DataError(problem, remedy=remedy)


def recordings_from_frame(
    frame: Any, demographics: Any = None, report: Report | None = None, description: Description | None = None
) -> Recordings:
    """Recordings in a polars or pandas frame, as the Kaggle gateway sends them.

    `frame` holds rows of whole recordings: columns in any order, as numbers or as strings; those that are optional may
    be null or absent; others are ignored. `demographics` has a row per subject, and may be None or empty. Raises
    `DataError` if there are no rows, or columns are missing, or values impossible.
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
    labels = {name: _encoded(series.to_list(), described.words[name].classes) for name, series in samples.words.items()}
    recordings = to_recordings(samples, device_of(described), labels, steady=described.time.steady)
    people.finish()
    return recordings
