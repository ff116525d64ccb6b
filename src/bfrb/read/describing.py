"""A first description of somebody's file: what can be found out is written, what cannot is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from bfrb.arrays import Floats
from bfrb.errors import DataError
from bfrb.read.columns import read_numbers
from bfrb.read.csv_blocks import iter_frames
from bfrb.read.described import read_seconds
from bfrb.read.device_files import READERS, format_of
from bfrb.read.findings import refuse
from bfrb.read.text_tables import open_table, terms_of
from bfrb.study.description import FileSpec, TimeSpec, known_descriptions

_ROWS = 20_000
_TIME_NAMES = re.compile(r"time|zeit|stamp|epoch|seconds|^t$", re.IGNORECASE)
_SENSOR_NAMES: Mapping[str, re.Pattern[str]] = {
    "quaternion": re.compile(r"quat|^q[wxyz]$|^rot_[wxyz]$|orientation", re.IGNORECASE),
    "gyr": re.compile(r"gyr|rotationrate|angular|^w[xyz]$|^g[xyz]$|omega", re.IGNORECASE),
    "acc": re.compile(r"acc|^a[xyz]$|^[xyz]$|beschl", re.IGNORECASE),
}
_AXES = {"acc": "xyz", "gyr": "xyz", "quaternion": "wxyz"}
_ACC_SIZES = {"m/s^2": 9.81, "g": 1.0, "mg": 1000.0}
_UNITS_IN_NAMES = ("m/s^2", "deg/s", "rad/s", "mg", "g")
_ASK_AXES = "? Where does this axis point? 3h, 6h, 9h, 12h, out, in; or thumb, little, hand, elbow, palm, back"
_ASK_WRIST = "? On which wrist was it worn: left or right"


@dataclass
class Draft:
    """A description in the making.

    Parameters
    ----------
    lines
        Of TOML.
    found
        What was found, a sentence each.
    """

    lines: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    def table(self, name: str, values: Mapping[str, object]) -> None:
        """Add a table of TOML."""
        self.lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]

    def text(self) -> str:
        """The description, what was found as comments on top."""
        return "\n".join([*(f"# {sentence}" for sentence in self.found), *self.lines]) + "\n"


def describe_file(path: Path) -> str:
    """TOML that describes how a file is read, with a `?` and a question where that cannot be known.

    Parameters
    ----------
    path
        A CSV, TSV or Parquet file, or one in a format of its own.

    Raises
    ------
    DataError
        If it is of a kind that is not read, or no columns of an accelerometer can be told.
    """
    kind = format_of(path)
    draft = Draft()
    draft.lines.append(f"name = {_toml(re.sub(r'[^a-z0-9_]+', '_', path.stem.lower()).strip('_') or 'device')}")
    if kind in READERS:
        _describe_format(path, kind, draft)
    else:
        _describe_table(path, draft)
    draft.table("axes", dict.fromkeys("xyz", _ASK_AXES))
    draft.table("worn", {"wrist": _ASK_WRIST})
    return draft.text()


def _describe_format(path: Path, kind: str, draft: Draft) -> None:
    held = READERS[kind](path)
    draft.found.append(f"{held.device}, {len(held.time_s):,} samples at {held.rate_hz:g} a second")
    alike = [name for name, text in known_descriptions().items() if f'format = "{kind}"' in text]
    draft.found.append(f"descriptions of this format: {', '.join(alike)}")
    draft.table("file", {"format": kind, "match": f"*{path.suffix}"})
    draft.table("time", {"rate_hz": held.rate_hz})
    for name in held.sensors:
        draft.table(name, {"columns": ["x", "y", "z"], "unit": "g" if name == "acc" else "deg/s"})


def _describe_table(path: Path, draft: Draft) -> None:
    table = open_table(path, FileSpec(), [])
    frames = iter_frames(table, dict.fromkeys(table.names, pl.String), refuse(str(path)))
    frame = next(frames, pl.DataFrame(schema=dict.fromkeys(table.names, pl.String)))[:_ROWS]
    sensors = {name: found for name in _SENSOR_NAMES if (found := _find_columns(name, table.names))}
    if "acc" not in sensors:
        raise DataError(
            f"{path}: no three columns look like an accelerometer's among {', '.join(table.names[:12])}",
            remedy="write the description by hand: docs/own-data.md shows one",
        )
    draft.table("file", {"match": f"*{path.suffix}"})
    draft.table("time", _describe_time(path, frame, table.names, draft))
    for name in ("acc", "gyr", "quaternion"):
        if name in sensors:
            parts = [[part for _, part in terms_of(column, table.names)] for column in sensors[name]]
            values = [read_numbers(frame, part, refuse(str(path)), dtype=pl.Float64).sum(axis=1) for part in parts]
            readings = np.stack(values, axis=1)
            draft.table(name, {"columns": list(sensors[name])} | _describe_unit(name, sensors[name], readings, draft))


def _find_columns(sensor: str, names: Sequence[str]) -> tuple[str, ...] | None:
    """The columns of a sensor, one for each axis, by their names."""
    alike = [name for name in names if _SENSOR_NAMES[sensor].search(name)]
    taken = [
        name for other, pattern in _SENSOR_NAMES.items() if other != sensor for name in names if pattern.search(name)
    ]
    own = [name for name in alike if sensor != "acc" or name not in taken]
    columns = []
    for axis in _AXES[sensor]:
        fitting = [name for name in own if _axis_of(name) == axis]
        if len(fitting) != 1:
            return None
        columns.append(fitting[0])
    gravity = [f"gravity{axis.upper()}" for axis in _AXES[sensor]]  # Core Motion tells them apart
    if sensor == "acc" and set(gravity) <= set(names):
        return tuple(f"{down} + {moved}" for down, moved in zip(gravity, columns, strict=True))
    return tuple(columns)


def _axis_of(name: str) -> str:
    """The letter of an axis in a name such as `accelerationX`, `acc_x` or `Accelerometer X (g)`."""
    bare = re.sub(r"\(.*?\)|\[.*?\]", "", name).strip(" _-.")
    found = re.search(r"(?:^|[_\-. ]|(?<=[a-z]))([wxyzWXYZ])(?:$|[_\-. ]|-?axis)", bare) or re.search(
        r"([wxyz])$", bare
    )
    return found.group(1).lower() if found else ""


def _describe_time(path: Path, frame: pl.DataFrame, names: Sequence[str], draft: Draft) -> dict[str, object]:
    columns = [name for name in names if _TIME_NAMES.search(name)]
    if not columns:
        return {"rate_hz": "? Samples per second (there is no column of times)"}
    column = columns[0]
    for unit in ("iso8601", "s", "ms", "us", "ns"):
        try:
            seconds = read_seconds(frame, TimeSpec(column=column, unit=unit), refuse(str(path)))
        except DataError:
            continue
        steps = np.diff(seconds)
        rate_hz = 1.0 / float(np.median(steps[steps > 0])) if (steps > 0).any() else np.inf
        if 4.0 <= rate_hz <= 2000.0:
            draft.found.append(f"{column} in {unit} gives {rate_hz:.4g} samples a second")
            return {"column": column, "unit": unit}
    return {"column": column, "unit": "? s, ms, us, ns or iso8601 (none gives a likely rate)"}


def _describe_unit(name: str, columns: Sequence[str], readings: Floats, draft: Draft) -> dict[str, object]:
    if name == "quaternion":
        return {"turns": "? device_to_world or world_to_device"}
    told = next((unit for unit in _UNITS_IN_NAMES if re.search(rf"[(\[_ ]{re.escape(unit)}[)\]]?$", columns[0])), None)
    size = float(np.nanmedian(np.linalg.norm(readings, axis=1)))
    if name == "acc":
        likely = [unit for unit, expected in _ACC_SIZES.items() if 0.8 < size / expected < 1.3]
        draft.found.append(f"accelerations have a size of {size:.4g} (median)")
        unit = told or (likely[0] if likely else f"? m/s^2, g, mg or a number (their size is {size:.4g} at the median)")
        return {
            "unit": unit,
            "at_rest": "? up, if the axis that points up reads +1 g at rest (Android); down, if -1 g (Apple)",
        }
    return {"unit": told or f"? deg/s or rad/s (median size {size:.4g}, largest {np.nanmax(np.abs(readings)):.4g})"}


def _toml(value: object) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)
