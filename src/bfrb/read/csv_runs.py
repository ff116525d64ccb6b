"""Columns of small whole numbers that stand next to each other in a CSV file, read as one, without a CSV parser.

A full-size study in the CMI layout is 1.1 GB of text, nearly all of it the 320 pixels of time of flight, spelt in a few
hundred ways ("131.0", "-1.0", ""). A general parser takes 8 s of processor time for them, NumPy 2.5 s (2026-11-27, AMD
EPYC, Zen 2): it finds the ends of all fields of a slice, joins the characters in front of each to one number, and looks
up what that means. The readings then lie row by row, as they are used.

Only plain spellings are known here. A block with anything else is left to the parser as a whole, so that nothing is
read, or found to be wrong, in another way.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Ints

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int16]

_SLICE_BYTES = 1 << 20  # of smaller ones the threads wait for each other, larger ones leave the processor's cache
PARTS = 4
"""Of a block, for as many threads or fewer; two parts would end at different times."""

_COMMA, _NEWLINE = b",\n"
_UNUSUAL = (b'"', b"\r", b"\0")  # quoted fields, line ends that a field would end with, binary data

_OTHER = 15
"""Code of characters that are in no plain number; the code of a comma is 0, those of "-./0123456789" follow."""
_BEFORE = 8
"""Such codes before every slice, so that there is something in front of its first fields."""
_UNKNOWN = np.iinfo(np.int16).max
_SMALLEST, _LARGEST = -99, 999  # no more than three characters


@dataclass(frozen=True)
class Run:
    """Columns of small whole numbers that are read as one column of arrays.

    Parameters
    ----------
    name
        Name of the one column.
    columns
        Their names, in the order of an array.
    absent
        Stands for an empty field.
    """

    name: str
    columns: tuple[str, ...]
    absent: int

    def place(self, header: Sequence[str]) -> PlacedRun | None:
        """Where the run is in a file, in whatever order; None if its columns are apart, or nothing is before them."""
        if not set(self.columns) <= set(header):
            return None
        positions = [header.index(name) for name in self.columns]
        first, stop = min(positions), max(positions) + 1
        if not first or stop - first != len(positions):
            return None
        return PlacedRun(self, tuple(header), first, stop)


@dataclass(frozen=True)
class PlacedRun:
    """A run in a file of which the header is known.

    Parameters
    ----------
    run
        What is read.
    header
        Names of all columns of the file.
    first, stop
        Ints of the first column of the run, and of the one after the last.
    """

    run: Run
    header: tuple[str, ...]
    first: int
    stop: int

    @property
    def rest(self) -> tuple[str, ...]:
        """Names of the columns that are not of the run."""
        return self.header[: self.first] + self.header[self.stop :]

    @cached_property
    def order(self) -> Any:
        """What brings the columns of a slice into the order of the run."""
        order = [self.header.index(name) - self.first for name in self.run.columns]
        return slice(None) if order == list(range(len(order))) else order

    def split(self, block: bytes, pool: Executor) -> tuple[list[Numbers], bytes] | None:
        """(n, C) numbers of the run, slice by slice, and the lines without it; None unless all is spelt plainly.

        Parameters
        ----------
        block
            Whole lines.
        pool
            Threads that share the work.
        """
        ended = block if block.endswith(b"\n") else block + b"\n"
        parts = list(pool.map(lambda part: self._split_part(ended, part), _cut(ended, range(len(ended)), PARTS)))
        if None in parts:
            return None
        slices = [piece for part in parts for piece in part or ()]
        rest = b"".join(rest for _, rest in slices)
        return ([numbers for numbers, _ in slices], rest) if _is_plain(rest) else None

    def _split_part(self, block: bytes, part: range) -> list[tuple[Numbers, bytes]] | None:
        text = np.frombuffer(block, np.uint8)
        slices = []
        for piece in _cut(block, part, -(-len(part) // _SLICE_BYTES)):
            split = self._split_slice(text[piece.start : piece.stop])
            if split is None:
                return None
            slices.append(split)
        return slices

    def _split_slice(self, text: Bytes) -> tuple[Numbers, bytes] | None:
        ends = _ends_of_fields(text, len(self.header))
        if ends is None:
            return None
        numbers = self._numbers(text, ends)
        if numbers.max() == _UNKNOWN:
            return None
        return numbers[:, self.order], _without_columns(text, ends, self.first, self.stop)

    def _numbers(self, text: Bytes, ends: Ints) -> Numbers:
        """(N, C) What the run's fields say, in the order of the file; `_UNKNOWN` where that is unclear."""
        pairs = _pairs_of_codes(text)

        def pairs_before(distance: int) -> Bytes:
            taken = pairs[_BEFORE - distance :].take(ends.ravel()).reshape(ends.shape)
            return taken[:, self.first : self.stop]

        whole, decimal = _meanings(self.run.absent)
        last, middle = pairs_before(2), pairs_before(4)
        has_decimal = last == _POINT_ZERO
        numbers = decimal.take(_joined(pairs_before(6), middle))
        return numbers if has_decimal.all() else np.where(has_decimal, numbers, whole.take(_joined(middle, last)))


