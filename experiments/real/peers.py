"""What anyone would use instead: methods that take windows of readings, as they come out of the box.

Each takes (R, C, T) training windows, their classes, and windows to answer, and gives (R, K) scores; the highest is the
answer. Recordings of different lengths are padded with zeros at their end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Peer = Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]

INSTALL = 'pip install "aeon>=1.0"'


def minirocket(windows: np.ndarray, classes: np.ndarray, others: np.ndarray, count: int) -> np.ndarray:
    """MiniRocket (Dempster et al. 2021) with aeon's ridge classifier."""
    from aeon.classification.convolution_based import MiniRocketClassifier

    found = MiniRocketClassifier(random_state=0).fit(windows, classes)
    return _by_class(found.pipeline_, found.pipeline_.decision_function(others), count)


def multirocket_hydra(windows: np.ndarray, classes: np.ndarray, others: np.ndarray, count: int) -> np.ndarray:
    """MultiRocket and Hydra (Dempster et al. 2023) with aeon's ridge classifier."""
    from aeon.classification.convolution_based import MultiRocketHydraClassifier

    found = MultiRocketHydraClassifier(random_state=0).fit(windows, classes)
    hydra = found._scale_hydra.transform(found._transform_hydra.transform(others))
    multirocket = found._scale_multirocket.transform(found._transform_multirocket.transform(others))
    both = np.concatenate((hydra, multirocket), axis=1)
    return _by_class(found.classifier, found.classifier.decision_function(both), count)


def random_forest(windows: np.ndarray, classes: np.ndarray, others: np.ndarray, count: int) -> np.ndarray:
    """A random forest on means, spreads, extremes and quantiles of every axis and of both magnitudes."""
    from sklearn.ensemble import RandomForestClassifier

    found = RandomForestClassifier(300, class_weight="balanced", n_jobs=1, random_state=0)
    found.fit(statistics(windows), classes)
    return _by_class(found, found.predict_proba(statistics(others)), count)


def statistics(windows: np.ndarray) -> np.ndarray:
    """(R, 11 * (C + C / 3)) statistics of (R, C, T) windows."""
    sensors = windows.reshape(len(windows), -1, 3, windows.shape[2])
    traces = np.concatenate([windows, np.linalg.norm(sensors, axis=2)], axis=1)
    change = np.abs(np.diff(traces, axis=2))
    quantiles = np.quantile(traces, [0.1, 0.25, 0.5, 0.75, 0.9], axis=2)
    parts = [traces.mean(2), traces.std(2), traces.min(2), traces.max(2), change.mean(2), change.std(2), *quantiles]
    return np.concatenate(parts, axis=1)


def _by_class(fitted: Any, scores: np.ndarray, count: int) -> np.ndarray:
    """(R, `count`) scores in the order of all classes; those that training lacked come last."""
    if scores.ndim == 1:
        scores = np.stack([-scores, scores], axis=1)
    found = np.full((len(scores), count), scores.min() - 1.0)
    found[:, np.asarray(fitted.classes_, dtype=int)] = scores
    return found


PEERS: Mapping[str, Peer] = {
    "MiniRocket": minirocket,
    "MultiRocketHydra": multirocket_hydra,
    "random forest": random_forest,
}
