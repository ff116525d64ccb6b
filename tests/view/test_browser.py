"""The page in a real browser: headless Chromium, driven through its own driver."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import polars as pl
import pytest

pytest.importorskip("uvicorn", reason="the viewer is not installed: pip install 'bfrb[view]'")
pytest.importorskip("selenium", reason="selenium is not installed: pip install selenium")

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from annotated import watch_recordings
from bfrb.read.store import write_store
from cmi_files import labelled_study, write_study
from typed_commands import Bfrb
from viewing import view_command
from viewing_browser import Browser, open_browser

MARKUP = "<img src=x onerror=\"document.title='hacked'\">'/../"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("chromium")) as opened:
        if opened is None:
            pytest.skip("no chromium with chromedriver (apt-get install chromium chromium-driver)")
        yield opened


Start = Callable[..., tuple[str, Callable[[], object]]]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts `bfrb view` in a process of its own; gives its address, and what kills it."""
    temporary = tmp_path_factory.mktemp("tmp")

    def begin(*arguments: object) -> tuple[str, Callable[[], object]]:
        process = running.enter_context(view_command(*arguments, folder=temporary))
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        return url, lambda: (process.kill(), process.wait())

    with ExitStack() as running:
        yield begin


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser") / "study"
    folder.mkdir()
    write_study(folder, labelled_study(lengths=(40, 30, 12, 14, 30), missing=0.0))
    return folder


@pytest.fixture(scope="module")
def url(start: Start, study: Path, bundle: Path) -> str:
    return start(study, "--bundle", bundle)[0]


SHOWN = "document.querySelector('#overview').getAttribute('aria-valuetext')"
CLOCK = "Number(document.querySelector('#clock').innerText.split(' ')[0])"
BARS = (
    "[...document.querySelectorAll('#answer .bar')].map(bar =>"
    " [bar.querySelector('.name').textContent.replace('✓ ', ''), bar.querySelector('.percent').textContent])"
)


def test_a_recording_is_found_and_answered_and_headline_and_bars_agree(browser: Browser, url: str) -> None:
    browser.open(url)
    browser.wait("document.querySelectorAll('.row b').length === 5")
    assert browser.text("#found") == "5 recordings"
    browser.element("#text").send_keys("above ear")
    browser.wait("document.querySelector('#found').innerText === '1 of 5 recordings'")
    browser.element(".row").click()
    browser.wait("document.querySelectorAll('#panels .panel').length === 5 && document.querySelector('#answer .bar')")
    assert browser.text("#title") == "SEQ_000000"
    for note in ("for the whole recording", "after 2.0 s"):
        browser.wait("document.querySelector('#answer-note').innerText === arguments[0]", note)
        gesture, share = browser.text("#answer .verdict").splitlines()[0].rsplit(" ", 1)
        shown = dict(browser.js(BARS))
        assert shown[gesture] == share
        assert float(share.rstrip("%")) == max(float(found.rstrip("%")) for found in shown.values()) > 0
        browser.keys(*[Keys.ARROW_RIGHT] * 20)


def test_keys_step_zoom_move_and_play_and_the_address_brings_back_what_was_shown(browser: Browser, url: str) -> None:
    browser.open(url, 0)
    assert browser.wait(SHOWN) == "0.0 s to 4.0 s of 4.0 s"
    browser.keys(*[Keys.ARROW_RIGHT] * 20, "+")
    browser.wait(f"{SHOWN} === '1.0 s to 3.0 s of 4.0 s' && {CLOCK} === 2")
    ActionChains(browser.driver).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT).key_up(Keys.SHIFT).perform()
    browser.wait(f"{SHOWN} === '1.2 s to 3.2 s of 4.0 s'")
    browser.wait("location.hash.includes('from=1.20&to=3.20')")
    browser.driver.refresh()
    browser.wait(f"document.querySelector('#title').innerText === 'SEQ_000000' && {SHOWN}.startsWith('1.2 s to 3.2 s')")
    browser.keys("0")
    browser.wait(f"{SHOWN} === '0.0 s to 4.0 s of 4.0 s'")
    browser.drag_over_traces(0.25, 0.75)
    browser.keys("z")
    zoomed = browser.wait(f"{SHOWN} !== '0.0 s to 4.0 s of 4.0 s' && {SHOWN}")
    start, stop = (part.split()[0] for part in zoomed.split(" to "))
    assert (float(start), float(stop)) == (pytest.approx(1.0, abs=0.15), pytest.approx(3.0, abs=0.15))
    browser.element("#help-open").click()
    assert browser.js("document.querySelector('#help').open")
    browser.keys(Keys.ESCAPE)
    browser.wait("!document.querySelector('#help').open")


