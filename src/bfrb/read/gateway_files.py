"""The test set as Kaggle's gateway reads it: types inferred from the first rows, one frame a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from bfrb.errors import DataError
from bfrb.read.cmi_layout import ID, SUBJECT
from bfrb.read.cmi_write import rows_of
from bfrb.read.demographics import no_demographics
from bfrb.read.frames import refusing
from bfrb.study.device import HELIOS, STANDARD_GRAVITY_M_S2
from bfrb.study.recordings import Recordings

_PROXIMITY = tuple(column for name in HELIOS.names_of("proximity") for column in HELIOS.sensor(name).columns)


@dataclass(frozen=True, eq=False)
class GatewayFiles:
    """A test set: its sequences and their subjects, with the types that they are sent with.

    Parameters
    ----------
    sequences
        The rows of every sequence, by id.
    demographics
        A row per subject.
    """

    sequences: Mapping[str, pl.DataFrame]
    demographics: pl.DataFrame

    @classmethod
    def read(cls, test: Path, demographics: Path) -> GatewayFiles:
        """Read the two files as the gateway does.

        Raises
        ------
        DataError
            If a file is missing or cannot be read.
        """
        rows, subjects = _read_csv(test, (ID, SUBJECT)), _read_csv(demographics, (SUBJECT,))
        parts = rows.partition_by(ID, maintain_order=True)
        return cls({str(part[ID][0]): part for part in parts}, subjects)

    @property
    def ids(self) -> list[str]:
        """The ids of the sequences, in the order of the file."""
        return list(self.sequences)

    def request(self, sequence_id: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The rows of a sequence, and the row of its subject; without rows if the subject is not known."""
        rows = self.sequences[sequence_id]
        return rows, self.demographics.filter(pl.col(SUBJECT) == rows[SUBJECT][0])


def proximity_as_text(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows with thermopile and time-of-flight columns as texts such as "23.403421" and "-1.0"."""
    return rows.with_columns(_proximity(rows).cast(pl.Float64).cast(pl.String))


def without_proximity(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows with thermopile and time-of-flight columns null, of the types they had."""
    nulls = [pl.lit(None, rows.schema[name]).alias(name) for name in _PROXIMITY if name in rows.columns]
    return rows.with_columns(nulls)


def no_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """The same columns without rows."""
    return frame.clear()


def _proximity(rows: pl.DataFrame) -> pl.Expr:
    return pl.col([name for name in _PROXIMITY if name in rows.columns])


def _read_csv(path: Path, required: tuple[str, ...]) -> pl.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: no such file", remedy="check the path")
    with refusing(f"{path} to be a CSV file"):
        frame = pl.read_csv(path)
    missing = [name for name in required if name not in frame.columns]
    if missing:
        raise DataError(f"{path}: expected the column {missing[0]}", remedy="name a file in the CMI layout")
    return frame


def still_recording(rows: int = 64) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of a made-up recording of a device at rest, and of its subject, as the gateway would send them."""
    still = {"acc": [0.0, 0.0, STANDARD_GRAVITY_M_S2], "quaternion": [1.0, 0.0, 0.0, 0.0], "thm": [27.0] * 5}
    sensors = {name: np.tile(np.array(values, np.float32), (rows, 1)) for name, values in still.items()}
    sensors["tof"] = np.full((rows, *HELIOS.sensor("tof").shape), -1, np.int16)
    table = pl.DataFrame({"id": ["still"], SUBJECT: ["nobody"]})
    return rows_of(Recordings(HELIOS, sensors, np.array([0, rows]), table)), no_demographics()
