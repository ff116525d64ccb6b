"""Answers by the members that never saw a person, and recordings of the training, known by what they hold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bfrb.errors import BundleError
from bfrb.predict.bundle import FOLDS, OUT_OF_FOLD, Bundle
from bfrb.predict.out_of_fold import EVERYBODY, HeldOutPredictor, TrainingOverlap
from bfrb.read.tables import read_table
from bfrb.study.content import CONTENT
from bfrb.study.recordings import Recordings
from bundles import make_recordings


@pytest.fixture(scope="module")
def bundle(bundle: Path) -> Bundle:
    return Bundle.open(bundle)


def test_each_recording_is_answered_by_the_member_that_held_its_person_out(bundle: Bundle) -> None:
    predictor = HeldOutPredictor(bundle)
    names = sorted(predictor.fold_of, key=predictor.fold_of.__getitem__)[::2]
    recordings, subjects = make_recordings(4), pl.Series("subject", [names[0], "a stranger", names[1], names[0]])
    recordings = recordings.with_table(recordings.table.with_columns(subjects))
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


@pytest.fixture(scope="module")
def trained_on() -> Recordings:
    """The recordings whose predictions a made bundle keeps."""
    return make_recordings(72, subjects=4)


def renamed(recordings: Recordings, column: str, prefix: str) -> Recordings:
    return recordings.with_table(recordings.table.with_columns((pl.lit(prefix) + pl.col(column)).alias(column)))


def test_recordings_of_the_training_are_matched_and_others_with_the_same_names_and_ids_are_others(
    bundle: Bundle, trained_on: Recordings
) -> None:
    overlap = TrainingOverlap.of(bundle)
    assert overlap.match(trained_on).all()
    assert overlap.seen == sorted(set(trained_on.subjects.tolist()))
    assert (overlap.namesakes, overlap.changed) == ([], {})
    overlap, others = TrainingOverlap.of(bundle), make_recordings(72, subjects=4, seed=1)
    assert not overlap.match(others).any()
    assert overlap.seen == []
    assert overlap.namesakes == sorted(set(others.subjects.tolist()))
    assert overlap.changed == dict(zip(others.ids, others.subjects.tolist(), strict=True))


@pytest.mark.parametrize("column", ["id", "subject"])
def test_a_person_of_the_training_is_seen_under_any_name(bundle: Bundle, trained_on: Recordings, column: str) -> None:
    other, overlap = renamed(trained_on, column, "new "), TrainingOverlap.of(bundle)
    assert overlap.match(other).all() == (column == "subject")
    assert overlap.seen == sorted(set(other.subjects.tolist()))


def test_new_recordings_of_somebody_who_was_seen_do_not_hide_that(bundle: Bundle, trained_on: Recordings) -> None:
    overlap = TrainingOverlap.of(bundle)
    batches = [trained_on[:1], renamed(make_recordings(4, subjects=4, seed=1), "id", "new ")]
    assert list(overlap.watch(batches)) == batches
    assert overlap.seen == ["SUBJ_000000"]
    assert overlap.namesakes == ["SUBJ_000001", "SUBJ_000002", "SUBJ_000003"]
    assert overlap.changed == {}


def test_a_bundle_without_hashes_goes_by_names(bundle: Bundle, trained_on: Recordings, tmp_path: Path) -> None:
    read_table(bundle.file(OUT_OF_FOLD)).drop(CONTENT).write_parquet(tmp_path / OUT_OF_FOLD)
    overlap = TrainingOverlap.of(replace(bundle, path=tmp_path))
    assert not overlap.by_content
    assert overlap.match(make_recordings(72, subjects=4, seed=1)).all()
    assert overlap.match(renamed(trained_on, "subject", "new "))[:4].tolist() == [False] * 4
    assert overlap.seen == ["SUBJ_000000", "SUBJ_000001", "SUBJ_000002", "SUBJ_000003"]
