"""What an Arrow IPC stream claims to hold, checked before anything is unpacked.

A few bytes can claim columns of any size, and a reader that believes them runs out of memory, which no handler
survives. Only flat tables of plain columns pass: numbers, texts, truth values, times.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bfrb.arrays import Array, Ints
from bfrb.read.claims import Budget, refused

_CONTINUES = 0xFFFFFFFF
_SCHEMA, _DICTIONARIES, _RECORD_BATCH = 1, 2, 3
"""Kinds of message."""

_PLAIN_TYPES = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18, 19, 20, 23, 24})
"""Types of columns without parts, of no width that the stream could choose."""

_EXTENSION = b"ARROW:extension"
_MAX_CACHED = 1 << 16


@dataclass(frozen=True)
class _Table:
    """A table of a FlatBuffer: where it lies, and where the offsets of its fields are."""

    data: memoryview
    at: int

    def field(self, number: int) -> int:
        """Place of a field; 0 if it is not set."""
        fields = self.at - self.read("<i", self.at)
        entry = 4 + 2 * number
        if entry + 2 > self.read("<H", fields):
            return 0
        offset = self.read("<H", fields + entry)
        return self.at + offset if offset else 0

    def read(self, form: str, place: int) -> int:
        """A number anywhere in the buffer."""
        if place < 0:
            raise struct.error("a place before the buffer")
        return int(struct.unpack_from(form, self.data, place)[0])

    def number(self, number: int, form: str) -> int:
        """A number of this table, 0 if it is not set."""
        place = self.field(number)
        return self.read(form, place) if place else 0

    def table(self, number: int) -> _Table | None:
        """A table within this one."""
        place = self.field(number)
        return _Table(self.data, place + self.read("<I", place)) if place else None

    def vector(self, number: int) -> tuple[int, int]:
        """Place and length of a vector's elements."""
        place = self.field(number)
        if not place:
            return 0, 0
        start = place + self.read("<I", place)
        return start + 4, self.read("<I", start)

    def pairs(self, number: int) -> Ints:
        """(n, 2) A vector of pairs of 64-bit numbers."""
        start, length = self.vector(number)
        if start + 16 * length > len(self.data):
            raise struct.error("a vector beyond the buffer")
        return np.frombuffer(self.data, np.dtype("<i8"), 2 * length, start).reshape(-1, 2)


def check_arrow(data: bytes) -> None:
    """Refuse a stream that claims more than may be unpacked, or columns that are not plain.

    Raises
    ------
    DataError
        Saying what it claims.
    """
    budget = Budget()
    try:
        for message, body in _messages(memoryview(data)):
            kind = message.number(1, "<B")
            if kind == _SCHEMA:
                _check_schema(message.data)
            elif kind == _RECORD_BATCH:
                _check_batch(message, body, budget)
            else:
                raise refused("plain columns", "encoded ones" if kind == _DICTIONARIES else f"a message of kind {kind}")
    except struct.error as error:
        raise refused("an Arrow IPC stream", f"damaged bytes ({error})") from None


def _messages(data: memoryview) -> Iterator[tuple[_Table, memoryview]]:
    at = 0
    while at + 4 <= len(data):
        (size,) = struct.unpack_from("<I", data, at)
        at += 4
        if size == _CONTINUES:
            (size,) = struct.unpack_from("<I", data, at)
            at += 4
        if not size:
            return
        if size > len(data) - at:
            raise struct.error("a message beyond the end")
        buffer = data[at : at + size]
        message = _Table(buffer, struct.unpack_from("<I", buffer)[0])
        at += size
        length = message.number(3, "<q")
        if not 0 <= length <= len(data) - at:
            raise struct.error("a body beyond the end")
        yield message, data[at : at + length]
        at += length


def _check_schema(buffer: memoryview) -> None:
    if len(buffer) <= _MAX_CACHED:
        _check_cached_schema(bytes(buffer))
    else:
        _check_fields(buffer)


@lru_cache(maxsize=8)
def _check_cached_schema(buffer: bytes) -> None:
    """The schema is the same in every request of an evaluation."""
    _check_fields(memoryview(buffer))


def _check_fields(buffer: memoryview) -> None:
    if _EXTENSION in bytes(buffer):
        raise refused("plain columns", "columns of an extension type")
    schema = _Table(buffer, struct.unpack_from("<I", buffer)[0]).table(2)
    start, count = schema.vector(1) if schema else (0, 0)
    for place in range(start, start + 4 * count, 4):
        column = _Table(buffer, place + struct.unpack_from("<I", buffer, place)[0])
        kind = column.number(2, "<B")
        if kind not in _PLAIN_TYPES or column.field(4) or column.vector(5)[1]:
            raise refused("plain columns", f"a nested, encoded or rare one (type {kind})")


def _check_batch(message: _Table, body: memoryview, budget: Budget) -> None:
    batch = message.table(2)
    if batch is None:
        raise struct.error("a record batch without content")
    lengths = batch.pairs(1)[:, 0]
    budget.take_values(batch.number(0, "<q"), *_sum(lengths))
    buffers = batch.pairs(2)
    unpacked = buffers[:, 1]
    if batch.field(3):
        unpacked = _claimed(buffers[buffers[:, 1] >= 8], body)
    budget.take_bytes(*_sum(unpacked))


def _claimed(buffers: Ints, body: memoryview) -> Ints:
    """(n,) The unpacked size that stands at the beginning of every packed buffer."""
    starts = buffers[:, 0]
    if len(starts) and not 0 <= starts.min() <= starts.max() <= len(body) - 8:
        raise struct.error("a buffer beyond the body")
    prefixes = np.frombuffer(body, np.uint8)[starts[:, None] + np.arange(8)] if len(starts) else np.empty((0, 8), "u1")
    claimed: Array = prefixes.view("<i8")[:, 0]
    return np.where(claimed == -1, buffers[:, 1], claimed)


def _sum(claims: Ints) -> tuple[int, int]:
    """Smallest of some claims (0 if none), and their sum; as floats a sum cannot overflow."""
    return int(claims.min(initial=0)), int(claims.sum(dtype=np.float64))
