"""Ingest: any source to a store, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bfrb.data.csv_blocks import Progress
from bfrb.data.recordings import Recordings
from bfrb.data.sources import CmiSource, Dataset, Source, open_source
from bfrb.data.store import Store, check_place, write_store


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
    return write_store(batches, out, source=name, source_bytes=size, overwrite=overwrite)


def _identify(opened: Source, path: Path) -> tuple[str, int]:
    """Name and size of what is read, without the folders it lies in."""
    if isinstance(opened, CmiSource):
        path = opened.file.path
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return path.resolve().name, sum(file.stat().st_size for file in files)
