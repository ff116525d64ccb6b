"""Files and folders that are written whole or not at all.

What is written gets a temporary name in the same folder, is forced to the disk, and only then takes its place. After an
error, a killed process or a power cut either the old thing is there or the new one; never a part.
"""

import mmap
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@contextmanager
def telling_place(place: Path) -> Iterator[None]:
    """Give errors of the system the place that was written to, where they say none: a full disk does not."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror or str(error), str(place)) from error
        raise


@contextmanager
def writing_files(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Temporary names to write files under, which take the places `paths` once all of them are written.

    Missing folders are made; files that are there are replaced.
    """
    places = [Path(path).absolute() for path in paths]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
    unfinished = [_beside(place) for place in places]
    try:
        with telling_place(places[0]):
            yield unfinished
            for made in unfinished:
                _sync(made)
            for made, place in zip(unfinished, places, strict=True):
                made.replace(place)
            for folder in {place.parent for place in places}:
                _sync(folder)
    finally:
        for made in unfinished:
            made.unlink(missing_ok=True)


@contextmanager
def writing_file(path: Path) -> Iterator[Path]:
    """A temporary name to write one file under, which takes its place once it is written.

    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with writing_file(place) as unfinished:
    ...     _ = unfinished.write_text("whole", encoding="utf-8")
    >>> place.read_text(encoding="utf-8"), len(list(place.parent.iterdir()))
    ('whole', 1)
    """
    with writing_files([path]) as (unfinished,):
        yield unfinished


def drop_pages(*arrays: npt.NDArray[Any]) -> None:
    """Let go of memory that mapped files take in this process, where the system can; they are read anew if used."""
    for array in arrays:
        base: Any = array
        while isinstance(base, np.ndarray):
            base = base.base
        if isinstance(base, mmap.mmap) and hasattr(base, "madvise"):
            base.madvise(mmap.MADV_DONTNEED)


def bytes_of(path: Path) -> int:
    """Size of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def cache_folder() -> Path:
    """Where what can be made again is kept: `bfrb` in `XDG_CACHE_HOME`, or in `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "bfrb")


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with writing_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


@contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """A new folder to fill, which takes its place at `path` once it is filled; one that is there is replaced.

    Whether it may be replaced is for the caller to check.
    """
    place = Path(path).absolute()
    place.parent.mkdir(parents=True, exist_ok=True)
    unfinished = _beside(place)
    unfinished.mkdir()
    try:
        with telling_place(place):
            yield unfinished
            for made in (*unfinished.rglob("*"), unfinished):
                _sync(made)
            _move(unfinished, place)
            _sync(place.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _move(folder: Path, place: Path) -> None:
    """Put a complete folder in the place of what is there, which stays until the new one has its name."""
    if not place.exists():
        folder.rename(place)
        return
    old = _beside(place)
    place.rename(old)
    try:
        folder.rename(place)
    except OSError:
        old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _beside(place: Path) -> Path:
    return place.with_name(f".{place.name}.{secrets.token_hex(4)}")


def _sync(path: Path) -> None:
    """Force a file, or the names in a folder, to the disk."""
    if path.is_dir() and not hasattr(os, "O_DIRECTORY"):  # Windows cannot open folders
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
