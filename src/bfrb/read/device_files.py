"""Formats of their own, and which format a file is, by its content.

Read are ActiGraph's gt3x, GENEActiv's bin and Axivity's cwa (by actfast), Empatica's E4 and EmbracePlus, Garmin's FIT.
actfast passes over the records (of type 26, ACTIVITY2) in which a GT9X Link keeps its accelerations, and says nothing;
those are decoded here, after ActiGraph's public description of the format: a second of samples each, as little-endian
16-bit integers x, y, z, in steps of 1 / `Acceleration Scale` g.
"""

import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bfrb.arrays import Array, Floats
from bfrb.errors import ConfigError, DataError

FileFormat = Literal["table", "actigraphy", "e4", "embraceplus", "fit"]

_E4_STEPS_OF_G = 64.0
_RECORD = struct.Struct("<BBIH")  # separator, type, seconds since 1970, bytes that follow
_SEPARATOR, _ACTIVITY2 = 0x1E, 26
_SAMPLE_BYTES = 6

_STARTS: Mapping[bytes, FileFormat] = {
    b"Obj\x01": "embraceplus",
    b"MD\xfc\x03": "actigraphy",  # Axivity's cwa
    b"Device Identity": "actigraphy",  # GENEActiv's bin
}


@dataclass(frozen=True, eq=False)
class DeviceFile:
    """What a file of a device holds, in the device's axes."""

    device: str
    """The device that wrote it, in words."""
    rate_hz: float
    """Samples per second, as it was set, or else as the times say."""
    time_s: Floats
    """(N,) seconds since 1970, as the device's clock has them."""
    sensors: dict[str, Array]
    """(N, 3) readings: `acc` in g, `gyr` in deg/s."""


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
        what = "an old GT3X file (NHANES), whose activity.bin is not read"
        raise DataError(f"{path}: {what}", remedy="export it as raw CSV in ActiLife")
    raise DataError(f"{path}: a zip archive of {', '.join(names[:4])}", remedy="unpack it, and name the folder")


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
        problem = f"{path}: counts of ActiGraph per epoch of some seconds, from which movements cannot be told"
        raise DataError(problem, remedy="export the raw data: the gt3x file itself, or Raw CSV in ActiLife")


def _looks_like_e4(head: bytes) -> bool:
    cells = [line.split(",") for line in head.decode("ascii", errors="replace").splitlines()[:3]]
    return len(cells) == 3 and all(len(one) == 3 for one in cells) and len({text.strip() for text in cells[1]}) == 1


@contextmanager
def _expecting(path: Path, what: str, *errors: type[Exception]) -> Iterator[None]:
    try:
        yield
    except errors as error:
        raise DataError(f"{path}: expected {what}, but {error!r}", remedy="copy it again from the device") from None


def read_e4(path: Path) -> DeviceFile:
    """The accelerations of an Empatica E4: its `ACC.csv`. A `DataError` if it is no such file."""
    with _expecting(path, "an E4's ACC.csv (start, rate, then x,y,z)", ValueError, IndexError):
        values = np.loadtxt(path, delimiter=",", ndmin=2)
        start_s, rate_hz = float(values[0, 0]), float(values[1, 0])
        acc = (values[2:, :3] / _E4_STEPS_OF_G).astype(np.float32)
    return DeviceFile("Empatica E4", rate_hz, start_s + np.arange(len(acc)) / rate_hz, {"acc": acc})


def read_embraceplus(path: Path) -> DeviceFile:
    """The accelerations (and angular velocities, if any) of an Avro file of Empatica's EmbracePlus.

    Raises `DataError` if it is no such file, `ConfigError` if fastavro is not installed.
    """
    fastavro = _imported("fastavro", "EmbracePlus")
    damage = (StopIteration, LookupError, ValueError, TypeError, EOFError)
    with _expecting(path, "an Avro file of an EmbracePlus", *damage), path.open("rb") as file:
        raw = next(iter(fastavro.reader(file)))["rawData"]
        acc, rate_hz, start_s = _embraceplus_sensor(raw["accelerometer"])
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
    with _expecting(path, "a FIT file", fitdecode.FitError), fitdecode.FitReader(str(path)) as reader:
        for frame in reader:
            if isinstance(frame, fitdecode.FitDataMessage) and frame.name in _FIT_FIELDS:
                name, fields = _FIT_FIELDS[frame.name]
                # Samples that are not calibrated are of no use.
                if all(frame.has_field(field) and frame.get_value(field) is not None for field in fields):
                    parts[name].append(_fit_samples(frame, fields))
    if not parts["acc"]:
        problem = f"{path}: holds no calibrated accelerations (most Garmin watches keep none in their activities)"
        raise DataError(problem, remedy="record with an app that logs sensor data, or export it as CSV")
    time_s, acc = (np.concatenate(found) for found in zip(*parts["acc"], strict=True))
    sensors = {"acc": (acc * 1e-3).astype(np.float32)}  # FIT counts them in mg
    if parts["gyr"]:
        at, gyr = (np.concatenate(found) for found in zip(*parts["gyr"], strict=True))
        if len(at) == len(time_s):
            sensors["gyr"] = gyr.astype(np.float32)
    return DeviceFile("Garmin FIT", _median_rate_hz(time_s), time_s, sensors)


