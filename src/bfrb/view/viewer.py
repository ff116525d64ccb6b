"""`Viewer`: what one start of the page has open, read and loaded while the page is already there."""

import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from bfrb.errors import BfrbError, DataError
from bfrb.predict.predictor import Predictor, load
from bfrb.study.recordings import Progress
from bfrb.view.collection import Collection, open_collection
from bfrb.view.labels import LabelFile

Result = TypeVar("Result")


class BackgroundTask(Generic[Result]):
    """Something that is made in a thread of its own, which does not keep the process alive.

    `what` names it in messages; `make` is given a function to report the share done, from 0 to 1.

    >>> task = BackgroundTask("the answer", lambda progress: 42)
    >>> task.wait(timeout_s=5)
    >>> task.result(), task.describe()
    (42, {'state': 'ready'})
    """

    def __init__(self, what: str, make: Callable[[Progress], Result]) -> None:
        self.what = what
        self._share = 0.0
        self._future: Future[Result] = Future()
        threading.Thread(target=self._run, args=(make,), name=f"bfrb-{what}", daemon=True).start()

    def _run(self, make: Callable[[Progress], Result]) -> None:
        try:
            self._future.set_result(make(partial(setattr, self, "_share")))
        except Exception as error:  # noqa: BLE001  kept, and raised where the result is asked for
            self._future.set_exception(error)

    def result(self) -> Result:
        """What was made; raises what the making raised, and DataError if it is not there yet."""
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


class Viewer:
    """The opened recordings (by a description as for `open_source`), the bundle that answers, and the labels.

    Everything slow goes on in threads of its own; what it makes is asked for when it is needed.
    """

    def __init__(self, recordings: Path, bundle: Path | None = None, description: str = "auto") -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="bfrb-view-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self.labels = LabelFile.beside(recordings)
        self._recordings = BackgroundTask(
            str(recordings), lambda progress: open_collection(recordings, self.folder, description, progress)
        )
        self._predictor = None if bundle is None else BackgroundTask(str(bundle), lambda _: load(bundle))

    def wait(self, timeout_s: float) -> None:
        """Wait a while for recordings and bundle; an error that has come up by then is raised."""
        self._recordings.wait(timeout_s)
        if self._predictor is not None:
            self._predictor.wait(timeout_s)

    def close(self) -> None:
        """Remove the temporary folder."""
        self._temporary.cleanup()

    @property
    def collection(self) -> Collection:
        """The opened recordings; DataError if they are not there yet."""
        return self._recordings.result()

    @property
    def predictor(self) -> Predictor:
        """The loaded bundle; DataError if there is none, or none yet."""
        if self._predictor is None:
            raise DataError("no bundle is open", remedy="start with: bfrb view RECORDINGS --bundle BUNDLE")
        return self._predictor.result()

    def label_file(self, recording: str | None = None) -> LabelFile:
        """Where labels are saved; DataError if the data lack that recording."""
        if recording is not None and recording not in self.collection.ids:
            raise DataError(f"there is no recording {recording!r} in the opened data", remedy="choose one of the list")
        return self.labels

    def describe(self) -> dict[str, Any]:
        """Everything that is open, for the page."""
        return {
            "recordings": _describe(self._recordings, _describe_collection),
            "bundle": self._predictor and _describe(self._predictor, _describe_bundle),
        }


def _describe(task: BackgroundTask[Result], more: Callable[[Result], dict[str, Any]]) -> dict[str, Any]:
    found = {"name": Path(task.what).name, **task.describe()}
    return found | more(task.result()) if found["state"] == "ready" else found


def _describe_collection(collection: Collection) -> dict[str, Any]:
    return {
        "name": collection.name,
        "description": collection.description,
        "device": collection.held.device.name,
        "simulated": collection.held.simulated,
        "recordings": len(collection),
        "complete": collection.complete,
        "problem": collection.problem,
        "facets": collection.facets(),
    }


def _describe_bundle(predictor: Predictor) -> dict[str, Any]:
    return {
        "simulated": predictor.simulated,
        "device": predictor.device.name,
        "row_rate_hz": predictor.device.row_rate_hz,
        "members": len(predictor.bundle.manifest.members),
        "classes": list(predictor.label_set.classes),
        "targets": predictor.label_set.is_target.tolist(),
    }
