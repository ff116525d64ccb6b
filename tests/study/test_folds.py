"""Folds: no subject is ever on both sides, the gestures are spread evenly, and a file gives the same folds again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bfrb.errors import DataError
from bfrb.read.sources import read
from bfrb.study.folds import Folds, leave_one_subject_out, make_folds

GESTURES = ["a", "b", "c", None]


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    """Some recordings of 2 to 12 subjects."""
    subjects = draw(st.integers(2, 12))
    owners = draw(st.lists(st.integers(0, subjects - 1), max_size=40)) + list(range(subjects))
    gestures = draw(st.lists(st.sampled_from(GESTURES), min_size=len(owners), max_size=len(owners)))
    return pl.DataFrame(
        {"subject": [f"s{owner}" for owner in owners], "gesture": gestures}, schema_overrides={"gesture": pl.String}
    )


@given(table=tables(), data=st.data(), seed=st.integers(0, 99))
def test_no_subject_is_ever_on_both_sides(table: pl.DataFrame, data: st.DataObject, seed: int) -> None:
    n_subjects = table["subject"].n_unique()
    folds = make_folds(table, data.draw(st.integers(2, n_subjects)), seed)
    subjects = table["subject"].to_numpy()
    held_out = []
    for fold in range(len(folds)):
        training, validation = folds.split(fold, subjects)
        assert not set(subjects[training]) & set(subjects[validation])
        assert len(training) + len(validation) == table.height
        held_out += validation.tolist()
    assert sorted(held_out) == list(range(table.height))


@given(table=tables(), seed=st.integers(0, 99))
def test_the_same_seed_gives_the_same_folds_in_any_order_of_the_rows(table: pl.DataFrame, seed: int) -> None:
    folds = make_folds(table, 2, seed)
    assert make_folds(table.reverse(), 2, seed).fold_of == folds.fold_of


@given(table=tables())
def test_folds_read_from_their_file_are_the_same(table: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("folds") / "folds.csv"
    folds = leave_one_subject_out(table)
    folds.write(path)
    assert Folds.read(path).fold_of == folds.fold_of
    assert list(path.parent.iterdir()) == [path]


def test_another_seed_gives_other_folds() -> None:
    table = pl.DataFrame({"subject": [f"s{number}" for number in range(20)], "gesture": ["a"] * 20})
    assert make_folds(table, 4, 0).fold_of != make_folds(table, 4, 1).fold_of


def test_a_fold_file_is_a_short_table_that_a_person_can_write(tmp_path: Path) -> None:
    path = tmp_path / "folds.csv"
    Folds({"ann": 1, "ben": 0, "cleo": 1}).write(path)
    assert path.read_text() == "subject,fold\nben,0\nann,1\ncleo,1\n"
    path.write_text("note,fold,subject\nx,0,1\ny,1,2\n")
    assert Folds.read(path).fold_of == {"1": 0, "2": 1}


def test_leaving_one_out_holds_every_subject_out_alone() -> None:
    folds = leave_one_subject_out(pl.DataFrame({"subject": ["b", "a", "b", "c"]}))
    assert len(folds) == 3
    assert folds.split(1, ["b", "a", "b", "c"])[1].tolist() == [0, 2]


def test_recordings_without_gestures_are_spread_by_their_number() -> None:
    table = pl.DataFrame({"subject": ["a"] * 4 + ["b"] * 2 + ["c"] * 2})
    assert make_folds(table, 2, 0).split(0, table["subject"].to_list())[0].size == 4


def spread(table: pl.DataFrame, fold_of_row: np.ndarray) -> float:
    """Mean deviation of the number of recordings of a gesture in a fold from an even share."""
    counts = table.with_columns(fold=pl.Series(fold_of_row)).group_by("gesture", "fold").len()
    wide = counts.pivot(on="fold", index="gesture", values="len").fill_null(0).drop("gesture").to_numpy()
    return float(np.abs(wide - wide.mean(axis=1, keepdims=True)).mean())


@pytest.mark.parametrize("n_folds", [3, 5, 10])
def test_gestures_of_the_real_study_are_spread_as_evenly_as_by_scikit_learn(real_data: Path, n_folds: int) -> None:
    from sklearn.model_selection import StratifiedGroupKFold

    table = pl.read_csv(real_data / "cmi" / "train_sequences_meta.csv")
    subjects = table["subject"].to_numpy()
    ours = make_folds(table, n_folds, 0).numbers(subjects)
    theirs = np.zeros(table.height, dtype=int)
    reference = StratifiedGroupKFold(n_folds, shuffle=True, random_state=0)
    for fold, (_, held_out) in enumerate(reference.split(subjects, table["gesture"].to_numpy(), subjects)):
        theirs[held_out] = fold
    assert spread(table, ours) <= 1.05 * spread(table, theirs)


@pytest.mark.parametrize("n_folds", [3, 10, 14])
def test_a_handful_of_real_recordings_can_be_divided(real_data: Path, n_folds: int) -> None:
    table = read(real_data / "cmi").table
    folds = make_folds(table, n_folds, 0)
    assert len(folds) == n_folds


@pytest.mark.parametrize("n_folds", [1, 0, 4])
def test_more_folds_than_subjects_or_fewer_than_two_are_refused(n_folds: int) -> None:
    with pytest.raises(DataError, match="from 2 to 3 folds for 3 subjects"):
        make_folds(pl.DataFrame({"subject": ["a", "b", "c", "c"]}), n_folds, 0)


def test_one_subject_cannot_be_left_out() -> None:
    with pytest.raises(DataError, match="got one"):
        leave_one_subject_out(pl.DataFrame({"subject": ["a", "a"]}))


def test_subjects_without_a_fold_are_named() -> None:
    with pytest.raises(DataError, match="2 have none: dora, emil"):
        Folds({"ann": 0, "ben": 1}).split(0, ["ann", "emil", "dora"])


def test_a_fold_that_no_recording_is_in_cannot_be_held_out() -> None:
    with pytest.raises(DataError, match="0 to validate with"):
        Folds({"ann": 0, "ben": 1, "cleo": 2}).split(2, ["ann", "ben"])


def test_a_fold_that_does_not_exist_is_refused() -> None:
    with pytest.raises(DataError, match="from 0 to 1, got 2"):
        Folds({"ann": 0, "ben": 1}).split(2, ["ann"])


bad_files = {
    "nothing": "",
    "other columns": "person,fold\na,0\n",
    "a word for a fold": "subject,fold\na,first\n",
    "a gap": "subject,fold\na,0\nb,\n",
    "a subject twice": "subject,fold\na,0\na,1\n",
    "one fold": "subject,fold\na,0\nb,0\n",
    "a fold left out": "subject,fold\na,0\nb,2\n",
}


@pytest.mark.parametrize("kind", bad_files)
def test_a_file_that_holds_no_folds_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "folds.csv"
    path.write_text(bad_files[kind])
    with pytest.raises(DataError):
        Folds.read(path)


def test_a_fold_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        Folds.read(tmp_path / "folds.csv")
