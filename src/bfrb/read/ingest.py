"""Ingest: any source to a store, in bounded memory."""

from __future__ import annotations

from pathlib import Path

from bfrb.read.csv_blocks import Progress
from bfrb.read.sources import open_source, size_bytes
from bfrb.read.store import Store, check_place, write_store

PART_ROWS = 30_000
"""Most rows of a part of the store: smaller ones take longer to write and compress less, larger ones more memory."""


def ingest(
    source: Path | str,
    out: Path | str,
    *,
    description: str = "auto",
    demographics: Path | str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Store:
    """Stream recordings into a store.

    `source`, `description`, `demographics`: as for `open_source`; `out`: the folder to be made; `overwrite`: whether a
    store that is there already is replaced. Raises `DataError` if the source cannot be used, or the place is taken or
    is that of the source; nothing is left behind then.
    """
    opened = open_source(source, description, demographics)
    check_place(Path(out), overwrite, opened.paths)
    parts, size = opened.batches(PART_ROWS, progress), size_bytes(opened)
    name = opened.paths[0].resolve().name
    return write_store(parts, out, source=name, source_bytes=size, label_set=opened.label_set, overwrite=overwrite)
