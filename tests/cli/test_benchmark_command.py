"""`bfrb benchmark`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bfrb.cli import app
from bfrb.errors import ConfigError
from bfrb.read.cmi_write import rows_of
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.recordings import Recordings
from bundles import make_bundle, make_recordings


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "model", members=2)


def write_rows(recordings: Recordings, folder: Path) -> Path:
    path = folder / "test.csv"
    rows_of(recordings).write_csv(path)
    return path


def measure(*arguments: object) -> dict[str, float]:
    result = CliRunner().invoke(app, ["benchmark", *map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, float] = json.loads(result.stdout)
    return found


def test_given_recordings_are_measured(bundle: Path, tmp_path: Path) -> None:
    recordings = make_recordings(7)
    data = write_rows(recordings, tmp_path)
    found = measure(bundle, data, "--runs", 20, "--seconds", 0.1)
    assert found["members"] == 2
    assert found["recordings"] == 7
    assert found["mean_rows"] == pytest.approx(recordings.lengths.mean())
    assert 0 < found["median_ms"] <= found["p95_ms"] <= found["p99_ms"]
    assert found["per_second"] > 0
    assert found["load_s"] > 0


def test_simulated_recordings_are_measured_by_default(bundle: Path) -> None:
    assert measure(bundle, "--runs", 5, "--seconds", 0)["recordings"] == 102


def test_the_table_shows_every_figure_with_its_unit(bundle: Path, tmp_path: Path) -> None:
    data = write_rows(make_recordings(2), tmp_path)
    result = CliRunner().invoke(app, ["benchmark", str(bundle), str(data), "--runs", "5", "--seconds", "0"])
    for text in ("2 networks", "2 recordings", "99th percentile", " ms", "per second", "load the bundle"):
        assert text in result.stdout


def test_recordings_of_the_watch_have_to_be_given(tmp_path: Path) -> None:
    watch = make_bundle(tmp_path / "model", members=1, device=GALAXY_WATCH)
    with pytest.raises(ConfigError, match="cannot be simulated"):
        CliRunner().invoke(app, ["benchmark", str(watch)], catch_exceptions=False)
