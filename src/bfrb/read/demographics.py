"""What is known about the subjects: reading, checking and joining a table of them."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Floats
from bfrb.errors import DataError
from bfrb.read.columns import ROW, read_numbers, read_texts
from bfrb.read.csv_blocks import iter_frames
from bfrb.read.findings import Finding, Report
from bfrb.read.text_tables import open_table
from bfrb.study.description import FileSpec

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
_WORDS = {"sex": (("f", "female"), ("m", "male")), "handedness": (("l", "left"), ("r", "right"))}
"""Words for 0 and for 1; as BIDS has it, n/a is not known."""

ADULT_AGE = 18
ARM_OF_HEIGHT = (0.24, 0.37)
"""Credible length of an arm, shoulder to wrist, as a share of the height."""


def find_demographics(path: Path) -> Path | None:
    """The table of subjects beside a file, called like it or like the beginning of its name; None if there is none."""
    parts = path.stem.split("_")
    names = ["_".join([*parts[:count], "demographics"]) for count in range(len(parts), -1, -1)]
    places = (path.with_name(name + suffix) for name in names for suffix in (".csv", ".parquet"))
    return next((place for place in places if place != path and place.is_file()), None)


def read_demographics(path: Path, subject: str, report: Report) -> pl.DataFrame:
    """The raw table of a CSV or Parquet file, for `Demographics`.

    Raises `DataError` if it cannot be read.
    """
    try:
        table = open_table(path, FileSpec(strict=True), [subject])
    except DataError as error:
        report(Finding("no subjects", "error", "", error.problem, error.remedy))
        return pl.DataFrame()
    types = dict.fromkeys(table.names, pl.String)
    frames = [frame.drop(frame.columns[0]) for frame in iter_frames(table, types, partial(_tell_of_subjects, report))]
    return pl.concat(frames) if frames else pl.DataFrame(schema=types)


def no_demographics() -> pl.DataFrame:
    """A table of no subjects, with all columns."""
    return pl.DataFrame(schema={SUBJECT: pl.String} | {name: dtype for name, (dtype, _, _) in MEASURES.items()})


class Demographics:
    """What is known of subjects, looked up by their ids.

    `frame`: one row per subject: the column of ids and any of `MEASURES`, as numbers, strings or words such as left;
    `subject`: the column of ids.
    """

    def __init__(self, report: Report, frame: pl.DataFrame | None, subject: str = SUBJECT) -> None:
        self._report = report
        self._frame, names, self._values = _checked(frame, subject, report)
        self._rows = {name: row for row, name in reversed(list(enumerate(names))) if name is not None}
        self._asked: dict[str, None] = {}

    def of(self, subjects: pl.Series) -> list[pl.Series]:
        """Columns with all `MEASURES` of some subjects, null where not known."""
        names = subjects.to_list()
        self._asked |= dict.fromkeys(names)
        known = np.vstack([self._values, np.full(len(MEASURES), np.nan)])
        values = known[[self._rows.get(name, -1) for name in names]].T.tolist()
        return [
            pl.Series(name, [None if isnan(number) else number for number in numbers], dtype=dtype, strict=False)
            for (name, (dtype, _, _)), numbers in zip(MEASURES.items(), values, strict=True)
        ]

    def value(self, subject: str, column: str) -> Any:
        """What a column of the table says of a subject; None where nothing is known."""
        if subject not in self._rows or column not in self._frame.columns:
            return None
        return self._frame[column][self._rows[subject]]

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


def _checked(frame: pl.DataFrame | None, subject: str, report: Report) -> tuple[pl.DataFrame, list[str | None], Floats]:
    """The table, its subjects, and (S, M) what is known of them: all `MEASURES`, NaN where not known."""
    if frame is None or frame.width == 0:
        return pl.DataFrame(), [], np.empty((0, len(MEASURES)))
    if subject not in frame.columns:
        found = f"the columns {', '.join(frame.columns[:4])}"
        report(_finding("no subjects", f"a column {subject!r}", found, "", 1))
        return pl.DataFrame(), [], np.empty((0, len(MEASURES)))
    numbered = frame.with_row_index(ROW, offset=1)
    values = np.full((frame.height, len(MEASURES)), np.nan)
    for column, name in enumerate(MEASURES):
        if name in frame.columns:
            values[:, column] = _measure(numbered, name, report)
    names = read_texts(numbered, subject, partial(_tell_of_subjects, report)).to_list()
    first: dict[str, int] = {}
    twice = [
        name
        for row, name in enumerate(names)
        if name is not None and not np.array_equal(values[first.setdefault(name, row)], values[row], equal_nan=True)
    ]
    if twice:
        found = f"different rows of {twice[0]!r}"
        report(_finding("subject twice", "one row per subject", found, subject, len(twice)))
    return frame, names, values


def _tell_of_subjects(report: Report, finding: Finding) -> None:
    report(replace(finding, place=f"{finding.place} of the demographics"))


def _measure(frame: pl.DataFrame, name: str, report: Report) -> Floats:
    """(S,) One measure of all subjects, NaN where it is not known or impossible."""
    dtype, low, high = MEASURES[name]
    whole = dtype.is_integer()
    told = partial(_tell_of_subjects, report)
    if name in _WORDS and frame[name].dtype == pl.String:
        codes = {word: str(code) for code, words in enumerate(_WORDS[name]) for word in words}
        lower = frame[name].str.strip_chars().str.to_lowercase()
        frame = frame.with_columns(pl.Series(name, [codes.get(word, word) for word in lower.to_list()], pl.String))
    values = read_numbers(frame, [name], told, dtype=pl.Float64, whole=whole)[:, 0]
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

    `subjects`: one row per subject, with the columns of `MEASURES`.
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
