"""The CMI layout: its columns."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import polars as pl

from bfrb.errors import DataError
from bfrb.read.findings import Finding, Report
from bfrb.study.device import DEVICES, HELIOS, Sensor
from bfrb.study.labels import BEHAVIORS, CMI_GESTURES, ORIENTATIONS, PHASES

ID, SUBJECT, COUNTER = "sequence_id", "subject", "sequence_counter"
LABELS = ("gesture", "sequence_type", "orientation")
"""Text columns that are the same in all rows of a sequence."""
ANNOTATIONS = ("behavior", "phase")
"""Text columns that change within a sequence."""
REQUIRED = (ID, COUNTER, SUBJECT, *HELIOS.sensor("acc").columns)

VOCABULARY = {
    "gesture": CMI_GESTURES.classes,
    "sequence_type": ("Target", "Non-Target"),
    "orientation": ORIENTATIONS,
    "behavior": BEHAVIORS,
    "phase": PHASES,
}
"""The words that the label columns may hold."""

DESCRIPTIVE = ("sequence_type", "orientation")
"""Those that nothing is learned from: other words are kept, with a warning."""

_AXIS = re.compile(r"(.*?)[ ._-]?([xyz])", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Layout:
    """What a table has by its columns.

    Parameters
    ----------
    sensors
        The sensors of which there are columns.
    missing
        Columns that are needed and not there.
    unread
        Columns that are not of the layout, but seem to hold readings.
    labels
        Its columns of labels.
    """

    sensors: tuple[Sensor, ...]
    missing: tuple[str, ...]
    unread: tuple[str, ...]
    labels: tuple[str, ...]


def find_layout(columns: Iterable[str]) -> Layout:
    """What a table with these columns has."""
    return _layout(tuple(columns))


@lru_cache(maxsize=16)  # a server is asked about the same columns all day
def _layout(columns: tuple[str, ...]) -> Layout:
    given = set(columns)
    sensors = tuple(sensor for sensor in HELIOS.sensors if not given.isdisjoint(sensor.columns))
    wanted = dict.fromkeys([*REQUIRED, *(name for sensor in sensors for name in sensor.columns)])
    missing = tuple(name for name in wanted if name not in given)
    labels = tuple(name for name in (*LABELS, *ANNOTATIONS) if name in given)
    return Layout(sensors, missing, tuple(find_unread_sensors(columns)), labels)


def check_columns(columns: Collection[str], source: str, report: Report) -> Layout:
    """What a table has; refuse a table without the required columns, or with only some of a sensor's columns.

    Columns that look like those of another sensor are reported: they would be left out.

    Raises
    ------
    DataError
        Naming the missing columns.
    """
    layout = find_layout(columns)
    if layout.missing:
        more = f" and {len(layout.missing) - 4} more" if len(layout.missing) > 4 else ""
        raise DataError(
            f"{source}: expected the columns of the CMI layout, {', '.join(layout.missing[:4])}{more} missing "
            f"(found {len(columns)}: {', '.join(list(columns)[:4])} ...)",
            remedy="export the table with these columns; a sensor may be left out only with all its columns",
        )
    if layout.unread:
        report(_unread(layout.unread))
    return layout


def find_unread_sensors(columns: Iterable[str]) -> list[str]:
    """Columns that are not of the layout, but hold readings: those of a sensor of another device, or three axes.

    Examples
    --------
    >>> find_unread_sensors(["acc_x", "gyr_x", "mag_x", "mag_y", "mag_z", "note"])
    ['gyr_x', 'mag_x', 'mag_y', 'mag_z']
    """
    read = {name for sensor in HELIOS.sensors for name in sensor.columns}
    others = {name for device in DEVICES.values() for sensor in device.sensors for name in sensor.columns}
    axes = {name: match for name in columns if name not in read and (match := _AXIS.fullmatch(name))}
    found = {(match[1], match[2].lower()) for match in axes.values()}
    triples = {stem for stem, _ in found if {(stem, axis) for axis in "xyz"} <= found}
    unread = {name for name, match in axes.items() if match[1] in triples} | (others - read)
    return [name for name in columns if name in unread]


def _unread(names: Sequence[str]) -> Finding:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return Finding(
        "columns of another sensor",
        "warning",
        f"columns of the sensors of the device {HELIOS.name!r} only, at {HELIOS.row_rate_hz:g} rows a second",
        f"{', '.join(names[:6])}{more}, which this layout does not have",
        "remove these columns to go on without them; recordings of another device are read by a dataset of their own",
        count=1,
        refused=True,
    )


def expected_types(columns: Iterable[str]) -> dict[str, Any]:
    """Polars type of every column that is read, among those given; other columns are left out."""
    layout = find_layout(columns)
    types: dict[str, Any] = dict.fromkeys((ID, SUBJECT, *layout.labels), pl.String)
    types[COUNTER] = pl.Int32
    for sensor in layout.sensors:
        types |= dict.fromkeys(sensor.columns, pl.Float32)
    return types
