"""Files of research actigraphs: ActiGraph's gt3x, GENEActiv's bin and Axivity's cwa, read by actfast.

actfast passes over the records (of type 26, ACTIVITY2) in which a GT9X Link keeps its accelerations, and says nothing;
those are decoded here, after ActiGraph's public description of the format: a second of samples each, as little-endian
16-bit integers x, y, z, in steps of 1 / `Acceleration Scale` g.
"""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.arrays import Array, Floats
from bfrb.errors import ConfigError, DataError

_RECORD = struct.Struct("<BBIH")  # separator, type, seconds since 1970, bytes that follow
_SEPARATOR, _ACTIVITY2 = 0x1E, 26
_SAMPLE_BYTES = 6


@dataclass(frozen=True, eq=False)
class DeviceFile:
    """What a file of a device holds, in the device's units and axes.

    `device`: the device that wrote it, in words; `rate_hz`: samples per second, as it was set; `time_s`: (N,) seconds
    since 1970, as the device's clock has them; `sensors`: (N, C) readings: `acc` in g, `gyr` in deg/s.
    """

    device: str
    rate_hz: float
    time_s: Floats
    sensors: dict[str, Array]


def read_actigraphy(path: Path) -> DeviceFile:
    """All samples of a gt3x, bin or cwa file.

    Raises `DataError` if it is none of them, or damaged, or holds no accelerations, `ConfigError` if actfast is not
    installed.
    """
    try:
        import actfast
    except ImportError:
        raise ConfigError(
            "reading files of ActiGraph, GENEActiv and Axivity needs actfast", remedy='pip install "bfrb[devices]"'
        ) from None
    try:
        found: Any = actfast.read(str(path))
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{path}: expected a file of ActiGraph, GENEActiv or Axivity, but {error}",
            remedy="the file is damaged or of another kind: copy it again from the device",
        ) from None
    series = found["timeseries"]
    group = series.get("high_frequency") or series.get("acceleration")
    if group is None or not len(group["acceleration"]):
        return _read_link(path, found)
    time_s = group["datetime"].astype(np.float64) * 1e-9
    sensors = {"acc": group["acceleration"]}
    if "gyroscope" in group:
        sensors["gyr"] = group["gyroscope"]
    return DeviceFile(_name_of(found), _rate_of(found, time_s), time_s, sensors)


def _name_of(found: dict[str, Any]) -> str:
    words = _flat(found["metadata"])
    model = next((words[key] for key in ("Device Type", "hardware_type") if key in words), "")
    return f"{found['format']} {model}".strip()


def _flat(values: dict[str, Any]) -> dict[str, str]:
    return {key: str(value) for group in values.values() if isinstance(group, dict) for key, value in group.items()}


def _rate_of(found: dict[str, Any], time_s: Floats) -> float:
    """The rate that was set, or else what the times say."""
    words = _flat(found["metadata"])
    for key in ("Sample Rate", "sample_rate_hz", "Measurement Frequency"):
        if key in words:
            return float(words[key].split()[0])
    steps = np.diff(time_s)
    return float(1.0 / np.median(steps[steps > 0]))


def _read_link(path: Path, found: dict[str, Any]) -> DeviceFile:
    """Accelerations of a GT9X Link."""
    words = _flat(found["metadata"])
    if not zipfile.is_zipfile(path) or "Acceleration Scale" not in words:
        raise DataError(f"{path}: holds no accelerations", remedy="copy it again from the device")
    with zipfile.ZipFile(path) as archive:
        log = archive.read("log.bin")
    rate_hz, scale = float(words["Sample Rate"]), float(words["Acceleration Scale"])
    seconds, samples = _activity2(log)
    if not samples:
        raise DataError(f"{path}: holds no accelerations", remedy="copy it again from the device")
    counts = np.array([len(one) for one in samples])
    within = np.concatenate([np.arange(count) / count for count in counts])
    time_s = np.repeat(np.array(seconds, dtype=np.float64), counts) + within
    acc = (np.concatenate(samples) / scale).astype(np.float32)
    return DeviceFile(_name_of(found), rate_hz, time_s, {"acc": acc})


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
