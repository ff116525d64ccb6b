"""Payloads of Kaggle's evaluation protocol (`kaggle.proto`) as Python values. Nothing is unpickled."""

from __future__ import annotations

import io
from collections.abc import Callable
from tokenize import TokenError
from typing import Any

from numpy.lib.format import read_array

from bfrb.errors import DataError
from bfrb.read import frames
from bfrb.serve.kaggle_pb2 import Payload


def decode(payload: Payload) -> Any:
    """The value of a payload; DataError if there is none in it, or one that cannot be read.

    Pandas objects come as polars ones where pandas or pyarrow is not installed.

    Examples
    --------
    >>> decode(Payload(int_value=-3))
    -3
    """
    kind = payload.WhichOneof("value")
    if kind is None:
        raise DataError("expected a payload with a value, got one without", remedy="see kaggle.proto")
    return _DECODERS.get(kind, lambda value: value)(getattr(payload, kind))


def _only_column(frame: Any) -> Any:
    """The series in a frame of polars or pandas that has one column."""
    if frame.shape[1] != 1:
        raise DataError(f"expected a series, a table of one column, got {frame.shape[1]}", remedy="send one column")
    return frame[frame.columns[0]]


def _read_array(data: bytes) -> Any:
    try:
        return read_array(io.BytesIO(data), allow_pickle=False)
    except (ArithmeticError, EOFError, MemoryError, SyntaxError, TokenError, TypeError, ValueError) as error:
        problem = f"expected an array as .npy without pickle, but it cannot be read: {str(error)[:200]}"
        raise DataError(problem, remedy="write it with numpy.save") from None


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "none_value": lambda _: None,
    "list_value": lambda value: [decode(part) for part in value.payloads],
    "tuple_value": lambda value: tuple(decode(part) for part in value.payloads),
    "dict_value": lambda value: {key: decode(part) for key, part in value.payload_map.items()},
    "pandas_dataframe_value": frames.read_pandas,
    "polars_dataframe_value": frames.read_frame,
    "pandas_series_value": lambda data: _only_column(frames.read_pandas(data)),
    "polars_series_value": lambda data: _only_column(frames.read_parquet(data)),
    "numpy_array_value": _read_array,
    "numpy_scalar_value": lambda data: _read_array(data)[()],
    "bytes_io_value": io.BytesIO,
}
"""What makes values of what protobuf does not give as Python values already."""
