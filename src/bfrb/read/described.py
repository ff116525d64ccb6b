"""Recordings read by a description: which files there are, what they are called, and the samples in each of them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Array, Floats, Ints
from bfrb.errors import DataError
from bfrb.read.checks import Checker, place_of, read_numbers, run_starts
from bfrb.read.csv_blocks import iter_frames, open_table
from bfrb.read.demographics import Demographics
from bfrb.read.device_files import READERS, format_of
from bfrb.read.findings import Finding, Report, refuse, telling_where
from bfrb.read.layouts import Layout, Terms, fields_of, find_layout, find_limits, find_unread_sensors, needed_columns
from bfrb.read.series import RecordedSamples, bring_to_wrist, nearest_in_time
from bfrb.read.study_files import DescribedFile, Words, find_files
from bfrb.study.description import TIME_UNITS_S, Description, LabelsSpec, TimeSpec
from bfrb.study.frame import Wrist
from bfrb.study.recordings import Progress

_LEFT, _RIGHT = {"left", "l", "links"}, {"right", "r", "rechts"}


@dataclass(frozen=True)
class Reader:
    """Reads what a description speaks of; `people` is what is known of the wearers."""

    description: Description
    report: Report | None = None
    people: Demographics | None = None

    def iter_samples(self, path: Path, progress: Progress | None = None) -> Iterator[RecordedSamples]:
        """The samples of every recording at a path, some recordings at a time, in the wrist frame and in SI units.

        Raises `DataError` if a file lacks a column or is damaged, its times fall, or no wrist is known.
        """
        if any(self.description.sensor(name).match for name in self.description.sensors):
            yield from self._iter_apart(path, progress)
            return
        files = self.files(path)
        for number, file in enumerate(files):
            of_all = None if progress is None else partial(_tell_share, progress, number, len(files))
            yield from self._iter_file(file, of_all)

    def files(self, path: Path) -> list[DescribedFile]:
        """The files at a path; where every sensor has files of its own, those of the first, which hold the words."""
        patterns = [self.description.sensor(name).match for name in self.description.sensors]
        return find_files(path, self.description, next(filter(None, patterns), ()))

    def format_of(self, path: Path) -> str:
        """The format of a file."""
        told = self.description.file.format
        return format_of(path) if told == "auto" else told

    def find_words(self, path: Path, name: str) -> set[str]:
        """All words of one column, of all files at a path."""
        spec, found = self.description.words[name], set()
        for file in self.files(path):
            table = open_table(file.path, self.description.file, needed_columns(self.description, file.words))
            checker = self.checker(file.path)
            for frame in iter_frames(table, {spec.column or "": pl.String}, checker.report):
                texts = checker.with_texts(frame, [spec.column or ""], [])
                found |= set(checker.words(texts, name, spec).unique().to_list())
        return found - {None}

    def _iter_file(self, file: DescribedFile, progress: Progress | None) -> Iterator[RecordedSamples]:
        kind = self.format_of(file.path)
        if kind in READERS:
            yield self._of_device(file, kind)
            return
        table = open_table(file.path, self.description.file, needed_columns(self.description, file.words))
        layout = find_layout(table.names, self.description, frozenset(file.words), str(file.path))
        checker = self.checker(file.path)
        self.refuse_unread(table.names, checker.report)
        for frame in _whole_recordings(iter_frames(table, layout.types, checker.report, progress), layout.ids):
            found = self.samples_of(frame, layout, checker, file.words)
            if found is not None:
                yield found

    def checker(self, path: Path) -> Checker:
        """What looks at the frames of a file."""
        report = self.report or refuse(str(path))
        if self.report is not None and not self.description.file.first:
            report = telling_where(self.report, path.name)
        return Checker(report, self.description.file.strict)

    def refuse_unread(self, names: Sequence[str], report: Report) -> None:
        """Report columns of a sensor that is not described: they would be left out in silence."""
        unread = find_unread_sensors(tuple(names), self.description) if self.description.file.strict else ()
        if unread:
            more = f" and {len(unread) - 6} more" if len(unread) > 6 else ""
            expected = f"columns of {self.description.name!r} only"
            found = f"{', '.join(unread[:6])}{more}, which it does not have"
            remedy = "remove these columns to go on without them; recordings of another device need its description"
            report(Finding("columns of another sensor", "warning", expected, found, remedy, refused=True))

    def samples_of(self, frame: pl.DataFrame, layout: Layout, checker: Checker, words: Words) -> RecordedSamples | None:
        """The samples in a frame of whole recordings, without those that cannot be used; None if none can."""
        description = self.description
        named_by = (*layout.ids, *layout.alike)
        texts = dict.fromkeys([*named_by, *(spec.column or "" for spec in layout.words.values())])
        subject = [name for name in layout.alike if name in fields_of(description.recordings.subject)]
        frame = checker.with_texts(frame, list(texts), [*layout.ids, *subject])
        starts = np.zeros(0, np.int64)
        if frame.height:
            frame, starts = checker.in_order(frame, layout.ids, description.recordings.order)
        if not frame.height:
            return None
        offsets = np.append(starts, frame.height)
        checker.alike(frame, layout.alike, starts)
        classes = {name: checker.words(frame, name, spec) for name, spec in layout.words.items()}
        whole = {name: classes.pop(name) for name, spec in layout.words.items() if spec.per == "recording"}
        series = [frame[name] for name in named_by]
        told = (tuple(one[row] or "" for one in series) for row in starts.tolist())
        known = [{**words, **dict(zip(named_by, each, strict=True))} for each in told]
        table = self._table(known, whole, starts)
        if "gesture" in classes:
            classes["gesture"] = _labelled(classes["gesture"], description.labels, table["id"], offsets)
        sides = [self._side_of(one, who) for one, who in zip(known, table["subject"], strict=True)]
        sensors = {name: self._readings(frame, name, terms, checker) for name, terms in layout.sensors.items()}
        times = self._times(frame, offsets, checker)
        return RecordedSamples(table, offsets, times, self._to_wrist(sensors, sides, offsets), classes)

    def _table(self, named: Sequence[Words], classes: Mapping[str, pl.Series], starts: Ints) -> pl.DataFrame:
        spec = self.description.recordings
        subjects = pl.Series("subject", [spec.subject.format(**one).strip() or "unknown" for one in named])
        columns = [pl.Series("id", [spec.id.format(**one).strip() for one in named]), subjects]
        columns += [series.gather(starts).alias(name) for name, series in classes.items()]
        return pl.DataFrame([*columns, *(self.people.of(subjects) if self.people else [])])

    def _readings(self, frame: pl.DataFrame, name: str, terms: Terms, checker: Checker) -> Array:
        """(N, C) readings of a sensor, in the file's unit and the device's axes, without those that are impossible."""
        dtype = pl.Float64 if name in ("acc", "gyr", "quaternion") else pl.Float32
        numbers = read_numbers(frame, terms.columns, checker.report, dtype=dtype)
        if terms.plain:
            return checker.readings(frame, find_limits(self.description, name), terms.columns, numbers)
        values = iter(numbers.T)
        numbers = np.stack([sum((sign * next(values) for sign, _ in one), -0.0) for one in terms.channels], axis=1)
        sums = [" + ".join(column for _, column in one) for one in terms.channels]
        return checker.readings(frame, find_limits(self.description, name), sums, numbers)

    def _times(self, frame: pl.DataFrame, offsets: Ints, checker: Checker) -> Floats:
        """(N,) times; where there is no column, those of a recording at the stated rate."""
        spec = self.description.time
        if spec.column is None:
            if spec.rate_hz is None:
                remedy = "add column = ... (and its unit) or rate_hz = ... to [time] in the description"
                raise DataError(f"{self.description.name}: neither times nor a rate are known", remedy=remedy)
            return (np.arange(frame.height) - np.repeat(offsets[:-1], np.diff(offsets))) / spec.rate_hz
        times = read_seconds(frame, spec, checker.report)
        latest = np.concatenate([np.maximum.accumulate(times[a:b]) for a, b in pairwise(offsets.tolist())])
        falls = latest - times > spec.back_s
        if falls.any():
            at = int(falls.argmax())
            expected = f"rows in the order of time, {spec.column} not falling"
            found = f"one that is {latest[at] - times[at]:.3f} s earlier than one before it"
            remedy = "sort the file; or, if its rows come steadily, give rate_hz in [time] instead of the column"
            checker.tell(Finding("time falls", "error", expected, found, remedy), frame, falls)
        return latest

    def _side_of(self, words: Words, subject: str) -> Wrist | None:
        """The wrist of a recording: what its rows say, or what the table of participants does."""
        column = self.description.worn.column
        told = None if column is None else words.get(column)
        if told is None and column is not None and self.people is not None:
            told = self.people.value(subject, column)
        text = str(told).strip().lower() if told is not None else ""
        if text and text not in _LEFT | _RIGHT:
            raise DataError(f"expected a wrist, left or right, got {told!r}", remedy="write left or right")
        return "left" if text in _LEFT else "right" if text in _RIGHT else None

    def _to_wrist(self, sensors: Mapping[str, Array], sides: Sequence[Wrist | None], offsets: Ints) -> dict[str, Array]:
        if self.description.axes is None or len(set(sides)) == 1:
            return bring_to_wrist(sensors, self.description, sides[0] if self.description.axes else None)
        parts = []
        for side, (start, stop) in zip(sides, pairwise(offsets.tolist()), strict=True):
            own = {name: values[start:stop] for name, values in sensors.items()}
            parts.append(bring_to_wrist(own, self.description, side))
        return {name: np.concatenate([part[name] for part in parts]) for name in sensors}

    def _of_device(self, file: DescribedFile, kind: str) -> RecordedSamples:
        found = READERS[kind](file.path)
        sensors = {name: values for name, values in found.sensors.items() if name in self.description.sensors}
        if not sensors:
            described = ", ".join(self.description.sensors) or "no sensor"
            has = f"{file.path} ({found.device}) has {', '.join(found.sensors)}"
            problem = f"{has}, and {self.description.name} describes {described}"
            raise DataError(problem, remedy="use the description of this device: `bfrb devices` lists them")
        table = self._table([file.words], {}, np.zeros(1, np.int64))
        offsets = np.array([0, len(found.time_s)])
        sensors = self._to_wrist(sensors, [self._side_of({}, table["subject"][0])], offsets)
        return RecordedSamples(table, offsets, found.time_s, sensors)

    def _iter_apart(self, path: Path, progress: Progress | None) -> Iterator[RecordedSamples]:
        """Recordings whose sensors have files of their own: samples of the first sensor with the nearest of others."""
        groups: dict[str, dict[str, list[DescribedFile]]] = {}
        for name in self.description.sensors:
            for file in find_files(path, self.description, self.description.sensor(name).match):
                key = self.description.recordings.id.format_map(defaultdict(str, file.words))
                groups.setdefault(key, {}).setdefault(name, []).append(file)
        for number, (key, files) in enumerate(groups.items()):
            missing = [name for name in self.description.sensors if name not in files]
            if missing:
                problem = f"{key}: there is {', '.join(files)} and no {', '.join(missing)}"
                remedy = "add the file, or name recordings by {folder} or what path finds, so that files meet"
                raise DataError(problem, remedy=remedy)
            parts = {}
            for name, some in files.items():
                reader = replace(self, description=self._alone(name))
                found = [samples for file in some for samples in reader._iter_file(file, None)]
                if not found:
                    raise DataError(f"{some[0].path}: has no rows", remedy="copy the file again")
                parts[name] = RecordedSamples.concat(found)
            yield self._joined(parts)
            if progress is not None:
                progress((number + 1) / len(groups))

    def _alone(self, name: str) -> Description:
        """The description of one sensor; what happens stands in the files of the first."""
        changes: dict[str, Any] = {other: None for other in self.description.sensors if other != name}
        if name != self.description.sensors[0]:
            changes |= {"labels": type(self.description.labels)(), "columns": {}}
        return self.description.model_copy(update=changes)

    def _joined(self, parts: Mapping[str, RecordedSamples]) -> RecordedSamples:
        first = next(iter(parts.values()))
        sensors = dict(first.sensors)
        for name, other in parts.items():
            if other is first:
                continue
            places = dict(zip(other.table["id"].to_list(), other.rows, strict=True))
            joined = []
            for recording, rows, rate_hz in zip(first.table["id"], first.rows, first.rates_hz(), strict=True):
                if recording not in places:
                    raise DataError(f"there is no {name} of {recording!r}", remedy="add it, or leave the recording out")
                there = places[recording]
                within_s = 0.5 / (self.description.time.rate_hz or rate_hz)
                nearest = nearest_in_time(first.time_s[rows], other.time_s[there], within_s)
                values = other.sensors[name][there]
                joined.append(np.where(nearest[:, None] < 0, np.float32(np.nan), values[nearest]))
            sensors[name] = np.concatenate(joined)
        return replace(first, sensors=sensors)


def _tell_share(progress: Progress, number: int, count: int, share: float) -> None:
    progress((number + share) / count)


def _labelled(labels: pl.Series, spec: LabelsSpec, ids: pl.Series, offsets: Ints) -> pl.Series:
    """(N,) the same labels, and for rows without one what they are said to be."""
    others = [spec.unlabelled_in.get(name, "none" if spec.unlabelled == "none" else None) for name in ids]
    if not any(others):
        return labels
    of_rows = np.repeat(np.array(others, dtype=object), np.diff(offsets)).tolist()
    return labels.fill_null(pl.Series(of_rows, dtype=pl.String))


def _whole_recordings(frames: Iterable[pl.DataFrame], ids: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The same rows, cut between recordings: the last recording of a frame waits for the next frame."""
    carried: list[pl.DataFrame] = []
    for frame in frames:
        last = int(run_starts(frame, ids)[-1]) if frame.height else 0
        if last:
            yield pl.concat([*carried, frame[:last]])
            carried = []
        carried.append(frame[last:])
    if carried:
        yield pl.concat(carried)