def test_the_word_simulated_is_never_cut(browser: Browser, url: str) -> None:
    browser.open(url, 0)
    browser.js("document.querySelectorAll('.top .simulated').forEach((mark) => { mark.hidden = false; })")
    browser.js("document.querySelectorAll('.source').forEach((text) => { text.textContent = 'long name '.repeat(9); })")
    cut = "[...document.querySelectorAll('.top .simulated')].some(mark => mark.scrollWidth > mark.offsetWidth + 1)"
    try:
        for width in (1400, 800, 500):
            browser.driver.set_window_size(width, 1000)
            ends = browser.js("document.querySelector('#bundle-simulated').getBoundingClientRect().right")
            assert ends <= browser.js("innerWidth")
            assert not browser.js(cut)
    finally:
        browser.driver.set_window_size(1400, 1000)


def test_a_label_is_there_after_the_server_was_killed_and_what_is_not_saved_is_told(
    browser: Browser, start: Start, study: Path
) -> None:
    first, kill_first = start(study)
    browser.open(first, 0)
    browser.drag_over_traces(0.25, 0.5)
    browser.element("#label-text").send_keys("nail biting", Keys.ENTER)
    browser.wait("document.querySelector('#saved').innerText.startsWith('Saved in study.labels.csv')")
    assert browser.js("document.documentElement.scrollHeight <= innerHeight")
    kill_first()
    table = pl.read_csv(study.parent / "study.labels.csv")
    assert table["label"].to_list() == ["nail biting"]
    assert table["start_s"][0] == pytest.approx(1.0, abs=0.05)
    assert table["end_s"][0] == pytest.approx(2.0, abs=0.05)

    second, kill_second = start(study)
    browser.open(second, 0)
    browser.wait("document.querySelector('#label-table tbody input[type=text]')?.value === 'nail biting'")
    assert browser.js("[...document.querySelectorAll('.segment')].some(found => found.innerText === 'nail biting')")
    field = browser.element("#label-table tbody input[type=text]")
    field.send_keys(Keys.CONTROL + "a")
    field.send_keys("hair pulling", Keys.TAB)
    browser.wait("document.querySelector('#saved').innerText.startsWith('Saved')")
    assert browser.js("document.activeElement.getAttribute('aria-label')") == "note"
    kill_second()
    assert pl.read_csv(study.parent / "study.labels.csv")["label"].to_list() == ["hair pulling"]
    browser.drag_over_traces(0.3, 0.6)
    browser.element("#label-text").send_keys("x", Keys.ENTER)
    browser.wait("document.querySelector('#saved').innerText === 'Not saved.'")
    assert "does not answer" in browser.text(".message")


