"""What the bytes of a Parquet file claim to hold, checked before anything is unpacked.

The footer and the header of every page are read; only flat tables of plain columns pass.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from bfrb.read.claims import Budget, refused

_MAGIC = b"PAR1"
_MAX_DEPTH = 12
_FIXED_LENGTH = 7
_DOUBLE, _BINARY, _STRUCT = 7, 8, 12
_TRUE, _FALSE, _INTEGERS, _LISTS, _MAP = 1, 2, (4, 5, 6), (9, 10), 11

_MISSING: dict[int, Any] = {}


@dataclass
class _Thrift:
    """Reads structures in Thrift's compact form: dicts by field number."""

    data: memoryview
    at: int = 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise struct.error("a number without end")

    def signed(self) -> int:
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def structure(self, depth: int = 0) -> dict[int, Any]:
        if depth > _MAX_DEPTH:
            raise struct.error("structures within each other")
        found: dict[int, Any] = {}
        number = 0
        while head := self.byte():
            number = number + (head >> 4) if head >> 4 else self.signed()
            kind = head & 15
            found[number] = kind == _TRUE if kind in (_TRUE, _FALSE) else self.value(kind, depth)
        return found

    def value(self, kind: int, depth: int) -> Any:
        if kind in _INTEGERS:
            return self.signed()
        if kind == _BINARY:
            return self._skip(self.varint())
        if kind == _STRUCT:
            return self.structure(depth + 1)
        if kind in _LISTS:
            return self._list(depth + 1)
        if kind == _MAP:
            return self._map(depth + 1)
        return self._skip(8 if kind == _DOUBLE else 1)

    def _skip(self, size: int) -> None:
        if size > len(self.data) - self.at:
            raise struct.error("a value beyond the end")
        self.at += size

    def _list(self, depth: int) -> list[Any]:
        head = self.byte()
        size = head >> 4 if head >> 4 < 15 else self.varint()
        if size > len(self.data) - self.at or depth > _MAX_DEPTH:
            raise struct.error("a list beyond the end")
        return [self.value(head & 15, depth) for _ in range(size)]

    def _map(self, depth: int) -> None:
        size = self.varint()
        if size > len(self.data) - self.at or depth > _MAX_DEPTH:
            raise struct.error("a map beyond the end")
        kinds = self.byte() if size else 0
        for _ in range(size):
            self.value(kinds >> 4, depth)
            self.value(kinds & 15, depth)


def check_parquet(data: bytes) -> None:
    """Refuse a file that claims more than may be unpacked, or columns that are not plain.

    Raises
    ------
    DataError
        Saying what it claims.
    """
    try:
        footer = _footer(memoryview(data))
        _check_schema(footer[2])
        budget = Budget()
        budget.take_values(footer[3] * (len(footer[2]) - 1))
        rows = 0
        for group in footer.get(4, []):
            rows += group[3]
            for chunk in group[1]:
                _check_pages(memoryview(data), chunk[3], group[3], budget)
    except (struct.error, IndexError, KeyError, TypeError, AttributeError) as error:
        raise refused("Parquet", f"damaged bytes ({type(error).__name__})") from None
    if rows != footer[3]:
        raise refused(f"the {footer[3]:,} rows that the file claims", f"row groups with {rows:,}")


def _footer(data: memoryview) -> dict[int, Any]:
    if len(data) < 12 or data[-4:] != _MAGIC:
        raise struct.error("no magic bytes at the end")
    (size,) = struct.unpack_from("<I", data, len(data) - 8)
    if size > len(data) - 12:
        raise struct.error("a footer beyond the beginning")
    return _Thrift(data[len(data) - 8 - size : -8]).structure()


def _check_schema(elements: list[dict[int, Any]]) -> None:
    """The first element is the table, the others are its columns."""
    is_flat = elements[0].get(5) == len(elements) - 1 and not any(5 in element for element in elements[1:])
    if not is_flat or any(element[1] == _FIXED_LENGTH or element.get(3, 0) > 1 for element in elements[1:]):
        raise refused("plain columns", "nested, repeated or fixed-length ones")


def _check_pages(data: memoryview, chunk: dict[int, Any], rows: int, budget: Budget) -> None:
    start = min(chunk[9], chunk.get(11) or chunk[9])
    end = start + chunk[7]
    if not 0 <= start <= end <= len(data) or chunk[5] != rows:
        raise struct.error("a column beyond the end")
    reader, values = _Thrift(data[:end], start), 0
    while reader.at < end and values < rows:
        page = reader.structure()
        budget.take_bytes(page[2], 0)
        reader.at += page[3]
        if page[3] < 0 or reader.at > end:
            raise struct.error("a page beyond the column")
        values += (page.get(5) or page.get(8) or _MISSING).get(1, 0)
        _check_dictionary(page)
    if values != rows:
        raise refused(f"{rows:,} values in a column", f"pages with {values:,}")


def _check_dictionary(page: dict[int, Any]) -> None:
    """A dictionary of values cannot have more of them than bits."""
    count = page.get(7, _MISSING).get(1, 0)
    if not 0 <= count <= 8 * page[2] or any(page.get(kind, _MISSING).get(1, 0) < 0 for kind in (5, 8)):
        raise refused("a dictionary of plain values", f"a claim of {count:,}")
