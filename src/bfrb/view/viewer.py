"""`Viewer`: what one start of the page has open."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from bfrb.errors import DataError
from bfrb.predict.predictor import Predictor, load
from bfrb.view.background import BackgroundTask
from bfrb.view.collection import Collection, open_collection
from bfrb.view.labels import LabelFile


class Viewer:
    """The opened recordings, the bundle, and the labels.

    Everything slow goes on in threads of its own; what it makes is asked for when it is needed.

    Parameters
    ----------
    recordings
        What to open.
    bundle
        The bundle that answers, if any.
    description
        As for `open_source`.
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
            "recordings": _describe_collection(self._recordings),
            "bundle": None if self._predictor is None else _describe_bundle(self._predictor),
        }


def _describe_collection(task: BackgroundTask[Collection]) -> dict[str, Any]:
    found = {"name": Path(task.what).name, **task.describe()}
    if found["state"] != "ready":
        return found
    collection = task.result()
    return found | {
        "name": collection.name,
        "description": collection.description,
        "device": collection.held.device.name,
        "simulated": collection.held.simulated,
        "recordings": len(collection),
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
