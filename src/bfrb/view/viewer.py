"""`Viewer`: what one start of the page has open."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

from bfrb.errors import DataError
from bfrb.predict.predictor import Predictor, load
from bfrb.read.check import check
from bfrb.read.sources import open_source
from bfrb.view.background import BackgroundTask
from bfrb.view.collection import MAX_PAGE, Collection, open_collection
from bfrb.view.labels import LabelFile
from bfrb.view.live import LiveFeed, OpenStream

KEPT_UPLOADS = 8
UPLOAD_SUFFIXES = (".csv", ".parquet")

_PATIENCE_S = 600.0


class Viewer:
    """The opened recordings, the bundle, the labels, and files dropped on the page.

    Everything slow goes on in threads of its own; what it makes is asked for when it is needed.

    Parameters
    ----------
    recordings
        What to open; None for a page that only takes dropped files.
    bundle
        The bundle that answers, if any.
    description
        As for `open_source`.
    """

    def __init__(self, recordings: Path | None = None, bundle: Path | None = None, description: str = "auto") -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="bfrb-view-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self.labels = None if recordings is None else LabelFile.beside(recordings)
        self._opened: dict[int, BackgroundTask[Collection]] = {}
        self._lock = threading.Lock()
        if recordings is not None:
            self._opened[0] = BackgroundTask(
                str(recordings), lambda progress: open_collection(recordings, self.folder, description, progress)
            )
        self._predictor = None if bundle is None else BackgroundTask(str(bundle), lambda _: load(bundle))
        self._feed: LiveFeed | None = None

    def wait(self, timeout_s: float) -> None:
        """Wait a while for recordings and bundle; an error that has come up by then is raised."""
        for task in (*self._opened.values(), self._predictor):
            if task is not None:
                task.wait(timeout_s)

    def close(self) -> None:
        """Remove the temporary folder."""
        self._temporary.cleanup()

    def collection(self, number: int) -> Collection:
        """The collection of that number, 0 what was opened at the start; DataError if there is none or none yet."""
        if number not in self._opened:
            raise DataError(f"there is no collection {number}", remedy="load the page again")
        return self._opened[number].result()

    def predictor(self, timeout_s: float = 0.0) -> Predictor:
        """The loaded bundle; DataError if there is none, or it is not loaded in time."""
        if self._predictor is None:
            raise DataError("no bundle is open", remedy="start with: bfrb view RECORDINGS --bundle BUNDLE")
        return self._predictor.result(timeout_s)

    def label_file(self, recording: str | None = None) -> LabelFile:
        """Where labels are saved; DataError if no data are open that have a place, or lack that recording."""
        if self.labels is None:
            problem = "labels are saved beside the opened data, and none is open"
            raise DataError(problem, remedy="start with: bfrb view RECORDINGS")
        if recording is not None and recording not in self.collection(0).ids:
            raise DataError(f"there is no recording {recording!r} in the opened data", remedy="choose one of the list")
        return self.labels

    def show_stream(self, what: str, open_stream: OpenStream) -> None:
        """Show a stream as it comes, from now on; parameters as for `LiveFeed`. DataError if no bundle is open."""
        if self._predictor is None:
            raise DataError("a live stream needs a bundle, which knows the device", remedy="name one: --bundle BUNDLE")
        self._feed = LiveFeed(what, open_stream, lambda: self.predictor(_PATIENCE_S))

    @property
    def feed(self) -> LiveFeed:
        """The live stream; DataError if there is none."""
        if self._feed is None:
            raise DataError("no live stream is open", remedy="start with: bfrb view --bundle BUNDLE --live SOURCE")
        return self._feed

    def describe(self) -> dict[str, Any]:
        """Everything that is open, for the page."""
        return {
            "collections": [_describe_collection(*numbered) for numbered in sorted(self._opened.items())],
            "bundle": None if self._predictor is None else _describe_bundle(self._predictor),
            "live": None if self._feed is None else self._feed.describe(),
            "labels": None if self.labels is None else self.labels.path.name,
        }

    def add_upload(self, content: bytes, name: str) -> dict[str, Any]:
        """Check a dropped file, read it, and predict it if there is a bundle; the last few are kept.

        `name` is what the user calls it. DataError if it cannot be used.
        """
        suffix = Path(name).suffix.lower()
        if suffix not in UPLOAD_SUFFIXES:
            problem = f"expected a file that ends in {' or '.join(UPLOAD_SUFFIXES)}, got {name!r:.80}"
            raise DataError(problem, remedy="drop the recordings as CSV or Parquet")
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            file = Path(folder) / f"dropped{suffix}"
            file.write_bytes(content)
            try:
                report = check(file)
                if report.exit_code == 2:
                    raise DataError(report.findings[0].sentence, remedy=report.findings[0].remedy)
                recordings = open_source(file).read()
            except DataError as error:
                problem, remedy = (text.replace(str(file), name) for text in (error.problem, error.remedy))
                raise DataError(problem, remedy=remedy) from None
        answers = None if self._predictor is None else self.predictor(_PATIENCE_S).predict(recordings)
        collection = Collection(name, f"{name}, dropped on the page", recordings, answers)
        return {
            "collection": self._keep(collection),
            **{name: value for name, value in report.to_dict().items() if name in ("verdict", "findings")},
            "answers": None if answers is None else collection.page({}, 0, MAX_PAGE)["rows"],
        }

    def _keep(self, collection: Collection) -> int:
        task = BackgroundTask(collection.name, lambda _: collection)
        task.result(_PATIENCE_S)
        with self._lock:
            number = max(self._opened, default=0) + 1
            self._opened[number] = task
            for old in sorted(self._opened.keys() - {0})[:-KEPT_UPLOADS]:
                del self._opened[old]
        return number


def _describe_collection(number: int, task: BackgroundTask[Collection]) -> dict[str, Any]:
    found = {"number": number, "name": Path(task.what).name, **task.describe()}
    if found["state"] != "ready":
        return found
    collection = task.result()
    return found | {
        "name": collection.name,
        "description": collection.description,
        "device": collection.held.device.name,
        "simulated": collection.held.simulated,
        "recordings": len(collection),
        "labelled": number == 0,
        "complete": collection.complete,
        "problem": collection.problem,
        "facets": collection.facets(),
    }


def _describe_bundle(task: BackgroundTask[Predictor]) -> dict[str, Any]:
    found = {"name": Path(task.what).name, **task.describe()}
    if found["state"] != "ready":
        return found
    predictor = task.result()
    return found | {
        "simulated": predictor.simulated,
        "device": predictor.device.name,
        "row_rate_hz": predictor.device.row_rate_hz,
        "members": len(predictor.bundle.manifest.members),
        "classes": list(predictor.label_set.classes),
        "targets": predictor.label_set.is_target.tolist(),
    }
