"""Frames as bytes (Arrow IPC streams and Parquet) and back, and to and from pandas."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import polars as pl

from bfrb.errors import DataError
from bfrb.processes import check_threads

PARQUET_MAGIC = b"PAR1"

_SEND_AGAIN = "send the whole table as an Arrow IPC stream or as Parquet, or copy the file again"


def read_frame(data: bytes) -> pl.DataFrame:
    """A frame from an Arrow IPC stream, plain or compressed, or, if it begins with PAR1, from Parquet.

    Raises `DataError` if it is neither, or damaged.
    """
    check_threads()
    is_parquet = data.startswith(PARQUET_MAGIC)
    with refusing("Parquet" if is_parquet else "an Arrow IPC stream"):
        return pl.read_parquet(data) if is_parquet else pl.read_ipc_stream(data)


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn what readers raise on damaged bytes into a `DataError`."""
    try:
        yield
    # A panic is how the native reader gives up on bytes that contradict themselves.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, MemoryError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise DataError(f"expected {what}, but it cannot be read: {reason}", remedy=_SEND_AGAIN) from None


def write_arrow(frame: pl.DataFrame) -> bytes:
    """A frame as Arrow IPC stream, texts in the form that every reader knows."""
    file = io.BytesIO()
    frame.write_ipc_stream(file, compression="lz4", compat_level=pl.CompatLevel.oldest())
    return file.getvalue()


def as_polars(value: Any, what: str) -> pl.DataFrame:
    """A frame of polars or of pandas, its index left out, as one of polars; an empty one for None.

    Raises `DataError` if it is something else, or two columns have the same name.
    """
    if value is None:
        return pl.DataFrame()
    if isinstance(value, pl.DataFrame):
        return value
    kind = type(value)
    if kind.__module__.partition(".")[0] != "pandas" or kind.__name__ != "DataFrame":
        raise DataError(f"expected {what} as a polars or pandas frame, got {kind.__name__}", remedy="give a frame")
    names = [str(name) for name in value.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{what}: the column {twice!r} comes twice", remedy="give every column a name of its own")
    return pl.DataFrame([_from_column(name, value[column]) for name, column in zip(names, value, strict=True)])


def _from_column(name: str, column: Any) -> pl.Series:
    values = column.to_numpy()
    if values.dtype.kind in "iufb":
        return pl.Series(name, np.ascontiguousarray(values), nan_to_null=True)
    missing = column.isna().to_numpy()
    texts = [None if absent else str(value) for value, absent in zip(values.tolist(), missing.tolist(), strict=True)]
    return pl.Series(name, texts, dtype=pl.String)
