"""Members of a bundle: what their graphs may be, and what becomes of their answers."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bfrb.features.sequences import Batch
from bfrb.predict.bundle import Bundle
from bfrb.predict.member import load_member, spread_over_rows

OLD_BUNDLE = Path(__file__).parents[1] / "files" / "bundle_0.1.tar.xz"
"""A bundle of two small networks with random weights, of format 1, and what they answered to simulated recordings.

Of their unpadded graphs one takes in no lengths but recurrent weights, the other one lengths.
"""


@given(rows=st.integers(1, 200), halvings=st.integers(0, 4))
def test_weights_are_spread_over_the_rows_they_stand_for(rows: int, halvings: int) -> None:
    stretches = rows
    for _ in range(halvings):
        stretches = -(-stretches // 2)
    weights = np.random.default_rng(rows).dirichlet(np.ones(stretches))[None]
    spread = spread_over_rows(weights, rows)
    assert spread.shape == (1, rows)
    np.testing.assert_allclose(spread.sum(), 1.0)
    per_row = weights[0][np.arange(rows) * stretches // rows] if stretches == rows else weights[0].repeat(2**halvings)
    np.testing.assert_allclose(spread[0] / spread[0, 0], per_row[:rows] / weights[0, 0], rtol=1e-9)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(OLD_BUNDLE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "old_bundle"


@pytest.mark.parametrize("unpadded", [True, False])
def test_a_bundle_of_format_1_answers_as_it_did(old: Path, unpadded: bool) -> None:
    answers = np.load(old / "answers.npz")
    if not unpadded:  # as the first bundles were
        for path in (old / "members").glob("*.unpadded.onnx"):
            path.rename(path.with_suffix(".away"))
    inputs = {name.removeprefix("inputs."): answers[name] for name in answers.files if name.startswith("inputs.")}
    batch = Batch(inputs, np.full(2, 13))
    bundle = Bundle.open(old) if unpadded else Bundle(old, *(getattr(Bundle, "x", None),) * 3)
    for spec in bundle.manifest.members:
        member = load_member(bundle, spec)
        found = {"probabilities": member.answer(batch)}
        found |= {"phases": member.phases(batch)} if "phases" in member.outputs else {}
        for name, values in found.items():
            np.testing.assert_allclose(values, answers[f"{spec.name}.{name}"], rtol=0, atol=1e-6)
        spread = spread_over_rows(answers[f"{spec.name}.attention"], 13)
        np.testing.assert_allclose(member.attention(batch), spread, rtol=0, atol=1e-6)
