"""Ingest: any source to a store, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from bfrb.read.csv_blocks import Progress
from bfrb.read.sources import CmiSource, Dataset, Source, open_source
from bfrb.read.store import Store, check_place, write_store
from bfrb.study.recordings import Recordings

PART_ROWS = 30_000
"""Rows of a part of the store: smaller parts take longer to write and compress less, larger ones take more memory."""


def ingest(
    source: Path | str,
    out: Path | str,
    *,
    dataset: Dataset = "auto",
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
        If the source cannot be used, or the place is taken; nothing is left behind then.
    """
    check_place(Path(out), overwrite)
    opened = open_source(source, dataset, demographics)
    batches: Iterator[Recordings] = opened.batches(progress=progress)
    name, size = _identify(opened, Path(source))
    return write_store(_joined(batches, PART_ROWS), out, source=name, source_bytes=size, overwrite=overwrite)


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


def _identify(opened: Source, path: Path) -> tuple[str, int]:
    """Name and size of what is read, without the folders it lies in."""
    if isinstance(opened, CmiSource):
        path = opened.file.path
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return path.resolve().name, sum(file.stat().st_size for file in files)
