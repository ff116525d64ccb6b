"""Folds: no subject is ever on both sides, the gestures are spread evenly, and a file gives the same folds again."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.cluster import contingency_matrix
from sklearn.model_selection import StratifiedGroupKFold

from bfrb.errors import DataError
from bfrb.study.folds import Folds, leave_one_subject_out, make_folds


@given(seed=st.integers(0, 2**32 - 1))
def test_no_subject_is_ever_on_both_sides_and_a_seed_decides(seed: int) -> None:
    rng = np.random.default_rng(seed)
    people = int(rng.integers(2, 13))
    owners = [*rng.integers(0, people, rng.integers(0, 40)), *range(people)]
    gestures = pl.Series(rng.choice(["a", "b", "c", None], len(owners)).tolist(), dtype=pl.String)
    table = pl.DataFrame({"subject": [f"s{owner}" for owner in owners], "gesture": gestures})
    folds = make_folds(table, int(rng.integers(2, people + 1)), seed)
    subjects = table["subject"].to_numpy()
    held_out = []
    for fold in range(len(folds)):
        training, validation = folds.split(fold, subjects)
        assert not set(subjects[training]) & set(subjects[validation])
        assert len(training) + len(validation) == table.height
        held_out += validation.tolist()
    assert sorted(held_out) == list(range(table.height))
    assert make_folds(table.reverse(), len(folds), seed).fold_of == folds.fold_of


def test_another_seed_gives_other_folds_and_recordings_without_gestures_are_spread_by_their_number() -> None:
    table = pl.DataFrame({"subject": [f"s{number}" for number in range(20)], "gesture": ["a"] * 20})
    assert make_folds(table, 4, 0).fold_of != make_folds(table, 4, 1).fold_of
    bare = pl.DataFrame({"subject": ["a"] * 4 + ["b"] * 2 + ["c"] * 2})
    assert make_folds(bare, 2, 0).split(0, bare["subject"].to_list())[0].size == 4
    assert leave_one_subject_out(bare).fold_of == {"a": 0, "b": 1, "c": 2}


def test_a_fold_file_is_a_short_table_that_a_person_can_write(tmp_path: Path) -> None:
    path, folds = tmp_path / "folds.csv", Folds({"ann": 1, "ben": 0, "cleo": 1})
    folds.write(path)
    assert path.read_text() == "subject,fold\nben,0\nann,1\ncleo,1\n"
    assert Folds.read(path).fold_of == folds.fold_of
    path.write_text("note,fold,subject\nx,0,1\ny,1,2\n")
    assert Folds.read(path).fold_of == {"1": 0, "2": 1}


def spread(table: pl.DataFrame, fold_of_row: np.ndarray) -> float:
    """Mean deviation of the number of recordings of a gesture in a fold from an even share."""
    counts = contingency_matrix(table["gesture"].to_numpy(), fold_of_row)
    return float(np.abs(counts - counts.mean(axis=1, keepdims=True)).mean())


@pytest.mark.parametrize("n_folds", [3, 10])
def test_gestures_of_the_real_study_are_spread_as_evenly_as_by_scikit_learn(real_data: Path, n_folds: int) -> None:
    table = pl.read_csv(real_data / "cmi" / "train_sequences_meta.csv")
    subjects = table["subject"].to_numpy()
    ours = make_folds(table, n_folds, 0).numbers(subjects)
    theirs = np.zeros(table.height, dtype=int)
    reference = StratifiedGroupKFold(n_folds, shuffle=True, random_state=0)
    for fold, (_, held_out) in enumerate(reference.split(subjects, table["gesture"].to_numpy(), subjects)):
        theirs[held_out] = fold
    assert spread(table, ours) <= 1.05 * spread(table, theirs)


three = pl.DataFrame({"subject": ["a", "b", "c", "c"]})
two = Folds({"ann": 0, "ben": 1})
refused: dict[str, tuple[Callable[[], object], str]] = {
    "one fold": (lambda: make_folds(three, 1, 0), "got 1 folds for 3 subjects"),
    "more folds than subjects": (lambda: make_folds(three, 4, 0), "as many subjects, got 4 folds for 3"),
    "one subject": (lambda: leave_one_subject_out(three[2:]), "got one"),
    "subjects without a fold": (lambda: two.split(0, ["ann", "emil", "dora"]), "2 have none: dora, emil"),
    "a fold of nobody": (lambda: Folds({"ann": 0, "ben": 1, "cleo": 2}).split(2, ["ann", "ben"]), "0 to validate"),
    "no such fold": (lambda: two.split(2, ["ann"]), "from 0 to 1, got 2"),
    "no file": (lambda: Folds.read("absent.csv"), "no such file"),
}


@pytest.mark.parametrize("kind", refused)
def test_what_cannot_be_divided_is_refused(kind: str) -> None:
    divide, message = refused[kind]
    with pytest.raises(DataError, match=message):
        divide()


@pytest.mark.parametrize("rows", [None, "a,first", "a,0\nb,", "a,0\na,1", "a,0\nb,0", "a,0\nb,2"])
def test_a_file_that_holds_no_folds_is_refused(rows: str | None, tmp_path: Path) -> None:
    (tmp_path / "folds.csv").write_text("person,fold\na,0\n" if rows is None else f"subject,fold\n{rows}\n")
    with pytest.raises(DataError):
        Folds.read(tmp_path / "folds.csv")
