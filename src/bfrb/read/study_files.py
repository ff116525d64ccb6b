"""The files that a description speaks of, and what their paths say; and Motion-BIDS, which describes itself.

In Motion-BIDS (Jeung et al. 2024, doi 10.1038/s41597-024-03559-8) a recording is a `_motion.tsv` without a line of
names; `_channels.tsv` names its columns and `_motion.json` its rate, both perhaps in a folder above and for several
recordings. What was done stands in `_events.tsv`, who did it in `participants.tsv`. It does not say how a device was
worn: a `study.toml` beside the data does.
"""

import csv
import fnmatch
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Formatter
from typing import Any

from bfrb.errors import DataError
from bfrb.read.store import MANIFEST
from bfrb.study.description import STUDIES, Description, find_description

DESCRIPTION = "study.toml"
"""A description of this name in a folder says how the folder is read."""

Words = Mapping[str, str]
"""What is known of a file by its path: `path`, `file`, `folder`, and what the pattern of paths finds."""

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


@dataclass(frozen=True)
class DescribedFile:
    """A file that a description matches, and what its path says."""

    path: Path
    words: Words


def describe_source(place: Path, wanted: str | Path | Description = "auto") -> Description:
    """How what lies at a path, and is no store, is read; parameters and errors as of `open_source`."""
    description = _look(place) if wanted == "auto" else find_description(wanted)
    return _describe_motion_bids(place, description) if description.file.format == "bids" else description


def _look(place: Path) -> Description:
    """The description of what lies at a path: in the folder, or of a study that this package knows."""
    if place.is_file():
        return find_description(STUDIES[0])
    if (place / DESCRIPTION).is_file():
        return find_description(place / DESCRIPTION)
    if (place / "dataset_description.json").is_file() and next(place.rglob("*_motion.tsv"), None) is not None:
        return find_description("motion_bids")
    known = [find_description(name) for name in STUDIES]
    for description in known:
        if _names_of(place, description, description.file.match):
            return description
    expected = "; ".join(f"{', '.join(one.file.match)} ({one.name})" for one in known)
    some = ", ".join(sorted(path.name for path in place.iterdir())[:6]) or "nothing"
    problem = f"{place}: expected a store ({MANIFEST}), a description ({DESCRIPTION}), or {expected}, found {some}"
    remedy = "name the folder or the file the recordings are in, or describe them: bfrb devices describe FILE"
    raise DataError(problem, remedy=remedy)


def find_files(folder: Path, description: Description, patterns: Sequence[str] = ()) -> list[DescribedFile]:
    """The files that a description speaks of, sorted by name, 2 before 10; a path of one file is that file.

    Raises `DataError` if there is none, a choice has to be made, or a path does not fit the pattern of paths.
    """
    if folder.is_file():
        name = Path(folder.absolute().parent.name, folder.name).as_posix()
        words = _words_of(name, description)
        return [DescribedFile(folder, words | {"path": words["file"]})]
    patterns = patterns or description.file.match
    names = _names_of(folder, description, patterns)
    if not names:
        some = ", ".join(path.name for path in sorted(folder.iterdir())[:6]) or "nothing"
        problem = f"{folder}: expected files called {', '.join(patterns)}, found {some}"
        raise DataError(problem, remedy="correct match in the description, or name the folder that the files are in")
    labels = patterns == description.labels.files
    return [DescribedFile(folder / name, _words_of(name, description, labels)) for name in sorted(names, key=in_order)]


def _names_of(folder: Path, description: Description, patterns: Sequence[str]) -> list[str]:
    if not description.file.first:
        paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        names = [path.relative_to(folder).as_posix() for path in paths]
        people = description.participants.file if description.participants else None
        others = () if patterns == description.labels.files else (*description.labels.files, people or "", "*.toml")
        return [name for name in names if _fits(name, patterns) and not _fits(name, others)]
    names = [path.name for path in folder.iterdir() if path.is_file()]
    for pattern in patterns:
        found = sorted(fnmatch.filter(names, pattern))
        if len(found) > 1:
            raise DataError(f"{folder}: holds both {found[0]} and {found[1]}", remedy="name the file that is meant")
        if found:
            return found
    return []


def _fits(name: str, patterns: Sequence[str]) -> bool:
    last = name.rpartition("/")[2]
    return any(fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(last, pattern) for pattern in patterns)


def find_label_files(path: Path, description: Description) -> list[DescribedFile]:
    """The files with labels: in the folder, and beside it what `bfrb view` saved of it; there may be none yet.

    A file's words are those of the file of recordings that it is called like: `p01_events.tsv` belongs to `p01.csv`.
    """
    folder, patterns = (path if path.is_dir() else path.parent).resolve(), description.labels.files
    beside = folder.with_name(f"{folder.name}.labels.csv")
    found = find_files(folder, description, patterns) if _names_of(folder, description, patterns) else []
    recorded = find_files(path, description) if found else []
    if beside.is_file() and _fits(beside.name, patterns):
        found.append(DescribedFile(beside, _words_of(beside.name, description, labels=True)))
    return [replace(file, words=_namesake(file, recorded).words) for file in found]


