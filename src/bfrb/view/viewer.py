"""`Viewer`: what one start of the page has open."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

from bfrb.errors import DataError
from bfrb.predict.predictor import Predictor, load
from bfrb.read.check import CheckReport, check
from bfrb.read.csv_blocks import Progress
from bfrb.read.sources import open_source
from bfrb.study.recordings import Recordings
from bfrb.view.background import BackgroundTask
from bfrb.view.collection import Collection, open_collection
from bfrb.view.labels import LabelFile
from bfrb.view.listing import Listing
from bfrb.view.live import LiveFeed, OpenStream

KEPT_UPLOADS = 8
SHOWN_ANSWERS = 1000
MAX_UPLOAD_BYTES = 64 << 20
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
    dataset
        As for `open_source`.
    """

    def __init__(self, recordings: Path | None = None, bundle: Path | None = None, dataset: str = "auto") -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="bfrb-view-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self.labels = None if recordings is None else LabelFile.beside(recordings)
        self._listings: dict[int, BackgroundTask[Listing]] = {}
        self._lock = threading.Lock()
        if recordings is not None:
            self._listings[0] = BackgroundTask(
                str(recordings), lambda progress: self._open(recordings, dataset, progress)
            )
        self._predictor = None if bundle is None else BackgroundTask(str(bundle), lambda _: load(bundle))
        self._feed: LiveFeed | None = None

    def _open(self, path: Path, dataset: str, progress: Progress) -> Listing:
        return Listing(open_collection(path, self.folder, dataset, progress))

    def wait(self, timeout_s: float) -> None:
        """Wait a while for recordings and bundle; an error that has come up by then is raised."""
        for task in (*self._listings.values(), self._predictor):
            if task is not None:
                task.wait(timeout_s)

    def close(self) -> None:
        """Remove the temporary folder."""
        self._temporary.cleanup()

    def listing(self, number: int) -> Listing:
        """The collection of that number with its list.

        Raises
        ------
        DataError
            If there is none, or it is not read yet.
        """
        if number not in self._listings:
            raise DataError(f"there is no collection {number}", remedy="load the page again")
        return self._listings[number].result()

    def predictor(self, timeout_s: float = 0.0) -> Predictor:
        """The loaded bundle.

        Raises
        ------
        DataError
            If there is none, or it is not loaded in time.
        """
        if self._predictor is None:
            raise DataError("no bundle is open", remedy="start with: bfrb view RECORDINGS --bundle BUNDLE")
        return self._predictor.result(timeout_s)

    def show_stream(self, what: str, open_stream: OpenStream) -> None:
        """Show a stream as it comes, from now on; the bundle answers. Parameters as for `LiveFeed`.

        Raises
        ------
        DataError
            If no bundle is open.
        """
        if self._predictor is None:
            raise DataError("a live stream needs a bundle, which knows the device", remedy="name one: --bundle BUNDLE")
        self._feed = LiveFeed(what, open_stream, lambda: self.predictor(_PATIENCE_S))

    @property
    def feed(self) -> LiveFeed:
        """The live stream.

        Raises
        ------
        DataError
            If there is none.
        """
        if self._feed is None:
            raise DataError("no live stream is open", remedy="start with: bfrb view --bundle BUNDLE --live SOURCE")
        return self._feed

    def describe(self) -> dict[str, Any]:
        """Everything that is open, for the page."""
        return {
            "collections": [_describe_listing(*numbered) for numbered in sorted(self._listings.items())],
            "bundle": None if self._predictor is None else _describe_bundle(self._predictor),
            "live": None if self._feed is None else self._feed.describe(),
            "labels": None if self.labels is None else self.labels.path.name,
            "largest_upload": MAX_UPLOAD_BYTES,
        }

    def add_upload(self, content: bytes, name: str) -> dict[str, Any]:
        """Check a dropped file, read it, and predict it if there is a bundle; the last few are kept.

        Parameters
        ----------
        content
            What is in it.
        name
            What the user calls it.

        Raises
        ------
        DataError
            If it cannot be used.
        """
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            file = Path(folder) / f"dropped{Path(name).suffix.lower()}"
            file.write_bytes(content)
            try:
                report, recordings = _check_and_read(file)
            except DataError as error:
                problem, remedy = (text.replace(str(file), name) for text in (error.problem, error.remedy))
                raise DataError(problem, remedy=remedy) from None
        answers = None if self._predictor is None else _predict(self.predictor(_PATIENCE_S), recordings)
        collection = Collection(name, f"{name}, dropped on the page", recordings)
        listing = Listing(collection, None if answers is None else [answer["gesture"] for answer in answers])
        findings = [
            {"severity": found.severity, "what": found.sentence, "remedy": found.remedy} for found in report.findings
        ]
        return {
            "collection": self._keep(name, listing),
            "verdict": report.verdict,
            "findings": findings,
            "answers": answers and answers[:SHOWN_ANSWERS],
        }

    def _keep(self, name: str, listing: Listing) -> int:
        task = BackgroundTask(name, lambda _: listing)
        task.wait(_PATIENCE_S)
        with self._lock:
            number = max(self._listings, default=0) + 1
            self._listings[number] = task
            for old in sorted(self._listings.keys() - {0})[:-KEPT_UPLOADS]:
                del self._listings[old]
        return number


def _describe_listing(number: int, task: BackgroundTask[Listing]) -> dict[str, Any]:
    found = {"number": number, "name": Path(task.what).name, **task.describe()}
    if found["state"] != "ready":
        return found
    listing = task.result()
    collection = listing.collection
    return found | {
        "name": collection.name,
        "description": collection.description,
        "device": collection.held.device.name,
        "simulated": collection.held.simulated,
        "recordings": len(collection),
        "labelled": number == 0,
        "complete": listing.complete,
        "problem": listing.problem,
        "facets": listing.facets(),
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


def _check_and_read(file: Path) -> tuple[CheckReport, Recordings]:
    report = check(file)
    if report.exit_code == 2:
        raise DataError(report.findings[0].sentence, remedy=report.findings[0].remedy)
    return report, open_source(file).read()


def _predict(predictor: Predictor, recordings: Recordings) -> list[dict[str, Any]]:
    predictions = predictor.predict(recordings)
    answers = zip(recordings.ids, predictions.gestures.tolist(), predictions.confidence.tolist(), strict=True)
    return [{"id": key, "gesture": gesture, "confidence": round(share, 4)} for key, gesture, share in answers]
