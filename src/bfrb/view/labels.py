"""Labels given on the page: a CSV file of their own beside the data, written anew at every change.

The file is always whole: it holds all labels from before a change or all from after it. Before each change it is read
again under a lock, so that two viewers of the same data do not undo each other's labels.
"""

import csv
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Self

from filelock import FileLock
from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from bfrb.errors import DataError
from bfrb.files import writing_file


def _check_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("expected one line")
    return text


Line = Annotated[str, AfterValidator(_check_line), StringConstraints(strip_whitespace=True, max_length=200)]
Seconds = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False), AfterValidator(lambda value: round(value, 3))]


class Label(BaseModel):
    """A label on a stretch of a recording, from `start_s` up to `end_s` from its first row."""

    key: str = ""  # its own name in the file
    recording: Annotated[Line, Field(min_length=1)]  # the recording's id
    start_s: Seconds
    end_s: Seconds
    label: Annotated[Line, Field(min_length=1)]  # what happens there
    note: Line = ""
    changed: str = ""  # when, in UTC

    @model_validator(mode="after")
    def _check_span(self) -> Self:
        if self.start_s >= self.end_s:
            raise ValueError(f"expected a label that ends after it begins, got {self.start_s} s to {self.end_s} s")
        return self


_COLUMNS = tuple(Label.model_fields)


class LabelFile:
    """The labels of one source, in a file that comes into being with the first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=10)

    @classmethod
    def beside(cls, data: Path) -> Self:
        """The file beside a source: `study.labels.csv` for the file `study.csv` or the folder `study`."""
        place = data.resolve()
        stem = place.name if place.is_dir() else place.stem
        return cls(place.with_name(f"{stem}.labels.csv"))

    def read(self) -> list[Label]:
        """All labels; DataError if the file is not one of these, or was damaged by another program."""
        if not self.path.is_file():
            return []
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                return [_from_row(row) for row in csv.DictReader(file, strict=True)]
        except (csv.Error, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
            problem = f"{self.path.name}: expected labels with the columns {', '.join(_COLUMNS)}, but {error}"
            remedy = "repair the file, or move it away; it is left as it is until then"
            raise DataError(problem, remedy=remedy) from None

    def put(self, label: Label, key: str | None = None) -> Label:
        """Add a label, or put it in place of the one with a key; on the disk when this returns.

        DataError if there is no such key, or the file is damaged, which is left as it is then.
        """
        changed = datetime.now(UTC).isoformat(timespec="seconds")
        made = label.model_copy(update={"key": key or secrets.token_hex(6), "changed": changed})
        with self._lock:
            self._write([*self._without(key), made])
        return made

    def remove(self, key: str) -> None:
        """Take a label away; errors are those of `put`."""
        with self._lock:
            self._write(self._without(key))

    def _without(self, key: str | None) -> list[Label]:
        known = self.read()
        others = [label for label in known if label.key != key]
        if key is not None and len(others) == len(known):
            raise DataError(f"there is no label {key!r}", remedy="load the page again: it may be gone already")
        return others

    def _write(self, labels: list[Label]) -> None:
        ordered = sorted(labels, key=lambda label: (label.recording, label.start_s, label.end_s, label.key))
        with writing_file(self.path) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(label.model_dump() for label in ordered)


def _from_row(row: dict[str, str]) -> Label:
    """Not checked: what another program wrote stays as it is."""
    if set(row) != set(_COLUMNS):
        raise ValueError(f"it has {', '.join(map(str, row))}")
    values: dict[str, Any] = {**row, "start_s": float(row["start_s"]), "end_s": float(row["end_s"])}
    return Label.model_construct(**values)
