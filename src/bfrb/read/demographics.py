"""What is known about the subjects: reading, checking and joining the demographics of the CMI layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from bfrb.errors import DataError
from bfrb.read.columns import convert
from bfrb.read.csv_blocks import ROW_NUMBER, iter_csv, open_csv
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
    """The raw table of a CSV or Parquet file; give it to `checked_demographics`.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{path}: expected a complete Parquet file, but {str(error).splitlines()[0]}",
            remedy="copy the file again, or move it away to go on without demographics",
        ) from None
    file = open_csv(path)
    types = dict.fromkeys(file.header, pl.String)
    frames = list(iter_csv(file, types, lambda finding: report(_of_subjects(finding))))
    return pl.concat(frames).drop(ROW_NUMBER) if frames else pl.DataFrame(schema=types)


def no_demographics() -> pl.DataFrame:
    """A table of no subjects, with all columns."""
    return pl.DataFrame(schema={SUBJECT: pl.String} | {name: dtype for name, (dtype, _, _) in MEASURES.items()})


def checked_demographics(frame: pl.DataFrame | None, report: Report) -> pl.DataFrame:
    """One row per subject: `subject` and all columns of `MEASURES`, null where not known.

    Columns may be numbers or strings, come in any order, and be missing; other columns are left out. What is wrong is
    reported and becomes null.
    """
    if frame is None or frame.width == 0:
        return no_demographics()
    if SUBJECT not in frame.columns:
        report(_finding("no subjects", "a column 'subject'", f"the columns {', '.join(frame.columns[:4])}", "", 1))
        return no_demographics()
    types = {name: dtype for name, (dtype, _, _) in MEASURES.items() if name in frame.columns}
    numbered = frame.select(SUBJECT, *types).with_row_index(ROW_NUMBER, offset=1)
    table = convert(numbered, {SUBJECT: pl.String} | types, lambda finding: report(_of_subjects(finding)), "row")
    table = pl.DataFrame([table[SUBJECT], *(_measure(table, name, report) for name in MEASURES)])
    table = table.filter(pl.col(SUBJECT).is_not_null()).unique(maintain_order=True)
    twice = table[SUBJECT].is_duplicated()
    if twice.any():
        first = table[SUBJECT].filter(twice)[0]
        report(
            _finding("subject twice", "one row per subject", f"different rows of {first!r}", SUBJECT, int(twice.sum()))
        )
        table = table.unique(SUBJECT, keep="first", maintain_order=True)
    return table


def _of_subjects(finding: Finding) -> Finding:
    return replace(finding, place=f"{finding.place} of the demographics")


def _measure(table: pl.DataFrame, name: str, report: Report) -> pl.Series:
    dtype, low, high = MEASURES[name]
    if name not in table.columns:
        return pl.Series(name, [None] * table.height, dtype=dtype)
    wrong = ~table[name].is_between(low, high).fill_null(True)
    if not wrong.any():
        return table[name]
    found = f"{table[name].filter(wrong)[0]:g}"
    report(_finding(f"impossible {name}", f"{name} between {low} and {high}", found, name, int(wrong.sum())))
    return table[name].set(wrong, None)


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
