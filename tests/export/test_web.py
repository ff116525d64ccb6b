"""The page that `bfrb export --to web` writes, in a real browser, from the disk: it says what Python says."""

import io
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

pytest.importorskip("selenium", reason="selenium is not installed: pip install selenium")

from selenium.webdriver.common.keys import Keys

import bfrb
from bfrb.cli import app
from bfrb.errors import ConfigError
from bfrb.export import web
from bfrb.export.web import find_runtime, write_site
from bfrb.predict.bundle import Bundle
from bfrb.read.stretches import iter_stretches
from bfrb.stream.layouts import Layout
from bfrb.stream.lines import Line, LineReader
from bfrb.stream.samples import TIME
from bfrb.stream.stream import Stream
from bfrb.study.description import Description, find_description
from cmi_files import labelled_study, write_study
from viewing_browser import Browser, open_browser

CLOSE = 1e-4
FAKES = Path(__file__).with_name("test_web.js").read_text()


@pytest.fixture(scope="module")
def runtime() -> None:
    try:
        find_runtime(None)
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def page(bundle: Path, exported: Path, tmp_path_factory: pytest.TempPathFactory, runtime: None) -> Path:
    return write_site(Bundle.open(bundle), tmp_path_factory.mktemp("site") / "page", exported=exported)


@pytest.fixture(scope="module")
def watch_page(watch: Path, exported_watch: Path, tmp_path_factory: pytest.TempPathFactory, page: Path) -> Path:
    out = tmp_path_factory.mktemp("watch") / "page"
    return write_site(Bundle.open(watch), out, exported=exported_watch, runtime=page.parent)


