"""`bfrb simulate`, as it is typed."""

import tomllib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bfrb.read.sources import read
from bfrb.simulate.spec import StudySpec
from bfrb.study.labels import CMI_GESTURES
from typed_commands import Bfrb


@pytest.fixture
def simulate(bfrb: Bfrb, jobs_here: None) -> Bfrb:
    return lambda *arguments: bfrb("simulate", *arguments)


def test_a_study_is_marked_and_its_test_holds_other_subjects_without_labels_half_of_them_without_proximity(
    simulate: Bfrb, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    simulate(out, "--subjects", "1", "--seed", "4", "--test", "2").works()
    train, test = read(out), read(out / "test.csv")
    widths = [len(pl.scan_csv(out / f"{name}.csv").collect_schema()) for name in ("train", "test")]
    assert (widths, len(train), len(test)) == ([341, 336], 102, 204)
    assert (train.simulated, test.simulated) == (True, True)
    assert not {*test.subjects, *test.ids} & {*train.subjects, *train.ids}
    assert "gesture" not in test.table.columns
    assert test.measured("acc").all()
    assert test.measured("tof").sum() == test.measured("thm").sum() == 102
    np.testing.assert_array_equal(test.measured("tof"), test.measured("thm"))
    answers = pl.read_csv(out / "test_answers.csv")
    assert answers["sequence_id"].to_list() == test.table["id"].to_list()
    assert set(answers["gesture"]) == set(CMI_GESTURES.classes)
    assert pl.read_csv(out / "test_demographics.csv")["subject"].to_list() == sorted(set(test.subjects))
    mark = tomllib.loads((out / "simulated.toml").read_text())
    assert (mark["simulated"], mark["seed"], mark["test_subjects"]) == (True, 4, 2)
    assert StudySpec.parse(mark["spec"]) == StudySpec(subjects=1)


def test_an_existing_study_is_only_replaced_when_asked_and_nothing_else_ever(simulate: Bfrb, tmp_path: Path) -> None:
    out = tmp_path / "study"
    out.mkdir()
    (tmp_path / "thesis.txt").write_text("years of work")
    simulate(tmp_path, "--subjects", "1", "--overwrite").refuses()
    assert (tmp_path / "thesis.txt").exists()
    (out / "simulated.toml").write_text("simulated = true\n")
    (out / "train.csv").write_text("kept")
    simulate(out, "--subjects", "1").refuses()
    assert (out / "train.csv").read_text() == "kept"
    spec = tmp_path / "spec.toml"
    spec.write_text(StudySpec(subjects=3).to_toml())
    simulate(out, "--preset", spec, "--subjects", "1", "--format", "parquet", "--overwrite").works()
    assert sorted(path.name for path in out.iterdir()) == ["simulated.toml", "train.parquet", "train_demographics.csv"]
    assert tomllib.loads((out / "simulated.toml").read_text())["spec"]["subjects"] == 1


def test_a_wrong_option_is_refused_before_anything_is_written(simulate: Bfrb, tmp_path: Path) -> None:
    for option, value, complaint in (
        ("--preset", "wrong", "unknown preset 'wrong'"),
        ("--set", "timing.reach=1", "did you mean 'timing.reach_s'"),
        ("--set", "subjects=0", "greater than or equal to 1"),
    ):
        simulate(tmp_path / "study", option, value).refuses(complaint)
        assert list(tmp_path.iterdir()) == []
