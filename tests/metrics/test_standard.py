"""Standard scores and calibration: what is defined, and what is asked of scikit-learn."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from bfrb.errors import ConfigError, DataError
from bfrb.metrics import average_precision, calibration, class_scores, roc_auc
from bfrb.study.labels import LabelSet

THREE = LabelSet("three", ("pull", "rest", "wave"), frozenset({"pull"}))


def test_every_class_is_scored_those_without_recordings_too() -> None:
    found = class_scores(["pull", "pull", "rest"], ["pull", "rest", "rest"], THREE)
    assert list(found) == list(THREE.classes)
    assert (found["pull"].precision, found["pull"].recall, found["pull"].support) == (1.0, 0.5, 2)
    assert found["rest"].f1 == pytest.approx(2 / 3)
    assert (found["wave"].precision, found["wave"].f1, found["wave"].support) == (0.0, 0.0, 0)


def test_areas_are_not_defined_without_both_kinds() -> None:
    nothing, everything, values = np.zeros(3, dtype=bool), np.ones(3, dtype=bool), np.arange(3.0)
    assert roc_auc(nothing, values) is None
    assert roc_auc(everything, values) is None
    assert average_precision(nothing, values) is None
    assert average_precision(everything, values) == 1.0


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ConfigError, match=r"scikit-learn(.|\n)*bfrb\[report\]"):
        class_scores(["pull"], ["pull"], THREE)


def test_honest_probabilities_have_no_calibration_error_and_certainty_that_is_wrong_the_largest() -> None:
    right = np.array([True, False, False, False, True, True, True, False])
    found = calibration(np.repeat([0.25, 0.75], 4), right)
    assert found.error == pytest.approx(0)
    assert found.counts.sum() == 8
    assert np.isnan(found.accuracy[found.counts == 0]).all()
    assert calibration(np.ones(3), np.zeros(3, bool)).error == 1.0
    with pytest.raises(DataError, match="at least one"):
        calibration(np.zeros(0), np.zeros(0, bool))
