"""The CMI layout: its columns, and any frame in it turned into typed columns."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import polars as pl

from bfrb.errors import DataError
from bfrb.read.columns import convert
from bfrb.read.csv_runs import Run
from bfrb.read.findings import Report
from bfrb.study.device import HELIOS, Sensor

ID, SUBJECT, COUNTER = "sequence_id", "subject", "sequence_counter"
LABELS = ("gesture", "sequence_type", "orientation")
"""Text columns that are the same in all rows of a sequence."""
ANNOTATIONS = ("behavior", "phase")
"""Text columns that change within a sequence."""
TEXTS = (ID, SUBJECT, *LABELS, *ANNOTATIONS)
REQUIRED = (ID, COUNTER, SUBJECT, *HELIOS.sensor("acc").columns)

_TOF = HELIOS.sensor("tof")
IMAGES = Run("time-of-flight images", _TOF.columns, int(_TOF.absent))
"""All time-of-flight columns as one: a typed frame has this column or those, depending on how it was read."""


def present_sensors(columns: Collection[str]) -> tuple[Sensor, ...]:
    """The sensors of which there are columns."""
    return tuple(sensor for sensor in HELIOS.sensors if set(sensor.columns) & set(columns))


def check_columns(columns: Collection[str], source: str) -> None:
    """Refuse a table without the required columns, or with only some of a sensor's columns.

    Raises
    ------
    DataError
        Naming the missing columns.
    """
    missing = [name for name in REQUIRED if name not in columns]
    for sensor in present_sensors(columns):
        missing += [name for name in sensor.columns if name not in columns and name not in missing]
    if missing:
        more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
        raise DataError(
            f"{source}: expected the columns of the CMI layout, {', '.join(missing[:4])}{more} missing "
            f"(found {len(columns)}: {', '.join(list(columns)[:4])} ...)",
            remedy="export the table with these columns; a sensor may be left out only with all its columns",
        )


def expected_types(columns: Collection[str]) -> dict[str, Any]:
    """Polars type of every column that is read, among those given; other columns are left out."""
    types: dict[str, Any] = {name: pl.String for name in TEXTS if name in columns}
    types[COUNTER] = pl.Int32
    for sensor in present_sensors(columns):
        types |= dict.fromkeys(sensor.columns, pl.Float32)
    return types


def conform(frame: pl.DataFrame, report: Report, unit: str) -> pl.DataFrame:
    """The columns that are read, in a fixed order and with their types; anything else is left out.

    Texts become strings, the counter whole numbers, and all readings `float32`, null where nothing was measured. Values
    that do not parse are reported and become null. `IMAGES` stay as they are.

    Parameters
    ----------
    frame
        A frame in which `check_columns` found what is needed, with its row numbers.
    unit
        What a row number counts, "line" or "row".
    """
    types: dict[str, Any] = {name: pl.String for name in TEXTS if name in frame.columns} | {COUNTER: pl.Int64}
    for sensor in present_sensors(frame.columns):
        types |= dict.fromkeys(sensor.columns, pl.Float32)
    typed = convert(frame, types, report, unit)
    return typed.with_columns(frame[IMAGES.name]) if IMAGES.name in frame.columns else typed


def held_sensors(frame: pl.DataFrame) -> tuple[Sensor, ...]:
    """The sensors of which there are readings in a typed frame."""
    return present_sensors([*frame.columns, *(IMAGES.columns if IMAGES.name in frame.columns else ())])


def spread_images(frame: pl.DataFrame) -> pl.DataFrame:
    """A typed frame with the columns of which it has `IMAGES`, as `conform` would give them."""
    if IMAGES.name not in frame.columns:
        return frame
    columns = pl.from_numpy(frame[IMAGES.name].to_numpy(), schema=list(IMAGES.columns), orient="row")
    measured = pl.when(pl.all() != IMAGES.absent).then(pl.all()).cast(pl.Float32)
    return frame.drop(IMAGES.name).hstack(columns.select(measured))
