"""Collections: the recordings of one source, read part by part when they are looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.errors import DataError
from bfrb.read.csv_blocks import Progress
from bfrb.read.ingest import ingest
from bfrb.read.sources import open_source, size_bytes
from bfrb.read.store import Store
from bfrb.study.recordings import Recordings
from bfrb.view.traces import Panel, make_panels

READ_WHOLE_BYTES = 64 << 20
"""Sources up to this size are kept in memory; larger ones are ingested to a temporary store first."""

KEPT_PARTS = 4
KEPT_PANELS = 3


@dataclass(frozen=True, eq=False)
class Collection:
    """R recordings in P parts, of which the few that were looked at last are kept in memory.

    Parameters
    ----------
    name, description
        Its name on the page, and where it comes from, in one line.
    held
        Recordings in memory, which are one part, or a store.
    """

    name: str
    description: str
    held: Recordings | Store

    def __len__(self) -> int:
        return len(self.held.lengths)

    @cached_property
    def columns(self) -> dict[str, list[Any]]:
        """(R,) values of the table's columns, by name."""
        return {name: self.held.table[name].to_list() for name in self.held.table.columns}

    @cached_property
    def part_sizes(self) -> list[int]:
        """(P,) recordings in every part."""
        return [len(self)] if isinstance(self.held, Recordings) else [p.recordings for p in self.held.manifest.parts]

    def load_part(self, part: int) -> Recordings:
        """Read a part."""
        return self.held if isinstance(self.held, Recordings) else self.held.read_part(part)

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
        return self._kept_part(part)[number - int(starts[part])]

    @cached_property
    def _kept_part(self) -> Callable[[int], Recordings]:
        return lru_cache(KEPT_PARTS)(self.load_part)

    @cached_property
    def panels(self) -> Callable[[int], tuple[Panel, ...]]:
        """Gives the panels of a recording by its number."""
        return lru_cache(KEPT_PANELS)(lambda number: make_panels(self.recording(number)))


def open_collection(path: Path, temporary: Path, dataset: Any = "auto", progress: Progress | None = None) -> Collection:
    """Open recordings to look at.

    Parameters
    ----------
    path, dataset
        As for `open_source`.
    temporary
        A folder that is ours: large sources are ingested to a store in it.
    progress
        Called with the share that is read.

    Raises
    ------
    DataError
        If they cannot be read.
    """
    source = open_source(path, dataset)
    held: Recordings | Store
    if isinstance(source, Store):
        held = source
    elif size_bytes(source) > READ_WHOLE_BYTES:
        held = ingest(path, Path(tempfile.mkdtemp(dir=temporary)) / "store", dataset=dataset, progress=progress)
    else:
        held = source.read()
    return Collection(path.resolve().name, source.describe(), held)
