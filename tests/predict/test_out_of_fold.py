"""Answers by the members that never saw a person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bfrb.errors import BundleError
from bfrb.predict.bundle import FOLDS, Bundle
from bfrb.predict.out_of_fold import EVERYBODY, HeldOutPredictor, keep_members
from bfrb.predict.predictor import Predictor
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
    for row, name in enumerate(recordings.subjects):
        fold = predictor.fold_of.get(name, EVERYBODY)
        expected = Predictor(keep_members(bundle, fold)).predict(recordings[row]).probabilities[0]
        np.testing.assert_allclose(found[row], expected, atol=1e-6)
    assert predictor.folds(recordings.subjects).tolist() == [0, EVERYBODY, 1, 0]
    assert not np.allclose(found[0], found[3])


def test_members_of_other_folds_are_gone(bundle: Bundle) -> None:
    assert [member.fold for member in keep_members(bundle, 1).manifest.members] == [1]
    assert keep_members(bundle, EVERYBODY).manifest.members == bundle.manifest.members


def test_a_fold_that_no_member_held_out_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="held out fold 7"):
        keep_members(bundle, 7)


def test_people_are_names_even_if_they_look_like_numbers(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / FOLDS).write_text("subject,fold\n007,0\n08,1\n", encoding="utf-8")
    changed = Bundle(tmp_path, bundle.manifest, bundle.device, bundle.label_set)
    assert HeldOutPredictor(changed).fold_of == {"007": 0, "08": 1}


def test_a_bundle_that_was_not_trained_here_knows_nobody(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / FOLDS).write_text("subject,fold\n", encoding="utf-8")
    changed = Bundle(tmp_path, bundle.manifest, bundle.device, bundle.label_set)
    assert HeldOutPredictor(changed).fold_of == {}
