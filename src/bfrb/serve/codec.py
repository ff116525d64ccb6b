"""Requests, responses and payloads of Kaggle's evaluation protocol: bytes to Python values and back.

A payload carries one value: None, a text, a number, a list, tuple or dict of payloads, a frame, a series, an array, or
bytes. What arrives is not trusted: nothing is unpickled, no claim of size is believed, and whatever is wrong becomes a
`ProtocolError` or a `DataError`.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bfrb.read import frames
from bfrb.serve.npy import read_npy, write_npy
from bfrb.serve.wire import (
    BYTES,
    FIXED32,
    VARINT,
    ProtocolError,
    broken,
    bytes_field,
    fixed32_field,
    number_field,
    read_fields,
    unzigzag,
    zigzag,
)

MAX_DEPTH = 48
"""Most lists, tuples and dicts within each other."""

MAX_FIELDS = 200_000
"""Most fields of a request, those of all its payloads together."""

NAME, ARGS, KWARGS = 1, 2, 3
"""Fields of a request."""

(
    STR,
    BOOL,
    INT,
    FLOAT,
    NONE,
    LIST,
    TUPLE,
    DICT,
    PANDAS_FRAME,
    POLARS_FRAME,
    PANDAS_SERIES,
    POLARS_SERIES,
    ARRAY,
    SCALAR,
    BYTES_IO,
) = range(1, 16)
"""Fields of a payload; exactly one of them is set."""

_WIRE_TYPES = dict.fromkeys(range(STR, BYTES_IO + 1), BYTES) | {
    BOOL: VARINT,
    INT: VARINT,
    NONE: VARINT,
    FLOAT: FIXED32,
}


@dataclass(frozen=True)
class Request:
    """A request whose payloads are not decoded yet.

    Parameters
    ----------
    name
        The endpoint that is asked.
    args, kwargs
        Its arguments as payloads.
    """

    name: str
    args: tuple[memoryview, ...]
    kwargs: Mapping[str, memoryview]

    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """The arguments as Python values.

        Raises
        ------
        ProtocolError, DataError
            If a payload cannot be decoded.
        """
        decoder = _Decoder()
        args = [decoder.payload(value) for value in self.args]
        return args, {name: decoder.payload(value) for name, value in self.kwargs.items()}


def decode_request(message: bytes) -> Request:
    """The name of the endpoint, and the payloads as they are.

    Raises
    ------
    ProtocolError
        If the bytes are no request.
    """
    decoder, name, args, entries = _Decoder(), "", [], []
    for number, value in decoder.messages(memoryview(message)):
        if number == NAME:
            name = _text(value)
        elif number == ARGS:
            args.append(value)
        elif number == KWARGS:
            entries.append(value)
    return Request(name, tuple(args), dict(map(decoder.entry, entries)))


def decode_response(message: bytes) -> Any:
    """The value of a response.

    Raises
    ------
    ProtocolError, DataError
        If the bytes are no response, or its payload cannot be decoded.
    """
    decoder = _Decoder()
    parts = [value for number, value in decoder.messages(memoryview(message)) if number == 1]
    if not parts:
        raise broken("expected a payload in the response, got none")
    return decoder.payload(_merged(parts))


def encode_request(name: str, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None) -> bytes:
    """A request.

    Raises
    ------
    ProtocolError
        If the protocol cannot carry an argument.
    """
    parts = [bytes_field(NAME, name.encode())]
    parts += [bytes_field(ARGS, encode_payload(value)) for value in args]
    parts += [bytes_field(KWARGS, _encode_entry(key, value, 0)) for key, value in (kwargs or {}).items()]
    return b"".join(parts)


def encode_response(value: Any) -> bytes:
    """A response.

    Raises
    ------
    ProtocolError
        If the protocol cannot carry the value.

    Examples
    --------
    >>> encode_response("Text on phone").hex(" ", 4)
    '0a 0f0a0d54 65787420 6f6e2070 686f6e65'
    """
    return bytes_field(1, encode_payload(value))


def decode_payload(payload: bytes) -> Any:
    """The value of a payload; pandas objects come as polars ones where pandas is not installed.

    Raises
    ------
    ProtocolError, DataError
        If the bytes are no payload, or hold something that cannot be decoded.

    Examples
    --------
    >>> decode_payload(encode_payload({"answer": [1, 0.5, None, (True, "yes")]}))
    {'answer': [1, 0.5, None, (True, 'yes')]}
    """
    return _Decoder().payload(memoryview(payload))


@dataclass
class _Decoder:
    """Decodes the parts of one request, within its limits."""

    fields_left: int = MAX_FIELDS
    depth: int = field(default=0)

    def fields(self, message: memoryview) -> Iterator[tuple[int, int, Any]]:
        for one in read_fields(message):
            self.fields_left -= 1
            if self.fields_left < 0:
                raise broken(f"expected at most {MAX_FIELDS} fields in a request, got more")
            yield one

    def messages(self, message: memoryview) -> Iterator[tuple[int, memoryview]]:
        """Numbers and values of the fields that hold bytes."""
        return ((number, value) for number, wire_type, value in self.fields(message) if wire_type == BYTES)

    def payload(self, message: memoryview) -> Any:
        which, value = 0, None  # type: tuple[int, Any]
        for number, wire_type, found in self.fields(message):
            if _WIRE_TYPES.get(number) != wire_type:
                continue
            # The last value counts; a message that comes again is added to the first, as in all of this wire format.
            again = number == which and number in (LIST, TUPLE, DICT)
            which, value = number, _merged([value, found]) if again else found
        if not which:
            raise broken("expected a payload with a value, got one without")
        if which in (LIST, TUPLE, DICT):
            return self._nested(which, value)
        return _SIMPLE[which](value)

    def _nested(self, which: int, message: memoryview) -> Any:
        if self.depth == MAX_DEPTH:
            raise broken(f"expected at most {MAX_DEPTH} lists, tuples and dicts within each other")
        self.depth += 1
        parts = [value for number, value in self.messages(message) if number == 1]
        if which == DICT:
            nested: Any = {key: self.payload(value) for key, value in map(self.entry, parts)}
        else:
            nested = [self.payload(value) for value in parts]
        self.depth -= 1
        return tuple(nested) if which == TUPLE else nested

    def entry(self, message: memoryview) -> tuple[str, memoryview]:
        """Key and payload of an entry of a map."""
        key, parts = "", []
        for number, value in self.messages(message):
            if number == 1:
                key = _text(value)
            elif number == 2:
                parts.append(value)
        return key, _merged(parts)


def _merged(parts: list[memoryview]) -> memoryview:
    """Messages as one: in this wire format that is one after the other."""
    return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))


def _text(value: memoryview) -> str:
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        raise broken("expected a text in UTF-8, got other bytes") from None


def _pandas_frame(value: memoryview) -> Any:
    return frames.as_pandas(frames.read_parquet(bytes(value)))


def _polars_series(value: memoryview) -> Any:
    return frames.only_column(frames.read_parquet(bytes(value)))


def _pandas_series(value: memoryview) -> Any:
    return frames.as_pandas(frames.only_column(frames.read_parquet(bytes(value))))


def _scalar(value: memoryview) -> Any:
    array = read_npy(value)
    if array.ndim:
        raise broken(f"expected a scalar without dimensions, got an array of shape {array.shape}")
    return array[()]


_SIMPLE: dict[int, Callable[[Any], Any]] = {
    STR: _text,
    BOOL: bool,
    INT: unzigzag,
    FLOAT: lambda value: struct.unpack("<f", value)[0],
    NONE: lambda _: None,
    PANDAS_FRAME: _pandas_frame,
    POLARS_FRAME: lambda value: frames.read_frame(bytes(value)),
    PANDAS_SERIES: _pandas_series,
    POLARS_SERIES: _polars_series,
    ARRAY: read_npy,
    SCALAR: _scalar,
    BYTES_IO: io.BytesIO,
}


def encode_payload(value: Any, depth: int = 0) -> bytes:
    """A payload that carries the value; texts of NumPy become plain ones.

    Parameters
    ----------
    depth
        How many lists, tuples and dicts the value lies in.

    Raises
    ------
    ProtocolError
        If the protocol cannot carry the value.
    """
    if isinstance(value, list | tuple | dict):
        return _encode_nested(value, depth + 1)
    for kind, encode in _ENCODERS:
        if isinstance(value, kind):
            return encode(value)
    if frames.is_pandas(value):
        which = PANDAS_FRAME if value.ndim == 2 else PANDAS_SERIES
        return bytes_field(which, frames.write_parquet(frames.from_pandas(value)))
    raise _cannot_carry(f"a value of type {type(value).__name__}")


def _encode_nested(value: Any, depth: int) -> bytes:
    if depth > MAX_DEPTH:
        raise _cannot_carry(f"lists, tuples and dicts more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        return bytes_field(DICT, b"".join(bytes_field(1, _encode_entry(*item, depth)) for item in value.items()))
    which = LIST if isinstance(value, list) else TUPLE
    return bytes_field(which, b"".join(bytes_field(1, encode_payload(one, depth)) for one in value))


def _encode_entry(key: Any, value: Any, depth: int) -> bytes:
    if not isinstance(key, str):
        raise _cannot_carry(f"a dict with the key {key!r}, which is no text")
    return bytes_field(1, _utf8(key)) + bytes_field(2, encode_payload(value, depth))


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise _cannot_carry(f"the text {text!r}, which has half a character") from None


def _uint64(value: int) -> int:
    if not -(1 << 63) <= value < 1 << 63:
        raise _cannot_carry(f"an integer of more than 64 bits ({value.bit_length()})")
    return zigzag(value)


def _float32(value: float) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", math.copysign(math.inf, value))


def _cannot_carry(what: str) -> ProtocolError:
    return ProtocolError(f"the protocol cannot carry {what}", remedy="answer with a plain text")


# In this order: scalars of NumPy are numbers or texts of Python as well, and a bool is an integer.
_ENCODERS: tuple[tuple[type, Callable[[Any], bytes]], ...] = (
    (type(None), lambda _: number_field(NONE, 1)),
    (str, lambda value: bytes_field(STR, _utf8(value))),
    (np.generic, lambda value: bytes_field(SCALAR, write_npy(np.asarray(value)))),
    (bool, lambda value: number_field(BOOL, value)),
    (int, lambda value: number_field(INT, _uint64(value))),
    (float, lambda value: fixed32_field(FLOAT, _float32(value))),
    (np.ndarray, lambda value: bytes_field(ARRAY, write_npy(value))),
    (io.BytesIO, lambda value: bytes_field(BYTES_IO, value.getvalue())),
    (frames.Frame, lambda value: bytes_field(POLARS_FRAME, frames.write_arrow(value))),
    (frames.Series, lambda value: bytes_field(POLARS_SERIES, frames.write_parquet(value.to_frame()))),
)