def _fit_samples(frame: Any, fields: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Times and (n, 3) readings of one message."""
    start_s = frame.get_value("timestamp").timestamp() + frame.get_value("timestamp_ms", fallback=0) * 1e-3
    offsets = np.atleast_1d(np.asarray(frame.get_value("sample_time_offset"), dtype=np.float64)) * 1e-3
    readings = np.stack([np.atleast_1d(np.asarray(frame.get_value(name), float)) for name in fields], axis=1)
    return start_s + offsets, readings


def _median_rate_hz(time_s: Floats) -> float:
    steps = np.diff(time_s)
    return float(1.0 / np.median(steps[steps > 0]))


def read_actigraphy(path: Path) -> DeviceFile:
    """All samples of a gt3x, bin or cwa file.

    Raises `DataError` if it is none of them, or damaged, or holds no accelerations, `ConfigError` if actfast is not
    installed.
    """
    actfast = _imported("actfast", "ActiGraph, GENEActiv and Axivity")
    with _expecting(path, "a file of ActiGraph, GENEActiv or Axivity", OSError, ValueError, RuntimeError):
        found: Any = actfast.read(str(path))
    groups = [group for group in found["metadata"].values() if isinstance(group, dict)]
    words = {key: str(value) for group in groups for key, value in group.items()}
    model = next((words[key] for key in ("Device Type", "hardware_type") if key in words), "")
    name, series = f"{found['format']} {model}".strip(), found["timeseries"]
    rates = ("Sample Rate", "sample_rate_hz", "Measurement Frequency")
    rate_hz = next((float(words[key].split()[0]) for key in rates if key in words), None)
    group = series.get("high_frequency") or series.get("acceleration")
    if group is not None and len(group["acceleration"]):
        time_s = group["datetime"].astype(np.float64) * 1e-9
        names = {"acc": "acceleration", "gyr": "gyroscope"}
        sensors = {ours: group[theirs] for ours, theirs in names.items() if theirs in group}
        return DeviceFile(name, rate_hz or _median_rate_hz(time_s), time_s, sensors)
    seconds: list[int] = []
    samples: list[Array] = []
    if zipfile.is_zipfile(path) and "Acceleration Scale" in words:
        with zipfile.ZipFile(path) as archive:
            seconds, samples = _activity2(archive.read("log.bin"))
    if not samples:
        raise DataError(f"{path}: holds no accelerations", remedy="copy it again from the device")
    counts = np.array([len(one) for one in samples])
    within = np.concatenate([np.arange(count) / count for count in counts])
    time_s = np.repeat(np.array(seconds, dtype=np.float64), counts) + within
    acc = (np.concatenate(samples) / float(words["Acceleration Scale"])).astype(np.float32)
    return DeviceFile(name, rate_hz or _median_rate_hz(time_s), time_s, {"acc": acc})


def _activity2(log: bytes) -> tuple[list[int], list[Array]]:
    """Second and (n, 3) samples of every record of accelerations."""
    seconds, samples = [], []
    at = 0
    while at + _RECORD.size <= len(log):
        separator, kind, second, size = _RECORD.unpack_from(log, at)
        if separator != _SEPARATOR:
            break
        start = at + _RECORD.size
        whole = size - size % _SAMPLE_BYTES
        if kind == _ACTIVITY2 and whole and start + whole <= len(log):
            seconds.append(second)
            samples.append(np.frombuffer(log, "<i2", whole // 2, start).reshape(-1, 3))
        at = start + size + 1  # a byte of checksum ends each record
    return seconds, samples


def _imported(name: str, what: str) -> Any:
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
