"""The wire format of Protocol Buffers: fields of a message to bytes and back.

Only what the evaluation protocol needs, and exactly as every other implementation reads it: unknown fields are skipped,
and whatever a sender claims is checked against the bytes that are there.
"""

from __future__ import annotations

from collections.abc import Iterator

from bfrb.errors import BfrbError

VARINT, FIXED64, BYTES, GROUP, END_GROUP, FIXED32 = range(6)
"""Wire types: how the value of a field is written."""

_FIXED = {FIXED64: 8, FIXED32: 4}
_UINT64 = (1 << 64) - 1
MAX_GROUPS = 32

Field = tuple[int, int, "int | memoryview"]
"""Number of a field, its wire type, and its value: an integer for `VARINT`, else the bytes."""


class ProtocolError(BfrbError):
    """A message that breaks the evaluation protocol, or a value that the protocol cannot carry."""


def broken(problem: str) -> ProtocolError:
    """The error for bytes that are no message."""
    return ProtocolError(problem, remedy="send a message as kaggle.proto describes it")


def read_fields(message: memoryview) -> Iterator[Field]:
    r"""The fields of a message in their order; groups, an abandoned form of field, are skipped.

    Raises
    ------
    ProtocolError
        If the bytes are no message; what came before is yielded first.

    Examples
    --------
    >>> [(number, bytes(value)) for number, _, value in read_fields(memoryview(b"\x0a\x02hi"))]
    [(1, b'hi')]
    """
    groups: list[int] = []
    at, end = 0, len(message)
    while at < end:
        key, at = _read_varint(message, at)
        number, wire_type = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise broken(f"expected a field number from 1 to 2^29 - 1, got {number}")
        if wire_type in (GROUP, END_GROUP):
            _track(groups, number, begins=wire_type == GROUP)
            continue
        value, at = _read_value(message, at, wire_type)
        if not groups:
            yield number, wire_type, value
    if groups:
        raise broken("expected the end of a group, got the end of the message")


def _track(groups: list[int], number: int, *, begins: bool) -> None:
    if begins:
        if len(groups) == MAX_GROUPS:
            raise broken(f"expected at most {MAX_GROUPS} groups within each other")
        groups.append(number)
    elif not groups or groups.pop() != number:
        raise broken("expected the end of the group that began last")


def _read_value(message: memoryview, at: int, wire_type: int) -> tuple[int | memoryview, int]:
    if wire_type == VARINT:
        return _read_varint(message, at)
    if wire_type == BYTES:
        size, at = _read_varint(message, at)
    elif wire_type in _FIXED:
        size = _FIXED[wire_type]
    else:
        raise broken(f"expected a wire type from 0 to 5, got {wire_type}")
    if size > len(message) - at:
        raise broken(f"expected the {size} bytes that a field claims, got {len(message) - at}")
    return message[at : at + size], at + size


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    for position in range(at, min(at + 10, len(message))):
        byte = message[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _UINT64, position + 1
        shift += 7
    raise broken("expected the end of a number, got the end of the message or a tenth byte")


def varint(value: int) -> bytes:
    """A number from 0 to 2^64 - 1, seven bits a byte.

    Examples
    --------
    >>> varint(300).hex()
    'ac02'
    """
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def number_field(number: int, value: int) -> bytes:
    """A field that holds a number."""
    return varint(number << 3 | VARINT) + varint(value)


def bytes_field(number: int, value: bytes) -> bytes:
    """A field that holds a text in UTF-8, a message, or any bytes."""
    return b"".join((varint(number << 3 | BYTES), varint(len(value)), value))


def fixed32_field(number: int, value: bytes) -> bytes:
    """A field that holds four bytes."""
    return varint(number << 3 | FIXED32) + value


def zigzag(value: int) -> int:
    """A signed number as the unsigned one that a `sint64` is written as.

    Examples
    --------
    >>> [zigzag(value) for value in (0, -1, 1, -2)]
    [0, 1, 2, 3]
    """
    return value << 1 ^ value >> 63


def unzigzag(value: int) -> int:
    """The signed number that `zigzag` made an unsigned one of."""
    return value >> 1 ^ -(value & 1)
