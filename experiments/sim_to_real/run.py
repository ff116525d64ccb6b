"""Train on simulated wearers only, then recognise real ones: `python experiments/sim_to_real/run.py DATA`.

DATA is a labelled file or folder in the CMI layout with real recordings; nothing of it is used but to score at the
end. Prints target or not, the gesture, and the competition score in the two scenarios, with 95 % intervals over
sequences, and which gestures fail. The study, the model and the scores are left in --out.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.metrics.competition import competition_score
from bfrb.predict.predictor import load
from bfrb.read.sources import open_source
from bfrb.study.labels import CMI_GESTURES

HERE = Path(__file__).parent
RESAMPLES = 10_000


def run(*arguments: str) -> None:
    """A bfrb command."""
    subprocess.run([sys.executable, "-m", "bfrb", *arguments], check=True, stdout=subprocess.DEVNULL)


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
        }
    return scores


def ranks(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(R,) how many gestures are held more probable than the true one, from (R, 18) probabilities."""
    true = [CMI_GESTURES.classes.index(name) for name in truth]
    found: np.ndarray = (probabilities > probabilities[np.arange(len(true)), true][:, None]).sum(axis=1)
    return found


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
