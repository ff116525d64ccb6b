"""What is known about the subjects: reading, checking and joining a table of them."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Floats
from bfrb.errors import DataError
from bfrb.processes import check_threads
from bfrb.read.checks import ROW, read_numbers, read_texts
from bfrb.read.csv_blocks import iter_frames, open_table
from bfrb.read.findings import Finding, Report, telling_where
from bfrb.study.description import FileSpec

SUBJECT = "subject"
_HERE = "the demographics"
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


def find_demographics(path: Path) -> Path | None:
    """The table of subjects beside a file, called like it or like the beginning of its name; None if there is none."""
    parts = path.stem.split("_")
    names = ["_".join([*parts[:count], "demographics"]) for count in range(len(parts), -1, -1)]
    places = (path.with_name(name + suffix) for name in names for suffix in (".csv", ".parquet"))
    return next((place for place in places if place != path and place.is_file()), None)


def read_demographics(path: Path, subject: str, report: Report) -> pl.DataFrame:
    """The raw table of a CSV or Parquet file, for `Demographics`; that it cannot be read is reported."""
    try:
        table = open_table(path, FileSpec(strict=True), [subject])
    except DataError as error:
        report(Finding("no subjects", "error", "", error.problem, error.remedy))
        return pl.DataFrame()
    types = dict.fromkeys(table.names, pl.String)
    frames = [frame.drop(frame.columns[0]) for frame in iter_frames(table, types, telling_where(report, _HERE))]
    return pl.concat(frames) if frames else pl.DataFrame(schema=types)


class Demographics:
    """What is known of subjects, looked up by their ids.

    `frame`: one row per subject: the column of ids and any of `MEASURES`, as numbers, strings or words such as left.
    What is wrong there is reported, and counts as not known.
    """

    def __init__(self, report: Report, frame: pl.DataFrame | None, subject: str = SUBJECT) -> None:
        self._report = telling_where(report, _HERE)
        self._rows: dict[str, int] = {}
        self._asked: dict[str, None] = {}
        frame = pl.DataFrame() if frame is None else frame
        if frame.width and subject not in frame.columns:
            self._tell_wrong("no subjects", f"a column {subject!r}", f"the columns {', '.join(frame.columns[:4])}")
            frame = pl.DataFrame()
        self._frame = frame.with_row_index(ROW, offset=1)
        self._values = np.full((frame.height + 1, len(MEASURES)), np.nan)  # the last row is that of nobody
        for column, name in enumerate(MEASURES):
            if name in frame.columns:
                self._values[:-1, column] = self._measure(name)
        names = read_texts(self._frame, subject, self._report).to_list() if frame.width else []
        firsts = [(name, self._rows.setdefault(name, row), row) for row, name in enumerate(names) if name is not None]
        told = self._values
        twice = [name for name, first, row in firsts if not np.array_equal(told[first], told[row], equal_nan=True)]
        if twice:
            found = f"different rows of {twice[0]!r}"
            self._tell_wrong("subject twice", "one row per subject", found, subject, len(twice))

    def _measure(self, name: str) -> Floats:
        """(S,) One measure of all subjects, NaN where it is not known or impossible."""
        (dtype, low, high), frame = MEASURES[name], self._frame
        if name in _WORDS and frame[name].dtype == pl.String:
            check_threads()
            codes = {word: str(code) for code, words in enumerate(_WORDS[name]) for word in words}
            lower = frame[name].str.strip_chars().str.to_lowercase()
            frame = frame.with_columns(pl.Series(name, [codes.get(word, word) for word in lower.to_list()], pl.String))
        values = read_numbers(frame, [name], self._report, dtype=pl.Float64, whole=dtype.is_integer())[:, 0]
        wrong = (values < low) | (values > high)
        if wrong.any():
            expected, found = f"{name} between {low} and {high}", f"{values[wrong][0]:g}"
            self._tell_wrong(f"impossible {name}", expected, found, name, int(wrong.sum()))
        return np.where(wrong, np.nan, values)

    def _tell_wrong(self, kind: str, expected: str, found: str, column: str = "", count: int = 1) -> None:
        place = f"column {column}" if column else ""
        self._report(Finding(kind, "error", expected, found, "correct the table of subjects", place, count))

    def of(self, subjects: pl.Series) -> list[pl.Series]:
        """Columns with all `MEASURES` of some subjects, null where not known."""
        names = subjects.to_list()
        self._asked |= dict.fromkeys(names)
        if not self._rows:  # several times as quick, where a server is asked about one recording
            return [unknown.new_from_index(0, len(names)) for unknown in _UNKNOWN]
        return _as_columns(self._values[[self._rows.get(name, -1) for name in names]])

    def value(self, subject: str, column: str) -> Any:
        """What a column of the table says of a subject; None where nothing is known."""
        if subject not in self._rows or column not in self._frame.columns:
            return None
        return self._frame[column][self._rows[subject]]

    def finish(self) -> None:
        """Report ids that seem to be written in another way here than in the recordings."""
        unknown = [name for name in self._asked if name not in self._rows]
        spellings = {_plain(name): name for name in self._rows if name not in self._asked}
        alike = [(name, spellings[_plain(name)]) for name in unknown if _plain(name) in spellings]
        if alike:
            expected, found = f"the subject {alike[0][0]!r}, as in the recordings", repr(alike[0][1])
        elif self._rows and 2 * len(unknown) > len(self._asked):
            expected = f"subjects of the recordings, such as {unknown[0]!r}"
            found = f"such as {next(iter(self._rows))!r}"
        else:
            return
        remedy = "write ids alike in both files: zeros in front, blanks and capitals count"
        count = len(alike) or len(unknown)
        self._report(Finding("ids of other subjects", "warning", expected, found, remedy, count=count))


def _as_columns(values: Floats) -> list[pl.Series]:
    """Columns of their types with (S, 7) measures, null where not known."""
    return [
        pl.Series(name, numbers, nan_to_null=True).cast(dtype, strict=False)
        for (name, (dtype, _, _)), numbers in zip(MEASURES.items(), values.T, strict=True)
    ]


_UNKNOWN = _as_columns(np.full((1, len(MEASURES)), np.nan))


def _plain(name: str) -> str:
    """An id without what gets lost on the way: blanks, capitals, zeros in front and a fraction of zero."""
    text = re.sub(r"(?<=\d)\.0+$", "", name.strip().casefold())
    return re.sub(r"(?<!\d)0+(?=\d)", "", text)
