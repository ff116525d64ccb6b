"""Arrays as `.npy` bytes, from senders that are not trusted: nothing is unpickled, and no claim of size is believed."""

from __future__ import annotations

import ast
import io
import math
import struct
from typing import Any

import numpy as np
from numpy.lib.format import MAGIC_PREFIX, descr_to_dtype, write_array

from bfrb.arrays import Array
from bfrb.serve.wire import ProtocolError, broken

_HEADER_SIZES = {1: "<H", 2: "<I", 3: "<I"}
"""How the length of the header is written, by version of the format."""

_MAX_HEADER = 10_000


def read_npy(data: memoryview) -> Array:
    """The array; a copy of the bytes.

    Raises
    ------
    ProtocolError
        If the bytes are no array, need unpickling, or are fewer than claimed.
    """
    try:
        shape, is_fortran, dtype, body = _read_header(data)
    except (ValueError, KeyError, TypeError, SyntaxError, RecursionError, MemoryError, struct.error) as error:
        raise broken(f"expected an array as .npy, got other bytes ({type(error).__name__})") from None
    # The order of these checks matters: each keeps the next one from believing a claim.
    if dtype.hasobject or not dtype.itemsize:
        raise broken(f"expected an array of plain values, got {dtype}; nothing is unpickled")
    if not isinstance(shape, tuple) or not all(type(length) is int and length >= 0 for length in shape):
        raise broken(f"expected a shape of whole numbers, got {shape}")
    if math.prod(shape) * dtype.itemsize != len(body):
        raise broken(f"expected an array of shape {shape[:4]} and type {dtype}, got {len(body)} bytes")
    values = np.frombuffer(body, dtype).copy() if len(body) else np.empty(0, dtype)
    try:
        return values.reshape(shape, order="F" if is_fortran else "C")
    except (ValueError, OverflowError):
        raise broken(f"expected a shape that an array can have, got {len(shape)} dimensions") from None


def _read_header(data: memoryview) -> tuple[Any, bool, np.dtype[Any], memoryview]:
    """Shape, order and type as they are claimed, and the bytes after the header."""
    start = len(MAGIC_PREFIX) + 2
    if bytes(data[: len(MAGIC_PREFIX)]) != MAGIC_PREFIX:
        raise ValueError("no magic bytes")
    form = _HEADER_SIZES[data[start - 2]]
    (size,) = struct.unpack_from(form, data, start)
    start += struct.calcsize(form)
    if size > min(_MAX_HEADER, len(data) - start):
        raise ValueError("no end of the header")
    # A literal only: no name in it is looked up, and nothing is called.
    header = ast.literal_eval(str(data[start : start + size], "latin1").strip())
    dtype = descr_to_dtype(header["descr"])
    return header["shape"], bool(header["fortran_order"]), dtype, data[start + size :]


def write_npy(array: Array) -> bytes:
    """The array as `.npy`.

    Raises
    ------
    ProtocolError
        If its elements are Python objects.
    """
    file = io.BytesIO()
    try:
        write_array(file, array, version=(2, 0) if array.dtype.names else (1, 0), allow_pickle=False)
    except (ValueError, UnicodeError):
        raise ProtocolError(
            f"the protocol cannot carry an array of type {array.dtype}", remedy="give an array of numbers or texts"
        ) from None
    return file.getvalue()
