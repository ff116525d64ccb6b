"""What of a description a table has, by the names of its columns."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from string import Formatter
from typing import Any

import polars as pl

from bfrb.read.csv_blocks import check_wanted, terms_of
from bfrb.study.description import Description, WordsSpec
from bfrb.study.device import DEVICES, Sensor, device_of

_AXIS = re.compile(r"(.*?)[ ._-]?([xyz])", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Terms:
    """What the channels of a sensor are made of."""

    channels: Sequence[Sequence[tuple[int, str]]]
    """For every channel the signs and names of the columns that add up to it."""

    @cached_property
    def columns(self) -> list[str]:
        """All columns, in order."""
        return [column for terms in self.channels for _, column in terms]

    @cached_property
    def plain(self) -> bool:
        """Whether every channel is one column as it stands."""
        return all(len(terms) == 1 and terms[0][0] > 0 for terms in self.channels)


@dataclass(frozen=True)
class Layout:
    """What of a description a table with some columns has."""

    ids: tuple[str, ...]
    """Columns that tell its recordings apart."""
    alike: tuple[str, ...]
    """Columns that are the same in all rows of a recording."""
    words: Mapping[str, WordsSpec]
    sensors: Mapping[str, Terms]
    types: Mapping[str, Any]
    """The polars types of all columns that are read."""


@lru_cache(maxsize=16)  # a server is asked about the same columns all day
def find_layout(names: tuple[str, ...], description: Description, known: frozenset[str], source: str) -> Layout:
    """What a table with columns of these names has; words that are known by its path need none.

    Raises `DataError` if it lacks columns.
    """
    given, spec = set(names), description.recordings
    check_wanted(source, names, needed_columns(description, known))
    ids = tuple(name for name in fields_of(spec.id) if name not in known)
    words = {name: found for name, found in description.words.items() if found.column in given}
    sensors = {}
    for name in description.sensors:
        terms = Terms([terms_of(column, names) for column in description.sensor(name).columns])
        if not given.isdisjoint(terms.columns):
            check_wanted(source, names, description.sensor(name).columns)
            sensors[name] = terms
    alike = [*fields_of(spec.subject), description.worn.column]
    alike += [found.column for found in words.values() if found.per == "recording"]
    alike = [name for name in dict.fromkeys(alike) if name in given and name not in ids]
    texts = [*ids, *alike, *(found.column for found in words.values())]
    types: dict[Any, Any] = dict.fromkeys(texts, pl.String)
    for name, terms in sensors.items():
        dtype = pl.Float64 if name in ("acc", "gyr", "quaternion") else pl.Float32
        types |= {column: dtype for column in terms.columns if column not in types}
    numbers = [spec.order] if description.time.unit == "iso8601" else [spec.order, description.time.column]
    types |= {name: pl.Float64 for name in numbers if name is not None}
    if description.time.unit == "iso8601" and description.time.column is not None:
        types[description.time.column] = pl.String
    return Layout(ids, tuple(map(str, alike)), words, sensors, types)


def needed_columns(description: Description, known: Iterable[str]) -> list[str]:
    """Columns that a table has to have; `known` words of its path need none."""
    spec = description.recordings
    wanted = [name for name in (*fields_of(spec.id), *fields_of(spec.subject)) if name not in known]
    wanted += [name for name in (spec.order, description.time.column) if name]
    wanted += [found.column or "" for found in description.words.values() if not found.optional]
    for name in description.sensors:
        if not description.sensor(name).optional:
            wanted += description.sensor(name).columns
    return list(dict.fromkeys(wanted))


def fields_of(text: str) -> list[str]:
    """Names in braces."""
    return [word for _, word, _, _ in Formatter().parse(text) if word]


@lru_cache(maxsize=16)
def find_unread_sensors(columns: tuple[str, ...], description: Description) -> tuple[str, ...]:
    """Columns not described that hold readings, of a sensor of another device or three axes, or times of steady rows.

    >>> from bfrb.study.description import find_description
    >>> find_unread_sensors(("acc_x", "gyr_x", "mag_x", "mag_y", "mag_z", "note", "Time"), find_description("cmi"))
    ('gyr_x', 'mag_x', 'mag_y', 'mag_z', 'Time')
    """
    read = {name for sensor in description.sensors for name in description.sensor(sensor).columns}
    others = {name for device in DEVICES.values() for sensor in device.sensors for name in sensor.columns}
    axes = {name: match for name in columns if name not in read and (match := _AXIS.fullmatch(name))}
    found = {(match[1], match[2].lower()) for match in axes.values()}
    triples = {stem for stem, _ in found if {(stem, axis) for axis in "xyz"} <= found}
    unread = {name for name, match in axes.items() if match[1] in triples} | (others - read)
    timed = ("time", "date") if description.time.steady and description.time.column is None else ()
    return tuple(name for name in columns if name in unread or name.lower().startswith(timed))


@lru_cache(maxsize=64)
def find_limits(description: Description, name: str) -> Sensor:
    """A sensor with its limits in the unit of the files."""
    sensor = device_of(description, description.time.rate_hz or 1.0).sensor(name)
    scale = abs(description.scale(name))
    unit = sensor.unit if scale == 1 else str(description.sensor(name).unit)
    return sensor.model_copy(update={"low": sensor.low / scale, "high": sensor.high / scale, "unit": unit})
