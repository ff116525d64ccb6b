"""What a command must not write over: its own input."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bfrb.errors import ConfigError


def check_outputs(outputs: Iterable[Path | None], inputs: Iterable[Path | None]) -> None:
    """Refuse to write over what is read: the same file, a file in a folder that is read, or a folder around it.

    Parameters
    ----------
    outputs
        Files and folders that a command shall write; what is None is not asked for.
    inputs
        Files and folders that it reads.

    Raises
    ------
    ConfigError
        If something is there that would be lost, by whatever name or link it is called.
    """
    given = [path for path in inputs if path is not None and path.exists()]
    for output in (path for path in outputs if path is not None and path.exists()):
        for read in given:
            if _is_within(output, read) or _is_within(read, output):
                raise ConfigError(f"{output} would be written over, but {read} is read", remedy="name another output")


def _is_within(path: Path, folder: Path) -> bool:
    """Whether a path is a file or folder, or lies anywhere in it."""
    resolved = path.resolve()
    return any(place.samefile(folder) for place in (resolved, *resolved.parents))
