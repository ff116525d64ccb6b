"""What was tried before the preset `watch` was fixed: linear answers from several descriptions of a window.

    python experiments/searle2021/variants.py FOLDER

One person is left out at a time. Windows are 5 s long and do not overlap; regularisation is the same throughout. The
figures chose nothing: they are here so that the preset's score can be seen beside those of its neighbours.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bfrb.features.sequences import build_sequences, channel_statistics
from bfrb.features.spec import FeatureSpec
from bfrb.metrics.standard import mean_over_subjects, roc_auc
from bfrb.networks.registry import Shape, build_network
from bfrb.networks.specs import ContextSpec
from bfrb.read.sources import open_source
from bfrb.study.mirror import mirror
from bfrb.study.recordings import Recordings
from bfrb.study.windows import label_windows
from bfrb.train.batches import make_standardisers

STEP, LENGTH, CONTEXT_WINDOWS = 50, 50, 24
BANDS_HZ = ((0.3, 0.7), (0.7, 1.5), (1.5, 3.0), (3.0, 5.01))


def posture_and_bands(windows: Recordings) -> np.ndarray:
    """(W, 21) Direction of gravity, logarithms of spreads along and across it, and energies in bands."""
    acc, gyr = (
        np.nan_to_num(windows.sensors[name].astype(float)).reshape(len(windows), LENGTH, 3) for name in ("acc", "gyr")
    )
    gyr = np.deg2rad(gyr)
    mean = acc.mean(axis=1)
    down = mean / (np.linalg.norm(mean, axis=1, keepdims=True) + 1e-9)
    moved = acc - mean[:, None]
    parts = [np.abs(down[:, :1]), down[:, 1:]]
    for signal in (moved, gyr):
        along = (signal * down[:, None]).sum(axis=2)
        across = np.linalg.norm(signal - along[..., None] * down[:, None], axis=2)
        parts += [np.log(np.stack([along.std(1), across.std(1), np.linalg.norm(signal, axis=2).mean(1)], 1) + 0.02)]
        spectrum = np.square(np.abs(np.fft.rfft((signal - signal.mean(1, keepdims=True)), axis=1))).sum(axis=2)
        hertz = np.fft.rfftfreq(LENGTH, 0.1)
        bands = [spectrum[:, (hertz >= low) & (hertz < high)].sum(axis=1) for low, high in BANDS_HZ]
        parts += [np.log(np.stack(bands, axis=1) + 1e-3)]
    speed = np.linalg.norm(gyr, axis=2)
    parts += [np.log(np.stack([speed.max(1), np.median(speed, axis=1), speed.std(1), speed.min(1)], axis=1) + 0.02)]
    return np.concatenate(parts, axis=1)


def by_whole(values: np.ndarray) -> np.ndarray:
    """Scaled by the whole recording, which a live detector does not have."""
    return (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-6)


def by_past(values: np.ndarray) -> np.ndarray:
    """Scaled by the recording up to each window."""
    count = np.arange(1, len(values) + 1)[:, None]
    mean = np.cumsum(values, axis=0) / count
    spread = np.sqrt(np.maximum(np.cumsum(values**2, axis=0) / count - mean**2, 0)) + 0.1
    return (values - mean) / spread * np.minimum(1, count / 12)


def with_past(values: np.ndarray) -> np.ndarray:
    """With mean and spread over the two minutes up to each window."""
    starts = np.maximum(0, np.arange(len(values)) - CONTEXT_WINDOWS + 1)
    past = [values[start : stop + 1] for stop, start in enumerate(starts)]
    return np.concatenate(
        [values, np.array([part.mean(axis=0) for part in past]), np.array([part.std(axis=0) for part in past])], axis=1
    )


def description(recordings: Recordings, context_s: float, *, mirrored: bool) -> list[np.ndarray]:
    """What the network `context` answers from, by person; scaled by all people's rows, which are not labelled."""
    found = mirror(recordings, np.full(len(recordings), mirrored))
    names = FeatureSpec().branches(ContextSpec.BRANCHES)
    parts = []
    standardisers = make_standardisers(
        channel_statistics(build_sequences(recordings, names), np.arange(len(recordings)))
    )
    for number in range(len(found)):
        windows = label_windows(found[number], LENGTH, STEP, context=round(context_s * 10))
        sequences = build_sequences(windows, names)
        shape = Shape({name: len(channels) for name, channels in sequences.channels.items()}, 2)
        network = build_network("context", shape, ContextSpec())
        rows = []
        for start in range(0, len(windows), 64):
            batch = sequences.batch(np.arange(start, min(start + 64, len(windows))), 10**6)
            lengths = torch.from_numpy(batch.lengths)
            inputs = {
                name: standardisers[name](torch.from_numpy(values), lengths) for name, values in batch.inputs.items()
            }
            with torch.no_grad():
                rows.append(network.describe(inputs, lengths).numpy())  # type: ignore[operator]
        parts.append(np.concatenate(rows))
    return parts


def score(described: list[np.ndarray], truth: list[np.ndarray], also: list[np.ndarray] | None = None) -> str:
    """AUC of all windows and mean over people of a linear answer, each person left out in turn."""
    values = []
    for person, own in enumerate(described):
        others = [other for other in range(len(described)) if other != person]
        features = [described[other] for other in others] + ([also[other] for other in others] if also else [])
        labels = [truth[other] for other in others] * (2 if also else 1)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.001, class_weight="balanced", max_iter=300))
        values.append(model.fit(np.concatenate(features), np.concatenate(labels)).decision_function(own))
    people = np.repeat(np.arange(len(truth)), [len(labels) for labels in truth])
    pooled = roc_auc(np.concatenate(truth), np.concatenate(values))
    mean = mean_over_subjects(roc_auc, np.concatenate(truth), np.concatenate(values), people)
    return f"{pooled:.3f} / {mean:.3f}"


def main() -> None:
    """Describe, leave out, score."""
    torch.set_num_threads(1)
    recordings = open_source(Path(sys.argv[1]), "searle2021").read()
    windows = [label_windows(recordings[number], LENGTH, STEP) for number in range(len(recordings))]
    truth = [np.array([gesture != "none" for gesture in found.gestures or ()]) for found in windows]
    plain = [posture_and_bands(found) for found in windows]
    scalings = {
        "": lambda x: x,
        ", by the whole recording": by_whole,
        ", by its past": by_past,
        ", with past": with_past,
    }
    for name, scale in scalings.items():
        print(f"posture and bands{name}: {score([scale(found) for found in plain], truth)}", flush=True)
    for context_s in (0.0, 30.0, 60.0, 120.0):
        one, other = (description(recordings, context_s, mirrored=mirrored) for mirrored in (False, True))
        both = score(one, truth, other)
        print(f"context {context_s:.0f} s, one wrist {score(one, truth)}, both {both}", flush=True)


if __name__ == "__main__":
    main()
