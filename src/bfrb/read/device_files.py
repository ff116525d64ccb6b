"""Formats of their own: Empatica's E4 and EmbracePlus, Garmin's FIT; and which format a file is, by its content."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bfrb.arrays import Array, Floats
from bfrb.errors import ConfigError, DataError
from bfrb.read.actigraphy import DeviceFile, read_actigraphy

FileFormat = Literal["table", "actigraphy", "e4", "embraceplus", "fit"]

E4_STEPS_OF_G = 64.0
"""An E4 counts accelerations in 1/64 g."""

_STARTS: Mapping[bytes, FileFormat] = {
    b"Obj\x01": "embraceplus",
    b"MD\xfc\x03": "actigraphy",  # Axivity's cwa
    b"Device Identity": "actigraphy",  # GENEActiv's bin
}


def format_of(path: Path) -> FileFormat:
    """The format of a file, by its first bytes; what is no other is taken for a table.

    Raises `DataError` if it is of a device or a program whose format is not read: the message says what to do.
    """
    with path.open("rb") as file:
        head = file.read(1024)
    for start, found in _STARTS.items():
        if head.startswith(start):
            return found
    if head[8:12] == b".FIT":
        return "fit"
    if zipfile.is_zipfile(path):
        return _format_of_zip(path)
    _refuse_known(path, head)
    if path.name.upper() == "ACC.CSV" and _looks_like_e4(head):
        return "e4"
    return "table"


def _format_of_zip(path: Path) -> FileFormat:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if "info.txt" in names and "log.bin" in names:
        return "actigraphy"
    if "info.txt" in names and "activity.bin" in names:
        raise DataError(
            f"{path}: an old GT3X file (NHANES), whose activity.bin is not read",
            remedy="export it as raw CSV in ActiLife",
        )
    shown = ", ".join(names[:4])
    raise DataError(f"{path}: a zip archive of {shown}", remedy="unpack it, and name the folder")


def _refuse_known(path: Path, head: bytes) -> None:
    known: Mapping[bytes, tuple[str, str]] = {
        b"\x1f\x8b": ("a gzip archive", "unpack it: gunzip"),
        b"SQLite format 3": ("an SQLite database (as some apps and Movisens keep)", "export its tables as CSV"),
        b"\x89HDF": ("an HDF5 file (as APDM Opal and MATLAB write)", "export acceleration and times as CSV or Parquet"),
        b"MATLAB": ("a MATLAB file", "export acceleration and times as CSV or Parquet"),
        b"\xd0\xcf\x11\xe0": ("an old Excel or ActiLife file", "save it as CSV"),
        b"%PDF": ("a PDF", "name the file with the samples"),
    }
    for start, (what, remedy) in known.items():
        if head.startswith(start):
            raise DataError(f"{path}: {what}, which is not read", remedy=remedy)
    if b"Epoch Period (hh:mm:ss)" in head and b"Epoch Period (hh:mm:ss) 00:00:00" not in head:
        raise DataError(
            f"{path}: counts of ActiGraph per epoch of some seconds, from which movements cannot be told",
            remedy="export the raw data: the gt3x file itself, or Raw CSV in ActiLife",
        )


def _looks_like_e4(head: bytes) -> bool:
    lines = head.decode("ascii", errors="replace").splitlines()[:3]
    cells = [line.split(",") for line in lines]
    return len(cells) == 3 and all(len(one) == 3 for one in cells) and len({text.strip() for text in cells[1]}) == 1


def read_e4(path: Path) -> DeviceFile:
    """The accelerations of an Empatica E4: its `ACC.csv`.

    Raises `DataError` if it is no such file.
    """
    try:
        values = np.loadtxt(path, delimiter=",", ndmin=2)
        start_s, rate_hz = float(values[0, 0]), float(values[1, 0])
        acc = (values[2:, :3] / E4_STEPS_OF_G).astype(np.float32)
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: expected an E4's ACC.csv (start, rate, then x,y,z), but {error}", remedy="copy it again"
        ) from None
    return DeviceFile("Empatica E4", rate_hz, start_s + np.arange(len(acc)) / rate_hz, {"acc": acc})


def read_embraceplus(path: Path) -> DeviceFile:
    """The accelerations (and angular velocities, if any) of an Avro file of Empatica's EmbracePlus.

    Raises `DataError` if it is no such file, `ConfigError` if fastavro is not installed.
    """
    fastavro = _imported("fastavro", "EmbracePlus")
    try:
        with path.open("rb") as file:
            raw = next(iter(fastavro.reader(file)))["rawData"]
        acc, rate_hz, start_s = _embraceplus_sensor(raw["accelerometer"])
    except (StopIteration, KeyError, ValueError, TypeError, EOFError, IndexError) as error:
        raise DataError(
            f"{path}: expected an Avro file of an EmbracePlus, but {error!r}", remedy="copy it again from Empatica"
        ) from None
    sensors = {"acc": acc}
    gyr = raw.get("gyroscope") or {}
    if len(gyr.get("x", [])) == len(acc):
        sensors["gyr"] = _embraceplus_sensor(gyr)[0]
    return DeviceFile("Empatica EmbracePlus", rate_hz, start_s + np.arange(len(acc)) / rate_hz, sensors)


def _embraceplus_sensor(values: Mapping[str, Any]) -> tuple[Array, float, float]:
    """Readings in physical units, rate and start of one sensor."""
    params = values["imuParams"]
    steps = params["digitalMax"] - params["digitalMin"]
    size = (params["physicalMax"] - params["physicalMin"]) / steps if steps else 1.0
    readings = np.stack([np.asarray(values[axis], dtype=np.float64) for axis in "xyz"], axis=1) * size
    return readings.astype(np.float32), float(values["samplingFrequency"]), float(values["timestampStart"]) * 1e-6


_FIT_FIELDS = {
    "accelerometer_data": ("acc", ("calibrated_accel_x", "calibrated_accel_y", "calibrated_accel_z")),
    "gyroscope_data": ("gyr", ("calibrated_gyro_x", "calibrated_gyro_y", "calibrated_gyro_z")),
}


def read_fit(path: Path) -> DeviceFile:
    """The calibrated accelerations (g) and angular velocities (deg/s) of a Garmin FIT file.

    Raises `DataError` if it is damaged, or holds none, `ConfigError` if fitdecode is not installed.
    """
    fitdecode = _imported("fitdecode", "Garmin's FIT")
    parts: dict[str, list[tuple[Floats, Floats]]] = {"acc": [], "gyr": []}
    try:
        with fitdecode.FitReader(str(path)) as reader:
            for frame in reader:
                if isinstance(frame, fitdecode.FitDataMessage) and frame.name in _FIT_FIELDS:
                    name, fields = _FIT_FIELDS[frame.name]
                    part = _fit_samples(frame, fields)
                    if part is not None:
                        parts[name].append(part)
    except fitdecode.FitError as error:
        raise DataError(f"{path}: expected a FIT file, but {error}", remedy="copy it again from the watch") from None
    if not parts["acc"]:
        raise DataError(
            f"{path}: holds no calibrated accelerations (most Garmin watches keep none in their activities)",
            remedy="record with an app that logs sensor data, such as RawLogger, or export it as CSV",
        )
    time_s, acc = (np.concatenate(found) for found in zip(*parts["acc"], strict=True))
    sensors = {"acc": (acc * 1e-3).astype(np.float32)}  # FIT counts them in mg
    if parts["gyr"]:
        at, gyr = (np.concatenate(found) for found in zip(*parts["gyr"], strict=True))
        if len(at) == len(time_s):
            sensors["gyr"] = gyr.astype(np.float32)
    steps = np.diff(time_s)
    return DeviceFile("Garmin FIT", float(1.0 / np.median(steps[steps > 0])), time_s, sensors)


def _fit_samples(frame: Any, fields: tuple[str, ...]) -> tuple[Floats, Floats] | None:
    """Times and (n, 3) readings of one message; None if it has no calibrated ones."""
    if not all(frame.has_field(name) and frame.get_value(name) is not None for name in fields):
        return None
    start_s = frame.get_value("timestamp").timestamp() + frame.get_value("timestamp_ms", fallback=0) * 1e-3
    offsets = np.atleast_1d(np.asarray(frame.get_value("sample_time_offset"), dtype=np.float64)) * 1e-3
    readings = np.stack([np.atleast_1d(np.asarray(frame.get_value(name), float)) for name in fields], axis=1)
    return start_s + offsets, readings


def _imported(name: str, what: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise ConfigError(f"reading {what} files needs {name}", remedy='pip install "bfrb[devices]"') from None


READERS: Mapping[str, Callable[[Path], DeviceFile]] = {
    "actigraphy": read_actigraphy,
    "e4": read_e4,
    "embraceplus": read_embraceplus,
    "fit": read_fit,
}
"""What reads each format of its own."""