def _namesake(file: DescribedFile, recorded: Sequence[DescribedFile]) -> DescribedFile:
    """The file of recordings whose name another begins with, one in its own folder first; itself if there is none."""
    alike = [one for one in recorded if re.match(rf"{re.escape(one.path.stem)}(?![^\W_])", file.path.name)]
    return max(alike, key=lambda one: (one.path.parent == file.path.parent, len(one.path.stem)), default=file)


def in_order(name: str) -> tuple[Any, ...]:
    """What sorts names so that 2 comes before 10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], name


def _words_of(name: str, description: Description, labels: bool = False) -> dict[str, str]:
    """What the path of a file says; that of labels need not be like that of recordings."""
    path = Path(name)
    words = {"path": path.with_suffix("").as_posix(), "file": path.stem, "folder": path.parent.name}
    words |= _entities_of(path)
    pattern = description.recordings.path
    if pattern is None:
        return words
    parts = [(re.escape(text), f"(?P<{word}>[^/]+?)" if word else "") for text, word, *_ in Formatter().parse(pattern)]
    fits = re.fullmatch(f"(?:.*/)?{''.join(map(''.join, parts))}", name)
    if fits is None and labels:
        return words
    if fits is None:
        remedy = "correct path in [recordings], or match in [file]"
        raise DataError(f"{name}: expected a path like {pattern}", remedy=remedy)
    return words | fits.groupdict()


def _describe_motion_bids(place: Path, description: Description) -> Description:
    """What a description leaves open, filled in by the channels and the rate that stand beside the recordings.

    Sensors that it describes stay as it says; of others, a tracked point at a wrist is taken where there are several.
    Raises `DataError` if a file is missing or damaged, or the recordings differ in their channels.
    """
    paths = [place] if place.is_file() else sorted(p for match in description.file.match for p in place.rglob(match))
    if not paths:
        raise DataError(f"{place}: holds no *_motion.tsv", remedy="name the folder of the data set")
    above = [folder for folder in paths[0].absolute().parents if (folder / "dataset_description.json").is_file()]
    root = above[0] if above else paths[0].parent
    channels, rate_hz = _channels_of(paths[0], root), _rate_of(paths[0], root)
    for path in paths[1:]:
        if (_channels_of(path, root), _rate_of(path, root)) != (channels, rate_hz):
            problem = f"{path}: has other channels, or another rate, than {paths[0].name}"
            remedy = 'read one kind at a time, by match = "*_tracksys-NAME_motion.tsv" in [file] of a study.toml'
            raise DataError(problem, remedy=remedy)
    values = description.model_dump(exclude_none=True)
    values["file"] |= {"format": "table", "columns": [row["name"] for row in channels], "separator": "\t"}
    latency = [row["name"] for row in channels if row["type"] == "LATENCY"]
    values["time"] |= {"column": latency[0]} if latency else {"rate_hz": rate_hz}
    for name, found in _sensors_of(channels, paths[0]).items():
        values.setdefault(name, found)
    shared = [key for key in _NAMED_BY if all(key in _entities_of(path) for path in paths)]
    values["recordings"] |= {"id": "_".join(f"{key}-{{{key}}}" for key in shared), "subject": "sub-{sub}"}
    if (root / "participants.tsv").is_file() and place.is_dir():
        values["participants"] = {"file": "participants.tsv", "subject": "participant_id"}
    if next(root.rglob("*_events.tsv"), None) is None or values["labels"].get("column"):
        values["labels"]["files"] = ()
    return Description.parse(values)


def _entities_of(path: Path) -> dict[str, str]:
    """The parts of a file's name, such as sub-07_task-rest_motion.tsv."""
    return dict(re.findall(r"(?:^|_)([a-z]+)-([A-Za-z0-9]+)", path.name))


def _beside(path: Path, root: Path, ending: str) -> Path:
    """The file nearest to a recording that is about it: in its folder or above, all parts of its name being there."""
    entities = _entities_of(path).items()
    for folder in (path.absolute().parent, *path.absolute().parents):
        found = [file for file in sorted(folder.glob(f"*{ending}")) if _entities_of(file).items() <= entities]
        if found:
            return max(found, key=lambda file: len(_entities_of(file)))
        if folder == root.absolute():
            break
    raise DataError(f"{path}: there is no *{ending} beside it, nor above", remedy="complete the data set")


def _channels_of(path: Path, root: Path) -> Channels:
    place = _beside(path, root, "_channels.tsv")
    with place.open(encoding="utf-8-sig", newline="") as file:
        rows = tuple(csv.DictReader(file, delimiter="\t"))
    lacking = {"name", "component", "type", "tracked_point", "units"} - {name for row in rows for name in row}
    if lacking or not rows:
        problem = f"{place}: expected the columns of channels, lacks {', '.join(sorted(lacking))}"
        raise DataError(problem, remedy="add them")
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
            problem = f"{path}: {kind} of {', '.join(whole)}, and one is expected"
            raise DataError(problem, remedy=f"say which in a study.toml: columns = [...] and unit = ... in [{name}]")
        for rows in chosen.values():
            told = rows[components[0]]["units"]
            unit = {} if name == "quaternion" else {"unit": _UNITS.get(told, told)}
            found[name] = {"columns": [rows[component]["name"] for component in components]} | unit
    return found
