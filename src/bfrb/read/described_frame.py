"""Recordings in a frame in memory, read as a description says."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from bfrb.errors import DataError
from bfrb.read.described_source import DescribedSource
from bfrb.read.frames import from_pandas, is_pandas
from bfrb.study.description import Description
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings

NAME = "frame"
"""What stands for the names of file and folder, `{path}`, `{file}` and `{folder}`, in names of recordings."""


def read_described_frame(frame: Any, description: Description, device: Device | None = None) -> Recordings:
    """Recordings of a polars or pandas frame with the columns that a description names.

    Parameters
    ----------
    frame
        One row per sample.
    description
        How it is read; its `[recordings]` names recordings and subjects by columns, if there are several.
    device
        The device of a bundle that is to answer, as for `bfrb.read.sources.open_source`.

    Raises
    ------
    DataError
        If it is no frame, lacks a column, or has times that fall.
    """
    table = from_pandas(frame) if is_pandas(frame) else frame
    if not isinstance(table, pl.DataFrame):
        raise DataError(
            f"expected a path, or a frame of polars or pandas, got {type(frame).__name__}",
            remedy="name a file or folder, or make a frame",
        )
    with TemporaryDirectory() as folder:
        path = Path(folder, NAME, f"{NAME}.parquet")
        path.parent.mkdir()
        table.write_parquet(path)
        return DescribedSource(path, description, device).read()
