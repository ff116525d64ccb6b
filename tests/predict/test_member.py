"""Members of a bundle: what their graphs may be, and what becomes of their answers."""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bfrb.features.sequences import Batch
from bfrb.predict.bundle import Bundle
from bfrb.predict.member import load_member
from bfrb.predict.predictor import load
from bundles import make_recordings

OLD_BUNDLE = Path(__file__).parents[1] / "files" / "bundle_0.1.tar.xz"
"""A bundle of two small networks with random weights, of format 1, and what they answered to simulated recordings.

Of their unpadded graphs one takes in no lengths but recurrent weights, the other one lengths.
"""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(OLD_BUNDLE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "old_bundle"


@pytest.mark.parametrize("unpadded", [True, False])
def test_a_bundle_of_format_1_answers_as_it_did(old: Path, tmp_path: Path, unpadded: bool) -> None:
    bundle, answers = Bundle.open(old), np.load(old / "answers.npz")
    if not unpadded:  # as the first bundles were
        ignored = shutil.ignore_patterns("*.unpadded.onnx")
        bundle = replace(bundle, path=shutil.copytree(old, tmp_path / "first", ignore=ignored))
    inputs = {name.removeprefix("inputs."): answers[name] for name in answers.files if name.startswith("inputs.")}
    batch = Batch(inputs, np.full(2, 13))
    for spec in bundle.manifest.members:
        member = load_member(bundle, spec)
        found = {"probabilities": member.answer(batch)}
        found |= {"phases": member.phases(batch)} if "phases" in member.outputs else {}
        for name, values in found.items():
            np.testing.assert_allclose(values, answers[f"{spec.name}.{name}"], rtol=0, atol=1e-6)


def test_a_bundle_of_format_1_is_loaded_and_asked(old: Path) -> None:
    predictor = load(old)
    assert predictor.gives_phases
    recordings = make_recordings(3)
    assert np.isfinite(predictor.predict(recordings).probabilities).all()
    assert np.isfinite(predictor.phases(recordings)[recordings.offsets[1:] - 1]).all()
