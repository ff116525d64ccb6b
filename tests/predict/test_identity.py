"""Recordings of a bundle's training are known by what they hold, not by what they are called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from bfrb.predict.bundle import OUT_OF_FOLD, Bundle
from bfrb.predict.out_of_fold import TrainingOverlap
from bfrb.read.tables import read_table
from bfrb.study.content import CONTENT
from bfrb.study.recordings import Recordings
from bundles import make_bundle, make_recordings


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.open(make_bundle(tmp_path_factory.mktemp("identity") / "model"))


@pytest.fixture(scope="module")
def trained_on() -> Recordings:
    """The recordings whose predictions a made bundle keeps."""
    return make_recordings(72, subjects=4)


def renamed(recordings: Recordings, column: str, prefix: str) -> Recordings:
    return recordings.with_table(recordings.table.with_columns((pl.lit(prefix) + pl.col(column)).alias(column)))


def test_recordings_of_the_training_are_matched(bundle: Bundle, trained_on: Recordings) -> None:
    overlap = TrainingOverlap.of(bundle)
    assert overlap.match(trained_on).all()
    assert overlap.seen == sorted(set(trained_on.subjects.tolist()))
    assert (overlap.namesakes, overlap.changed) == ([], {})


def test_other_people_with_the_same_names_and_ids_are_others(bundle: Bundle) -> None:
    others = make_recordings(72, subjects=4, seed=1)
    overlap = TrainingOverlap.of(bundle)
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
