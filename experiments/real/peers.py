"""What anyone would use instead: methods that take windows of readings, as they come out of the box.

Each takes (R, C, T) windows, their classes, whom to learn from and whom to answer for every fold, and the number of
classes; it gives (R, K) scores, of which the highest is the answer. Recordings of
different lengths are padded with zeros at their end.

Thresholds and scales of MiniRocket and MultiRocketHydra are placed once, by all windows without their classes, and
their ridge is scikit-learn's (the same penalties, the same leaving out of one window at a time, the same loss), solved
by Cholesky factors for all folds from one product: that takes a fifth of the time, and is counted as theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

Split = tuple[np.ndarray, np.ndarray]
Peer = Callable[[np.ndarray, np.ndarray, Sequence[Split], int], np.ndarray]

INSTALL = 'pip install "aeon>=1.0"'

PENALTIES = np.logspace(3, -3, 10)
"""Of aeon's ridge classifiers, the strongest first."""
_CONSTANT = 1e2
"""A feature that is always this stands for the bias."""


def minirocket(windows: np.ndarray, classes: np.ndarray, splits: Sequence[Split], count: int) -> np.ndarray:
    """MiniRocket (Dempster et al. 2021) of aeon, with its ridge classifier."""
    from aeon.transformations.collection.convolution_based import MiniRocket

    features = np.asarray(MiniRocket(random_state=0).fit_transform(windows), dtype=np.float32)
    return ridge(standardised(features), classes, splits, count)


def multirocket_hydra(windows: np.ndarray, classes: np.ndarray, splits: Sequence[Split], count: int) -> np.ndarray:
    """MultiRocket and Hydra (Dempster et al. 2023) of aeon, with their ridge classifier."""
    from aeon.classification.convolution_based._mr_hydra import _SparseScaler
    from aeon.transformations.collection.convolution_based import HydraTransformer, MultiRocket

    hydra = HydraTransformer(random_state=0).fit_transform(windows)
    multirocket = MultiRocket(random_state=0).fit_transform(windows)
    scaled = np.asarray(_SparseScaler().fit_transform(hydra), dtype=np.float32)
    features = np.concatenate([scaled, standardised(np.asarray(multirocket, dtype=np.float32))], axis=1)
    return ridge(features - features.mean(axis=0), classes, splits, count)


def standardised(features: np.ndarray) -> np.ndarray:
    """(R, D) features of mean 0 and variance 1; those that never vary are 0."""
    features = features - features.mean(axis=0)
    spread = features.std(axis=0)
    return features / np.where(spread > 0, spread, 1.0)


def ridge(features: np.ndarray, classes: np.ndarray, splits: Sequence[Split], count: int) -> np.ndarray:
    """(R, K) answers of `sklearn.linear_model.RidgeClassifierCV` with the penalties of aeon."""
    product = torch.from_numpy(features @ features.T)
    signs = torch.from_numpy(2.0 * np.eye(count, dtype=np.float32)[classes] - 1.0)
    scores = np.zeros((len(classes), count))
    for known, held_out in splits:
        own = product[known][:, known].double() + _CONSTANT**2
        best, dual = np.inf, torch.empty(0)
        for penalty in PENALTIES:
            penalised = own.clone()
            penalised.diagonal().add_(penalty)
            factor = torch.linalg.cholesky(penalised)
            inverse = torch.cholesky_inverse(factor)
            answers = inverse @ signs[known].double()
            loss = float((answers / inverse.diagonal()[:, None]).square().mean())
            if loss >= best:
                break
            best, dual = loss, answers
        scores[held_out] = (product[held_out][:, known].double() + _CONSTANT**2) @ dual
        lacking = np.setdiff1d(np.arange(count), classes[known])
        scores[np.ix_(held_out, lacking)] = scores[held_out].min() - 1.0
    return scores


def random_forest(windows: np.ndarray, classes: np.ndarray, splits: Sequence[Split], count: int) -> np.ndarray:
    """A random forest on means, spreads, extremes and quantiles of every axis and of both magnitudes."""
    from sklearn.ensemble import RandomForestClassifier

    features, scores = statistics(windows), np.zeros((len(classes), count))
    for known, held_out in splits:
        found = RandomForestClassifier(300, class_weight="balanced", n_jobs=1, random_state=0)
        found.fit(features[known], classes[known])
        scores[np.ix_(held_out, found.classes_)] = found.predict_proba(features[held_out])
    return scores


