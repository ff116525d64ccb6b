"""Work that goes on while the page is already there: reading a source, loading a bundle."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from bfrb.errors import BfrbError, DataError
from bfrb.read.csv_blocks import Progress

Made = TypeVar("Made")


class Pending(Generic[Made]):
    """Something that is made in a thread of its own.

    Parameters
    ----------
    what
        What it is, for messages.
    make
        Makes it; is given a function to tell the share done, from 0 to 1.

    Examples
    --------
    >>> answer = Pending("the answer", lambda tell: 42)
    >>> answer.result(timeout_s=5), answer.describe()
    (42, {'state': 'ready', 'share': 1.0})
    """

    def __init__(self, what: str, make: Callable[[Progress], Made]) -> None:
        self.what = what
        self._share = 0.0
        self._future: Future[Made] = Future()
        threading.Thread(target=self._run, args=(make,), name=f"bfrb-{what}", daemon=True).start()

    def _run(self, make: Callable[[Progress], Made]) -> None:
        try:
            self._future.set_result(make(self._tell))
        except Exception as error:  # noqa: BLE001  kept, and raised where the result is asked for
            self._future.set_exception(error)

    def _tell(self, share: float) -> None:
        self._share = share

    def result(self, timeout_s: float = 0.0) -> Made:
        """What was made.

        Raises
        ------
        DataError
            If it is not there yet.
        Exception
            Whatever the making raised.
        """
        try:
            return self._future.result(timeout_s)
        except TimeoutError:
            if self._future.done():
                raise
            raise DataError(f"{self.what} is still being read", remedy="wait a moment") from None

    def wait(self, timeout_s: float) -> None:
        """Wait a while for it; an error that has come up by then is raised."""
        try:
            self._future.exception(timeout_s)
        except TimeoutError:
            return
        self._future.result()

    def describe(self) -> dict[str, Any]:
        """Its state for the page: `reading`, `ready` or `failed`, with the share done or the error."""
        if not self._future.done():
            return {"state": "reading", "share": round(self._share, 3)}
        error = self._future.exception()
        if error is None:
            return {"state": "ready", "share": 1.0}
        return {"state": "failed", **explain(error)}


def explain(error: BaseException) -> dict[str, str]:
    """Problem and remedy of an error, for the page."""
    if isinstance(error, BfrbError):
        return {"problem": error.problem, "remedy": error.remedy}
    if isinstance(error, OSError):
        return {
            "problem": f"{error.strerror or error}: {error.filename or ''}".rstrip(": "),
            "remedy": "check the path",
        }
    return {"problem": f"{type(error).__name__}: {error}", "remedy": "report this as a fault of the viewer"}
