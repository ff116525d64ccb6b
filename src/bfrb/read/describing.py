"""A first description of somebody's file: what can be found out is written, what cannot is asked."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Floats
from bfrb.errors import BfrbError, DataError
from bfrb.read.checks import ROW, read_numbers
from bfrb.read.csv_blocks import TextTable, iter_frames, open_table, terms_of
from bfrb.read.described import read_seconds
from bfrb.read.described_source import recordings_from_frame
from bfrb.read.device_files import READERS, format_of
from bfrb.read.findings import Findings, refuse
from bfrb.read.layouts import needed_columns
from bfrb.read.quality import find_suspicions
from bfrb.study.description import STUDIES, Description, FileSpec, TimeSpec, find_description, known_descriptions

_ROWS = 20_000
_RATES_HZ = (4.0, 2000.0)
_TIME_NAMES = re.compile(r"time|zeit|stamp|epoch|seconds|^t$", re.IGNORECASE)
_SENSOR_NAMES: Mapping[str, re.Pattern[str]] = {
    "quaternion": re.compile(r"quat|^q[wxyz]$|^rot_[wxyz]$|orientation", re.IGNORECASE),
    "gyr": re.compile(r"gyr|rotationrate|angular|^w[xyz]$|^g[xyz]$|omega", re.IGNORECASE),
    "acc": re.compile(r"acc|^a[xyz]$|^[xyz]([ _-]?axis.*)?$|beschl", re.IGNORECASE),
}
_AXES = {"acc": "xyz", "gyr": "xyz", "quaternion": "wxyz"}
_ACC_SIZES = {"m/s^2": 9.81, "g": 1.0, "mg": 1000.0}
_UNITS_IN_NAMES = ("m/s^2", "deg/s", "rad/s", "mg", "g")
_ASK_AXES = "? Where does this axis point? 3h, 6h, 9h, 12h, out, in; or thumb, little, hand, elbow, palm, back"
_ASK_WRIST = "? On which wrist was it worn: left or right"
_ASK_WHOSE = "? Whose is each file: {file}, {folder}, or {subject} with a line path = '{subject}_{session}.csv' above"
_ASK_REST = "? up, if the axis that points up reads +1 g at rest (Android); down, if -1 g (Apple)"
_GENERAL = ("helios", "galaxy_watch", *STUDIES)
"""Descriptions that any table of accelerations would fit."""
_TELLING = ("gravity", "sign", "axes", "order", "angular velocity")
"""Suspicions that another description would dispel."""

Values = dict[str, Any]


def describe_file(path: Path) -> str:
    """TOML that describes how a file is read, with a `?` and a question where that cannot be known.

    Where a description that comes with the package fits, the new one starts from it. Raises `DataError` if the file is
    of a kind that is not read, or no columns of an accelerometer can be told.
    """
    kind = format_of(path)
    found: list[str] = []
    values: Values = {"name": re.sub(r"[^a-z0-9_]+", "_", path.stem.lower()).strip("_") or "device"}
    base = _describe_format(path, kind, found) if kind in READERS else _find_known(path)
    if base is not None:
        found.append(f"it is read as {base.name}: {base.title}")
        values |= {"device": base.name, "file": {"match": f"*{path.suffix}"}}
        if base.time.column is None and kind not in READERS:
            with path.open("rb") as file:
                told = re.search(rb"(\d+(?:\.\d+)?) Hz", file.read(4096))
            values["time"] = {"rate_hz": float(told[1]) if told else "? Samples per second"}
    else:
        values |= _describe_table(path, found)
    if base is None or base.axes is None:
        values["axes"] = dict.fromkeys("xyz", _ASK_AXES)
    values["worn"] = {"wrist": _ASK_WRIST}
    if sum(other.suffix == path.suffix for other in path.absolute().parent.iterdir()) > 1:
        values["recordings"] = {"subject": _ASK_WHOSE}
    else:
        found.append("every file is a recording of the person its folder is called by; [recordings] may say otherwise")
    tables = [f"\n[{key}]\n{_lines(each)}" for key, each in values.items() if isinstance(each, dict)]
    single = {key: each for key, each in values.items() if not isinstance(each, dict)}
    return "".join(f"# {sentence}\n" for sentence in found) + _lines(single) + "".join(tables)


def _describe_format(path: Path, kind: str, found: list[str]) -> Description:
    held = READERS[kind](path)
    found.append(f"{held.device}, {len(held.time_s):,} samples at {held.rate_hz:g} a second")
    alike = [one for one in map(find_description, known_descriptions()) if one.file.format == kind]
    said = held.device.lower()
    return next((one for one in alike if all(word in said for word in one.name.split("_"))), alike[0])


def _find_known(path: Path) -> Description | None:
    """The description of the package that fits a table: its columns are there, and physics agrees."""
    for description in map(find_description, known_descriptions()):
        unsure = description.file.columns and description.time.column is None
        if description.name in _GENERAL or description.file.format not in ("auto", "table") or unsure:
            continue
        with suppress(BfrbError):
            table = open_table(path, description.file, needed_columns(description, ("path", "file", "folder")))
            if not description.file.columns or len(table.names) == len(description.file.columns):
                frame = _first_rows(table)
                rate_hz = description.time.rate_hz or _rate_of(frame, description.time)
                if rate_hz and not _speaks_against(frame, description.model_dump(exclude_none=True), rate_hz):
                    return description
    return None


def _first_rows(table: TextTable) -> pl.DataFrame:
    frames = iter_frames(table, dict.fromkeys(table.names, pl.String), refuse(str(table.path)))
    return next(frames, pl.DataFrame(schema=dict.fromkeys((ROW, *table.names), pl.String)))[:_ROWS]


def _rate_of(frame: pl.DataFrame, time: TimeSpec) -> float | None:
    """Samples per second by a column of times, if that is a likely number."""
    steps = np.diff(read_seconds(frame, time, refuse("the times")))
    rate_hz = 1.0 / float(np.median(steps[steps > 0])) if (steps > 0).any() and (steps >= 0).all() else 0.0
    return rate_hz if _RATES_HZ[0] <= rate_hz <= _RATES_HZ[1] else None


def _speaks_against(frame: pl.DataFrame, values: Mapping[str, Any], rate_hz: float) -> bool:
    """Whether rows, read by a description, are none of a wrist; its axes do not matter here."""
    told = {**values, "name": "x", "recordings": {"id": "x", "subject": "x"}, "labels": {}, "columns": {}, "axes": None}
    description = Description.parse({**told, "device": None, "time": {**values["time"], "rate_hz": rate_hz}})
    findings = Findings()
    recordings = recordings_from_frame(frame.drop(ROW, strict=False), description=description, report=findings)
    if any(finding.kind in ("impossible value", "unreadable value", "no time") for finding in findings):
        return True
    return any(found.fatal and found.kind in _TELLING for found in find_suspicions(recordings))


def _describe_table(path: Path, found: list[str]) -> Values:
    file: Values = {"match": f"*{path.suffix}"}
    try:
        table = open_table(path, FileSpec(), [])
    except DataError:  # no line of names
        table = open_table(path, FileSpec(columns=("column_1",)), [])
        file["columns"] = list(table.names)
    frame = _first_rows(table)
    cells = " ".join(str(cell) for cell in frame.row(0)) if frame.height else ""
    if table.separator != "," and re.search(r"(^|\s)[+-]?\d+,\d+(\s|$)", cells):
        file["decimal"] = ","
        frame = frame.with_columns(pl.col(pl.String).str.replace(",", ".", literal=True))
    time = _describe_time(frame, table.names, found)
    values: Values = {"file": file, "time": time}
    if "columns" in file:  # without names: three beside each other, and perhaps three more
        others = [name for name in table.names if name != time.get("column")]
        named = {"acc": [tuple(others[start : start + 3]) for start in range(0, len(others) - 2, 3)]}
    else:
        named = _columns_by_name(table.names)
    for name, groups in ((name, groups) for name, groups in named.items() if groups):
        readings = [(columns, _readings(frame, columns)) for columns in groups]
        columns, read = next(((each, r) for each, r in readings if name != "acc" or _acc_units(r)), readings[0])
        values[name] = {"columns": list(columns)} | _describe_unit(name, columns, read, found)
    if "acc" not in values:
        problem = f"{path}: no three columns look like an accelerometer's among {', '.join(table.names[:12])}"
        raise DataError(problem, remedy="write the description by hand: docs/own-data.md shows one")
    with suppress(BfrbError):
        _settle(frame, values, found)
    return values


def _columns_by_name(names: Sequence[str]) -> dict[str, list[tuple[str, ...]]]:
    """For every sensor the groups of columns that it may be, one for each axis, by their names."""
    groups: dict[str, list[tuple[str, ...]]] = {}
    left = list(names)
    for sensor in ("quaternion", "gyr", "acc"):
        alike = [name for name in left if _SENSOR_NAMES[sensor].search(name)]
        left = [name for name in left if name not in alike]
        stems: dict[str, dict[str, str]] = {}
        for name in alike:
            stem, axis = _axis_of(name)
            stems.setdefault(stem, {}).setdefault(axis, name)
        whole = (axes for axes in stems.values() if set(_AXES[sensor]) <= set(axes))
        fitting = [tuple(axes[axis] for axis in _AXES[sensor]) for axes in whole]
        if sensor == "acc" and {"gravityX", "gravityY", "gravityZ"} <= set(names):  # Core Motion tells them apart
            fitting = [tuple(f"gravity{axis[-1].upper()} + {axis}" for axis in columns) for columns in fitting]
        groups[sensor] = fitting
    return groups


def _axis_of(name: str) -> tuple[str, str]:
    """What is left of a name such as `accelerationX`, `acc_x` or `Accelerometer X (g)`, and the letter of its axis."""
    bare = re.sub(r"\(.*?\)|\[.*?\]", "", name).strip(" _-.")
    found = re.search(r"(?:^|[_\-. ]|(?<=[a-z]))([wxyzWXYZ])(?:$|[_\-. ]|-?axis)", bare)
    found = found or re.search(r"([wxyz])$", bare)
    return (bare[: found.start(1)] + "*" + bare[found.end(1) :], found[1].lower()) if found else (bare, "")


def _readings(frame: pl.DataFrame, columns: Sequence[str]) -> Floats:
    parts = [[part for _, part in terms_of(column, frame.columns)] for column in columns]
    return np.stack([read_numbers(frame, part, Findings(), dtype=pl.Float64).sum(axis=1) for part in parts], axis=1)


def _describe_time(frame: pl.DataFrame, names: Sequence[str], found: list[str]) -> dict[str, object]:
    columns = [name for name in names if _TIME_NAMES.search(name)] or [names[0]]
    for column, unit in product(columns, ("iso8601", "s", "ms", "us", "ns")):
        with suppress(DataError):
            time = TimeSpec.parse({"column": column, "unit": unit})
            if rate_hz := _rate_of(frame, time):
                found.append(f"{column} in {unit} gives {rate_hz:.4g} samples a second")
                return {"column": column, "unit": unit}
    if not _TIME_NAMES.search(columns[0]):
        return {"rate_hz": "? Samples per second (there is no column of times)"}
    return {"column": columns[0], "unit": "? s, ms, us, ns or iso8601 (none gives a likely rate)"}


def _median_size(readings: Floats) -> float:
    sizes = np.linalg.norm(readings, axis=1)
    return float(np.median(sizes[~np.isnan(sizes)])) if np.isfinite(sizes).any() else np.nan


def _acc_units(readings: Floats) -> list[str]:
    """Units in which the size of readings is that of gravity."""
    size = _median_size(readings)
    return [unit for unit, expected in _ACC_SIZES.items() if 0.8 < size / expected < 1.3]


def _describe_unit(name: str, columns: Sequence[str], readings: Floats, found: list[str]) -> dict[str, object]:
    if name == "quaternion":
        return {"turns": "? device_to_world or world_to_device"}
    told = next((unit for unit in _UNITS_IN_NAMES if re.search(rf"[(\[_ ]{re.escape(unit)}[)\]]?$", columns[0])), None)
    size = _median_size(readings)
    if name == "acc":
        likely = _acc_units(readings)
        found.append(f"accelerations have a size of {size:.4g} (median)")
        unit = told or (likely[0] if likely else f"? m/s^2, g, mg or a number (their size is {size:.4g} at the median)")
        return {"unit": unit, "at_rest": _ASK_REST}
    return {"unit": told or f"? deg/s or rad/s (median size {size:.4g}, largest {np.nanmax(np.abs(readings)):.4g})"}


def _settle(frame: pl.DataFrame, values: Values, found: list[str]) -> None:
    """Answer questions by physics: gravity points up, and turns as the gyroscope says."""
    questions = {("gyr", "unit"): ("deg/s", "rad/s")}
    if "quaternion" in values:
        questions |= {("acc", "at_rest"): ("up", "down")}
        questions |= {("quaternion", "turns"): ("device_to_world", "world_to_device")}
    asked = [key for key in questions if str(values.get(key[0], {}).get(key[1], "")).startswith("?")]
    rate_hz = _rate_of(frame, TimeSpec.parse(values["time"]))
    possible = []
    for answers in product(*(questions[key] for key in asked)):
        trial = {name: dict(table) for name, table in values.items()}
        trial["acc"]["at_rest"] = "up"
        for (table, key), answer in zip(asked, answers, strict=True):
            trial[table][key] = answer
        if asked and rate_hz and not _speaks_against(frame, trial, rate_hz):
            possible.append(answers)
    for place, (table, key) in enumerate(asked):
        told = {answers[place] for answers in possible}
        if len(told) == 1:
            values[table][key] = told.pop()
            found.append(f"{table} has {key} = {values[table][key]!r}, as the sensors agree only then")


def _lines(values: Mapping[str, Any]) -> str:
    """Keys and values as TOML, which writes texts, numbers and lists as JSON does."""
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())
