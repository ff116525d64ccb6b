"""Motion-BIDS (Jeung et al. 2024, doi 10.1038/s41597-024-03559-8): folders of such recordings, read and written.

A recording is a `_motion.tsv` without a line of names; `_channels.tsv` names its columns and `_motion.json` its rate,
both perhaps in a folder above and for several recordings. What was done stands in `_events.tsv`, who did it in
`participants.tsv`. Motion-BIDS does not say how a device was worn: a `study.toml` beside the data does.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bfrb.errors import DataError
from bfrb.study.description import Description

NAME = "motion_bids"
"""The description that says so; a study's own starts from it."""

_SENSORS = {
    ("ACCEL", "acc"): ("x", "y", "z"),
    ("GYRO", "gyr"): ("x", "y", "z"),
    ("ORNT", "quaternion"): ("quat_w", "quat_x", "quat_y", "quat_z"),
}
"""Types of channels, the sensors that they are of, and the components in their order."""

_UNITS = {"m/s²": "m/s^2", "m/s2": "m/s^2", "m/s**2": "m/s^2", "°/s": "deg/s", "dps": "deg/s"}
_NAMED_BY = ("sub", "ses", "task", "run")
"""Parts of a file's name that tell recordings apart; that of the tracking system does not stand in those of events."""

Channels = tuple[Mapping[str, str], ...]


def is_motion_bids(folder: Path) -> bool:
    """Whether a folder is a data set in BIDS with recordings of motion."""
    return (folder / "dataset_description.json").is_file() and next(folder.rglob("*_motion.tsv"), None) is not None


def describe_motion_bids(place: Path, description: Description) -> Description:
    """What a description leaves open, filled in by the channels and the rate that stand beside the recordings.

    `place`: the folder of the data set, or one of its recordings; `description`: one whose file has the format `bids`.
    Sensors that it describes stay as it says; of others, a tracked point at a wrist is taken where there are several.
    Raises `DataError` if there is no recording, a file beside it is missing or damaged, or the recordings differ in
    their channels.
    """
    paths = [place] if place.is_file() else sorted(p for match in description.file.match for p in place.rglob(match))
    if not paths:
        raise DataError(f"{place}: holds no *_motion.tsv", remedy="name the folder of the data set")
    root = _root_of(paths[0])
    channels, rate_hz = _channels_of(paths[0], root), _rate_of(paths[0], root)
    for path in paths[1:]:
        if (_channels_of(path, root), _rate_of(path, root)) != (channels, rate_hz):
            raise DataError(
                f"{path}: has other channels, or another rate, than {paths[0].name}",
                remedy='read one kind at a time, by match = "*_tracksys-NAME_motion.tsv" in [file] of a study.toml',
            )
    values = description.model_dump(exclude_none=True)
    values["file"] |= {"format": "table", "columns": [row["name"] for row in channels], "separator": "\t"}
    latency = [row["name"] for row in channels if row["type"] == "LATENCY"]
    values["time"] |= {"column": latency[0]} if latency else {"rate_hz": rate_hz}
    for name, found in _sensors_of(channels, paths[0]).items():
        values.setdefault(name, found)
    shared = [key for key in _NAMED_BY if all(key in entities_of(path) for path in paths)]
    values["recordings"] |= {"id": "_".join(f"{key}-{{{key}}}" for key in shared), "subject": "sub-{sub}"}
    if (root / "participants.tsv").is_file() and place.is_dir():
        values["participants"] = {"file": "participants.tsv", "subject": "participant_id"}
    if next(root.rglob("*_events.tsv"), None) is None or values["labels"].get("column"):
        values["labels"]["files"] = ()
    return Description.parse(values)


def entities_of(path: Path) -> dict[str, str]:
    """The parts of a file's name.

    >>> entities_of(Path("sub-07_task-rest_run-2_motion.tsv"))
    {'sub': '07', 'task': 'rest', 'run': '2'}
    """
    return dict(re.findall(r"(?:^|_)([a-z]+)-([A-Za-z0-9]+)", path.name))


def _root_of(path: Path) -> Path:
    """The folder of the data set that a recording lies in; its own where none says that it is one."""
    above = [folder for folder in path.absolute().parents if (folder / "dataset_description.json").is_file()]
    return above[0] if above else path.parent


def _beside(path: Path, root: Path, ending: str) -> Path:
    """The file nearest to a recording that is about it: in its folder or above, all parts of its name being there."""
    entities = entities_of(path).items()
    for folder in (path.absolute().parent, *path.absolute().parents):
        found = [file for file in sorted(folder.glob(f"*{ending}")) if entities_of(file).items() <= entities]
        if found:
            return max(found, key=lambda file: len(entities_of(file)))
        if folder == root.absolute():
            break
    raise DataError(f"{path}: there is no *{ending} beside it, nor above", remedy="complete the data set")


def _channels_of(path: Path, root: Path) -> Channels:
    place = _beside(path, root, "_channels.tsv")
    with place.open(encoding="utf-8-sig", newline="") as file:
        rows = tuple(csv.DictReader(file, delimiter="\t"))
    lacking = {"name", "component", "type", "tracked_point", "units"} - {name for row in rows for name in row}
    if lacking or not rows:
        raise DataError(
            f"{place}: expected the columns of channels, lacks {', '.join(sorted(lacking))}", remedy="add them"
        )
    return rows


def _rate_of(path: Path, root: Path) -> float:
    place = _beside(path, root, "_motion.json")
    try:
        return float(json.loads(place.read_text(encoding="utf-8-sig"))["SamplingFrequency"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{place}: expected a SamplingFrequency, but {error!r}", remedy="add it, in Hz") from None


def _sensors_of(channels: Channels, path: Path) -> dict[str, dict[str, Any]]:
    """Columns and units of the sensors among the channels."""
    found = {}
    for (kind, name), components in _SENSORS.items():
        by_point: dict[str, dict[str, Mapping[str, str]]] = {}
        for row in channels:
            if row["type"].upper() == kind:
                by_point.setdefault(row["tracked_point"], {})[row["component"].lower()] = row
        whole = {point: rows for point, rows in by_point.items() if set(components) <= set(rows)}
        wrists = {point: rows for point, rows in whole.items() if re.search("wrist|hand|watch", point, re.IGNORECASE)}
        chosen = wrists if len(whole) > 1 else whole
        if len(whole) > 1 and len(chosen) != 1:
            raise DataError(
                f"{path}: {kind} of {', '.join(whole)}, and one is expected",
                remedy=f"say which in a study.toml: columns = [...] and unit = ... in [{name}]",
            )
        for rows in chosen.values():
            told = rows[components[0]]["units"]
            unit = {} if name == "quaternion" else {"unit": _UNITS.get(told, told)}
            found[name] = {"columns": [rows[component]["name"] for component in components]} | unit
    return found
