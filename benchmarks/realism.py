"""How like the real recordings the simulated ones are: statistics side by side, and what gives them away.

The published statistics are those of the whole CMI study; what has not been published is taken from the real
recordings at hand, which are few.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Array
from bfrb.study.device import HELIOS
from bfrb.study.labels import BEHAVIORS, ORIENTATIONS
from bfrb.study.recordings import Recordings

Floats = npt.NDArray[np.float64]

PUBLISHED: dict[str, float] = {
    "acc x mean": 1.64,
    "acc y mean": 1.79,
    "acc z mean": -0.46,
    "acc x sd": 5.78,
    "acc y sd": 5.00,
    "acc z sd": 6.10,
    "acc x min": -34.6,
    "acc y min": -24.4,
    "acc z min": -42.9,
    "acc x max": 46.3,
    "acc y max": 27.2,
    "acc z max": 30.1,
    "quaternion null %": 0.64,
    "thm mean": 27.0,
    "thm max": 39.6,
    **{f"thm {site} null %": share for site, share in enumerate((1.22, 1.33, 1.13, 1.08, 5.79), 1)},
    **{f"tof {site} no response %": share for site, share in enumerate((58.77, 62.93, 60.14, 52.34, 62.84), 1)},
    **{f"tof {site} mean": steps for site, steps in enumerate((111.75, 101.65, 105.34, 112.38, 109.95), 1)},
    **{f"tof {site} null %": share for site, share in enumerate((1.08, 1.08, 1.08, 1.08, 5.24), 1)},
    "tof max": 249.0,
    "rows mean": 70.5,
    "rows min": 29.0,
    "rows 1 %": 43.0,
    "rows 5 %": 46.0,
    "rows 25 %": 51.0,
    "rows median": 59.0,
    "rows 75 %": 78.0,
    "rows 90 %": 103.0,
    "rows 95 %": 127.0,
    "rows 99 %": 210.0,
    "rows max": 700.0,
    "rows of gesture": 31.4,
    **{
        f"rows % {name}": 100 * rows / 574945
        for name, rows in zip((*BEHAVIORS, *ORIENTATIONS), (
            156474, 67481, 95173, 255817, 188120, 131636, 130043, 125146
        ), strict=True)
    },
}  # fmt: skip
"""Statistics of the whole CMI study: counts and tables printed in public analyses of the competition's file."""


def statistics(recordings: Recordings) -> dict[str, float]:
    """The same statistics of any recordings."""
    return {**_motion(recordings), **_proximity(recordings), **_design(recordings)}


def _motion(recordings: Recordings) -> dict[str, float]:
    acc = recordings.sensors["acc"].astype(np.float64)
    found: dict[str, float] = {}
    for axis, values in zip("xyz", acc.T, strict=True):
        found |= {f"acc {axis} mean": values.mean(), f"acc {axis} sd": values.std()}
        found |= {f"acc {axis} min": values.min(), f"acc {axis} max": values.max()}
    found["quaternion null %"] = 100 * np.isnan(recordings.sensors["quaternion"]).any(axis=1).mean()
    return {name: float(value) for name, value in found.items()}


def _proximity(recordings: Recordings) -> dict[str, float]:
    thm, tof = recordings.sensors["thm"], recordings.sensors["tof"]
    sensor = HELIOS.sensor("tof")
    found = {"thm mean": np.nanmean(thm), "thm sd": np.nanstd(thm), "thm max": np.nanmax(thm)}
    found["tof max"] = tof.max()
    for site in range(5):
        images = tof[:, site].reshape(len(tof), -1)
        absent = sensor.is_absent(images).all(axis=1)
        found[f"thm {site + 1} null %"] = 100 * np.isnan(thm[:, site]).mean()
        found[f"tof {site + 1} null %"] = 100 * absent.mean()
        found[f"tof {site + 1} no response %"] = 100 * (images[~absent] == sensor.no_response_code).mean()
        found[f"tof {site + 1} mean"] = images[images >= 0].mean()
    return {name: float(value) for name, value in found.items()}


def _design(recordings: Recordings) -> dict[str, float]:
    lengths = recordings.lengths
    found = {"rows mean": lengths.mean(), "rows min": lengths.min(), "rows max": lengths.max()}
    for share in (1, 5, 25, 75, 90, 95, 99):
        found[f"rows {share} %"] = np.percentile(lengths, share)
    found["rows median"] = np.median(lengths)
    behavior = recordings.annotations["behavior"].codes
    counts = np.bincount(behavior[behavior >= 0], minlength=len(BEHAVIORS))
    found["rows of gesture"] = counts[-1] / len(recordings)
    found |= {f"rows % {name}": 100 * count / counts.sum() for name, count in zip(BEHAVIORS, counts, strict=True)}
    orientation = np.array(recordings.table["orientation"].to_list())
    found |= {f"rows % {name}": 100 * lengths[orientation == name].sum() / lengths.sum() for name in ORIENTATIONS}
    return {name: float(value) for name, value in found.items()}


