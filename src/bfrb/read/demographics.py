"""What is known about the subjects: reading, checking and joining the demographics of the CMI layout."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from bfrb.arrays import Floats
from bfrb.errors import DataError
from bfrb.read.columns import ROW_NUMBER, read_numbers, read_texts
from bfrb.read.csv_blocks import iter_csv, open_csv
from bfrb.read.findings import Finding, Report

SUBJECT = "subject"
MEASURES = {
    "adult_child": (pl.Int8, 0, 1),
    "age": (pl.Float32, 0, 120),
    "sex": (pl.Int8, 0, 1),
    "handedness": (pl.Int8, 0, 1),
    "height_cm": (pl.Float32, 40, 260),
    "shoulder_to_wrist_cm": (pl.Float32, 10, 120),
    "elbow_to_wrist_cm": (pl.Float32, 5, 80),
}
"""Type and possible range of every column: adult 1, male 1, right-handed 1."""

ADULT_AGE = 18
ARM_OF_HEIGHT = (0.24, 0.37)
"""Credible length of an arm, shoulder to wrist, as a share of the height."""


def find_demographics(path: Path) -> Path | None:
    """The demographics that lie beside a file of recordings, found by name; None if there are none."""
    stems = [path.stem, path.stem.removesuffix("_sample"), *(part for part in ("train", "test") if part in path.stem)]
    names = [f"{stem}_demographics" for stem in stems] + ["demographics"]
    for name in names:
        for suffix in (".csv", ".parquet"):
            candidate = path.with_name(name + suffix)
            if candidate != path and candidate.is_file():
                return candidate
    return None


def read_demographics(path: Path, report: Report) -> pl.DataFrame:
    """The raw table of a CSV or Parquet file, for `Demographics`.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    if path.suffix == ".parquet":
        try:
            return pl.read_parquet(path)
        except pl.exceptions.PolarsError as error:
            raise DataError(
                f"{path}: expected a complete Parquet file, but {str(error).splitlines()[0]}",
                remedy="copy the file again, or move it away to go on without demographics",
            ) from None
    file = open_csv(path)
    types = dict.fromkeys(file.header, pl.String)
    frames = list(iter_csv(file, types, partial(_tell_of_subjects, report)))
    return pl.concat(frames).drop(ROW_NUMBER) if frames else pl.DataFrame(schema=types)


def no_demographics() -> pl.DataFrame:
    """A table of no subjects, with all columns."""
    return pl.DataFrame(schema={SUBJECT: pl.String} | {name: dtype for name, (dtype, _, _) in MEASURES.items()})


class Demographics:
    """What is known of subjects, looked up by their ids.

    Parameters
    ----------
    report
        Told what is wrong in the table, which then counts as not known, and what seems to be wrong with the ids.
    frame
        One row per subject: `subject` and any columns of `MEASURES`, as numbers or strings; others are left out.
    """

    def __init__(self, report: Report, frame: pl.DataFrame | None) -> None:
        self._report = report
        names, self._values = _checked(frame, report)
        self._rows = {name: row for row, name in enumerate(names)}
        self._asked: dict[str, None] = {}

    def of(self, subjects: pl.Series) -> list[pl.Series]:
        """Columns with all `MEASURES` of some subjects, null where not known."""
        names = subjects.to_list()
        self._asked |= dict.fromkeys(names)
        known = np.vstack([self._values, np.full(len(MEASURES), np.nan)])
        values = known[[self._rows.get(name, -1) for name in names]].T
        return [
            pl.Series(name, numbers, nan_to_null=True).cast(dtype)
            for (name, (dtype, _, _)), numbers in zip(MEASURES.items(), values, strict=True)
        ]

    def finish(self) -> None:
        """Report ids that seem to be written in another way here than in the recordings."""
        unknown = [name for name in self._asked if name not in self._rows]
        if not unknown or not self._rows:
            return
        spellings = {_plain(name): name for name in self._rows if name not in self._asked}
        alike = [(name, spellings[_plain(name)]) for name in unknown if _plain(name) in spellings]
        if alike:
            expected, found = (repr(name) for name in alike[0])
            self._report(_spelling(f"the subject {expected}, as in the recordings", found, len(alike)))
        elif 2 * len(unknown) > len(self._asked):
            expected, found = repr(unknown[0]), repr(next(iter(self._rows)))
            self._report(_spelling(f"subjects of the recordings, such as {expected}", f"such as {found}", len(unknown)))


