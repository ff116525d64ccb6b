"""What the page asks, what it is answered, and `bfrb view` as it is typed."""

import re
import signal
import socket
import urllib.request
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from annotated import watch_recordings
from bfrb.errors import DataError
from bfrb.predict.bundle import Bundle
from bfrb.predict.out_of_fold import read_fold_of
from bfrb.read.store import write_store
from bfrb.stream.stream import Stream
from bfrb.view import viewer as viewer_module
from bfrb.view.viewer import Viewer
from bundles import make_recordings
from cmi_files import labelled_study
from viewing import OpenPage, Page, unpack, view_command

LIST = "/api/recordings"


def test_the_page_and_its_files_are_served_and_name_no_other_host(shown: Page) -> None:
    html = shown.ask("/")
    assert (html.status, html.headers["content-type"]) == (200, "text/html; charset=utf-8")
    for name in html.text.split('="/assets/')[1:]:
        assert shown.ask("/assets/" + name.split('"')[0]).status == 200
    assert shown.ask("/assets/main.js").headers["content-type"].startswith("text/javascript")
    assert "MIT" in shown.ask("/assets/vendor/uPlot.LICENSE.txt").text
    folder = Path(viewer_module.__file__).parent / "assets"
    own = [path.read_text() for path in folder.iterdir() if path.suffix in (".js", ".html", ".css")]
    assert len(own) > 10
    for word in ("http:", "https:", "innerHTML"):
        assert not any(word in text for text in own)


def test_recordings_are_listed_page_by_page_and_described(shown: Page) -> None:
    first = shown.ask(f"{LIST}?size=2").json
    rest = shown.ask(f"{LIST}?first=2&size=10").json
    assert first["found"] == rest["found"] == 5
    assert [row["id"] for row in first["rows"] + rest["rows"]] == [f"SEQ_{number:06d}" for number in range(5)]
    found = shown.first()
    assert (found["id"], found["rows"], found["row"]) == ("SEQ_000000", 12, first["rows"][0])
    assert found["known"].items() >= {"subject": "SUBJ_000000", "handedness": 1}.items()
    assert found["segments"]["phase"] == [[0, 9, "Transition"], [9, 12, "Gesture"]]
    assert found["segments"]["behavior"][-1][2] == "Performs gesture"


def test_traces_and_frames_are_the_readings(shown: Page) -> None:
    header, arrays = unpack(shown.ask(f"{LIST}/1/traces?width=100").body)
    readings = labelled_study()[1].sensors
    assert [panel["name"] for panel in header["panels"]] == ["acc", "quaternion", "thm", "tof"]
    np.testing.assert_array_equal(arrays["rows"], np.arange(15))
    for name in ("acc", "thm"):
        np.testing.assert_array_equal(arrays[name], readings[name].T)
    dots = np.abs((arrays["quaternion"].T * readings["quaternion"]).sum(axis=1))
    np.testing.assert_allclose(dots[~np.isnan(dots)], 1.0, atol=1e-5)
    _, cut = unpack(shown.ask(f"{LIST}/1/traces?start=-5&stop=99&width=100").body)
    np.testing.assert_array_equal(cut["rows"], arrays["rows"])
    assert unpack(shown.ask(f"{LIST}/1/traces?start=3&stop=6").body)[1]["rows"].tolist() == [3, 4, 5]
    assert shown.ask(f"{LIST}/1/traces?start=15&stop=20").status == 422
    header, frames = unpack(shown.ask(f"{LIST}/1/frames?start=4&stop=7").body)
    assert header["start"] == 4
    for name in ("acc", "quaternion", "thm", "tof"):
        np.testing.assert_array_equal(frames[name], readings[name][4:7])


@pytest.mark.parametrize(
    ("path", "complaint"),
    [(f"{LIST}/0/traces?{query}", "valid integer") for query in ("start=x", "width=1e3", "stop=", "start=0x1")]
    + [(f"{LIST}/{path}", "there is no") for path in ("5", "99999/traces", "5/answer")],
)
def test_what_is_senseless_or_not_there_is_refused(shown: Page, path: str, complaint: str) -> None:
    answer = shown.ask(path)
    assert (answer.status, complaint in answer.json["problem"]) == (422, True)
    assert answer.json["remedy"]


