"""`bfrb calibrate`, as it is typed."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from annotated import watch_recordings
from bfrb.predict.bundle import Bundle
from bfrb.read.store import Store, write_store
from bfrb.stream.events import EventRule
from bfrb.stream.listen import listen_held_out
from typed_commands import Bfrb

LABELLED = np.repeat([0, 1, 0], [100, 80, 120])
Places = tuple[Path, Path]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, watch_bundle: Path) -> Places:
    """A bundle for the watch, and a store with half a minute of three people, each with an episode."""
    store = tmp_path_factory.mktemp("watch") / "store"
    return watch_bundle, write_store([watch_recordings(LABELLED, 3)], store, source="made up").path


def test_thresholds_are_chosen_and_put_into_the_bundle(places: Places, tmp_path: Path, bfrb: Bfrb) -> None:
    ready = tmp_path / "ready"
    found = bfrb("calibrate", *places, "--out", ready, "--false-alarms", 30, "--json").works()
    assert (found.json["subjects"], found.json["episodes"]) == (3, 3)
    assert len(found.json["curve"]) > 10
    rule = EventRule.of(Bundle.open(ready))
    assert (rule.false_alarms_per_hour, rule.subjects) == (30.0, 3)
    assert found.json["rule"] == rule.model_dump(mode="json")
    assert f"bfrb detect {ready} RECORDING" in found.err
    bfrb("calibrate", *places, "--out", ready).refuses("there is a bundle")
    shown = bfrb("calibrate", *places, "--set", "merge_s=7").works()
    for told in ("Events in", "events at most so far apart are one", "7 s"):
        assert told in shown.out
    assert f"bfrb calibrate {places[0]} {places[1]} --out" in shown.err


def test_one_persons_recordings_give_a_rule_and_no_scores(places: Places, tmp_path: Path, bfrb: Bfrb) -> None:
    write_store([watch_recordings(LABELLED)], tmp_path / "one", source="made up")
    found = bfrb("calibrate", places[0], tmp_path / "one", "--out", tmp_path / "ready", "--json").works()
    assert ("no scores" in found.err, "sensitivity" in found.json) == (True, False)
    assert EventRule.of(Bundle.open(tmp_path / "ready")).subjects == 1


def test_calibrate_hears_what_detect_hears_as_late(places: Places, tmp_path: Path, bfrb: Bfrb) -> None:
    windows = tmp_path / "windows.parquet"
    bfrb("detect", *places, "--out", tmp_path / "events.csv", "--probabilities", windows).works()
    heard = listen_held_out(Bundle.open(places[0]), Store.open(places[1]).stretches(), EventRule())
    known_s = np.concatenate([one.windows.known_s for one in heard])
    assert known_s.tolist() == pl.read_parquet(windows)["known_s"].to_list()


def test_recordings_of_another_device_are_refused(places: Places, bundle: Path, bfrb: Bfrb) -> None:
    bfrb("calibrate", bundle, places[1]).refuses("expected recordings of the device")
