from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bfrb.cli import app
from bfrb.data.cmi import read_cmi
from bfrb.errors import ConfigError, DataError
from bfrb.simulate.spec import StudySpec


def simulate(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["simulate", *arguments, "--processes", "1"], catch_exceptions=True)


def test_a_study_is_written_in_the_cmi_layout_and_marked_as_simulated(tmp_path: Path) -> None:
    out = tmp_path / "study"
    result = simulate(str(out), "--subjects", "1", "--seed", "4")
    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == {"train.csv", "train_demographics.csv", "simulated.toml"}
    mark = tomllib.loads((out / "simulated.toml").read_text())
    assert mark["simulated"]
    assert mark["seed"] == 4
    assert StudySpec.parse(mark["spec"]) == StudySpec(subjects=1)
    assert read_cmi(out).simulated
    assert len(read_cmi(out)) == 102


def test_an_existing_study_is_only_replaced_when_asked(tmp_path: Path) -> None:
    out = tmp_path / "study"
    out.mkdir()
    (out / "simulated.toml").write_text("simulated = true\n")
    (out / "train.csv").write_text("kept")
    refused = simulate(str(out), "--subjects", "1")
    assert isinstance(refused.exception, DataError)
    assert (out / "train.csv").read_text() == "kept"
    assert simulate(str(out), "--subjects", "1", "--format", "parquet", "--overwrite").exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == ["simulated.toml", "train.parquet", "train_demographics.csv"]


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    refused = simulate(str(tmp_path), "--subjects", "1", "--overwrite")
    assert isinstance(refused.exception, DataError)
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--preset", "wrong"), "unknown preset 'wrong'"),
        (("--set", "timing.reach=1"), "did you mean 'timing.reach_s'"),
        (("--set", "subjects=0"), "greater than or equal to 1"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_written(
    tmp_path: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    refused = simulate(str(tmp_path / "study"), *arguments)
    assert isinstance(refused.exception, ConfigError)
    assert complaint in str(refused.exception)
    assert not list(tmp_path.iterdir())


def test_a_spec_can_come_from_a_file(tmp_path: Path) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text(StudySpec(subjects=3).to_toml())
    out = tmp_path / "study"
    assert simulate(str(out), "--preset", str(spec), "--subjects", "1").exit_code == 0
    assert tomllib.loads((out / "simulated.toml").read_text())["spec"]["subjects"] == 1
