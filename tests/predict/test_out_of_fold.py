"""Answers by the members that never saw a person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bfrb.errors import BundleError
from bfrb.predict.bundle import FOLDS, Bundle
from bfrb.predict.out_of_fold import EVERYBODY, HeldOutPredictor
from bfrb.study.recordings import Recordings
from bundles import make_bundle, make_recordings


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.open(make_bundle(tmp_path_factory.mktemp("held out") / "model", members=2))


def of_people(*names: str) -> Recordings:
    made = make_recordings(len(names))
    return made.with_table(made.table.with_columns(pl.Series("subject", list(names))))


def test_each_recording_is_answered_by_the_member_that_held_its_person_out(bundle: Bundle) -> None:
    predictor = HeldOutPredictor(bundle)
    names = sorted(predictor.fold_of, key=predictor.fold_of.__getitem__)[::2]
    recordings = of_people(names[0], "a stranger", names[1], names[0])
    found = predictor.predict(recordings).probabilities
    assert predictor.folds(recordings.subjects).tolist() == [0, EVERYBODY, 1, 0]
    for row, folds in enumerate([[0], [0, 1], [1], [0]]):
        asked = predictor.of(recordings.subjects[row])
        assert [member.fold for member in asked.bundle.manifest.members] == folds
        np.testing.assert_allclose(found[row], asked.predict(recordings[row]).probabilities[0], atol=1e-6)
    assert not np.allclose(found[0], found[3])


@pytest.mark.parametrize(("rows", "fold_of"), [("007,0\n08,1\nnobody,2\n", {"007": 0, "08": 1, "nobody": 2}), ("", {})])
def test_people_are_names_even_if_they_look_like_numbers(
    bundle: Bundle, tmp_path: Path, rows: str, fold_of: dict[str, int]
) -> None:
    (tmp_path / FOLDS).write_text(f"subject,fold\n{rows}", encoding="utf-8")
    predictor = HeldOutPredictor(replace(bundle, path=tmp_path))
    assert predictor.fold_of == fold_of
    if fold_of:
        with pytest.raises(BundleError, match="held out fold 2"):
            predictor.of("nobody")
