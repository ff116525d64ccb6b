"""What a bundle answers for one recording: as a whole, and as time goes on."""

from __future__ import annotations

from typing import Any

import numpy as np

from bfrb.data.recordings import Recordings
from bfrb.data.tables import make_table
from bfrb.inference.predictions import Predictions
from bfrb.inference.predictor import Predictor

MAX_STEPS = 600
PREFIXES = 60
SHORTEST_PREFIX = 5
CONTINUOUS_TIMES = 4
"""A recording without labelled rows counts as continuous from this many times the longest input of the networks."""


def answer(predictor: Predictor, recording: Recordings) -> dict[str, Any]:
    """Probabilities of all classes for one recording as a whole.

    Raises
    ------
    DataError
        If the bundle is for another device.
    """
    return _describe(predictor.predict(recording), 0)


def answer_over_time(predictor: Predictor, recording: Recordings) -> dict[str, Any]:
    """Probabilities as time goes on.

    A continuous recording is cut into windows like those of training, further apart if there were too many; a
    single gesture is answered from its first rows, from more of them, and at last from all.

    Raises
    ------
    DataError
        If the bundle is for another device.
    """
    predictor.check_device(recording.device)
    length, step = _window(predictor, recording)
    continuous = is_continuous(predictor, recording) and recording.n_rows >= length
    parts = recording.windows(length, step) if continuous else prefixes(recording)
    ends = np.arange(len(parts)) * step + length if continuous else parts.lengths
    probabilities = predictor.predict(parts).probabilities
    return {
        "kind": "windows" if continuous else "prefixes",
        "window_rows": length if continuous else None,
        "end_rows": ends.tolist(),
        "classes": list(predictor.label_set.classes),
        "targets": predictor.label_set.is_target.tolist(),
        "probabilities": probabilities.T.round(4).tolist(),
        "attention": None if continuous else _attention(predictor, recording),
    }


def _attention(predictor: Predictor, recording: Recordings) -> list[float] | None:
    """Share of the networks' attention that a second would get, by row; None where no network can tell."""
    shares = predictor.attention(recording)
    return None if shares is None else (shares * recording.device.row_rate_hz).round(4).tolist()


def is_continuous(predictor: Predictor, recording: Recordings) -> bool:
    """Whether a recording holds many events rather than one gesture."""
    if recording.gestures is not None:
        return False
    longest = predictor.bundle.manifest.max_length
    return "gesture" in recording.annotations or recording.n_rows > CONTINUOUS_TIMES * longest


def _window(predictor: Predictor, recording: Recordings) -> tuple[int, int]:
    """Rows of a window, and from one to the next."""
    windows, rate_hz = predictor.bundle.spec.windows, recording.device.row_rate_hz
    return round(windows.length_s * rate_hz), max(
        round(windows.step_s * rate_hz / 2), -(-recording.n_rows // MAX_STEPS)
    )


def prefixes(recording: Recordings) -> Recordings:
    """The first rows of a recording, in up to `PREFIXES` lengths up to the whole of it."""
    shortest = min(SHORTEST_PREFIX, recording.n_rows)
    lengths = np.unique(np.linspace(shortest, recording.n_rows, PREFIXES).round().astype(np.int64))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    rows = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    ids = make_table({"id": [f"first {length} rows" for length in lengths]})["id"]
    return Recordings(
        recording.device,
        {name: values[rows] for name, values in recording.sensors.items()},
        offsets,
        recording.table[[0] * len(lengths)].with_columns(ids),
    )


def _describe(predictions: Predictions, row: int) -> dict[str, Any]:
    classes, targets = predictions.label_set.classes, predictions.label_set.is_target
    probabilities = predictions.probabilities[row]
    return {
        "gesture": str(predictions.gestures[row]),
        "confidence": round(float(predictions.confidence[row]), 4),
        "target": round(float(probabilities[targets].sum()), 4),
        "classes": [
            {"name": name, "target": bool(target), "probability": round(float(probability), 4)}
            for name, target, probability in zip(classes, targets, probabilities, strict=True)
        ],
    }
