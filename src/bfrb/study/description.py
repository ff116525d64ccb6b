"""Descriptions: how anyone's recordings are read, as a TOML file of a few lines that lies beside the data.

A *device description* says what a wearable writes: its file, its columns, their units, where its axes point. A *study
description* starts from one (`device = "..."`) and adds where the files are, whose they are and what their labels mean.
Both are one kind of file, a `Description`; this package comes with some, in `study/devices` and `study/studies`.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from bfrb.errors import ConfigError
from bfrb.parts import locate_file
from bfrb.spec import NotNegative, Positive, Spec, read_toml
from bfrb.study.frame import ARM_WORDS, WATCH_WORDS, Crown, Wrist

ACC_UNITS_M_S2 = {"m/s^2": 1.0, "g": 9.80665, "mg": 9.80665e-3}
"""m/s^2 in one of each unit of acceleration."""
GYR_UNITS_DEG_S = {"deg/s": 1.0, "rad/s": 57.29577951308232, "mdeg/s": 1e-3}
"""deg/s in one of each unit of angular velocity."""
TIME_UNITS_S = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""Seconds in one of each unit of time."""

Texts = tuple[str, ...]


def expand_columns(columns: str | Sequence[str]) -> Texts:
    """Names of columns, ranges written out.

    >>> expand_columns(("a_{1..2}_v{0..1}", "b"))
    ('a_1_v0', 'a_1_v1', 'a_2_v0', 'a_2_v1', 'b')
    """
    names: list[str] = []
    for column in [columns] if isinstance(columns, str) else columns:
        found = re.search(r"\{(\d+)\.\.(\d+)\}", column)
        if found is None:
            names.append(column)
        else:
            numbers = range(int(found[1]), int(found[2]) + 1)
            names += expand_columns([column.replace(found[0], str(number), 1) for number in numbers])
    return tuple(names)


Patterns = Annotated[Texts, BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]
"""One text, or several."""
Columns = Annotated[Texts, BeforeValidator(expand_columns)]
"""Names of columns, of which ranges are written out."""


class FileSpec(Spec):
    """Which files there are, and how they are laid out."""

    format: Literal["auto", "table", "actigraphy", "e4", "embraceplus", "fit", "bids"] = "auto"
    """`table`: CSV, TSV, Parquet; `actigraphy`: ActiGraph's gt3x, GENEActiv's bin, Axivity's cwa; `auto` looks."""
    match: Patterns = ("*",)
    """Patterns of the names of the files that are read, in the folder and below it."""
    first: bool = False
    """Only one file is read, of the folder itself: the one that fits the first pattern that any fits."""
    strict: bool = False
    """Refuse what may be damage: a line that ends early, a last one without its line end, text that is not UTF-8,
    a reading without some of its values, columns of a sensor that is not described, words that are no class."""
    columns: Patterns = ()
    """Names of the columns, where the file has no line of names."""
    skip: int = Field(0, ge=0)
    """Lines before the line of names, or before the first row; found by itself where the names are."""
    separator: str | None = None
    """Between columns; found by itself."""
    decimal: Literal[".", ","] = "."


class TimeSpec(Spec):
    """When samples were taken: a column, or a steady rate."""

    column: str | None = None
    unit: Literal["s", "ms", "us", "ns", "iso8601"] = "s"
    zone: str | None = None
    """Time zone of clocks that say none, such as `Europe/Berlin`."""
    rate_hz: Positive | None = None
    """Samples per second: it makes the times where there is no column, and is held against them where there is."""
    steady: bool = False
    """Every sample is a row of its own: the column only tells which samples of several files belong together."""
    back_s: NotNegative = 0.0
    """How far times may step back: the latest one so far is taken then, as the order of rows is the order of time."""


