"""`bfrb detect` and `bfrb calibrate`, as they are typed: the same events from every kind of file."""

import re
from functools import partialmethod
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from annotated import watch_recordings
from bfrb.cli.detect import warn_unanswered
from bfrb.predict.bundle import Bundle
from bfrb.predict.predictor import Predictor
from bfrb.read.cmi_write import rows_of
from bfrb.read.store import Store, write_store
from bfrb.stream.events import EventRule
from bfrb.stream.listen import listen_held_out
from bfrb.stream.samples import StreamCounts
from bfrb.stream.spec import EventSpec
from bfrb.stream.stream import Stream
from bfrb.study.device import HELIOS
from bfrb.study.recordings import Recordings
from bundles import make_bundle, make_recordings
from typed_commands import Bfrb

ROWS = (900, 400)
RULE = {"on": 0.9, "off": 0.8, "smoothing_s": 0.5, "minimum_s": 1.0}
ACC = HELIOS.sensor("acc").columns


@pytest.fixture
def detect(bfrb: Bfrb) -> Bfrb:
    rule = [word for name, value in RULE.items() for word in ("--set", f"{name}={value}")]
    return lambda *arguments: bfrb("detect", *arguments, *rule)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "model", members=1, seed=8)


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    """Two continuous recordings, without a label."""
    made = make_recordings(2, lengths=ROWS, seed=3)
    return made.with_table(made.table.select("id", "subject"))


@pytest.fixture
def store(recordings: Recordings, tmp_path: Path) -> Path:
    return write_store([recordings], tmp_path / "store", source="a test").path


def samples(recording: Recordings, rate_hz: float = 10.0) -> pl.DataFrame:
    """A table of samples of the accelerometer."""
    return rows_of(recording).select(ACC).with_columns(time_s=np.arange(recording.n_rows) / rate_hz)


def expected(bundle: Path, recording: Recordings) -> list[tuple[float, float, str]]:
    stream = Stream(Predictor(Bundle.open(bundle)), EventRule(spec=EventSpec.parse(RULE)))
    events = stream.push(dict(recording.sensors)) + stream.finish()
    return [(event.start_s, event.end_s, event.label) for event in events]


def found(path: Path, recording: str) -> list[tuple[float, float, str]]:
    table = pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    return table.filter(pl.col("recording") == recording).select("start_s", "end_s", "label").rows()


def test_a_store_gives_the_events_of_each_of_its_recordings(
    detect: Bfrb, bundle: Path, recordings: Recordings, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "stretches", partialmethod(Store.stretches, 130))
    out, answers = tmp_path / "events.csv", tmp_path / "windows.parquet"
    result = detect(bundle, store, "--out", out, "--probabilities", answers, "--json").works()
    for number, name in enumerate(["SEQ_000000", "SEQ_000001"]):
        assert found(out, name) == expected(bundle, recordings[number])
    assert found(out, "SEQ_000000")
    assert sum(result.json["events"].values()) == len(pl.read_csv(out))
    assert result.json["recordings"] == 2
    assert result.json["counts"]["samples"] == sum(ROWS)
    windows = pl.read_parquet(answers)
    assert len(windows) == result.json["counts"]["windows"] == 86 + 36
    assert windows.drop("recording", "middle_s", "known_s").sum_horizontal().to_numpy() == pytest.approx(1)
    shown = " ".join(detect(bundle, store, "--out", tmp_path / "again.csv").out.split())
    assert ("samples received" in shown, "windows answered" in shown, "_" in shown) == (True, True, False)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_of_samples_gives_the_same_events_at_its_own_times(
    detect: Bfrb, bundle: Path, recordings: Recordings, tmp_path: Path, suffix: str
) -> None:
    one = recordings[0]
    columns = [name for sensor in HELIOS.sensors for name in sensor.columns]
    rows = rows_of(one).select(columns).with_columns(time_ms=5000 + 100 * np.arange(one.n_rows), note=pl.lit("worn"))
    path, out = tmp_path / f"ann.{suffix}", tmp_path / "events.parquet"
    rows.write_csv(path) if suffix == "csv" else rows.write_parquet(path)
    detect(bundle, path, "--out", out).works()
    assert found(out, "ann") == [(start + 5, end + 5, label) for start, end, label in expected(bundle, one)]


def test_damaged_cells_of_a_table_are_missing_and_told(
    detect: Bfrb, bundle: Path, recordings: Recordings, tmp_path: Path
) -> None:
    lines = samples(recordings[0]).write_csv().splitlines()
    lines[5], lines[9] = lines[5].replace(lines[5].split(",")[0], "fast"), "1,2"
    (tmp_path / "ann.csv").write_text("\n".join(lines) + "\n")
    result = detect(bundle, tmp_path / "ann.csv", "--out", tmp_path / "events.csv", "--json").works()
    assert result.json["counts"]["samples"] == ROWS[0] - 1
    assert ("found 'fast'" in result.err, "4 fields" in result.err) == (True, True)


@pytest.mark.parametrize(("rate_hz", "code"), [(8, 2), (9.7, 0), (50, 0)])
def test_a_source_that_is_slower_than_the_bundles_rows_is_refused(
    detect: Bfrb, bundle: Path, recordings: Recordings, tmp_path: Path, rate_hz: float, code: int
) -> None:
    samples(recordings[0], rate_hz).write_csv(tmp_path / "ann.csv")
    result = detect(bundle, tmp_path / "ann.csv", "--out", tmp_path / "events.csv")
    slow = bool(code)
    assert (result.code, "more slowly than the rows" in result.err) == (code, slow)
    assert (tmp_path / "events.csv").exists() != slow


@pytest.mark.parametrize(
    ("text", "message"),
    [("time_s,heart_rate\n1,2\n", "expected columns of the device 'helios'"), ("", "empty"), (None, "no such file")],
)
def test_what_cannot_be_listened_to_is_refused(
    detect: Bfrb, bundle: Path, tmp_path: Path, text: str | None, message: str
) -> None:
    if text is not None:
        (tmp_path / "ann.csv").write_text(text)
    detect(bundle, tmp_path / "ann.csv", "--out", tmp_path / "events.csv").refuses(message)
    assert not (tmp_path / "events.csv").exists()


def test_a_bundle_for_another_device_and_a_damaged_store_are_refused(
    bfrb: Bfrb, detect: Bfrb, bundle: Path, watch_bundle: Path, store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "events.csv"
    bfrb("calibrate", watch_bundle, store).refuses("expected recordings of the device")
    detect(watch_bundle, store, "--out", out).refuses("got 'helios'")
    part = store / "rows" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-8] + b"12345678")
    detect(bundle, store, "--out", out).refuses("has changed since it was written")
    assert not out.exists()


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
    assert re.search(r"windows .* subjects", bfrb("evaluate", *places).works().out)
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


def test_that_nothing_came_is_said(caplog: pytest.LogCaptureFixture) -> None:
    warn_unanswered(StreamCounts())
    assert "nothing was answered: no samples came" in caplog.text
