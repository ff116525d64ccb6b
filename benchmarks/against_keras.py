"""The published way of answering one recording, and this package's, with the same ensemble.

    python benchmarks/against_keras.py TEST_CSV [--members 20] [--runs 3] [--bundle BUNDLE]

The published way: features with loops over rows (scipy rotations, pandas statistics), scaling, padding, and a Python
loop of Keras `predict` calls over the members. The members are the two published architectures in full size with
random weights, saved by Keras and imported into a bundle; both ways have to give the same gesture and probabilities.
Imported networks need the padding they were trained with; those that this package trains do not. With --bundle, a
bundle of the same networks trained by this package is timed in the same run, and the bar is about that one. The best
of each is compared: all suffer alike from whatever else the machine does; medians are told beside.
Set KERAS_BACKEND to choose what Keras runs on (tensorflow is what the notebook used); PyTorch by default. Exits with 1
if a bar is missed.
"""

from __future__ import annotations

import argparse
import datetime
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples" / "gallery"))

import joblib
import numpy as np
import pandas as pd
import polars as pl

from bfrb.from_keras.convert import import_keras
from bfrb.predict.predictor import load
from bfrb.read.described_source import recordings_from_frame
from features import cpu_name
from published import notebook_features, pad_after

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import keras_notebook

RATIO_BAR = 100.0
PARITY = 1e-5
ROWS = 127
FASTER_RUNS = 50


def main() -> int:
    """Measure, print, and say whether the bar is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("test", type=Path, help="test.csv of the CMI data")
    parser.add_argument("--members", type=int, default=20)
    parser.add_argument("--runs", type=int, default=3, help="of the published way; ours runs 50 times as often")
    parser.add_argument("--bundle", type=Path, help="a bundle of as many networks trained by this package")
    options = parser.parse_args()
    logging.getLogger("absl").setLevel(logging.ERROR)
    frame = first_sequence(options.test)
    rows = pd.DataFrame({column.name: column.to_numpy() for column in frame.iter_columns()})
    with tempfile.TemporaryDirectory() as folder:
        published, models = write_ensemble(Path(folder) / "notebook", rows, options.members)
        predictor = load(import_keras(published, Path(folder) / "model"))
        scaler = joblib.load(published / "scaler.pkl")
        trained = load(options.bundle) if options.bundle else predictor
        times: dict[str, list[float]] = {"theirs": [], "imported": [], "trained": []}
        for _ in range(options.runs + 1):
            expected = timed(times["theirs"], lambda: published_answer(rows, scaler, models))
            for _ in range(FASTER_RUNS):
                gesture = timed(times["imported"], lambda: predictor.predict_one(frame))
            for _ in range(FASTER_RUNS):
                timed(times["trained"], lambda: trained.predict_one(frame))
        found = predictor.predict(recordings_from_frame(frame))
    difference = np.abs(np.sort(expected) - np.sort(found.probabilities[0])).max()
    is_same = difference < PARITY and gesture == found.gestures[0]
    print(f"{datetime.date.today()}, {cpu_name()}, {os.cpu_count()} cores, {options.members} networks, ", end="")
    print(f"{frame.height} rows")
    # The first run of each warms it up.
    times_ms = {name: 1e3 * np.array(found[len(found) // (options.runs + 1) :]) for name, found in times.items()}
    return report(times_ms, is_same)


def first_sequence(path: Path) -> pl.DataFrame:
    """The rows of the first sequence of a test set."""
    frame = pl.read_csv(path)
    return frame.filter(pl.col("sequence_id") == frame["sequence_id"][0])


def write_ensemble(folder: Path, rows: pd.DataFrame, members: int) -> tuple[Path, list[Any]]:
    """A folder as the notebook leaves it, and the models in it: both architectures in turn."""
    gated = [bool(number % 2) for number in range(members)]
    models = {
        f"{'v0629' if is_gated else 'D-111'}_{number}.h5": keras_notebook.build(
            ROWS, gated=is_gated, units=128, seed=number
        )
        for number, is_gated in enumerate(gated)
    }
    features = notebook_features(rows, keras_notebook.COLUMNS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keras_notebook.make_folder(folder, models, features, rows=ROWS)
    return folder, list(models.values())


def published_answer(rows: pd.DataFrame, scaler: Any, models: list[Any]) -> np.ndarray:
    """(K,) Probabilities, the published way."""
    padded = pad_after(scaler.transform(notebook_features(rows, keras_notebook.COLUMNS)), ROWS)[None]
    answers = [model.predict(padded, verbose=0) for model in models]
    return np.mean([answer[0] if isinstance(answer, list) else answer for answer in answers], axis=0)[0]


def timed(durations: list[float], action: Callable[[], Any]) -> Any:
    """What an action gives; its wall time in s is noted."""
    start = time.perf_counter()
    result = action()
    durations.append(time.perf_counter() - start)
    return result


def report(times_ms: dict[str, np.ndarray], is_same: bool) -> int:
    """Print all figures; 1 if the answers differ or the bar is missed."""
    import keras

    best = {name: float(found.min()) for name, found in times_ms.items()}
    names = {
        "theirs": f"published way (Keras {keras.__version__} on {keras.backend.backend()})",
        "imported": "imported",
        "trained": f"trained here (bar: ratio {RATIO_BAR:g})",
    }
    for name, described in names.items():
        figures = f"{best[name]:8.1f} ms at best, {np.median(times_ms[name]):8.1f} ms median"
        print(f"{described:46} {figures}, ratio {best['theirs'] / best[name]:.0f}")
    print(f"imported answers as Keras does: {'yes' if is_same else 'NO'}")
    return int(not (is_same and best["theirs"] / best["trained"] >= RATIO_BAR))


if __name__ == "__main__":
    sys.exit(main())
