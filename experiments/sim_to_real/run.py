"""Train on simulated wearers only, then recognise real ones: `python experiments/sim_to_real/run.py DATA`.

DATA is a labelled file or folder in the CMI layout with real recordings; nothing of it is used but to score at the
end. Prints target or not, the gesture, and the phase-free score in the two scenarios, with 95 % intervals over
sequences, and which gestures fail; of networks that tell phases also how many rows they tell right and by how much the
start of the gesture is off. The study, the model and the scores are left in --out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.metrics.competition import competition_score
from bfrb.predict.predictions import most_probable_course
from bfrb.predict.predictor import Predictor, load
from bfrb.read.sources import open_source
from bfrb.study.labels import CMI_GESTURES, PHASES
from bfrb.study.recordings import Recordings

HERE = Path(__file__).parent
RESAMPLES = 10_000


def run(*arguments: str) -> None:
    """A bfrb command, which finds the variations in `wearers.py`."""
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "bfrb", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": path})


def interval(right: np.ndarray, rng: np.random.Generator) -> str:
    """Share of right answers with its bootstrap interval."""
    shares = rng.choice(right, (RESAMPLES, len(right))).mean(axis=1)
    low, high = np.percentile(shares, [2.5, 97.5])
    return f"{right.mean():.2f} ({low:.2f} to {high:.2f})"


def score(model: Path, data: Path) -> dict[str, Any]:
    """Scores of the model on real recordings, by scenario."""
    predictor, recordings = load(model), open_source(data).read()
    truth = np.array(recordings.gestures, dtype=object)
    rng = np.random.default_rng(0)
    scores = {}
    for name, shown in (("all", recordings), ("imu", recordings.without("thm", "tof"))):
        predictions = predictor.predict(shown)
        answers = predictions.gestures
        is_target = [np.isin(labels, sorted(CMI_GESTURES.targets)) for labels in (truth, answers)]
        found = competition_score(truth, answers)
        scores[name] = {
            "binary_f1": round(found.binary_f1, 3),
            "macro_f1": round(found.macro_f1, 3),
            "target or not": interval(is_target[0] == is_target[1], rng),
            "gesture of 18": interval(truth == answers, rng),
            "among the first three": interval(ranks(predictions.probabilities, truth) < 3, rng),
            "missed": sorted(f"{a} -> {b}" for a, b in zip(truth, answers, strict=True) if a != b),
        } | score_phases(predictor, shown, rng)
    return scores


def ranks(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(R,) how many gestures are held more probable than the true one, from (R, 18) probabilities."""
    true = [CMI_GESTURES.classes.index(name) for name in truth]
    found: np.ndarray = (probabilities > probabilities[np.arange(len(true)), true][:, None]).sum(axis=1)
    return found


def score_phases(predictor: Predictor, recordings: Recordings, rng: np.random.Generator) -> dict[str, str]:
    """How well phases are told; nothing if the networks do not tell them, or the recordings have none."""
    told = predictor.phases(recordings)
    if told is None or "phase" not in recordings.annotations:
        return {}
    truth, course = recordings.annotations["phase"].codes, most_probable_course(told, recordings.offsets)
    known = (truth >= 0) & (course >= 0)
    marks = (known, known & (truth == course))
    rows, right = (np.add.reduceat(marked, recordings.offsets[:-1], dtype=int) for marked in marks)
    drawn = rng.integers(0, len(rows), (RESAMPLES, len(rows)))
    low, high = np.percentile(right[drawn].sum(axis=1) / rows[drawn].sum(axis=1), [2.5, 97.5])
    scores = {"phase of rows": f"{right.sum() / rows.sum():.2f} ({low:.2f} to {high:.2f})"}
    parts = (np.split(phases, recordings.offsets[1:-1]) for phases in (truth, course))
    begun = [(first_gesture(true), first_gesture(told)) for true, told in zip(*parts, strict=True)]
    late_s = np.array([told - true for true, told in begun if None not in (true, told)]) / recordings.device.row_rate_hz
    if len(late_s):
        near, median, far = np.quantile(np.abs(late_s), [0.25, 0.5, 0.75])
        never = sum(true is not None and told is None for true, told in begun)
        scores["start of the gesture, median error"] = f"{median:.1f} s (quartiles {near:.1f} to {far:.1f})"
        scores["start of the gesture, median delay"] = f"{np.median(late_s):+.1f} s; {never} never told"
    return scores


def first_gesture(phases: np.ndarray) -> int | None:
    """The first row of a recording that is of the gesture; None without any."""
    rows = np.flatnonzero(phases == PHASES.index("Gesture"))
    return int(rows[0]) if len(rows) else None


def main() -> None:
    """Simulate, train, score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("sim_to_real"))
    parser.add_argument("--subjects", type=int, default=48)
    parser.add_argument("--preset", default="study", help="of the simulation: study, or wide")
    parser.add_argument("--spec", type=Path, default=HERE / "spec.toml", help="of the training")
    options = parser.parse_args()
    started = time.perf_counter()
    options.out.mkdir(parents=True, exist_ok=True)
    study, model = options.out / "study", options.out / "model"
    simulate = ("--subjects", str(options.subjects), "--preset", options.preset, "--overwrite")
    run("simulate", str(study), *simulate)
    run("train", str(study), "--out", str(model), "--preset", str(options.spec), "--no-report", "--overwrite")
    scores = score(model, options.data)
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {time.perf_counter() - started:.0f} s")
    print(f"trained on {options.subjects} SIMULATED subjects (preset {options.preset}), real recordings:")
    print(json.dumps(scores, indent=2, ensure_ascii=False))
    (options.out / "scores.json").write_text(json.dumps(scores, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
