"""Work that goes on while the page is already there: reading a source, loading a bundle."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Generic, TypeVar

from bfrb.errors import BfrbError, DataError
from bfrb.read.csv_blocks import Progress

Result = TypeVar("Result")


class BackgroundTask(Generic[Result]):
    """Something that is made in a thread of its own, which does not keep the process alive.

    `what` names it in messages; `make` is given a function to report the share done, from 0 to 1.

    Examples
    --------
    >>> task = BackgroundTask("the answer", lambda progress: 42)
    >>> task.result(timeout_s=5), task.describe()
    (42, {'state': 'ready'})
    """

    def __init__(self, what: str, make: Callable[[Progress], Result]) -> None:
        self.what = what
        self._share = 0.0
        self._future: Future[Result] = Future()
        threading.Thread(target=self._run, args=(make,), name=f"bfrb-{what}", daemon=True).start()

    def _run(self, make: Callable[[Progress], Result]) -> None:
        try:
            self._future.set_result(make(self._report))
        except Exception as error:  # noqa: BLE001  kept, and raised where the result is asked for
            self._future.set_exception(error)

    def _report(self, share: float) -> None:
        self._share = share

    def result(self, timeout_s: float = 0.0) -> Result:
        """What was made; raises what the making raised, and DataError if it is not there in time."""
        self.wait(timeout_s)
        if not self._future.done():
            raise DataError(f"{self.what} is still being read", remedy="wait a moment")
        return self._future.result()

    def wait(self, timeout_s: float) -> None:
        """Wait a while for it; an error that has come up by then is raised."""
        if wait([self._future], timeout_s).done:
            self._future.result()

    def describe(self) -> dict[str, Any]:
        """Its state for the page: `reading`, `ready` or `failed`, with the share done or the error."""
        if not self._future.done():
            return {"state": "reading", "share": round(self._share, 3)}
        error = self._future.exception()
        return {"state": "ready"} if error is None else {"state": "failed", **describe_error(error)}


def describe_error(error: BaseException) -> dict[str, str]:
    """Problem and remedy of an error, for the page."""
    if isinstance(error, BfrbError):
        return {"problem": error.problem, "remedy": error.remedy}
    if isinstance(error, OSError):
        problem = f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
        return {"problem": problem, "remedy": "check the path"}
    return {"problem": f"{type(error).__name__}: {error}", "remedy": "report this as a fault of the viewer"}
