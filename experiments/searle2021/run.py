"""Searle et al. 2021, one person left out at a time: a bundle against a random forest and logistic regression.

    python experiments/searle2021/run.py FOLDER --out RESULTS [--bundle BUNDLE]

FOLDER is the cloned repository of the recordings. Without a bundle, one is trained as `spec.toml` says on the folds in
`folds.csv`, which leave out one person each. All methods answer the same windows: 5 s long, every second, in whole
recordings. The table of windows takes every fifth of them, so that none overlap. Thresholds and calibration that judge
a person come from the other nine. RESULTS gets `scores.json`; `expected.json` is one.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bfrb.metrics.intervals import DIFFERENCE, interval_over_people
from bfrb.metrics.standard import average_precision, mean_over_subjects, roc_auc
from bfrb.predict.bundle import Bundle
from bfrb.read.sources import open_source
from bfrb.stream.calibrate import rules_from_others, score_events, sensitivity_curve
from bfrb.stream.events import EventRule
from bfrb.stream.listen import AnnotatedRecording, listen_held_out
from bfrb.study.folds import Folds
from bfrb.study.recordings import Recordings
from bfrb.study.stretches import cut_stretches
from bfrb.study.windows import label_windows
from bfrb.train.presets import read_preset

HERE = Path(__file__).parent
WINDOW_ROWS, STEP_ROWS = 50, 10
WINDOWS_APART = 5
"""Every fifth window of those a second apart: none overlaps."""

BASELINES = {
    "random forest": lambda: RandomForestClassifier(
        200, min_samples_leaf=3, class_weight="balanced", n_jobs=1, random_state=0
    ),
    "logistic regression": lambda: make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=500)
    ),
}


def window_statistics(windows: Recordings) -> np.ndarray:
    """(W, 56) Mean, spread, extremes and quantiles of every axis and of both magnitudes."""
    parts = [np.nan_to_num(windows.sensors[name].astype(np.float64)) for name in ("acc", "gyr")]
    columns = [column for part in parts for column in (part, np.linalg.norm(part, axis=1, keepdims=True))]
    rows = np.concatenate(columns, axis=1).reshape(len(windows), -1, 8)
    quantiles = np.quantile(rows, [0.1, 0.5, 0.9], axis=1)
    return np.concatenate([rows.mean(1), rows.std(1), rows.min(1), rows.max(1), *quantiles], axis=1)


def answered_windows(recording: Recordings, heard: AnnotatedRecording) -> Recordings:
    """The windows of a recording that a stream answers, labelled."""
    first = heard.windows.middle_s * recording.device.row_rate_hz - WINDOW_ROWS / 2
    return label_windows(recording, WINDOW_ROWS, STEP_ROWS)[np.rint(first / STEP_ROWS).astype(int)]


def answer_baseline(
    name: str, heard: list[AnnotatedRecording], statistics: list[np.ndarray], truth: list[np.ndarray]
) -> list[AnnotatedRecording]:
    """The answers of a baseline in the place of the network's: trained on the windows of the other people."""
    found = []
    for number, part in enumerate(heard):
        others = [other for other in range(len(heard)) if heard[other].subject != part.subject]
        features = np.concatenate([statistics[other][::WINDOWS_APART] for other in others])
        labels = np.concatenate([truth[other][::WINDOWS_APART] for other in others])
        claimed = BASELINES[name]().fit(features, labels).predict_proba(statistics[number])[:, 1]
        probabilities = np.zeros_like(part.windows.probabilities)
        probabilities[:, 0], probabilities[:, 1] = 1.0 - claimed, claimed
        found.append(replace(part, windows=replace(part.windows, probabilities=probabilities)))
    return found


def score_windows(heard: list[AnnotatedRecording], truth: list[np.ndarray]) -> dict[str, Any]:
    """AUC and average precision of windows that do not overlap, with intervals over people."""
    labels = [found[::WINDOWS_APART] for found in truth]
    values = [1.0 - part.windows.probabilities[::WINDOWS_APART, 0] for part in heard]
    people = np.arange(len(heard))

    def pooled(metric: Any, chosen: Any) -> float:
        return metric(np.concatenate([labels[i] for i in chosen]), np.concatenate([values[i] for i in chosen]))

    def mean(metric: Any, chosen: Any) -> float:
        return float(np.mean([metric(labels[i], values[i]) for i in chosen]))

    scores: dict[str, Any] = {}
    for name, metric in {"auc": roc_auc, "average_precision": average_precision}.items():
        for kind, score in {name: pooled, f"{name}_mean_subject": mean}.items():
            interval = interval_over_people(
                lambda chosen, score=score, metric=metric: score(metric, chosen), len(people)
            )
            scores[kind] = {"value": score(metric, people), "interval": interval}
    scores["per_subject"] = {part.subject: roc_auc(labels[i], values[i]) for i, part in enumerate(heard)}
    assert_same_mean(scores, labels, values, heard)
    return scores


def assert_same_mean(
    scores: dict[str, Any], labels: list[Any], values: list[Any], heard: list[AnnotatedRecording]
) -> None:
    """The mean over people, computed another way."""
    subjects = np.concatenate([[part.subject] * len(labels[i]) for i, part in enumerate(heard)])
    other = mean_over_subjects(roc_auc, np.concatenate(labels), np.concatenate(values), subjects)
    if not np.isclose(scores["auc_mean_subject"]["value"], other):
        raise RuntimeError("the mean over people is not what it should be")


def difference(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """How much higher the first method's AUC is, the mean over people, with an interval over people."""
    gaps = np.array([first["per_subject"][name] - second["per_subject"][name] for name in first["per_subject"]])
    interval = interval_over_people(lambda chosen: float(gaps[chosen].mean()), len(gaps), DIFFERENCE)
    return {"value": float(gaps.mean()), "interval": interval}


def train(folder: Path, out: Path) -> Path:
    """The bundle of `spec.toml`."""
    from bfrb.train.crossval import RunOptions, cross_validate

    spec = read_preset(str(HERE / "spec.toml"))
    folds = Folds.read(HERE / "folds.csv")
    return cross_validate(open_source(folder, "searle2021"), spec, out, folds=folds, options=RunOptions(overwrite=True))


def main() -> None:
    """Train or take a bundle, answer, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--false-alarms", type=float, default=6.0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    bundle = Bundle.open(options.bundle or train(options.folder, options.out / "bundle"))
    recordings = open_source(options.folder, "searle2021").read()
    heard = listen_held_out(bundle, cut_stretches([recordings]), EventRule())
    windows = [answered_windows(recordings[number], part) for number, part in enumerate(heard)]
    truth = [np.array([gesture != "none" for gesture in found.gestures or ()]) for found in windows]
    statistics = [window_statistics(found) for found in windows]
    methods = {"context network": heard}
    methods |= {name: answer_baseline(name, heard, statistics, truth) for name in BASELINES}
    by_windows = {name: score_windows(found, truth) for name, found in methods.items()}
    by_events = {}
    for name, found in methods.items():
        rules = rules_from_others(found, bundle.label_set, options.false_alarms)
        by_events[name] = score_events(found, rules, bundle.label_set)
        by_events[name]["curve"] = sensitivity_curve(found, rules, bundle.label_set)
    differences = {name: difference(by_windows["context network"], by_windows[name]) for name in BASELINES}
    scores = {"windows": by_windows, "auc_above": differences, "events": by_events}
    (options.out / "scores.json").write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    for name, found in by_windows.items():
        print(
            f"{name:20} " + "  ".join(f"{kind} {found[kind]['value']:.3f}" for kind in found if kind != "per_subject")
        )


if __name__ == "__main__":
    main()