def statistics(windows: np.ndarray) -> np.ndarray:
    """(R, 11 * (C + C / 3)) statistics of (R, C, T) windows."""
    sensors = windows.reshape(len(windows), -1, 3, windows.shape[2])
    traces = np.concatenate([windows, np.linalg.norm(sensors, axis=2)], axis=1)
    change = np.abs(np.diff(traces, axis=2))
    quantiles = np.quantile(traces, [0.1, 0.25, 0.5, 0.75, 0.9], axis=2)
    parts = [traces.mean(2), traces.std(2), traces.min(2), traces.max(2), change.mean(2), change.std(2), *quantiles]
    return np.concatenate(parts, axis=1)


class Lite(torch.nn.Module):
    """LITE for several channels (Ismail-Fawaz et al. 2023, LITEMV): filters by hand and learnt ones, two layers."""

    def __init__(self, channels: int, count: int, width: int = 32) -> None:
        super().__init__()
        nn = torch.nn
        self.by_hand = nn.ModuleList(by_hand(channels, kind, 2**power) for kind in range(3) for power in range(1, 7))
        self.learnt = nn.ModuleList(separable(channels, width, rows, 1) for rows in (40, 20, 10))
        wide = channels * len(self.by_hand) + width * len(self.learnt)
        self.rest = nn.Sequential(
            *(nn.BatchNorm1d(wide), nn.ReLU()),
            *(separable(wide, width, 20, 2), nn.BatchNorm1d(width), nn.ReLU()),
            *(separable(width, width, 10, 4), nn.BatchNorm1d(width), nn.ReLU()),
        )
        self.answer = nn.Linear(width, count)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, K) logits of (B, C, T)."""
        found = torch.cat([layer(x) for layer in (*self.by_hand, *self.learnt)], dim=1)
        return self.answer(self.rest(found).mean(dim=2))


def separable(channels: int, width: int, rows: int, dilation: int) -> torch.nn.Module:
    """A filter over time for every channel, then a mixture of all channels."""
    own = torch.nn.Conv1d(channels, channels, rows, padding="same", dilation=dilation, groups=channels, bias=False)
    return torch.nn.Sequential(own, torch.nn.Conv1d(channels, width, 1, bias=False))


def by_hand(channels: int, kind: int, rows: int) -> torch.nn.Module:
    """Fixed filters that answer where a channel rises (0), falls (1) or peaks (2) within some rows."""
    layer = torch.nn.Conv1d(channels, channels, rows, padding="same", groups=channels, bias=False)
    places = torch.arange(rows)
    swing = torch.where(places % 2 == 0, 1.0, -1.0) * (-1.0 if kind == 0 else 1.0)
    bump = torch.hann_window(rows + 2, periodic=False)[1:-1]
    taps = bump - bump.mean() if kind == 2 else swing
    layer.weight = torch.nn.Parameter(taps.expand(channels, 1, rows).clone(), requires_grad=False)
    return layer


def lite(windows: np.ndarray, classes: np.ndarray, splits: Sequence[Split], count: int) -> np.ndarray:
    """One LITE network, 40 epochs of Adam with a falling rate, each axis at variance 1."""
    scores, epochs = np.zeros((len(classes), count)), 40
    for known, held_out in splits:
        torch.manual_seed(0)
        scale = windows[known].std(axis=(0, 2))[:, None]
        x, y = torch.from_numpy((windows / scale).astype(np.float32)), torch.from_numpy(classes)
        network = Lite(windows.shape[1], count)
        optimizer = torch.optim.Adam(network.parameters(), 2e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
        for _ in range(epochs):
            for batch in torch.from_numpy(known)[torch.randperm(len(known))].split(64):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
                optimizer.step()
            schedule.step()
        network.eval()
        with torch.no_grad():
            scores[held_out] = network(x[held_out]).softmax(dim=1).numpy()
    return scores


PEERS: Mapping[str, Peer] = {
    "MiniRocket": minirocket,
    "MultiRocketHydra": multirocket_hydra,
    "random forest": random_forest,
    "LITE": lite,
}
