"""`Viewer`: what one start of the page has open."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bfrb.errors import DataError
from bfrb.predict.predictor import Predictor, load
from bfrb.read.check import check
from bfrb.read.csv_blocks import Progress
from bfrb.stream.feed import Wearer
from bfrb.view.collection import Collection, Recent, open_collection
from bfrb.view.labels import LabelFile
from bfrb.view.listing import Listing
from bfrb.view.live import Listen, LiveFeed
from bfrb.view.pending import Pending
from bfrb.view.temporary import TemporaryFolder
from bfrb.view.traces import Panel, make_panels

KEPT_PANELS = 3
KEPT_UPLOADS = 8
SHOWN_ANSWERS = 1000
MAX_UPLOAD_BYTES = 512 << 20
_PATIENCE_S = 600.0


@dataclass(frozen=True, eq=False)
class Opened:
    """A collection that is ready to be looked at."""

    collection: Collection
    listing: Listing
    _panels: Recent[tuple[Panel, ...]] = field(default_factory=lambda: Recent(KEPT_PANELS), repr=False)

    def panels(self, number: int) -> tuple[Panel, ...]:
        """The traces of one recording."""
        return self._panels.get(number, lambda wanted: make_panels(self.collection.recording(wanted)))


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
        self._temporary = TemporaryFolder()
        self.folder = self._temporary.path
        self.labels = None if recordings is None else LabelFile.beside(recordings)
        self._opened: dict[int, Pending[Opened]] = {}
        self._uploads: dict[int, Path] = {}
        self._lock = threading.Lock()
        if recordings is not None:
            self._opened[0] = Pending(str(recordings), lambda tell: self._open(recordings, dataset, tell))
        self._predictor = None if bundle is None else Pending(str(bundle), lambda _: load(bundle))
        self._feed: LiveFeed | None = None

    def _open(self, path: Path, dataset: str, tell: Progress) -> Opened:
        collection = open_collection(path, self.folder, dataset, tell)
        return Opened(collection, Listing(collection))

    def wait(self, timeout_s: float) -> None:
        """Wait a while for recordings and bundle; an error that has come up by then is raised."""
        for pending in (*self._opened.values(), self._predictor):
            if pending is not None:
                pending.wait(timeout_s)

    def close(self) -> None:
        """Remove the temporary folder."""
        self._temporary.close()

    def opened(self, number: int) -> Opened:
        """The collection of that number.

        Raises
        ------
        DataError
            If there is none, or it is not read yet.
        """
        if number not in self._opened:
            raise DataError(f"there is no collection {number}", remedy="load the page again")
        return self._opened[number].result()

    def predictor(self) -> Predictor:
        """The loaded bundle.

        Raises
        ------
        DataError
            If there is none, or it is not loaded yet.
        """
        if self._predictor is None:
            raise DataError("no bundle is open", remedy="start with: bfrb view RECORDINGS --bundle BUNDLE")
        return self._predictor.result()

    def watch(self, what: str, listen: Listen, wearer: Wearer | None = None) -> None:
        """Show a stream as it comes, from now on; the bundle answers.

        Parameters
        ----------
        what, listen, wearer
            As for `LiveFeed`.

        Raises
        ------
        DataError
            If no bundle is open.
        """
        if self._predictor is None:
            raise DataError("a live stream needs a bundle, which knows the device", remedy="name one: --bundle BUNDLE")
        loaded = self._predictor
        self._feed = LiveFeed(what, listen, lambda: loaded.result(timeout_s=_PATIENCE_S), wearer)

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
            "collections": [self._describe_collection(number) for number in list(self._opened)],
            "bundle": self._describe_bundle(),
            "live": None if self._feed is None else self._feed.describe(),
            "labels": None if self.labels is None else self.labels.path.name,
            "largest_upload": MAX_UPLOAD_BYTES,
        }

    def _describe_collection(self, number: int) -> dict[str, Any]:
        pending = self._opened[number]
        found = {"number": number, "name": Path(pending.what).name, **pending.describe()}
        if found["state"] != "ready":
            return found
        opened = pending.result()
        collection = opened.collection
        return found | {
            "name": collection.name,
            "description": collection.description,
            "device": collection.device.name,
            "simulated": collection.simulated,
            "recordings": len(collection),
            "labelled": number == 0,
            "complete": opened.listing.complete,
            "problem": opened.listing.problem,
            "facets": opened.listing.facets(),
        }

    def _describe_bundle(self) -> dict[str, Any] | None:
        if self._predictor is None:
            return None
        found = {"name": Path(self._predictor.what).name, **self._predictor.describe()}
        if found["state"] != "ready":
            return found
        predictor = self._predictor.result()
        return found | {
            "simulated": predictor.simulated,
            "device": predictor.device.name,
            "row_rate_hz": predictor.device.row_rate_hz,
            "members": len(predictor.bundle.manifest.members),
            "classes": list(predictor.label_set.classes),
            "targets": predictor.label_set.is_target.tolist(),
        }

    @contextmanager
    def upload_folder(self) -> Iterator[Path]:
        """A folder for one dropped file; it goes away unless what was read from the file is kept."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            yield folder
        finally:
            if folder not in self._uploads.values():
                shutil.rmtree(folder, ignore_errors=True)

    def take_in(self, file: Path, name: str) -> dict[str, Any]:
        """Check a dropped file, read it, and predict it if there is a bundle.

        Parameters
        ----------
        file
            Where it was saved.
        name
            What the user calls it.

        Raises
        ------
        DataError
            If it cannot be used.
        """
        try:
            report = check(file)
            if report.exit_code == 2:
                raise DataError(report.findings[0].sentence, remedy=report.findings[0].remedy)
            opened, answers = self._read_dropped(file, name)
        except DataError as error:
            problem = error.problem.replace(str(file), name)
            raise DataError(problem, remedy=error.remedy.replace(str(file), name)) from None
        findings = [
            {"severity": finding.severity, "what": finding.sentence, "remedy": finding.remedy}
            for finding in report.findings
        ]
        return {
            "collection": self._keep(opened, name, file.parent),
            "verdict": report.verdict,
            "findings": findings,
            **answers,
        }

    def _read_dropped(self, file: Path, name: str) -> tuple[Opened, dict[str, Any]]:
        collection = replace(open_collection(file, file.parent), name=name, description=f"{name}, dropped on the page")
        file.unlink()
        if self._predictor is None:
            return Opened(collection, Listing(collection)), {"answers": None}
        predictor = self._predictor.result(timeout_s=60)
        gestures, confidence = [], []
        for part in range(len(collection.part_sizes)):
            predictions = predictor.predict(collection.load_part(part))
            gestures += predictions.gestures.tolist()
            confidence += predictions.confidence.round(4).tolist()
        ids = collection.columns["id"]
        answers = [
            {"id": key, "gesture": gesture, "confidence": sure}
            for key, gesture, sure in zip(ids, gestures, confidence, strict=True)
        ]
        return Opened(collection, Listing(collection, gestures)), {"answers": answers[:SHOWN_ANSWERS]}

    def _keep(self, opened: Opened, name: str, folder: Path) -> int:
        with self._lock:
            number = max(self._uploads, default=0) + 1
            pending = Pending(name, lambda _: opened)
            pending.result(timeout_s=1)
            self._opened[number], self._uploads[number] = pending, folder
            for old in sorted(self._uploads)[:-KEPT_UPLOADS]:
                del self._opened[old]
                shutil.rmtree(self._uploads.pop(old), ignore_errors=True)
        return number
