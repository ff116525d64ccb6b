"""Recordings read by a description: which files there are, what they are called, and the samples in each of them."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

import numpy as np
import polars as pl

from bfrb.arrays import Array, Floats
from bfrb.errors import DataError
from bfrb.read.actigraphy import DeviceFile
from bfrb.read.device_files import READERS, format_of
from bfrb.read.series import SampleSeries, bring_to_wrist, nearest_in_time
from bfrb.read.text_tables import LINE, open_table, read_columns, terms_of, to_numbers, to_seconds
from bfrb.study.description import Description
from bfrb.study.frame import Wrist

_WORDS_OF_PATHS = ("path", "file", "folder")
_LEFT, _RIGHT = {"left", "l", "links"}, {"right", "r", "rechts"}

Words = Mapping[str, str]
"""What is known of a file by its path: `path`, `file`, `folder`, and what the pattern of paths finds."""


@dataclass(frozen=True)
class DescribedFile:
    """A file that a description matches, and what its path says."""

    path: Path
    words: Words


def find_files(folder: Path, description: Description, patterns: Sequence[str] = ()) -> list[DescribedFile]:
    """The files that a description speaks of, sorted by name; a path of one file is that file.

    Raises
    ------
    DataError
        If there is none, or a path does not fit the pattern of paths.
    """
    if folder.is_file():
        name = Path(folder.absolute().parent.name, folder.name).as_posix()
        words = _words_of(name, description)
        return [DescribedFile(folder, words | {"path": words["file"]})]
    patterns = patterns or description.file.match
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.name.startswith(".") and any(_matches(name, pattern) for pattern in patterns):
            found.append(DescribedFile(path, _words_of(name, description)))
    if not found:
        some = ", ".join(path.name for path in sorted(folder.iterdir())[:6]) or "nothing"
        raise DataError(
            f"{folder}: expected files called {', '.join(patterns)}, found {some}",
            remedy="correct match in the description, or name the folder that the files are in",
        )
    return found


def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(name.rpartition("/")[2], pattern)


def _words_of(name: str, description: Description) -> dict[str, str]:
    path = Path(name)
    words = {"path": path.with_suffix("").as_posix(), "file": path.stem, "folder": path.parent.name}
    pattern = description.recordings.path
    if pattern is None:
        return words
    regular = "".join(
        re.escape(text) + (f"(?P<{word}>[^/]+?)" if word else "") for text, word, _, _ in Formatter().parse(pattern)
    )
    fits = re.fullmatch(f"(?:.*/)?{regular}", name)
    if fits is None:
        raise DataError(
            f"{name}: expected a path like {pattern}", remedy="correct path in [recordings], or match in [file]"
        )
    return words | fits.groupdict()


def iter_series(path: Path, description: Description) -> Iterator[SampleSeries]:
    """The samples of every recording at a path, one after the other, in the wrist frame and in SI units.

    Parameters
    ----------
    path
        A file or a folder.
    description
        How it is read.

    Raises
    ------
    DataError
        If a file lacks a column or is damaged, its times fall, or no wrist is known.
    """
    people = _read_participants(path, description)
    if any(description.sensor(name).match for name in description.sensors):
        yield from _iter_apart(path, description, people)
        return
    for file in find_files(path, description):
        kind = format_of(file.path) if description.file.format == "auto" else description.file.format
        if kind in READERS:
            yield _series_of_device(file, READERS[kind](file.path), description, people)
        else:
            yield from _series_of_table(file, description, description.sensors, people)


def _columns_of_names(description: Description, words: Words) -> list[str]:
    """Columns of the table that recordings and subjects are named by, in the order of their mention."""
    spec = description.recordings
    fields = [word for text in (spec.id, spec.subject) for _, word, _, _ in Formatter().parse(text) if word]
    return [word for word in dict.fromkeys(fields) if word not in words]


def _series_of_table(
    file: DescribedFile, description: Description, sensors: Sequence[str], people: Mapping[str, Mapping[str, object]]
) -> Iterator[SampleSeries]:
    naming = _columns_of_names(description, file.words)
    label, wrist = description.labels.column, description.worn.column
    wanted = [column for name in sensors for column in description.sensor(name).columns]
    wanted += [column for column in (description.time.column, label, *naming) if column]
    table = open_table(file.path, description.file, wanted)
    if wrist is not None and wrist in table.names:
        naming = [*naming, wrist]
        wanted.append(wrist)
    frame = read_columns(table, [name for column in wanted for _, name in terms_of(column, table.names)])
    times = _times_of(frame, description, file.path)
    readings = {name: _readings(frame, name, description, file.path) for name in sensors}
    labels = None if label is None else frame[label].cast(pl.String).to_numpy()
    for names, rows in _runs(frame, naming):
        words = {**file.words, **names}
        subject = description.recordings.subject.format(**words)
        facts = dict(people.get(subject, {}))
        side = _side_of(words.get(wrist or "", facts.get(wrist or "")))
        at = rows if isinstance(times, pl.Series) else slice(0, rows.stop - rows.start)
        yield SampleSeries(
            id=description.recordings.id.format(**words),
            subject=subject,
            time_s=_checked_times(np.asarray(times[at]), file.path, frame[LINE][rows]),
            sensors=bring_to_wrist({name: values[rows] for name, values in readings.items()}, description, side),
            labels=None if labels is None else labels[rows],
            facts=facts,
        )


def _series_of_device(
    file: DescribedFile, found: DeviceFile, description: Description, people: Mapping[str, Mapping[str, object]]
) -> SampleSeries:
    """The recording of a file in a format of its own."""
    subject = description.recordings.subject.format(**file.words)
    facts = dict(people.get(subject, {}))
    sensors = {name: values for name, values in found.sensors.items() if name in description.sensors}
    if not sensors:
        raise DataError(
            f"{file.path} ({found.device}) has {', '.join(found.sensors)}, and {description.name} describes "
            f"{', '.join(description.sensors) or 'no sensor'}",
            remedy="use the description of this device: `bfrb devices` lists them",
        )
    return SampleSeries(
        id=description.recordings.id.format(**file.words),
        subject=subject,
        time_s=found.time_s,
        sensors=bring_to_wrist(sensors, description, _side_of(facts.get(description.worn.column or ""))),
        facts=facts | {"presses_s": found.presses_s, "rate_hz": found.rate_hz},
    )


def _readings(frame: pl.DataFrame, name: str, description: Description, path: Path) -> Floats:
    """(N, C) Readings of one sensor, in the file's unit and the device's axes."""
    columns = description.sensor(name).columns
    return np.stack([to_numbers(frame, column, description.file, path).to_numpy() for column in columns], axis=1)


def _times_of(frame: pl.DataFrame, description: Description, path: Path) -> pl.Series | Floats:
    """Times of all rows; where there is no column, those of a recording of that length at the stated rate."""
    if description.time.column is not None:
        return to_seconds(frame, description.time, description.file, path)
    if description.time.rate_hz is None:
        raise DataError(
            f"{path}: neither times nor a rate are known",
            remedy="add column = ... (and its unit) or rate_hz = ... to [time] in the description",
        )
    return np.arange(frame.height) / description.time.rate_hz


def _checked_times(times: Floats, path: Path, lines: pl.Series) -> Floats:
    if np.isnan(times).any():
        at = int(np.flatnonzero(np.isnan(times))[0])
        raise DataError(f"{path}, line {lines[at]}: the time is missing", remedy="fill it, or remove the line")
    falls = np.flatnonzero(np.diff(times) < 0)
    if len(falls):
        at = int(falls[0]) + 1
        raise DataError(
            f"{path}, line {lines[at]}: the time falls by {times[at - 1] - times[at]:.3f} s "
            f"(and {len(falls) - 1} times more)",
            remedy="sort the file; or, if its rows come steadily, give rate_hz in [time] instead of the column",
        )
    return times


def _runs(frame: pl.DataFrame, columns: Sequence[str]) -> Iterator[tuple[dict[str, str], slice]]:
    """Rows that stand together under the same names, in their order."""
    if not columns:
        yield {}, slice(0, frame.height)
        return
    named = frame.select(pl.col(column).cast(pl.String).str.strip_chars().fill_null("") for column in columns)
    changed = (
        named.select(pl.any_horizontal(pl.all().ne(pl.all().shift()))).to_series().fill_null(value=True).to_numpy()
    )
    starts = np.flatnonzero(changed)
    for start, stop in zip(starts, [*starts[1:], frame.height], strict=True):
        yield dict(zip(columns, named.row(int(start)), strict=True)), slice(int(start), int(stop))


def _side_of(told: object) -> Wrist | None:
    text = str(told).strip().lower() if told is not None else ""
    if not text:
        return None
    if text in _LEFT:
        return "left"
    if text in _RIGHT:
        return "right"
    raise DataError(f"expected a wrist, left or right, got {told!r}", remedy="write left or right")


def _iter_apart(
    path: Path, description: Description, people: Mapping[str, Mapping[str, object]]
) -> Iterator[SampleSeries]:
    """Recordings whose sensors have files of their own: every sample of the first sensor with the nearest of others."""
    parts: dict[str, dict[str, SampleSeries]] = {}
    for name in description.sensors:
        alone = description.model_copy(
            update={other: None for other in description.sensors if other != name}
            | {"labels": description.labels if name == description.sensors[0] else type(description.labels)()}
        )
        for file in find_files(path, description, description.sensor(name).match or description.file.match):
            for series in _series_of_table(file, alone, (name,), people):
                parts.setdefault(series.id, {})[name] = series
    for name, found in parts.items():
        if description.sensors[0] not in found:
            raise DataError(
                f"{name}: there is {', '.join(found)} and no {description.sensors[0]}",
                remedy="name recordings by {folder} or by what path finds, so that their files belong together",
            )
        yield _joined(list(found.values()), found)


def _joined(parts: Sequence[SampleSeries], found: Mapping[str, SampleSeries]) -> SampleSeries:
    first = parts[0]
    sensors = dict(first.sensors)
    for name, series in found.items():
        if series is not first:
            sensors[name] = _at_times(series.time_s, series.sensors[name], first.time_s, 0.5 / first.rate_hz)
    return SampleSeries(first.id, first.subject, first.time_s, sensors, first.labels, first.facts)


def _at_times(times: Floats, values: Array, wanted: Floats, within_s: float) -> Array:
    """(N, C) The readings nearest in time to the wanted times, NaN where none is near enough."""
    nearest = nearest_in_time(wanted, times, within_s)
    return np.where(nearest[:, None] < 0, np.float32(np.nan), values[nearest])


def _read_participants(path: Path, description: Description) -> dict[str, dict[str, object]]:
    """What the table of participants says of each subject."""
    spec = description.participants
    if spec is None:
        return {}
    place = (path if path.is_dir() else path.parent) / spec.file
    if not place.is_file():
        raise DataError(f"{place}: there is no table of participants", remedy="correct file in [participants]")
    table = open_table(place, description.file.model_copy(update={"columns": (), "skip": 0}), [spec.subject])
    frame = read_columns(table, table.names)
    return {str(row[spec.subject]).strip(): row for row in frame.drop(LINE).iter_rows(named=True)}