def _cut(block: bytes, part: range, count: int) -> list[range]:
    """A part of a block cut into about as many pieces of whole lines."""
    targets = np.linspace(part.start, part.stop, count + 1).astype(int)[1:-1]
    inner = [block.rfind(b"\n", part.start, target) + 1 for target in targets]
    bounds = sorted({part.start, *(bound for bound in inner if bound), part.stop})
    return [range(start, stop) for start, stop in pairwise(bounds)]


def _is_plain(text: bytes) -> bool:
    """Whether a parser finds the same fields and lines in a text as there are commas and line ends."""
    if any(character in text for character in _UNUSUAL):
        return False
    try:
        return text.isascii() or bool(text.decode())
    except UnicodeDecodeError:
        return False


def _ends_of_fields(text: Bytes, columns: int) -> Ints | None:
    """(N, columns) Ints of the commas and line ends; None if a line has fewer or more of them."""
    is_end = text == _NEWLINE
    lines = np.count_nonzero(is_end)
    is_end |= text == _COMMA
    ends = np.flatnonzero(is_end)
    if len(ends) != lines * columns:
        return None
    by_line = ends.reshape(lines, columns)
    return by_line if (text[by_line[:, -1]] == _NEWLINE).all() else None


def _pairs_of_codes(text: Bytes) -> Bytes:
    """Codes of every character and the one after it, as one number each; `_BEFORE` more in front."""
    other = np.full(_BEFORE + len(text), _OTHER, np.uint8)
    codes = other.copy()
    np.subtract(text, _COMMA, out=codes[_BEFORE:])
    np.minimum(codes, other, out=codes)  # with a number instead of `other` this takes 20 times as long
    pairs = codes[:-1] * np.uint8(16)
    pairs += codes[1:]
    return pairs


def _joined(high: Bytes, low: Bytes) -> npt.NDArray[np.uint16]:
    """Two pairs of codes as one number."""
    joined = high.astype(np.uint16)
    joined <<= 8
    joined |= low
    return joined


def _code(text: str) -> int:
    """The codes of some characters as one number."""
    return int("".join(f"{ord(character) - _COMMA:x}" for character in text), 16)


_POINT_ZERO = _code(".0")


@lru_cache(maxsize=8)
def _meanings(absent: int) -> tuple[Numbers, Numbers]:
    """What the four characters before the end of a field mean, and those before a final ".0"."""
    decimal = np.full(16**4, _UNKNOWN, np.int16)
    for number in range(_SMALLEST, _LARGEST + 1):
        spelling = f",{number}"  # the end of the field before; what precedes it does not matter
        decimal[_code(spelling) :: 16 ** len(spelling)] = number
    whole = decimal.copy()
    whole[_code(",") :: 16] = absent
    return whole, decimal


def _without_columns(text: Bytes, ends: Ints, first: int, stop: int) -> bytes:
    """The lines without the columns from `first` to `stop`."""
    after = ends[:, -1] + 1
    starts = np.stack([np.append(0, after[:-1]), ends[:, stop - 1] + 1], axis=1).ravel()
    lengths = np.stack([ends[:, first - 1] + 1, after], axis=1).ravel() - starts
    stops = np.cumsum(lengths)
    rest = text.take(np.repeat(starts - stops + lengths, lengths) + np.arange(stops[-1]))
    rest[stops[1::2] - 1] = _NEWLINE  # a comma, where the run is at the end of the line
    return rest.tobytes()
