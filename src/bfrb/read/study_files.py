"""The files that a description speaks of, and what their paths say."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

from bfrb.errors import DataError
from bfrb.read.motion_bids import NAME, describe_motion_bids, entities_of, is_motion_bids
from bfrb.read.store import MANIFEST
from bfrb.study.description import STUDIES, Description, find_description

DESCRIPTION = "study.toml"
"""A description of this name in a folder says how the folder is read."""

Words = Mapping[str, str]
"""What is known of a file by its path: `path`, `file`, `folder`, and what the pattern of paths finds."""


@dataclass(frozen=True)
class DescribedFile:
    """A file that a description matches, and what its path says."""

    path: Path
    words: Words


def describe_source(place: Path, wanted: str | Path | Description = "auto") -> Description:
    """How what lies at a path, and is no store, is read; parameters and errors as of `open_source`."""
    description = _look(place) if wanted == "auto" else find_description(wanted)
    return describe_motion_bids(place, description) if description.file.format == "bids" else description


def _look(place: Path) -> Description:
    """The description of what lies at a path: in the folder, or of a study that this package knows."""
    if place.is_file():
        return find_description(STUDIES[0])
    if (place / DESCRIPTION).is_file():
        return find_description(place / DESCRIPTION)
    if is_motion_bids(place):
        return find_description(NAME)
    known = [find_description(name) for name in STUDIES]
    for description in known:
        if holds_files(place, description):
            return description
    expected = "; ".join(f"{', '.join(one.file.match)} ({one.name})" for one in known)
    some = ", ".join(sorted(path.name for path in place.iterdir())[:6]) or "nothing"
    raise DataError(
        f"{place}: expected a store ({MANIFEST}), a description ({DESCRIPTION}), or {expected}, found {some}",
        remedy="name the folder or the file the recordings are in, or describe them: bfrb devices describe FILE",
    )


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
        raise DataError(
            f"{folder}: expected files called {', '.join(patterns)}, found {some}",
            remedy="correct match in the description, or name the folder that the files are in",
        )
    return [DescribedFile(folder / name, _words_of(name, description)) for name in sorted(names, key=_natural)]


def holds_files(folder: Path, description: Description) -> bool:
    """Whether a folder holds files that a description speaks of."""
    return bool(_names_of(folder, description, description.file.match))


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
    """The files with labels: in the folder, and beside it what `bfrb view` saved of it; there may be none yet."""
    folder, patterns = (path if path.is_dir() else path.parent).resolve(), description.labels.files
    beside = folder.with_name(f"{folder.name}.labels.csv")
    found = find_files(folder, description, patterns) if _names_of(folder, description, patterns) else []
    return found + (find_files(beside, description) if beside.is_file() and _fits(beside.name, patterns) else [])


def _natural(name: str) -> tuple[Any, ...]:
    """What sorts names so that 2 comes before 10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], name


def _words_of(name: str, description: Description) -> dict[str, str]:
    path = Path(name)
    words = {"path": path.with_suffix("").as_posix(), "file": path.stem, "folder": path.parent.name}
    words |= entities_of(path)
    pattern = description.recordings.path
    if pattern is None:
        return words
    regular = "".join(
        re.escape(text) + (f"(?P<{word}>[^/]+?)" if word else "") for text, word, _, _ in Formatter().parse(pattern)
    )
    fits = re.fullmatch(f"(?:.*/)?{regular}", name)
    if fits is None:
        raise DataError(
            f"{name}: expected a path like {pattern}", remedy="correct path in [recordings], or match in [file]"
        )
    return words | fits.groupdict()


class Blanks(dict[str, str]):
    """Words of a path, and nothing for those that only a table knows."""

    def __missing__(self, key: str) -> str:
        return ""
