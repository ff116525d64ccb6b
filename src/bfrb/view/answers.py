"""What a bundle answers for one recording: as a whole, and as time goes on."""

from dataclasses import asdict
from typing import Any

import numpy as np

from bfrb.predict.out_of_fold import read_fold_of
from bfrb.predict.predictor import Predictor
from bfrb.read.tables import make_table
from bfrb.stream.events import EventRule, WindowProbabilities
from bfrb.stream.listen import listen
from bfrb.study.recordings import Recordings
from bfrb.study.stretches import cut_stretches

MIN_STEPS, MAX_STEPS, MAX_ANSWERS = 600, 3600, 12_000
"""Windows of a continuous recording that are answered: the more, the fewer networks there are."""

PREFIXES, SHORTEST_PREFIX = 60, 5
CONTINUOUS_TIMES = 4  # times the longest input of the networks: from there on, without labelled rows, it is continuous


def answer(predictor: Predictor, recording: Recordings) -> dict[str, Any]:
    """Probabilities of all classes for one recording as a whole, and whether its person was in the training.

    DataError here and below if the bundle is for another device.
    """
    predictions = predictor.predict(recording)
    classes, targets = predictions.label_set.classes, predictions.label_set.is_target
    probabilities = predictions.probabilities[0]
    return {
        "gesture": str(predictions.gestures[0]),
        "confidence": round(float(predictions.confidence[0]), 4),
        "target": round(float(probabilities[targets].sum()), 4),
        "classes": [
            {"name": name, "target": bool(target), "probability": round(float(probability), 4)}
            for name, target, probability in zip(classes, targets, probabilities, strict=True)
        ],
        "seen": str(recording.subjects[0]) in read_fold_of(predictor.bundle),
    }


def answer_over_time(predictor: Predictor, recording: Recordings) -> dict[str, Any]:
    """Probabilities as time goes on.

    A continuous recording is answered like a stream, with windows further apart than the bundle's event rule says
    if there were too many; where they are not, the events of the rule are given too. A single gesture is answered from
    its first rows, from more of them, and at last from all.
    """
    predictor.bundle.check_device(recording.device)
    common = {"classes": list(predictor.label_set.classes), "targets": predictor.label_set.is_target.tolist()}
    if is_continuous(predictor, recording):
        return common | _answer_windows(predictor, recording)
    parts = prefixes(recording)
    return common | {
        "kind": "prefixes",
        "window_rows": None,
        "end_rows": parts.lengths.tolist(),
        "probabilities": predictor.predict(parts).probabilities.T.round(4).tolist(),
        "events": None,
    }


def _answer_windows(predictor: Predictor, recording: Recordings) -> dict[str, Any]:
    rule, rate_hz = EventRule.of(predictor.bundle), recording.device.row_rate_hz
    most = min(MAX_STEPS, max(MIN_STEPS, MAX_ANSWERS // len(predictor.bundle.manifest.members)))
    step_s = max(rule.spec.step_s, recording.n_rows / rate_hz / most)
    wider = rule.model_copy(update={"spec": rule.spec.model_copy(update={"step_s": step_s})})
    found = list(listen(lambda _: predictor, cut_stretches([recording]), wider))
    windows = WindowProbabilities.concat([part.windows for part in found], len(predictor.label_set))
    length_s = predictor.bundle.windows.length_s
    return {
        "kind": "windows",
        "window_rows": round(length_s * rate_hz),
        "end_rows": [round((value + length_s / 2) * rate_hz) for value in windows.middle_s.tolist()],
        "probabilities": windows.probabilities.round(4).T.tolist(),
        "events": [asdict(event) for part in found for event in part.events] if step_s == rule.spec.step_s else None,
    }


def is_continuous(predictor: Predictor, recording: Recordings) -> bool:
    """Whether a recording holds many events rather than one gesture."""
    if recording.gestures is not None:
        return False
    longest, windows = predictor.bundle.manifest.max_length, predictor.bundle.windows
    if recording.n_rows < windows.length_s * recording.device.row_rate_hz:
        return False
    return "gesture" in recording.annotations or recording.n_rows > CONTINUOUS_TIMES * longest


def prefixes(recording: Recordings) -> Recordings:
    """The first rows of a recording, in up to `PREFIXES` lengths up to the whole of it."""
    shortest = min(SHORTEST_PREFIX, recording.n_rows)
    lengths = np.unique(np.linspace(shortest, recording.n_rows, PREFIXES).round().astype(np.int64))
    ids = make_table({"id": [f"first {length} rows" for length in lengths]})["id"]
    table = recording.table[[0] * len(lengths)].with_columns(ids)
    return recording.gather(np.zeros_like(lengths), lengths, table)