def _plain(name: str) -> str:
    """An id without what gets lost on the way: blanks, capitals, zeros in front and a fraction of zero."""
    text = re.sub(r"(?<=\d)\.0+$", "", name.strip().casefold())
    return re.sub(r"(?<!\d)0+(?=\d)", "", text)


def _spelling(expected: str, found: str, count: int) -> Finding:
    remedy = "write ids alike in both files: zeros in front, blanks and capitals count"
    return Finding("ids of other subjects", "warning", expected, found, remedy, "the demographics", count)


def _checked(frame: pl.DataFrame | None, report: Report) -> tuple[list[str], Floats]:
    """Subjects, and (S, M) what is known of them: all `MEASURES`, NaN where not known."""
    if frame is None or frame.width == 0:
        return [], np.empty((0, len(MEASURES)))
    if SUBJECT not in frame.columns:
        report(_finding("no subjects", "a column 'subject'", f"the columns {', '.join(frame.columns[:4])}", "", 1))
        return [], np.empty((0, len(MEASURES)))
    numbered = frame.with_row_index(ROW_NUMBER, offset=1)
    values = np.full((frame.height, len(MEASURES)), np.nan)
    for column, name in enumerate(MEASURES):
        if name in frame.columns:
            values[:, column] = _measure(numbered, name, report)
    names = read_texts(numbered, SUBJECT, partial(_tell_of_subjects, report), "row").to_list()
    rows: dict[str, int] = {}
    twice = []
    for row, name in ((row, name) for row, name in enumerate(names) if name is not None):
        first = rows.setdefault(name, row)
        if first != row and not np.array_equal(values[first], values[row], equal_nan=True):
            twice.append(name)
    if twice:
        found = f"different rows of {twice[0]!r}"
        report(_finding("subject twice", "one row per subject", found, SUBJECT, len(twice)))
    return list(rows), values[list(rows.values())]


def _tell_of_subjects(report: Report, finding: Finding) -> None:
    report(replace(finding, place=f"{finding.place} of the demographics"))


def _measure(frame: pl.DataFrame, name: str, report: Report) -> Floats:
    """(S,) One measure of all subjects, NaN where it is not known or impossible."""
    dtype, low, high = MEASURES[name]
    whole = dtype.is_integer()
    told = partial(_tell_of_subjects, report)
    values = read_numbers(frame, [name], told, "row", dtype=pl.Float64, whole=whole)[:, 0]
    wrong = (values < low) | (values > high)
    if wrong.any():
        found = f"{values[wrong][0]:g}"
        report(_finding(f"impossible {name}", f"{name} between {low} and {high}", found, name, int(wrong.sum())))
    return np.where(wrong, np.nan, values)


def _finding(kind: str, expected: str, found: str, column: str, count: int) -> Finding:
    place = f"column {column} of the demographics" if column else "the demographics"
    return Finding(kind, "error", expected, found, "correct the table of subjects", place, count)


def find_suspicious(subjects: pl.DataFrame) -> list[Finding]:
    """Warnings about subjects whose measures are possible but do not fit together.

    Parameters
    ----------
    subjects
        One row per subject, with the columns of `MEASURES`.
    """
    age_fits = (pl.col("age") >= ADULT_AGE) == (pl.col("adult_child") == 1)
    arm_fits = (pl.col("shoulder_to_wrist_cm") / pl.col("height_cm")).is_between(*ARM_OF_HEIGHT)
    elbow_fits = pl.col("elbow_to_wrist_cm") < pl.col("shoulder_to_wrist_cm")
    rules = {
        "age and adult_child": (f"adults, and only adults, aged {ADULT_AGE} or more", age_fits),
        "arm length": (f"arms of {ARM_OF_HEIGHT[0]} to {ARM_OF_HEIGHT[1]} of the height", arm_fits & elbow_fits),
    }
    findings = []
    for kind, (expected, fits) in rules.items():
        names = subjects.filter(~fits)[SUBJECT].sort()
        if len(names):
            place = f"subject {names[0]}"
            remedy = "correct the table of subjects if it is wrong"
            findings.append(Finding(kind, "warning", expected, "another value", remedy, place, len(names)))
    return findings
