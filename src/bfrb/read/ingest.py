"""Ingest: any source to a store, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from bfrb.read.csv_blocks import Progress
from bfrb.read.sources import open_source, size_bytes
from bfrb.read.store import Store, check_place, write_store
from bfrb.study.recordings import Recordings

PART_ROWS = 30_000
"""Rows of a part of the store: smaller parts take longer to write and compress less, larger ones take more memory."""


def ingest(
    source: Path | str,
    out: Path | str,
    *,
    dataset: str = "auto",
    demographics: Path | str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Store:
    """Stream recordings into a store.

    Parameters
    ----------
    source, dataset, demographics
        As for `open_source`.
    out
        The folder to be made.
    overwrite
        Whether a store that is there already is replaced.
    progress
        Called with the share of the source that is done.

    Raises
    ------
    DataError
        If the source cannot be used, or the place is taken or is that of the source; nothing is left behind then.
    """
    opened = open_source(source, dataset, demographics)
    check_place(Path(out), overwrite, opened.paths)
    parts, size = _joined(opened.batches(progress=progress), PART_ROWS), size_bytes(opened)
    name = opened.paths[0].resolve().name
    return write_store(parts, out, source=name, source_bytes=size, label_set=opened.label_set, overwrite=overwrite)


def _joined(batches: Iterable[Recordings], rows: int) -> Iterator[Recordings]:
    """The same recordings in batches of at least so many rows, but for the last."""
    waiting: list[Recordings] = []
    for batch in batches:
        waiting.append(batch)
        if sum(part.n_rows for part in waiting) >= rows:
            yield Recordings.concat(waiting)
            waiting = []
    if waiting:
        yield Recordings.concat(waiting)