@pytest.fixture(scope="module")
def continuous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six hours of a watch, with a name full of markup and an event in the middle."""
    codes = np.zeros(6 * 3600 * 10)
    codes[len(codes) // 2 : len(codes) // 2 + 600] = 2
    made = watch_recordings(codes)
    folder = tmp_path_factory.mktemp("browser") / "watch"
    named = made.with_table(made.table.with_columns(id=pl.lit(MARKUP), subject=pl.lit(MARKUP)))
    return write_store([named], folder, source="random").path


def test_a_recording_of_six_hours_is_zoomed_to_a_second_and_its_names_are_text(
    browser: Browser, start: Start, continuous: Path
) -> None:
    browser.open(start(continuous)[0], 0)
    assert browser.text("#title") == browser.text(".row b") == MARKUP
    assert browser.js("document.querySelector('main img, nav img')") is None
    assert browser.js("document.title").startswith(MARKUP)
    assert browser.js("document.querySelectorAll('.segment:not(.quiet)').length") == 1
    assert "of 6:00:" in browser.wait(SHOWN)
    over = browser.element(".u-over")
    for _ in range(40):
        browser.js(
            "arguments[0].dispatchEvent(new WheelEvent('wheel', {deltaY: -120, bubbles: true, cancelable: true,"
            " clientX: arguments[0].getBoundingClientRect().x + arguments[0].clientWidth / 2}))",
            over,
        )
    ends = "['from', 'to'].map(name => Number(new URLSearchParams(location.hash.slice(1)).get(name)))"
    browser.wait(f"(([from, to]) => from > 0 && to - from < 1.1)({ends})")
    start_s, end_s = browser.js(ends)
    assert end_s - start_s == pytest.approx(1.0, abs=0.02)
    assert start_s == pytest.approx(3 * 3600, rel=0.01)
    browser.element("#zoom-all").click()
    browser.wait(f"{SHOWN}.startsWith('0.0 s to 6:00:')")


def test_no_request_leaves_the_machine_and_nothing_is_logged_as_wrong(browser: Browser, url: str) -> None:
    browser.driver.get_log("browser")
    browser.driver.get_log("performance")
    browser.open(url, 3)
    browser.wait("document.querySelector('#answer .bar') !== null")
    for button in ("#theme", "#theme", "#zoom-in", "#zoom-out", "#play"):
        browser.element(button).click()
    browser.wait("document.querySelectorAll('.panel').length === 5")
    logged = [entry["message"] for entry in browser.driver.get_log("performance")]
    requests = "".join(message for message in logged if '"Network.requestWillBeSent"' in message)
    addresses = {part.split('"')[0] for part in requests.split('"url":"')[1:]}
    own = url.partition("#")[0]
    assert any(address.startswith(own + "api/") for address in addresses)
    assert [address for address in addresses if not address.startswith((own, "about:", "data:"))] == []
    assert [entry for entry in browser.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []


HABIT = """name = "habit"
file.match = "*.csv"
recordings.subject = "{file}"
time.column = "t"
acc = { columns = ["x", "y", "z"], unit = "m/s^2" }
labels = { files = "*.labels.csv", targets = ["hair pulling"], unlabelled = "none" }
"""
PULLS_S = ((8.0, 16.0), (24.0, 34.0))
LENGTH_S = 40.0


def write_person(folder: Path, name: str, seed: int) -> None:
    """A hand that lies still and pulls twice, at 20 Hz."""
    rng, time_s = np.random.default_rng(seed), np.arange(0.0, LENGTH_S, 0.05)
    pulls = np.any([(time_s >= start) & (time_s < end) for start, end in PULLS_S], axis=0)
    acc = rng.normal((0.0, 0.0, 9.81), 0.1, (len(time_s), 3))
    acc[:, 0] += 4.0 * pulls * np.sin(2 * np.pi * 1.5 * time_s + seed)
    pl.DataFrame(acc, list("xyz")).with_columns(t=time_s).write_csv(folder / f"{name}.csv")


@pytest.mark.usefixtures("jobs_here")
def test_what_is_labelled_on_the_page_is_learnt_and_found_in_another_recording(
    browser: Browser, start: Start, bfrb: Bfrb, tmp_path: Path
) -> None:
    people, other = tmp_path / "people", tmp_path / "other"
    for folder, names in ((people, ("ann", "bob")), (other, ("dee",))):
        folder.mkdir()
        (folder / "study.toml").write_text(HABIT)
        for seed, name in enumerate(names):
            write_person(folder, name, seed)
    url, kill = start(people)
    for number in range(2):
        browser.open(url, number, panels=1)
        for count, (begin, end) in enumerate(PULLS_S, 1):
            browser.drag_over_traces(begin / LENGTH_S, end / LENGTH_S)
            browser.element("#label-text").send_keys("hair pulling", Keys.ENTER)
            browser.wait(f"document.querySelectorAll('#label-table tbody tr').length === {count}")
            browser.wait("document.querySelector('#saved').innerText.startsWith('Saved in people.labels.csv')")
    kill()
    sizes = ("windows.length_s=2", "windows.step_s=1", "rocket.rows=24", "rocket.biases=1", "folds=2")
    settings = [text for size in sizes for text in ("--set", size)]
    bfrb("train", people, "--out", tmp_path / "model", "--preset", "quick", *settings, "--no-report").works()
    bfrb("detect", tmp_path / "model", other, "--out", tmp_path / "events.csv", "--set", "smoothing_s=0").works()
    events = pl.read_csv(tmp_path / "events.csv")
    assert set(events["label"]) == {"hair pulling"}
    found = [(row["start_s"], row["end_s"]) for row in events.iter_rows(named=True)]
    for begin, end in PULLS_S:
        assert any(min(end, until) - max(begin, since) > 0.6 * (end - begin) for since, until in found)