class Opened(Browser):
    """The page in a browser."""

    def show(self, page: Path) -> None:
        self.driver.get("about:blank")
        self.driver.get_log("performance")
        self.driver.get(page.as_uri())
        self.wait("document.querySelector('#status').textContent.startsWith('Ready')")

    def give(self, *files: Path, **choices: str) -> str:
        """Choose files, after options by their ids; what is then said."""
        for name, value in {"layout": "", "wrist": "", "along": "auto", **choices}.items():
            self.js("document.getElementById(arguments[0]).value = arguments[1]", name, value)
        self.js("document.querySelector('#status').textContent = ''")
        self.element("#file").send_keys("\n".join(map(str, files)))
        return self.said()

    def wait(self, code: str, *arguments: Any, patience_s: float = 300) -> Any:
        """As for any page, but longer: an hour of a watch takes its time on a busy machine."""
        return super().wait(code, *arguments, patience_s=patience_s)

    def said(self) -> str:
        """What is said at the end of the work."""
        return str(self.wait("whatIsSaid()"))

    def saved(self, button: str) -> pl.DataFrame:
        self.js("kept.splice(0)")
        self.js("document.getElementById(arguments[0]).click()", button)
        return pl.read_csv(io.StringIO(self.wait("kept[0]")))

    def requests(self) -> set[str]:
        """Addresses that were asked for; those of the page's own files and blobs left out."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}
        return {url for url in asked if not url.startswith(("file:", "blob:", "data:", "about:", "chrome:"))}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    with open_browser(tmp_path_factory.mktemp("chromium")) as opened:
        if opened is None:
            pytest.skip("no chromium with chromedriver (apt-get install chromium chromium-driver)")
        opened.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": FAKES})
        opened.driver.execute_cdp_cmd("Network.enable", {})
        opened.driver.set_page_load_timeout(300)
        offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        opened.driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
        yield Opened(opened.driver)


def check_answers(found: pl.DataFrame, predictor: bfrb.Predictor, source: Path) -> None:
    expected = predictor.predict(source, anyway=True)
    assert found["sequence_id"].to_list() == list(expected.ids)
    assert found["prediction"].to_list() == expected.gestures.tolist()
    answers = found.select(predictor.label_set.classes).to_numpy()
    np.testing.assert_allclose(answers, expected.probabilities, atol=CLOSE)


def test_the_study_s_files_are_answered_as_in_python_and_left_hands_mirrored(
    browser: Opened, page: Path, bundle: Path, tmp_path: Path
) -> None:
    study = labelled_study(lengths=(40, 30, 12, 90, 30), missing=0.1)
    hands = pl.when(pl.col("subject") == "SUBJ_000001").then(0).otherwise(pl.col("handedness")).alias("handedness")
    path = write_study(tmp_path, study.with_table(study.table.with_columns(hands.cast(pl.Int8))))
    browser.show(page)
    said = browser.give(path, tmp_path / "train_demographics.csv")
    assert "expected accelerations of about 9.81" in said  # these readings are random
    browser.js("document.querySelector('.message button').click()")  # answer all the same
    assert browser.said().startswith("5 recordings, in ")
    check_answers(browser.saved("save-answers"), bfrb.load(bundle), path)
    assert browser.js("document.querySelectorAll('#recordings-table tbody tr').length") == 5
    assert browser.js("document.querySelectorAll('#all-bars .bar').length") == 18
    assert browser.js("document.querySelectorAll('#panels canvas').length") == 4
    assert browser.requests() == set()


def test_the_real_test_is_answered_as_in_python(browser: Opened, page: Path, bundle: Path, real_data: Path) -> None:
    browser.show(page)
    said = browser.give(real_data / "cmi" / "test.csv", real_data / "cmi" / "test_demographics.csv")
    assert said.startswith("2 recordings, in "), said
    check_answers(browser.saved("save-answers"), bfrb.load(bundle), real_data / "cmi" / "test.csv")
    assert browser.requests() == set()


def wear(seconds: float, rate_hz: float, seed: int = 0) -> pl.DataFrame:
    """Readings of a watch that is moved, with jitter, disorder, a lost minute and lost readings."""
    rng, count = np.random.default_rng(seed), round(seconds * rate_hz)
    times = 1000 + np.arange(count) / rate_hz + rng.uniform(-0.3, 0.3, count) / rate_hz
    phase = times[:, None] * [0.31, 0.23, 0.17] + np.sin(times[:, None] / 40) * 3
    acc = 9.81 * np.sin(phase) / np.linalg.norm(np.sin(phase), axis=1, keepdims=True) + rng.normal(0, 0.6, (count, 3))
    gyr = 60 * np.sin(times[:, None] * [1.1, 0.7, 1.9]) * (np.sin(times / 25) > 0)[:, None]
    gyr += rng.normal(0, 0.5, (count, 3))
    names = ("acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z")
    values = dict(zip(names, np.concatenate([acc, gyr], axis=1).round(4).T, strict=True))
    table = pl.DataFrame({"time_ms": (times * 1000).round(3)} | values)
    lost = pl.int_range(count) % 311 == 7
    table = table.with_columns(pl.when(lost).then(None).otherwise(pl.col("gyr_y")).alias("gyr_y"))
    order = np.arange(count)
    order[200:220:2], order[201:221:2] = order[201:221:2].copy(), order[200:220:2].copy()
    gone = (times > times[0] + seconds / 2) & (times < times[0] + seconds / 2 + 60)
    return table[order.tolist()].filter(pl.Series(~gone[order]))


def listen(bundle: Path, samples: Sequence[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray, list[Any]]:
    """Middles and answers of all windows of a stream, and its events."""
    windows: list[Any] = []
    stream = Stream(bfrb.load(bundle), on_windows=windows.append)
    events = [event for part in samples for event in stream.push(part)] + stream.finish()
    parts = ([one.middle_s for one in windows], [one.probabilities for one in windows])
    return np.concatenate(parts[0]), np.concatenate(parts[1]), events


def check_stream(browser: Opened, expected: tuple[np.ndarray, np.ndarray, list[Any]]) -> None:
    middles, answers, events = expected
    found, told = browser.saved("save-answers"), browser.saved("save-events")
    np.testing.assert_allclose(found["middle_s"], middles, atol=1e-6)
    np.testing.assert_allclose(found.to_numpy()[:, 3:].astype(float), answers, atol=CLOSE)
    assert told["label"].to_list() == [event.label for event in events]
    for name in ("start_s", "end_s", "known_s", "confidence"):
        np.testing.assert_allclose(told[name], [getattr(event, name) for event in events], atol=CLOSE)


def test_an_hour_gives_the_events_of_python(browser: Opened, watch_page: Path, watch: Path, tmp_path: Path) -> None:
    hour = tmp_path / "hour.csv"
    wear(3600, 20).write_csv(hour)
    browser.show(watch_page)
    assert "1 recording, " in browser.give(hour)
    stretches = iter_stretches(hour, bfrb.load(watch).source_device)
    expected = listen(watch, [{**one.sensors, TIME: one.time_s} for one in stretches])
    assert len(expected[0]) > 690
    assert len(expected[2]) > 5
    check_stream(browser, expected)
    assert "gaps 1" in browser.text("#facts")
    assert browser.js("document.querySelectorAll('#events-table tbody tr').length") == len(expected[2])
    assert browser.requests() == set()


def test_files_of_others_are_brought_to_the_wrist(browser: Opened, page: Path, bundle: Path, tmp_path: Path) -> None:
    times, worn = np.arange(500) / 50, wear(150, 50)[:500]
    turn = np.stack([np.cos(times), np.sin(times) * 0.6, np.sin(times) * 0.8, 0 * times], axis=1)
    down = {f"gravity{axis}": -worn[f"acc_{axis.lower()}"] / 9.80665 for axis in "XYZ"}
    moved = {f"acceleration{axis}": np.zeros(500) for axis in "XYZ"}
    turned = {f"quaternion{part}": turn[:, at] for at, part in enumerate("WXYZ")}
    gyr = {f"rotationRate{axis}": worn[f"gyr_{axis.lower()}"] for axis in "XYZ"}
    path = tmp_path / "WristMotion.csv"
    pl.DataFrame({"time": (1e18 + times * 1e9).astype(np.int64)} | down | moved | gyr | turned).write_csv(path)
    browser.show(page)
    assert "on which wrist it was worn is not known" in browser.give(path)
    predictor = bfrb.load(bundle)
    for wrist in ("left", "right"):
        browser.give(path, wrist=wrist)
        if "gravity should" in browser.js("document.querySelector('#messages').textContent"):
            browser.js("document.querySelector('.message button').click()")
            browser.said()
        told = find_description("apple_watch_sensorlogger").updated({"worn.wrist": wrist})
        expected = predictor.predict(path, told, anyway=True)
        answers = browser.saved("save-answers").select(predictor.label_set.classes).to_numpy()
        np.testing.assert_allclose(answers, expected.probabilities, atol=CLOSE)


HEADER = "sequence_id,sequence_counter,subject,acc_x,acc_y,acc_z\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["a.csv: the file is empty", "copy it again"]),
        ("PAR1\0\0", ["found a Parquet file", "CSV"]),
        ("mood,weather\n1,2\n", ["expected a table that this page knows", "mood, weather", "--device"]),
        (HEADER + "a,0,s,0,0,9.8\na,1,s,0,9.8\n", ["line 3: expected 6 values, found 5", "damaged"]),
        (HEADER + "a,0,s,0,0,980\n", ["acc_z: expected acc between -156.9 and 156.9, found 980"]),
        (HEADER + "a,0,s,0,,9.8\n", ["acc_x: expected all 3 values of a reading of acc, or none, found 2"]),
        (HEADER + "a,0,s,0,0,9.8\na,2,s,0,0,9.8\n", ["counts 0, 1, 2", "found 2 instead of 1"]),
        (HEADER + "".join(f"a,{n},s,0,0,1\n" for n in range(50)), ["9.81 m/s²", "found 1.00", "in g"]),
        ("time_s,acc_x,acc_y,acc_z\n" + "".join(f"{n},0,0,9.8\n" for n in range(99)), ["more slowly"]),
    ],
)
def test_wrong_files_are_refused(browser: Opened, page: Path, tmp_path: Path, content: str, words: list[str]) -> None:
    (tmp_path / "a.csv").write_text(content)
    if browser.driver.current_url != page.as_uri():
        browser.show(page)
    said = browser.give(tmp_path / "a.csv")
    assert [word for word in words if word not in said] == []
    assert "To do: " in said
    assert browser.js("document.querySelector('.message').getAttribute('role')") == "alert"
    assert browser.js("document.querySelector('#file').disabled") is False


@pytest.mark.parametrize("button", ["serial", "bluetooth"])
def test_what_a_device_sends_is_read_as_the_stream_reads_it(
    browser: Opened, watch_page: Path, watch: Path, button: str
) -> None:
    worn = wear(150, 20, seed=3)
    readings = worn.to_numpy().tolist()
    lines = [
        json.dumps({"time_ms": t, "acc": acc, "gyr": [None if v is None or np.isnan(v) else v for v in gyr]})
        for t, acc, gyr in ((row[0], row[1:4], row[4:]) for row in readings[:1000])
    ]
    lines += ["boot", '{"acc": [1', "null", ",".join(worn.columns)]
    lines += [",".join("" if v is None or np.isnan(v) else str(v) for v in row) for row in readings[1000:]] + ["1,2"]
    reader = LineReader(Layout.of_device(bfrb.load(watch).source_device))
    messages = [found for line in lines for found in reader.read(Line("a", 0.0, line.encode()))]
    samples: list[Any] = [values for _, values in messages if isinstance(values, dict)]
    browser.show(watch_page)
    browser.js("globalThis.sent = arguments[0]", "\n".join(lines) + "\n")
    browser.js("(document.querySelector('details').open = true, document.getElementById(arguments[0]).click())", button)
    browser.wait("document.querySelector('#status').textContent.startsWith('The device has ended')")
    check_stream(browser, listen(watch, samples))
    assert f"{len(messages) - len(samples)} lines could not be read" in browser.text("#status")


def test_the_page_can_be_read_by_everyone(browser: Opened, watch_page: Path, tmp_path: Path) -> None:
    wear(200, 20).write_csv(tmp_path / "short.csv")
    browser.show(watch_page)
    browser.give(tmp_path / "short.csv")
    browser.js("document.querySelector('details').open = true")
    for theme in ("light", "dark"):
        browser.js("document.documentElement.dataset.theme = arguments[0]", theme)
        ratio, text = browser.js("leastContrast()")
        assert ratio >= 4.5, (theme, text)
    named = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = {"button", "combobox", "checkbox", "progressbar", "region", "image", "table", "slider", "toolbar"}
    unnamed = [one for one in named if one.get("role", {}).get("value") in roles and not one["ignored"]]
    assert [one for one in unnamed if not one.get("name", {}).get("value") and one["role"]["value"] != "table"] == []
    order = browser.js(
        "[...document.querySelectorAll('a[href], button, input, select, summary, [tabindex=\"0\"]')]"
        ".filter((one) => one.checkVisibility() && !one.disabled).map((one) => one.id || one.textContent)"
    )
    browser.js("document.querySelector('.skip').focus()")
    reached = []
    for _ in order:
        reached.append(browser.js("document.activeElement.id || document.activeElement.textContent"))
        browser.keys(Keys.TAB)
    assert reached == order
    assert browser.js("document.querySelector('#status').getAttribute('aria-live')") == "polite"
    for width in (1400, 820, 390):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        time.sleep(0.3)
        assert browser.js("document.documentElement.scrollWidth") <= width
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_an_earlier_page_or_a_package_gives_the_runtime_and_another_is_refused(
    page: Path, bundle: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_runtime(page.parent)
    (tmp_path / "package" / "dist").mkdir(parents=True)
    for name, content in zip(web.HASHES, found, strict=True):
        (tmp_path / "package" / "dist" / name).write_bytes(content)
    assert find_runtime(tmp_path) == found
    with pytest.raises(ConfigError, match=r"(?s)they are not there.*npm pack onnxruntime-web@"):
        find_runtime(exported)
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(shutil, "which", lambda _: str(npm))
    done = CliRunner().invoke(app, ["export", str(bundle), "--out", str(tmp_path / "out"), "--to", "web"])
    assert isinstance(done.exception, ConfigError)
    assert "npm error code ENOTFOUND" in done.exception.problem
    packed = tmp_path / "runtime.tgz"
    subprocess.run(["tar", "czf", packed, "-C", tmp_path, "package"], check=True)
    npm.write_text(f'#!/bin/sh\nfor last in "$@"; do :; done\ncp {packed} "${{last#*=}}"\n')
    assert find_runtime(None) == found
    assert sorted(path.name for path in (tmp_path / "cache").rglob("ort*")) == sorted(web.HASHES)


def test_a_description_of_one_s_own_comes_first_and_has_to_fit(
    watch: Path, exported_watch: Path, page: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(
        'name = "mine"\n[time]\ncolumn = "t"\nunit = "ms"\n[acc]\ncolumns = ["a", "b", "c"]\nunit = "g"\n'
        '[axes]\nx = "3h"\ny = "12h"\nz = "out"\n[worn]\nwrist = "left"\n'
    )
    options: dict[str, Any] = {"exported": exported_watch, "runtime": page.parent}
    made = write_site(Bundle.open(watch), tmp_path / "out", device=str(mine), **options)
    text = (made.parent / "model.js").read_text().removeprefix("globalThis.MODEL=").removesuffix(";\n")
    layouts = json.loads(text)["about"]["layouts"]
    assert [one["name"] for one in layouts[:2]] == ["samples", "mine"]
    assert layouts[1]["sensors"]["acc"]["matrix"]["any"][0] == [0.0, pytest.approx(9.80665), 0.0]
    other = Description.parse({"name": "other", "acc": {"columns": ["a", "b", "c"], "unit": "g"}})
    (tmp_path / "other.toml").write_text(other.to_toml())
    with pytest.raises(ConfigError, match="cannot read what"):
        write_site(Bundle.open(watch), tmp_path / "again", device=str(tmp_path / "other.toml"), **options)
    with pytest.raises(ConfigError, match="is there already"):
        write_site(Bundle.open(watch), tmp_path / "out", **options)