def dynamics(recordings: Recordings) -> dict[str, float]:
    """Statistics that have not been published, but that real recordings at hand have too."""
    behavior = recordings.annotations["behavior"].codes
    starts = recordings.offsets[:-1]
    rest = _spans(recordings, behavior < 2)
    gesture = _spans(recordings, behavior == 3)
    acc = recordings.sensors["acc"].astype(np.float64)
    found = {}
    for name, power in zip(("0.3-1", "1-2", "2-3.5", "3.5-5"), _bands(acc, gesture), strict=True):
        found[f"acc power {name} Hz in gestures (m/s^2)^2"] = power
    found["acc steps sd in gestures"] = float(np.mean([np.diff(acc[span], axis=0).std() for span in gesture]))
    found["acc steps sd in transitions"] = float(np.mean([np.diff(acc[span], axis=0).std() for span in rest]))
    found["gravity change in a reach (deg)"] = _turned(acc, starts, recordings)
    found["thermopile rise from rest to target (C)"] = _rise(
        recordings.sensors["thm"].astype(np.float64), behavior, recordings
    )
    tof = recordings.sensors["tof"]
    known = (tof >= -1).all(axis=(1, 2, 3))
    for site in range(5):
        found[f"tof {site + 1} no response %"] = float(100 * (tof[known, site] < 0).mean())
        values = tof[known & (behavior < 2), site]
        found[f"tof {site + 1} before, no response %"] = float(100 * (values < 0).mean())
        values = tof[known & (behavior == 2), site]
        found[f"tof {site + 1} at target, mean of responses"] = float(values[values >= 0].mean())
        found[f"tof {site + 1} at target, no response %"] = float(100 * (values < 0).mean())
    return found


def _spans(recordings: Recordings, wanted: npt.NDArray[np.bool_]) -> list[slice]:
    """The run of wanted rows of every recording, where it has 12 rows or more."""
    spans = []
    for begin, end in zip(recordings.offsets[:-1], recordings.offsets[1:], strict=True):
        rows = np.flatnonzero(wanted[begin:end])
        if len(rows) >= 12:
            spans.append(slice(int(begin + rows[0]), int(begin + rows[-1] + 1)))
    return spans


def _bands(acc: Floats, spans: Iterable[slice]) -> Floats:
    """(4,) power of the three axes in bands of frequency, median over the spans: a knock would outweigh all others."""
    powers = []
    for span in spans:
        values = acc[span] - acc[span].mean(axis=0)
        spectrum = np.abs(np.fft.rfft(values * np.hanning(len(values))[:, None], axis=0)) ** 2
        spectrum *= 2 / (np.hanning(len(values)) ** 2).sum() / len(values)
        rate = np.fft.rfftfreq(len(values), 1 / HELIOS.row_rate_hz)
        edges = np.searchsorted(rate, (0.3, 1, 2, 3.5, 5.01))
        powers.append([spectrum[low:high].sum() for low, high in pairwise(edges)])
    result: Floats = np.median(powers, axis=0)
    return result


def _turned(acc: Floats, starts: Array, recordings: Recordings) -> float:
    """Median over recordings of the angle between the median accelerations of the transition and of the pause."""
    behavior = recordings.annotations["behavior"].codes
    angles = []
    for begin, end in zip(starts, recordings.offsets[1:], strict=True):
        codes = behavior[begin:end]
        if (codes < 2).sum() < 8 or (codes == 2).sum() < 2:
            continue
        rest = np.median(acc[begin:end][codes < 2], axis=0)
        target = np.median(acc[begin:end][codes == 2], axis=0)
        cosine = rest @ target / np.linalg.norm(rest) / np.linalg.norm(target)
        angles.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    return float(np.median(angles))


def _rise(thm: Floats, behavior: Array, recordings: Recordings) -> float:
    """Mean over recordings and sites of the difference between the pause and the coldest row before it."""
    rises = []
    for begin, end in zip(recordings.offsets[:-1], recordings.offsets[1:], strict=True):
        codes, values = behavior[begin:end], thm[begin:end]
        if np.isnan(values).any() or not (codes == 2).any() or not (codes < 2).any():
            continue
        rises.append(values[codes == 2].mean(axis=0) - np.percentile(values[codes < 2], 10, axis=0))
    return float(np.mean(rises))


def matched(study: Recordings, real: Recordings, each: int = 8, skip: int = 0) -> Recordings:
    """For every real recording `each` simulated ones of the same gesture and posture, after `skip` others."""
    mine, theirs = _kinds(study), _kinds(real)
    chosen = [np.flatnonzero(mine == kind)[skip : skip + each] for kind in theirs]
    return study[np.unique(np.concatenate(chosen))]