def read_seconds(frame: pl.DataFrame, spec: TimeSpec, report: Report) -> Floats:
    """(N,) times in seconds of the column that a description names; those that cannot be read are made up."""
    column = spec.column or ""
    if spec.unit != "iso8601":
        times = read_numbers(frame, [column], report, dtype=pl.Float64)[:, 0] * TIME_UNITS_S[spec.unit]
    else:
        texts = frame[column]
        stamps = texts if texts.dtype.is_temporal() else _stamps(texts.cast(pl.String).str.strip_chars(), spec.zone)
        times = (stamps.dt.epoch("us").cast(pl.Float64) * 1e-6).to_numpy().copy()
    lost = np.isnan(times)
    if lost.any():
        at = int(lost.argmax())
        remedy = "fill it, or remove the line; or correct the unit of [time]"
        expected = f"a time in every row{', such as 2024-05-01T12:00:00.000+02:00' if spec.unit == 'iso8601' else ''}"
        found, place = repr(frame[column][at]), place_of(frame, at, column)
        report(Finding("no time", "error", expected, found, remedy, place, int(lost.sum())))
        known = np.flatnonzero(~lost)
        times = np.interp(np.arange(len(times)), known, times[known]) if len(known) else np.zeros(len(times))
    return times


def _stamps(texts: pl.Series, zone: str | None) -> pl.Series:
    """Moments of texts, with a zone of their own or else the given one; null for what is none."""
    told = bool(texts.drop_nulls().head(1).str.contains(r"(Z|[+-]\d\d:?\d\d)$").any())
    try:
        read = texts.str.to_datetime(strict=False, time_unit="us", time_zone="UTC" if told else None)
    except pl.exceptions.PolarsError:  # no format fits the first of them
        return pl.Series(texts.name, [None] * len(texts), dtype=pl.Datetime("us", "UTC"))
    return read if told else read.dt.replace_time_zone(zone or "UTC", ambiguous="earliest", non_existent="null")
