"""A quick look at transfer, without a network: `python experiments/sim_to_real/forest.py DATA`.

Trees learn the gesture from summaries of simulated recordings only (gravity, movement, warmth and nearness in the
pause and in the gesture) and name it in the labelled real recordings of DATA, a file or folder in the CMI layout.
It takes a few minutes on one core, where `run.py` needs ten on two. The pause and the gesture are taken as labelled,
which makes the task easier than the one of `run.py`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

from bfrb.read.sources import open_source
from bfrb.simulate.spec import read_study_spec
from bfrb.simulate.study import simulate_study
from bfrb.study.labels import BEHAVIORS, CMI_GESTURES
from bfrb.study.recordings import Recordings

PAUSES, PERFORMS = len(BEHAVIORS) - 2, len(BEHAVIORS) - 1


def mirrored(recordings: Recordings) -> dict[str, np.ndarray]:
    """All sensors, those of left hands mirrored."""
    left = np.repeat(recordings.table["handedness"].to_numpy() == 0, recordings.lengths)
    sensors = {}
    for name, values in recordings.sensors.items():
        sensors[name] = values.copy()
        sensors[name][left] = recordings.device.sensor(name).left_hand.apply(values[left])
    return sensors


def summary(acc: np.ndarray, thm: np.ndarray, tof: np.ndarray) -> np.ndarray:
    """(F,) summary of some rows: acc (T, 3), thm (T, 5), tof (T, 5, 8, 8)."""
    near = np.where(tof < 0, 0.0, 1 - tof / 255.0).reshape(len(tof), 5, 2, 4, 2, 4).mean(axis=(3, 5))
    steps = np.diff(acc, axis=0) if len(acc) > 1 else np.zeros((1, 3))
    bends = np.diff(steps, axis=0) if len(steps) > 1 else np.zeros((1, 3))
    parts = [acc.mean(axis=0), acc.std(axis=0), steps.std(axis=0), bends.std(axis=0), thm.mean(axis=0)]
    return np.concatenate([*parts, near.mean(axis=0).ravel(), near.std(axis=0).ravel()])


def summaries(recordings: Recordings, imu_only: bool) -> np.ndarray:
    """(R, F) summaries of the pause and the gesture of every recording."""
    sensors = mirrored(recordings)
    behavior = recordings.annotations["behavior"].codes
    rows = []
    for begin, end in zip(recordings.offsets[:-1], recordings.offsets[1:], strict=True):
        parts = []
        for wanted in (PAUSES, PERFORMS):
            which = begin + np.flatnonzero(behavior[begin:end] == wanted)
            which = which if len(which) else np.arange(begin, end)
            parts.append(summary(*(sensors[name][which].astype(float) for name in ("acc", "thm", "tof"))))
        rows.append(np.concatenate([part[:12] for part in parts] if imu_only else parts))
    return np.nan_to_num(np.array(rows), nan=22.0)


def chances(study: Recordings, real: Recordings, imu_only: bool, seed: int) -> np.ndarray:
    """(R, 18) probabilities of the gestures of real recordings, learned from simulated ones."""
    forest = ExtraTreesClassifier(300, min_samples_leaf=2, random_state=seed)
    forest.fit(summaries(study, imu_only), study.gestures)
    found = np.zeros((len(real), len(CMI_GESTURES.classes)))
    found[:, [CMI_GESTURES.classes.index(name) for name in forest.classes_]] = forest.predict_proba(
        summaries(real, imu_only)
    )
    return found


def told(found: np.ndarray, truth: np.ndarray) -> str:
    """How good (S, R, 18) probabilities of S seeds are."""
    of_truth = found[:, np.arange(len(truth)), truth]
    ranks = (found > of_truth[..., None]).sum(axis=2)
    right, among = (ranks == 0).mean(), (ranks < 3).mean()
    return f"right {right:.2f}, among the first three {among:.2f}, mean probability of the truth {of_truth.mean():.3f}"


def main() -> None:
    """Simulate, train, and print how often, and how surely, real gestures are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--subjects", type=int, default=16)
    parser.add_argument("--presets", nargs="+", default=["study", "wide"])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    real = open_source(options.data).read()
    truth = np.array([CMI_GESTURES.classes.index(name) for name in real.gestures])
    print(f"{options.subjects} SIMULATED subjects, {options.seeds} seeds; {len(real)} real sequences, 18 gestures")
    for preset in options.presets:
        spec = read_study_spec(preset).updated([f"subjects={options.subjects}"])
        studies = [simulate_study(spec, seed) for seed in range(options.seeds)]
        for name, imu_only in (("all", False), ("imu", True)):
            found = [chances(study, real, imu_only, seed) for seed, study in enumerate(studies)]
            print(f"{preset} {name}: {told(np.array(found), truth)}")


if __name__ == "__main__":
    main()
