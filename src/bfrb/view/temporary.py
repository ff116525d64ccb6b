"""A temporary folder that goes away in the end, even if the process is killed: then at the next start."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = "bfrb-view-"
LOCK = "in-use.lock"
_SURELY_LOCKED_S = 60.0


class TemporaryFolder:
    """A folder of this process alone.

    It holds a lock as long as the process lives. Folders of processes that were killed have theirs free, and are
    removed here.
    """

    def __init__(self) -> None:
        _remove_abandoned(Path(tempfile.gettempdir()))
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = FileLock(self.path / LOCK)
        self._lock.acquire()

    def close(self) -> None:
        """Remove it."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            # One that is just being made may not be locked yet.
            if time.time() - folder.stat().st_mtime > _SURELY_LOCKED_S:
                with FileLock(folder / LOCK, timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)
        except (Timeout, OSError):
            continue
