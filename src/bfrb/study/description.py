"""Descriptions: how anyone's recordings are read, as a TOML file of a few lines that lies beside the data.

A *device description* says what a wearable writes: its file, its columns, their units, where its axes point. A *study
description* starts from one (`device = "..."`) and adds where the files are, whose they are and what their labels mean.
Both are one kind of file, a `Description`; this package comes with some, in `study/devices` and `study/studies`.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from bfrb.errors import ConfigError
from bfrb.parts import locate_file
from bfrb.spec import Positive, Spec, read_toml
from bfrb.study.frame import ARM_WORDS, WATCH_WORDS, Crown, Wrist

ACC_UNITS_M_S2 = {"m/s^2": 1.0, "g": 9.80665, "mg": 9.80665e-3}
"""m/s^2 in one of each unit of acceleration."""
GYR_UNITS_DEG_S = {"deg/s": 1.0, "rad/s": 57.29577951308232, "mdeg/s": 1e-3}
"""deg/s in one of each unit of angular velocity."""
TIME_UNITS_S = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""Seconds in one of each unit of time."""

Texts = tuple[str, ...]


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class FileSpec(Spec):
    """Which files there are, and how they are laid out."""

    format: Literal["auto", "table", "actigraphy", "e4", "embraceplus", "fit", "bids"] = "auto"
    """`table`: CSV, TSV, Parquet; `actigraphy`: ActiGraph's gt3x, GENEActiv's bin, Axivity's cwa; `auto` looks."""
    match: Texts = ("*",)
    """Patterns of the names of the files that are read, in the folder and below it."""
    columns: Texts = ()
    """Names of the columns, where the file has no line of names."""
    skip: int = Field(0, ge=0)
    """Lines before the line of names, or before the first row; found by itself where the names are."""
    separator: str | None = None
    """Between columns; found by itself."""
    decimal: Literal[".", ","] = "."

    _patterns = field_validator("match", "columns", mode="before")(_as_tuple)


class TimeSpec(Spec):
    """When samples were taken: a column, or a steady rate."""

    column: str | None = None
    unit: Literal["s", "ms", "us", "ns", "iso8601"] = "s"
    zone: str | None = None
    """Time zone of clocks that say none, such as `Europe/Berlin`."""
    rate_hz: Positive | None = None
    """Samples per second: it makes the times where there is no column, and is held against them where there is."""


class SensorSpec(Spec):
    """Where the readings of one sensor stand, and what they mean."""

    columns: Texts
    """One for each channel; a sum such as `gravityX + accelerationX` is possible. A quaternion's are w, x, y, z."""
    unit: str | float | None = None
    """Its name, or how many m/s^2 (deg/s) one is."""
    at_rest: Literal["up", "down"] = "up"
    """Accelerometers: which way a resting one reads gravity, +1 g on the axis that points up, or that points down."""
    turns: Literal["device_to_world", "world_to_device"] = "device_to_world"
    """Quaternions: what they turn into what; z of the world is up."""
    match: Texts = ()
    """Patterns of the names of its files, where every sensor has files of its own."""
    range: Positive | None = None
    """Largest reading there can be, in its unit."""
    low: float | None = None
    high: float | None = None
    shape: tuple[int, ...] = ()
    no_response_code: int | None = None
    left_hand: dict[str, Any] = Field(default_factory=dict)
    upside_down: dict[str, Any] = Field(default_factory=dict)

    _patterns = field_validator("match", "columns", mode="before")(_as_tuple)


class AxesSpec(Spec):
    """Where the device's axes point, in words of a watch or of the arm (`study.frame`)."""

    x: str
    y: str
    z: str

    @field_validator("x", "y", "z")
    @classmethod
    def _check_word(cls, word: str) -> str:
        if word not in ARM_WORDS and word not in WATCH_WORDS:
            raise ValueError(f"expected one of {', '.join(ARM_WORDS)}, or of {', '.join(WATCH_WORDS)}, got {word!r}")
        return word

    @property
    def words(self) -> tuple[str, str, str]:
        """The three words."""
        return self.x, self.y, self.z