def _kinds(recordings: Recordings) -> npt.NDArray[np.str_]:
    table = recordings.table
    return np.array([f"{g}|{o}" for g, o in zip(table["gesture"], table["orientation"], strict=True)])


@dataclass(frozen=True)
class TwoSample:
    """How well a classifier tells real from simulated windows.

    Parameters
    ----------
    auc
        Area under its curve on held-out subjects: 0.5 cannot, 1 always.
    windows
        Number of real and of simulated windows.
    telling
        All features, the one that most gives a window away first, with the loss of AUC when each is shuffled.
    """

    auc: float
    windows: tuple[int, int]
    telling: tuple[tuple[str, float], ...]


def two_sample_test(real: Recordings, simulated: Recordings, seed: int = 0, effort: int = 5) -> TwoSample:
    """Train a classifier to tell real from simulated IMU windows of two seconds, on subjects it has not seen."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.inspection import permutation_importance
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold

    parts = [part.windows(20, 20) for part in (real, simulated)]
    features = np.concatenate([imu_features(part) for part in parts])
    truth = np.repeat([1, 0], [len(part) for part in parts])
    groups = np.concatenate([part.subjects for part in parts])
    scores, importance = np.zeros(len(truth)), []
    for train, test in StratifiedGroupKFold(4, shuffle=True, random_state=seed).split(features, truth, groups):
        forest = RandomForestClassifier(60 * effort, min_samples_leaf=2, class_weight="balanced", random_state=seed)
        forest.fit(features[train], truth[train])
        scores[test] = forest.predict_proba(features[test])[:, 1]
        shuffled = permutation_importance(
            forest, features[test], truth[test], scoring="roc_auc", n_repeats=effort, random_state=seed
        )
        importance.append(shuffled.importances_mean)
    losses = np.mean(importance, axis=0)
    telling = tuple((IMU_FEATURES[which], float(losses[which])) for which in np.argsort(-losses))
    return TwoSample(float(roc_auc_score(truth, scores)), (len(parts[0]), len(parts[1])), telling)


IMU_FEATURES = (
    *(f"acc {axis} {what}" for what in ("mean", "sd", "steps sd", "curvature sd") for axis in "xyz"),
    "acc size mean",
    "acc size sd",
    *(f"turn rate {axis} {what}" for what in ("sd", "mean") for axis in "xyz"),
    "turn rate steps sd",
    "acc least step",
    "acc largest step",
)
"""Names of what `imu_features` gives."""


def imu_features(windows: Recordings) -> Floats:
    """(R, F) features of recordings of equal length; blind to the compass heading."""
    size = len(windows)
    acc = windows.sensors["acc"].reshape(size, -1, 3).astype(np.float64)
    steps, length = np.diff(acc, axis=1), np.linalg.norm(acc, axis=2)
    turns = turn_rates(windows.sensors["quaternion"].reshape(size, -1, 4).astype(np.float64))
    jumps = np.linalg.norm(steps, axis=2)
    columns = [
        acc.mean(axis=1), acc.std(axis=1), steps.std(axis=1), np.diff(steps, axis=1).std(axis=1),
        length.mean(axis=1, keepdims=True), length.std(axis=1, keepdims=True),
        turns.std(axis=1), turns.mean(axis=1), np.diff(turns, axis=1).std(axis=(1, 2), keepdims=True)[..., 0],
        jumps.min(axis=1, keepdims=True), jumps.max(axis=1, keepdims=True),
    ]  # fmt: skip
    features: Floats = np.nan_to_num(np.concatenate(columns, axis=1), nan=0.0)
    return features


def turn_rates(quaternion: Floats) -> Floats:
    """(R, T - 1, 3) angular velocity in rad/s in the frame of the device."""
    p, q = quaternion[:, :-1], quaternion[:, 1:]
    w = (p * q).sum(axis=2)
    v = p[..., :1] * q[..., 1:] - q[..., :1] * p[..., 1:] - np.cross(p[..., 1:], q[..., 1:])
    v = v * np.where(w < 0, -1, 1)[..., None]
    result: Floats = 2 * v * HELIOS.row_rate_hz
    return result


def table_lines(rows: Sequence[tuple[str, float, float]], limit: float = 0.10) -> list[str]:
    """Lines of a Markdown table of name, real and simulated value, marked where they are further apart than `limit`.

    Shares in percent may differ by 3 points.
    """
    lines = ["| statistic | real | simulated | |", "| --- | ---: | ---: | --- |"]
    for name, real, simulated in rows:
        is_share = "null %" in name or "no response %" in name or name.startswith("rows % ")
        fine = abs(simulated - real) <= (3.0 if is_share else limit * abs(real))
        lines.append(f"| {name} | {real:.4g} | {simulated:.4g} | {'' if fine else 'differs'} |")
    return lines
