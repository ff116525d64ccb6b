"""Peers on real studies: their quicker ridge is scikit-learn's, and who is judged takes no part."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifierCV

FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "real"


@pytest.fixture(scope="module")
def peers() -> ModuleType:
    spec = spec_from_file_location("real_peers", FOLDER / "peers.py")
    assert spec is not None
    assert spec.loader is not None
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def windows(count: int = 60) -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Windows of six axes whose class is how quickly they swing; two splits."""
    rng = np.random.default_rng(0)
    classes = np.arange(count) % 3
    swing = np.sin(2 * np.pi * (1 + 3 * classes)[:, None] * np.arange(40) / 40 + rng.uniform(0, 6, (count, 1)))
    rows = swing[:, None] + 0.5 * rng.normal(size=(count, 6, 40))
    halves = np.arange(count // 2), np.arange(count // 2, count)
    return rows.astype(np.float32), classes, [halves, halves[::-1]]


@pytest.mark.parametrize("noise", [0.3, 3.0])
def test_the_ridge_of_the_peers_is_that_of_scikit_learn(peers: ModuleType, noise: float) -> None:
    _, classes, splits = windows()
    rng = np.random.default_rng(1)
    features = np.eye(3, 200)[classes] * 4 + noise * rng.normal(size=(60, 200))
    features = peers.standardised(features.astype(np.float32))
    found = peers.ridge(features, classes, splits, 3)
    for known, held_out in splits:
        theirs = RidgeClassifierCV(alphas=np.logspace(-3, 3, 10)).fit(features[known], classes[known])
        np.testing.assert_allclose(found[held_out], theirs.decision_function(features[held_out]), atol=0.02)
