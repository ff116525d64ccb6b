"""`bfrb calibrate` and `bfrb personalize`, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bfrb.cli import app
from bfrb.predict.bundle import Bundle
from bfrb.read.store import write_store
from bfrb.stream.events import EventRule
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.labels import SEARLE_BEHAVIORS
from bfrb.study.recordings import Annotation, Recordings
from bundles import make_bundle, make_recordings


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A bundle for the watch, and a store with half a minute of three people, each with an episode."""
    folder = tmp_path_factory.mktemp("watch")
    made = make_recordings(3, device=GALAXY_WATCH, lengths=np.full(3, 300))
    codes = np.tile(np.repeat([0, 1, 0], [100, 80, 120]), 3).astype(np.int8)
    label = Annotation(codes, SEARLE_BEHAVIORS.classes)
    table = made.table.drop("gesture")
    recordings = Recordings(GALAXY_WATCH, made.sensors, made.offsets, table, {"gesture": label})
    bundle = make_bundle(folder / "model", device=GALAXY_WATCH, label_set=SEARLE_BEHAVIORS)
    write_store([recordings], folder / "store", source="made up")
    return bundle, folder / "store"


def run(*arguments: object) -> tuple[int, str, BaseException | None]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.stdout, done.exception


def test_thresholds_are_chosen_and_put_into_the_bundle(places: tuple[Path, Path], tmp_path: Path) -> None:
    bundle, store = places
    code, text, _ = run("calibrate", bundle, store, "--out", tmp_path / "ready", "--false-alarms", 30, "--json")
    scores = json.loads(text)
    assert code == 0
    assert (scores["subjects"], scores["episodes"]) == (3, 3)
    assert len(scores["curve"]) > 10
    rule = EventRule.of(Bundle.open(tmp_path / "ready"))
    assert (rule.false_alarms_per_hour, rule.subjects) == (30.0, 3)
    assert run("calibrate", bundle, store)[1].startswith("Events in")


def test_a_bundle_learns_of_a_wearer_and_detects_with_it(places: tuple[Path, Path], tmp_path: Path) -> None:
    bundle, store = places
    out = tmp_path / "knows"
    code, text, _ = run("personalize", bundle, store, "--wearer", "SUBJ_000001", "--out", out, "--json")
    assert code == 0
    assert json.loads(text)["episodes"] == 1
    events = ["--out", tmp_path / "events.csv"]
    assert run("detect", out, store, "--wearer", "SUBJ_000001", *events)[0] == 0
    code, _, error = run("detect", out, store, "--wearer", "SUBJ_000002", *events)
    assert code != 0
    assert "learnt nothing of the wearer" in str(error)


def test_a_wearer_without_recordings_is_refused(places: tuple[Path, Path], tmp_path: Path) -> None:
    bundle, store = places
    _, _, error = run("personalize", bundle, store, "--wearer", "nobody", "--out", tmp_path / "x")
    assert "no recording of the wearer 'nobody'" in str(error)


def test_recordings_of_another_device_are_refused(places: tuple[Path, Path], tmp_path: Path) -> None:
    helios = make_bundle(tmp_path / "helios")
    _, _, error = run("calibrate", helios, places[1])
    assert "expected recordings of the device" in str(error)