class WornSpec(Spec):
    """How the device was worn."""

    wrist: Wrist | None = None
    column: str | None = None
    """Column of the table or of the participants that says it for each recording: left or right."""
    crown: Crown = "as_read"


class RecordingsSpec(Spec):
    """What a recording is called and whose it is: texts with `{path}`, `{file}`, `{folder}`, and names of columns.

    `{path}` is the file's path in the folder without its ending, `{file}` its name, `{folder}` the folder it lies in,
    and there is what `path` finds. Columns that are named split a file into recordings.
    """

    id: str = "{path}"
    subject: str = "{folder}"
    path: str | None = None
    """A pattern of paths that gives more words, such as `sub-{subject}/ses-{session}_acc.csv`."""


class LabelsSpec(Spec):
    """What is known of what the wearer did."""

    column: str | None = None
    """Column of the table with a label in every row."""
    files: Texts = ()
    """Patterns of files with intervals: those of this package, BIDS, BORIS, ELAN, Label Studio, Sensor Logger."""
    per: Literal["row", "recording"] = "row"
    """Whether a label is what happens in a row, or one word for the whole recording."""
    classes: Texts = ()
    """All classes, in the order of the answers; those that are found, in the order of the alphabet, without it."""
    targets: Texts = ()
    """The behaviours looked for."""
    merge: dict[str, str] = Field(default_factory=dict)
    """Labels (or codes) of the files, and the class that each becomes; an empty text stands for unknown."""
    unlabelled: Literal["unknown", "none"] = "unknown"
    """What time without a label is: not known, or known to be nothing, where everything was coded."""
    offset_s: float = 0.0
    """Seconds that are added to the times of the labels to get those of the recordings."""
    lateness_s: float = Field(0.0, ge=0.0)
    """Labels without an end, such as button presses: they happened somewhere in so many seconds before."""

    _patterns = field_validator("files", mode="before")(_as_tuple)


class ParticipantsSpec(Spec):
    """A table with what is known of the wearers."""

    file: str
    subject: str = "subject"
    """Its column of ids."""


SENSORS = ("acc", "gyr", "quaternion", "thm", "tof")
"""Tables of a description that describe sensors."""


class Description(Spec):
    """How recordings are read: of a device, and of a study.

    Examples
    --------
    >>> watch = Description.from_toml('''
    ... name = "my watch"
    ... [time]
    ... column = "t"
    ... unit = "ms"
    ... [acc]
    ... columns = ["ax", "ay", "az"]
    ... unit = "g"
    ... [axes]
    ... x = "3h"
    ... y = "12h"
    ... z = "out"
    ... ''')
    >>> watch.sensors, watch.acc.unit
    (('acc',), 'g')
    """

    name: str = Field(min_length=1)
    title: str = ""
    device: str | None = None
    """A description to start from, by its name or its file; what stands here replaces what stands there."""
    tested: str = ""
    """On which real files it was tried."""
    note: str = ""
    """What to mind."""
    file: FileSpec = FileSpec()
    time: TimeSpec = TimeSpec()
    acc: SensorSpec | None = None
    gyr: SensorSpec | None = None
    quaternion: SensorSpec | None = None
    thm: SensorSpec | None = None
    tof: SensorSpec | None = None
    axes: AxesSpec | None = None
    worn: WornSpec = WornSpec()
    recordings: RecordingsSpec = RecordingsSpec()
    labels: LabelsSpec = LabelsSpec()
    participants: ParticipantsSpec | None = None

    @model_validator(mode="after")
    def _check_units(self) -> Description:
        for name, units in (("acc", ACC_UNITS_M_S2), ("gyr", GYR_UNITS_DEG_S)):
            sensor: SensorSpec | None = getattr(self, name)
            if sensor is None:
                continue
            if sensor.unit is None or (isinstance(sensor.unit, str) and sensor.unit not in units):
                raise ValueError(f"expected the unit of {name}: {', '.join(units)}, or a number, got {sensor.unit!r}")
            if len(sensor.columns) != 3:
                raise ValueError(f"expected three columns of {name}, got {', '.join(sensor.columns)}")
        if self.quaternion is not None and len(self.quaternion.columns) != 4:
            raise ValueError(f"expected columns w, x, y, z of the quaternion, got {', '.join(self.quaternion.columns)}")
        return self

    @property
    def sensors(self) -> tuple[str, ...]:
        """Names of the sensors it describes."""
        return tuple(name for name in SENSORS if getattr(self, name) is not None)

    def sensor(self, name: str) -> SensorSpec:
        """The description of one of `sensors`."""
        found: SensorSpec = getattr(self, name)
        return found

    def scale(self, name: str) -> float:
        """How many units of the wrist frame, m/s^2 or deg/s, one unit of the files is; negative where gravity is."""
        sensor, units = self.sensor(name), {"acc": ACC_UNITS_M_S2, "gyr": GYR_UNITS_DEG_S}.get(name, {})
        size = sensor.unit if isinstance(sensor.unit, float | int) else units.get(sensor.unit or "", 1.0)
        return -size if sensor.at_rest == "down" else size

    def device_values(self, row_rate_hz: float | None = None) -> dict[str, Any]:
        """The values of the `study.device.Device` that its recordings are of, at a rate or at its usual one.

        Raises
        ------
        ConfigError
            If there is no rate.
        """
        rate_hz = row_rate_hz or self.time.rate_hz
        if rate_hz is None:
            raise ConfigError(f"{self.name} names no rate", remedy="add rate_hz = ... to its [time]")
        sensors = [self._sensor_values(name) for name in self.sensors]
        return {"name": self.name, "row_rate_hz": rate_hz, "sensors": sensors}

    def _sensor_values(self, name: str) -> dict[str, Any]:
        sensor = self.sensor(name)
        if name in ("thm", "tof"):
            given = sensor.model_dump(exclude_none=True, exclude={"at_rest", "turns", "match", "range"})
            return {"name": name, **given}
        limit = None if sensor.range is None else sensor.range * abs(self.scale(name))
        return {"name": name} if limit is None else {"name": name, "low": -limit, "high": limit}


