"""The test set as Kaggle's gateway reads it: types inferred from the first rows, one request a sequence."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from bfrb.errors import DataError
from bfrb.read.cmi_write import ID
from bfrb.read.csv_blocks import check_wanted
from bfrb.read.demographics import SUBJECT
from bfrb.read.frames import refusing
from bfrb.study.device import HELIOS

Requests = Mapping[str, tuple[pl.DataFrame, pl.DataFrame]]
"""By id the rows of every sequence, and the row of its subject, as they are sent."""

_PROXIMITY = pl.selectors.by_name(
    *(column for name in HELIOS.names_of("proximity") for column in HELIOS.sensor(name).columns), require_all=False
)


def read_requests(test: Path, demographics: Path) -> Requests:
    """The sequences of a test set and their subjects, from two CSV files; no rows for a subject that is not known.

    Raises `DataError` if a file is missing or cannot be read.
    """
    rows, subjects = _read_csv(test, ID, SUBJECT), _read_csv(demographics, SUBJECT)
    parts = rows.partition_by(ID, maintain_order=True)
    return {str(part[ID][0]): (part, subjects.filter(pl.col(SUBJECT) == part[SUBJECT][0])) for part in parts}


def proximity_as_text(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows with thermopile and time-of-flight columns as texts such as "23.403421" and "-1.0"."""
    return rows.with_columns(_PROXIMITY.cast(pl.Float64).cast(pl.String))


def without_proximity(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows with thermopile and time-of-flight columns null, of the types they had."""
    return rows.with_columns(pl.when(pl.lit(value=False)).then(_PROXIMITY))


def _read_csv(path: Path, *required: str) -> pl.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: no such file", remedy="check the path")
    with refusing(f"{path} to be a CSV file"):
        frame = pl.read_csv(path)
    check_wanted(path, frame.columns, required)
    return frame
