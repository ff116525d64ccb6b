"""Frames as bytes and back: Arrow IPC streams and Parquet, from senders that are not trusted."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
import polars as pl

from bfrb.errors import DataError
from bfrb.read.arrow_claims import check_arrow
from bfrb.read.claims import MAX_UNPACKED_BYTES, refused
from bfrb.read.parquet_claims import check_parquet

Frame = pl.DataFrame
Series = pl.Series

PARQUET_MAGIC = b"PAR1"

_SEND_AGAIN = "send the whole table, as an Arrow IPC stream or as Parquet"


def read_frame(data: bytes) -> Frame:
    """A frame from an Arrow IPC stream or, if it begins with PAR1, from Parquet.

    Raises
    ------
    DataError
        If it is neither, is damaged, or claims more than is there.
    """
    return read_parquet(data) if data.startswith(PARQUET_MAGIC) else read_arrow(data)


def read_arrow(data: bytes) -> Frame:
    """A frame from an Arrow IPC stream of any number of record batches, plain or compressed.

    Raises
    ------
    DataError
        If it is damaged, or claims more than is there.
    """
    check_arrow(data)
    with refusing("an Arrow IPC stream"):
        return pl.read_ipc_stream(data)


def read_parquet(data: bytes) -> Frame:
    """A frame from the bytes of a Parquet file.

    Raises
    ------
    DataError
        If it is damaged, or claims more than is there.
    """
    check_parquet(data)
    with refusing("Parquet"):
        return pl.read_parquet(data)


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn everything polars raises on damaged bytes into a `DataError`."""
    try:
        yield
    # A panic is how the native reader gives up on bytes that contradict themselves.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, MemoryError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise DataError(f"expected {what}, but it cannot be read: {reason}", remedy=_SEND_AGAIN) from None


def write_arrow(frame: Frame, compression: Any = "lz4") -> bytes:
    """A frame as Arrow IPC stream, texts in the form that every reader knows."""
    file = io.BytesIO()
    frame.write_ipc_stream(file, compression=compression, compat_level=pl.CompatLevel.oldest())
    return file.getvalue()


def write_parquet(frame: Frame) -> bytes:
    """A frame as Parquet."""
    file = io.BytesIO()
    frame.write_parquet(file, compression="lz4")
    return file.getvalue()


def only_column(frame: Frame) -> Series:
    """The column of a frame that has one.

    Raises
    ------
    DataError
        If it has none, or more.
    """
    if frame.width != 1:
        raise DataError(f"expected a series, a table of one column, got {frame.width}", remedy="send one column")
    return frame.to_series()


def is_pandas(value: Any) -> bool:
    """Whether it is a frame or a series of pandas."""
    return type(value).__module__.partition(".")[0] == "pandas" and type(value).__name__ in ("DataFrame", "Series")


def from_pandas(value: Any) -> Frame:
    """A frame or a series of pandas as a frame, its index left out; a series without a name is called 0."""
    if value.ndim == 2:
        return pl.DataFrame([_from_column(str(name), value[name]) for name in value.columns])
    return pl.DataFrame([_from_column(str(value.name if value.name is not None else 0), value)])


def _from_column(name: str, column: Any) -> Series:
    values = column.to_numpy()
    if values.dtype.kind in "iufb":
        return pl.Series(name, np.ascontiguousarray(values), nan_to_null=True)
    missing = column.isna().to_numpy()
    texts = [None if absent else str(value) for value, absent in zip(values.tolist(), missing.tolist(), strict=True)]
    return pl.Series(name, texts, dtype=pl.String)


def as_pandas(value: Frame | Series) -> Any:
    """A frame or a series of pandas, if that is installed; the same as before if not.

    Raises
    ------
    DataError
        If its texts are too long for it: pandas keeps every one on its own.
    """
    if find_spec("pandas") is None:
        return value
    import pandas as pd

    if isinstance(value, pl.Series):
        return pd.Series(_pandas_values(value), name=value.name)
    return pd.DataFrame({column.name: _pandas_values(column) for column in value.iter_columns()})


def _pandas_values(column: Series) -> Any:
    if column.dtype == pl.String and (column.str.len_bytes().sum() or 0) > MAX_UNPACKED_BYTES:
        raise refused("short texts", f"a column of more than {MAX_UNPACKED_BYTES >> 20} MiB")
    is_plain = column.dtype.is_numeric() and not column.dtype.is_decimal()
    return column.to_numpy() if is_plain or column.dtype == pl.Boolean else column.to_list()
