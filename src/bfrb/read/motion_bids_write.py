"""Write recordings as a Motion-BIDS data set (`read.study_files`)."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from itertools import chain, count
from pathlib import Path
from typing import Any

import polars as pl

from bfrb.files import writing_folder
from bfrb.read.described_source import SIMULATED_MARK
from bfrb.read.sources import Source
from bfrb.read.store import check_place, columns_of
from bfrb.study.device import Device, Sensor
from bfrb.study.recordings import Progress, Recordings

BIDS_VERSION = "1.9.0"
TASK, SYSTEM = "recording", "wrist"

_TYPES = {"acc": ("ACCEL", "xyz"), "gyr": ("GYRO", "xyz"), "quaternion": ("ORNT", "wxyz")}
_ABOUT: dict[str, dict[int, str]] = {
    "age": {},
    "sex": {0: "female", 1: "male"},
    "handedness": {0: "left", 1: "right"},
    "adult_child": {},
}
"""Columns of the table that are of the subject, and the words of BIDS for their codes."""
_NOT_BIDS = ("recordings.tsv", SIMULATED_MARK, "study.toml")


def write_motion_bids(source: Source, out: Path, progress: Progress | None = None) -> int:
    """Write the recordings of a source as a data set, whole or not at all; how many they are.

    Readings are those of the wrist frame, in SI units; an orientation that was made is left out. Sensors that
    Motion-BIDS has no type for are of the type `MISC`. Recordings get new names; `recordings.tsv` tells
    the ones they had. Raises `DataError` if something is at `out`, or the source cannot be read.
    """
    check_place(out, overwrite=False)
    with writing_folder(out) as folder:
        names: dict[str, str] = {}
        runs: Counter[str] = Counter()
        about: dict[str, dict[str, Any]] = {}
        listed: list[dict[str, str]] = []
        for batch in source.batches(progress=progress):
            for number, row in enumerate(batch.table.iter_rows(named=True)):
                subject = _label_of(row["subject"], names)
                runs[subject] += 1
                stem = f"sub-{subject}_task-{TASK}_tracksys-{SYSTEM}_run-{runs[subject]}"
                _write_recording(batch[number], folder / f"sub-{subject}" / "motion", stem)
                known = {name: row[name] for name in _ABOUT if row.get(name) is not None}
                about[subject] = {name: _ABOUT[name].get(value, value) for name, value in known.items()}
                listed.append({"recording": f"sub-{subject}_run-{runs[subject]}", "id": row["id"]})
        people = [{"participant_id": f"sub-{name}"} | dict.fromkeys(_ABOUT) | told for name, told in about.items()]
        _write_table(pl.DataFrame(people, infer_schema_length=None), folder / "participants.tsv")
        _write_table(pl.DataFrame(listed), folder / "recordings.tsv")
        _write_about(source, folder)
    return len(listed)


def _label_of(subject: str, names: dict[str, str]) -> str:
    """The label of a subject, of letters and digits; another one than that of others."""
    if subject not in names:
        label = re.sub(r"[^A-Za-z0-9]", "", subject) or "x"
        possible = chain([label], (f"{label}x{number}" for number in count(2)))
        names[subject] = next(name for name in possible if name not in names.values())
    return names[subject]


def _write_about(source: Source, folder: Path) -> None:
    device = source.device
    name = source.describe() + (" (SIMULATED)" if source.simulated else "")
    written = [{"Name": "bfrb", "Version": version("bfrb")}]
    described = {"Name": name, "BIDSVersion": BIDS_VERSION, "DatasetType": "raw", "GeneratedBy": written}
    (folder / ".bidsignore").write_text("\n".join(_NOT_BIDS) + "\n", encoding="utf-8")
    kinds = Counter(row["type"] for row in _channels(device))
    motion = {
        "TaskName": TASK,
        "SamplingFrequency": device.row_rate_hz,
        "TrackingSystemName": SYSTEM,
        "ManufacturersModelName": device.name,
        "RecordingType": "continuous",
        "SpatialAxes": "in the frame of a right wrist: x to the thumb, y to the hand, z out of the palm",
        "MotionChannelCount": kinds.total(),
    } | {f"{kind}ChannelCount": count for kind, count in kinds.items()}
    files = {"dataset_description": described, f"task-{TASK}_tracksys-{SYSTEM}_motion": motion}
    for stem, values in files.items():
        (folder / f"{stem}.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    _write_table(pl.DataFrame(_channels(device)), folder / f"task-{TASK}_tracksys-{SYSTEM}_channels.tsv")
    if source.simulated:
        (folder / SIMULATED_MARK).write_text("simulated = true\n", encoding="utf-8")


def _kept(device: Device) -> tuple[Sensor, ...]:
    """The sensors that are written: an orientation that was made is made again in reading."""
    return tuple(sensor for sensor in device.sensors if not sensor.made)


def _channels(device: Device) -> list[dict[str, str]]:
    rows = []
    for sensor in _kept(device):
        kind, axes = _TYPES.get(sensor.name, ("MISC", ""))
        prefix = "quat_" if kind == "ORNT" else ""
        components = [prefix + axis for axis in axes] or ["n/a"] * len(sensor.columns)
        units = "n/a" if sensor.unit == "1" else sensor.unit
        for name, component in zip(sensor.columns, components, strict=True):
            rows.append({"name": name, "component": component, "type": kind, "tracked_point": "wrist", "units": units})
    return rows


def _write_recording(recording: Recordings, folder: Path, stem: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame(columns_of(recording, _kept(recording.device)))
    frame.write_csv(folder / f"{stem}_motion.tsv", separator="\t", include_header=False, null_value="n/a")
    intervals = list(_intervals(recording))
    if intervals:
        events = stem.replace(f"_tracksys-{SYSTEM}", "")
        names = ("onset", "duration", "trial_type")
        _write_table(pl.DataFrame(intervals, schema=names, orient="row"), folder / f"{events}_events.tsv")


def _intervals(recording: Recordings) -> Iterator[tuple[float, float, str]]:
    """Onset and duration, in s, of what was done in a recording: of its rows, or for the whole of it."""
    rate_hz = recording.device.row_rate_hz
    annotation = recording.annotations.get("gesture")
    if annotation is None:
        if recording.gestures is not None and recording.gestures[0] is not None:
            yield 0.0, recording.n_rows / rate_hz, recording.gestures[0]
        return
    for start, stop, name in annotation.runs():
        begin, end = (max(0.0, (row - 0.5) / rate_hz) for row in (start, stop))  # between two rows
        yield round(begin, 6), round(end - begin, 6), name


def _write_table(table: pl.DataFrame, path: Path) -> None:
    table.write_csv(path, separator="\t", null_value="n/a")
