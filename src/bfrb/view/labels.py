"""Labels given on the page: a CSV file of their own beside the data, written anew at every change.

The file is always whole: it holds all labels from before a change or all from after it. Before each change it is read
again under a lock, so that two viewers of the same data do not undo each other's labels.
"""

from __future__ import annotations

import csv
import math
import secrets
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from bfrb.errors import DataError
from bfrb.files import writing_file

MAX_TEXT = 200


@dataclass(frozen=True)
class Label:
    """A label on a stretch of a recording.

    Parameters
    ----------
    key
        Its own name in the file.
    recording
        Id of the recording.
    start_s, end_s
        From, and up to, in seconds from the recording's first row.
    label
        What happens there.
    note
        Anything else to be remembered.
    changed
        When it was last changed (UTC).
    """

    key: str
    recording: str
    start_s: float
    end_s: float
    label: str
    note: str = ""
    changed: str = ""


_COLUMNS = tuple(field.name for field in fields(Label))


def parse_label(values: Any, key: str | None = None) -> Label:
    """A label from what the page sent; without a key it gets a new one.

    Raises
    ------
    DataError
        If something is missing, or is no possible value.
    """
    if not isinstance(values, dict):
        raise DataError("expected a label as an object", remedy="send recording, start_s, end_s and label")
    start_s, end_s = (_seconds(values, name) for name in ("start_s", "end_s"))
    if not 0 <= start_s < end_s:
        raise DataError(f"expected a label that ends after it begins, got {start_s} s to {end_s} s", remedy="widen it")
    return Label(
        key or secrets.token_hex(6),
        _text(values, "recording", least=1),
        start_s,
        end_s,
        _text(values, "label", least=1),
        _text(values, "note", least=0),
        datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _seconds(values: dict[str, Any], name: str) -> float:
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DataError(f"expected {name} of a label as a number, got {value!r}", remedy="send it in seconds")
    return round(float(value), 3)


def _text(values: dict[str, Any], name: str, least: int) -> str:
    value = values.get(name, "")
    if not isinstance(value, str) or not least <= len(value.strip()) <= MAX_TEXT or not value.isprintable():
        raise DataError(
            f"expected {name} of a label as one line of {least} to {MAX_TEXT} characters, got {value!r:.60}",
            remedy="shorten it to one line",
        )
    return value.strip()


class LabelFile:
    """The labels of one source.

    Parameters
    ----------
    path
        The file; it comes into being with the first label.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def beside(cls, data: Path) -> LabelFile:
        """The file beside a source: `study.labels.csv` for the file `study.csv` or the folder `study`."""
        place = data.resolve()
        stem = place.name if place.is_dir() else place.stem
        return cls(place.with_name(f"{stem}.labels.csv"))

    def read(self) -> list[Label]:
        """All labels.

        Raises
        ------
        DataError
            If the file is not one of these, or was damaged by another program.
        """
        if not self.path.is_file():
            return []
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                return [_from_row(row) for row in csv.DictReader(file, strict=True)]
        except (csv.Error, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{self.path.name}: expected labels with the columns {', '.join(_COLUMNS)}, but {error}",
                remedy="repair the file, or move it away; it is left as it is until then",
            ) from None

    def put(self, label: Label) -> None:
        """Add a label, or replace the one with its key; on the disk when this returns.

        Raises
        ------
        DataError
            If the file is damaged; it is left as it is then.
        """
        with self._locked():
            self._write([*(known for known in self.read() if known.key != label.key), label])

    def remove(self, key: str) -> None:
        """Take a label away.

        Raises
        ------
        DataError
            If there is no such label, or the file is damaged.
        """
        with self._locked():
            known = self.read()
            kept = [label for label in known if label.key != key]
            if len(kept) == len(known):
                raise DataError(f"there is no label {key!r}", remedy="load the page again: it may be gone already")
            self._write(kept)

    def _locked(self) -> FileLock:
        return FileLock(self.path.with_name(f".{self.path.name}.lock"), timeout=10)

    def _write(self, labels: list[Label]) -> None:
        ordered = sorted(labels, key=lambda label: (label.recording, label.start_s, label.end_s, label.key))
        with writing_file(self.path) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(asdict(label) for label in ordered)


def _from_row(row: dict[str, str]) -> Label:
    if set(row) != set(_COLUMNS):
        raise ValueError(f"it has {', '.join(map(str, row))}")
    return Label(**row | {"start_s": float(row["start_s"]), "end_s": float(row["end_s"])})  # type: ignore[arg-type]