class SensorSpec(Spec):
    """Where the readings of one sensor stand, and what they mean."""

    columns: Columns
    """One for each channel; a sum such as `gravityX + accelerationX` is possible, and so is `tof_{1..5}_v{0..63}`,
    which stands for 320 of them. A quaternion's are w, x, y, z."""
    optional: bool = False
    """Whether a table may have none of its columns: nothing was measured then."""
    unit: str | float | None = None
    """Its name, or how many m/s^2 (deg/s) one is."""
    at_rest: Literal["up", "down"] = "up"
    """Accelerometers: which way a resting one reads gravity, +1 g on the axis that points up, or that points down."""
    turns: Literal["device_to_world", "world_to_device"] = "device_to_world"
    """Quaternions: what they turn into what; z of the world is up."""
    match: Patterns = ()
    """Patterns of the names of its files, where every sensor has files of its own."""
    range: Positive | None = None
    """Largest reading there can be, in its unit."""
    low: float | None = None
    high: float | None = None
    shape: tuple[int, ...] = ()
    no_response_code: int | None = None
    left_hand: dict[str, Any] = Field(default_factory=dict)
    upside_down: dict[str, Any] = Field(default_factory=dict)


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
    `{run}` what stands in a name such as `sub-07_run-2_acc.csv`, and there is what `path` finds. Columns that are named
    split a file into recordings.
    """

    id: str = "{path}"
    subject: str = "{folder}"
    path: str | None = None
    """A pattern of paths that gives more words, such as `sub-{subject}/ses-{session}_acc.csv`."""
    order: str | None = None
    """A column that counts the rows of every recording: 0, 1, 2, ..."""


class WordsSpec(Spec):
    """A column of words that tell something about rows, or about whole recordings."""

    column: str | None = None
    per: Literal["row", "recording"] = "row"
    """Whether a word is of a row, or the same in all rows of a recording."""
    classes: Texts = ()
    """All words that there are, in their order; those that are found, in the order of the alphabet, without it."""
    merge: dict[str, str] = Field(default_factory=dict)
    """Words (or codes, such as 2 for 2 and for 2.0) of the files, and the class that each becomes; an empty text stands
    for unknown."""
    optional: bool = False
    """Whether a table may lack the column."""
    others: Literal["refuse", "keep"] = "refuse"
    """What becomes of words that are no class, in files that are read strictly; elsewhere they stand for unknown."""


class LabelsSpec(WordsSpec):
    """What is known of what the wearer did."""

    files: Patterns = ()
    """Patterns of files with intervals: those of this package, BIDS, BORIS, ELAN, Label Studio, Sensor Logger."""
    targets: Texts = ()
    """The behaviours looked for."""
    unlabelled: Literal["unknown", "none"] = "unknown"
    """What time without a label is: not known, or known to be nothing, where everything was coded."""
    unlabelled_in: dict[str, str] = Field(default_factory=dict)
    """The same for single recordings: by their ids the class that rows without a label are of."""
    offset_s: float = 0.0
    """Seconds that are added to the times of the labels to get those of the recordings."""
    lateness_s: NotNegative = 0.0
    """Labels without an end, such as button presses: they happened somewhere in so many seconds before."""


class ParticipantsSpec(Spec):
    """A table with what is known of the wearers."""

    file: str | None = None
    """Its name; by default the one beside the recordings that is called like them, or like the beginning of their name:
    `x_demographics.csv` (or `.parquet`) beside `x_1.csv`, or `demographics.csv`."""
    subject: str = "subject"
    """Its column of ids."""


SENSORS = ("acc", "gyr", "quaternion", "thm", "tof")
"""Tables of a description that describe sensors."""


class Description(Spec):
    """How recordings are read: of a device, and of a study.

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
    """A description to start from, by its name or its file; what stands here replaces what stands there. Once it is
    read, the name of the device that stands below all."""
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
    orientation: Literal["made", "none"] = "made"
    """Where there is a gyroscope and no orientation was recorded: made of it, or left out of the study's recordings."""
    axes: AxesSpec | None = None
    worn: WornSpec = WornSpec()
    recordings: RecordingsSpec = RecordingsSpec()
    labels: LabelsSpec = LabelsSpec()
    columns: dict[str, WordsSpec] = Field(default_factory=dict)
    """Other columns of words that are kept, by the names that they get."""
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

    def __hash__(self) -> int:
        return hash(self.name)

    @field_validator("columns")
    @classmethod
    def _name_columns(cls, columns: dict[str, WordsSpec]) -> dict[str, WordsSpec]:
        unsaid = [name for name, spec in columns.items() if spec.per == "row" and not spec.classes]
        if unsaid:
            raise ValueError(f"expected the classes of {unsaid[0]!r}, which is a word for every row")
        return {name: spec.model_copy(update={"column": spec.column or name}) for name, spec in columns.items()}

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

    @property
    def words(self) -> dict[str, WordsSpec]:
        """All columns of words, by the names that they get."""
        labels: dict[str, WordsSpec] = {"gesture": self.labels} if self.labels.column is not None else {}
        return labels | self.columns


STUDIES = ("cmi", "searle2021")
"""The studies among the descriptions that come with this package: a folder is looked at for each of them in turn."""


@cache
def known_descriptions() -> Mapping[str, str]:
    """Texts of the descriptions of devices and studies that come with this package, by name."""
    paths = [path for folder in ("devices", "studies") for path in files("bfrb.study").joinpath(folder).iterdir()]
    tables = [path for path in paths if path.name.endswith(".toml")]
    return dict(sorted((path.name.removesuffix(".toml"), path.read_text(encoding="utf-8")) for path in tables))


def find_description(wanted: str | Path | Description) -> Description:
    """A description, by its name in this package or by its file, which may lie in a package: `package:name.toml`.

    Raises `ConfigError` if there is none, or it has an unknown key or an impossible value.
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
    below = _merged(base, place, (*above, wanted))
    return _overlaid(below, values) | {"device": below.get("device", below["name"])}


def _text_of(wanted: str, folder: Path) -> tuple[str, Path]:
    known = known_descriptions()
    if wanted in known:
        return known[wanted], folder
    if wanted.endswith(".toml"):
        path = locate_file(wanted, folder)
        return read_toml(path), path.parent
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.4)
    remedy = (f"did you mean {near[0]!r}? " if near else "") + "`bfrb devices` lists them; or name a .toml file"
    raise ConfigError(f"no description {wanted!r}", remedy=remedy)


def _overlaid(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _overlaid(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _refuse_questions(values: Mapping[str, Any], wanted: str, prefix: str = "") -> None:
    for key, value in values.items():
        if isinstance(value, Mapping):
            _refuse_questions(value, wanted, f"{prefix}{key}.")
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and one.strip().startswith("?"):
                remedy = f"answer it: write {prefix}{key}"
                raise ConfigError(f"{wanted} has an open question at {prefix}{key}: {one}", remedy=remedy)
