"""The names that `import bfrb` offers."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import bfrb
from bundles import make_bundle


def test_there_are_at_most_twelve_public_names_and_all_are_there() -> None:
    assert len(bfrb.__all__) <= 12
    for name in bfrb.__all__:
        assert getattr(bfrb, name) is not None
    assert bfrb.__version__ == version("bfrb")
    assert set(bfrb.__all__) <= set(dir(bfrb))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="laod"):
        bfrb.laod  # noqa: B018


def test_importing_brings_no_library_that_is_slow_to_import() -> None:
    slow = ("numpy", "polars", "onnxruntime", "pydantic", "scipy", "torch")
    script = f"import sys, bfrb; print([name for name in {slow} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60)
    assert found.stdout.strip() == "[]"


def test_real_recordings_go_from_file_to_answers(real_data: Path, tmp_path: Path) -> None:
    predictor = bfrb.load(make_bundle(tmp_path / "model"))
    recordings = bfrb.read(real_data / "cmi" / "train_sample.csv")
    predictions = predictor.predict(recordings)
    assert list(predictions.ids) == recordings.ids
    assert 0 <= bfrb.competition_score(recordings.gestures, predictions.gestures).score <= 1
