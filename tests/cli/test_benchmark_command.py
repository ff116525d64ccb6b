"""`bfrb benchmark`, as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bfrb.read.cmi_write import rows_of
from bfrb.study.device import GALAXY_WATCH
from bundles import make_bundle, make_recordings
from typed_commands import Bfrb


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "model", members=2)


def test_given_recordings_are_measured(bfrb: Bfrb, bundle: Path, tmp_path: Path) -> None:
    recordings = make_recordings(7)
    rows_of(recordings).write_csv(tmp_path / "test.csv")
    options = (bundle, tmp_path / "test.csv", "--runs", 20, "--seconds", 0.1)
    found = bfrb("benchmark", *options, "--json").json
    assert (found["members"], found["recordings"]) == (2, 7)
    assert found["mean_rows"] == pytest.approx(recordings.lengths.mean())
    assert 0 < found["median_ms"] <= found["p95_ms"] <= found["p99_ms"]
    assert found["per_second"] > 0
    assert found["load_s"] > 0
    shown = bfrb("benchmark", *options).out
    for text in ("2 networks", "7 recordings", "99th percentile", " ms", "per second", "load the bundle"):
        assert text in shown


def test_simulated_recordings_are_measured_by_default(bfrb: Bfrb, bundle: Path) -> None:
    assert bfrb("benchmark", bundle, "--runs", 5, "--seconds", 0, "--json").json["recordings"] == 102


def test_recordings_of_the_watch_have_to_be_given(bfrb: Bfrb, tmp_path: Path) -> None:
    watch = make_bundle(tmp_path / "model", members=1, device=GALAXY_WATCH)
    result = bfrb("benchmark", watch)
    assert (result.code, "cannot be simulated" in result.err) == (2, True)
