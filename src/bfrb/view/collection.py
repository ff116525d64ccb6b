"""Collections: the recordings of one source, read part by part when they are looked at."""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from bfrb.arrays import Bools, Ints
from bfrb.errors import DataError
from bfrb.read.csv_blocks import Progress
from bfrb.read.ingest import ingest
from bfrb.read.sources import open_source, size_bytes
from bfrb.read.store import Store
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings

READ_WHOLE_BYTES = 64 << 20
"""Sources up to this size are kept in memory; larger ones are ingested to a temporary store first."""

KEPT_PARTS = 4

LISTED = ("id", "subject", "gesture", "orientation")
"""Columns of the table of recordings that are listed and searched."""


Value = TypeVar("Value")


class Recent(Generic[Value]):
    """The values of the few numbers that were asked for last; each is made once at a time.

    Examples
    --------
    >>> squares = Recent(2)
    >>> [squares.get(number, lambda number: number**2) for number in (2, 3, 2)]
    [4, 9, 4]
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[int, Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, number: int, make: Callable[[int], Value]) -> Value:
        """The value of a number, made if it is not there any more."""
        with self._lock:
            if number not in self._values:
                self._values[number] = make(number)
            self._values.move_to_end(number)
            while len(self._values) > self._size:
                self._values.popitem(last=False)
            return self._values[number]


@dataclass(frozen=True, eq=False)
class Collection:
    """R recordings in P parts, of which the last few that were looked at are kept in memory.

    Parameters
    ----------
    name
        Its name on the page.
    description
        Where it comes from, in one line.
    device, simulated
        As of `Recordings`.
    lengths
        (R,) rows per recording.
    columns
        (R,) values of the table's columns, by name.
    part_sizes
        (P,) recordings in every part.
    load_part
        Reads a part.
    """

    name: str
    description: str
    device: Device
    simulated: bool
    lengths: Ints
    columns: Mapping[str, list[Any]]
    part_sizes: tuple[int, ...]
    load_part: Callable[[int], Recordings]
    _kept: Recent[Recordings] = field(default_factory=lambda: Recent(KEPT_PARTS), repr=False)

    def __len__(self) -> int:
        return len(self.lengths)

    def recording(self, number: int) -> Recordings:
        """A batch of one.

        Raises
        ------
        DataError
            If there is no such recording, or it cannot be read any more.
        """
        if not 0 <= number < len(self):
            raise DataError(f"there is no recording {number}; there are {len(self)}", remedy="choose one of the list")
        starts = np.cumsum((0, *self.part_sizes))
        part = int(np.searchsorted(starts, number, side="right")) - 1
        return self._kept.get(part, self.load_part)[number - int(starts[part])]


def open_collection(path: Path, temporary: Path, dataset: Any = "auto", tell: Progress | None = None) -> Collection:
    """Open recordings to look at.

    Parameters
    ----------
    path, dataset
        As for `open_source`.
    temporary
        A folder that is ours: large sources are ingested to a store in it.
    tell
        Told the share that is read.

    Raises
    ------
    DataError
        If they cannot be read.
    """
    source = open_source(path, dataset)
    name = path.resolve().name
    if isinstance(source, Store):
        return _from_store(name, source.describe(), source)
    if size_bytes(source) > READ_WHOLE_BYTES:
        place = Path(tempfile.mkdtemp(dir=temporary)) / "store"
        return _from_store(name, source.describe(), ingest(path, place, dataset=dataset, progress=tell))
    return from_recordings(name, source.describe(), source.read())


def from_recordings(name: str, description: str, recordings: Recordings) -> Collection:
    """A collection of recordings that are in memory."""
    return Collection(
        name,
        description,
        recordings.device,
        recordings.simulated,
        recordings.lengths,
        _columns(recordings.table),
        (len(recordings),),
        lambda _: recordings,
    )


def _from_store(name: str, description: str, store: Store) -> Collection:
    sizes = tuple(part.recordings for part in store.manifest.parts)
    columns = _columns(store.table)
    return Collection(name, description, store.device, store.simulated, store.lengths, columns, sizes, store.read_part)


def _columns(table: Any) -> dict[str, list[Any]]:
    return {name: table[name].to_list() for name in table.columns}


def find_missing(recordings: Recordings) -> list[str]:
    """(R,) What measured nothing in each recording: sensors, or the numbers of their parts, such as `thm, tof 5`."""
    by_sensor = [
        [_name_missing(name, pieces) for pieces in recordings.measured_pieces(name)] for name in recordings.sensors
    ]
    return [", ".join(filter(None, names)) for names in zip(*by_sensor, strict=True)]


def _name_missing(name: str, ever: Bools) -> str:
    if ever.all():
        return ""
    if not ever.any():
        return name
    return ", ".join(f"{name} {piece + 1}" for piece in np.flatnonzero(~ever))