def test_the_answer_is_the_predictors_and_ends_its_course(shown: Page) -> None:
    found = shown.ask(f"{LIST}/3/answer").json
    predictions = shown.viewer.predictor.predict(labelled_study()[3])
    assert found["gesture"] == predictions.gestures[0]
    whole = [entry["probability"] for entry in found["classes"]]
    assert whole == pytest.approx(predictions.probabilities[0], abs=1e-4)
    targets = [entry["probability"] for entry in found["classes"] if entry["target"]]
    assert found["target"] == pytest.approx(sum(targets), abs=1e-3)
    course = shown.ask(f"{LIST}/3/answers").json
    assert (course["kind"], course["end_rows"][-1]) == ("prefixes", 14)
    assert np.diff(course["end_rows"]).min() > 0
    assert [values[-1] for values in course["probabilities"]] == pytest.approx(whole, abs=2e-4)


def test_an_answer_says_whether_the_person_was_in_training(open_page: OpenPage, bundle: Path, tmp_path: Path) -> None:
    made = make_recordings(2)
    known = min(read_fold_of(Bundle.open(bundle)))
    table = made.table.with_columns(pl.Series("subject", [known, "a stranger"]))
    write_store([made.with_table(table)], tmp_path / "both", source="random")
    page = open_page(tmp_path / "both", bundle)
    assert [page.ask(f"{LIST}/{number}/answer").json["seen"] for number in range(2)] == [True, False]


def test_a_continuous_recording_is_answered_in_windows_with_the_events_of_a_stream(
    open_page: OpenPage, watch_bundle: Path, tmp_path: Path
) -> None:
    recording = replace(watch_recordings(np.zeros(700)), annotations={})
    write_store([recording], tmp_path / "watch", source="random")
    page = open_page(tmp_path / "watch", watch_bundle)
    course = page.first("/answers")
    assert (course["kind"], course["window_rows"]) == ("windows", 50)
    windows = recording.windows(50, course["end_rows"][1] - course["end_rows"][0])
    expected = page.viewer.predictor.predict(windows).probabilities
    np.testing.assert_allclose(np.array(course["probabilities"]).T, expected, atol=1e-4)
    stream = Stream(page.viewer.predictor)
    events = stream.push(dict(recording.sensors)) + stream.finish()
    assert events
    assert course["events"] == [asdict(event) for event in events]


def test_without_a_bundle_for_a_device_there_is_no_answer(open_page: OpenPage, study: Path, watch_bundle: Path) -> None:
    for given, told in (((study, watch_bundle), "galaxy_watch"), ((study,), "--bundle")):
        answer = open_page(*given).ask(f"{LIST}/0/answer")
        assert (answer.status, told in answer.text) == (422, True)


def test_a_large_source_is_read_from_a_temporary_store(
    open_page: OpenPage, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bfrb.view.collection.READ_WHOLE_BYTES", 1000)
    page = open_page(study)
    assert any(page.viewer.folder.rglob("store.json"))
    _, arrays = unpack(page.ask(f"{LIST}/4/frames").body)
    np.testing.assert_array_equal(arrays["tof"], labelled_study()[4].sensors["tof"])
    page.viewer.close()
    assert not page.viewer.folder.exists()


def test_a_source_that_cannot_be_read_is_told_at_the_start(study: Path) -> None:
    (study / "train.csv").write_bytes(b"")
    with closing(Viewer(study)) as viewer:
        with pytest.raises(DataError, match="empty"):
            viewer.wait(30)
        found = viewer.describe()["recordings"]
        assert (found["state"], "empty" in found["problem"]) == ("failed", True)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_its_address_and_leaves_nothing_when_it_is_stopped(
    study: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with view_command(study, folder=temporary) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/#token=[\w-]{32}", url)
        with urllib.request.urlopen(url.partition("#")[0], timeout=60) as answer:
            assert b"<title>bfrb view</title>" in answer.read()
        assert any(temporary.glob("bfrb*"))
        process.send_signal(stop)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert url.partition("=")[2] not in err
    assert list(temporary.glob("bfrb*")) == []


def test_paths_that_lead_nowhere_and_taken_ports_are_refused(study: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.csv").write_bytes(b"a,b\n1,2\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for arguments, complaint in (
            ([tmp_path / "broken.csv"], "to do: "),
            ([tmp_path / "absent"], "no such file"),
            ([study, "--bundle", tmp_path], "bundle.json"),
            ([study, "--port", port], "cannot listen on"),
        ):
            with view_command(*arguments, folder=tmp_path) as process:
                out, err = process.communicate(timeout=60)
            assert (process.returncode, out) == (2, ""), err
            assert complaint in err
    assert list(tmp_path.glob("*bfrb*")) == []