_FOLDERS = ("devices",)


@cache
def known_descriptions() -> Mapping[str, str]:
    """Texts of the descriptions that come with this package, by name."""
    found = {}
    for folder in _FOLDERS:
        for path in files("bfrb.study").joinpath(folder).iterdir():
            if path.name.endswith(".toml"):
                found[path.name.removesuffix(".toml")] = path.read_text(encoding="utf-8")
    return dict(sorted(found.items()))


def find_description(wanted: str | Path | Description) -> Description:
    """A description, by its name in this package or by its file, which may lie in a package: `package:name.toml`.

    Raises
    ------
    ConfigError
        If there is none, or it has an unknown key or an impossible value.
    """
    if isinstance(wanted, Description):
        return wanted
    return Description.parse(_merged(str(wanted), Path(), ()))


def _merged(wanted: str, folder: Path, above: tuple[str, ...]) -> dict[str, Any]:
    """The values of a description, those it starts from included."""
    if wanted in above:
        raise ConfigError(f"the description {wanted!r} starts from itself", remedy="start it from another one")
    text, place = _text_of(wanted, folder)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"expected TOML in {wanted}, but {error}", remedy="correct that line") from None
    _refuse_questions(values, wanted)
    base = values.get("device")
    if not isinstance(base, str):
        return values
    return _overlaid(_merged(base, place, (*above, wanted)), values)


def _text_of(wanted: str, folder: Path) -> tuple[str, Path]:
    known = known_descriptions()
    if wanted in known:
        return known[wanted], folder
    if wanted.endswith(".toml"):
        path = locate_file(wanted, folder)
        return read_toml(path), path.parent
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.4)
    raise ConfigError(
        f"no description {wanted!r}",
        remedy=(f"did you mean {near[0]!r}? " if near else "") + "`bfrb devices` lists them; or name a .toml file",
    )


def _overlaid(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _overlaid(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _refuse_questions(values: Mapping[str, Any], wanted: str) -> None:
    for key, value in _leaves(values):
        if isinstance(value, str) and value.strip().startswith("?"):
            raise ConfigError(f"{wanted} has an open question at {key}: {value}", remedy=f"answer it: write {key}")


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            for one in value if isinstance(value, list) else [value]:
                yield prefix + key, one
