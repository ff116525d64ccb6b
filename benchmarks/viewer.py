"""How quickly the page of `bfrb view` is there, and how smooth it stays with large data.

    python benchmarks/viewer.py [--hours 6] [--recordings 100000] [--repeats 20]

Makes a store with one long recording of all sensors and one with many short recordings, both of random readings,
serves each with `bfrb view` and asks as the page does: over a socket, whole answers. With Chromium and its driver
installed, the page itself is timed too. Exits with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import datetime
import http.client
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
import polars as pl

from bfrb.read.store import write_store
from bfrb.study.device import HELIOS
from bfrb.study.recordings import Recordings
from made_up import random_recordings

START_BAR_S, ZOOM_BAR_MS, ZOOM_BAR_KB, LIST_BAR_MS, PLOT_BAR_S = 2.0, 50.0, 250.0, 50.0, 3.0
WIDTH = 1000
SPANS_S = (None, 3600, 600, 60, 10, 1)
LISTS = {
    "first page": "first=0",
    "page in the middle": "first=50000",
    "words": "text=subj_000123",
    "words that are nowhere": "text=nothing+like+it",
    "gesture and missing": "gesture=Neck+-+scratch&missing=tof",
}


class Client:
    """Asks a page as a browser does, over one connection."""

    def __init__(self, url: str) -> None:
        address, _, self.token = url.partition("/#token=")
        self.connection = http.client.HTTPConnection(address.removeprefix("http://"))

    def ask(self, path: str) -> bytes:
        """The body of an answer."""
        self.connection.request("GET", path, headers={"x-bfrb-token": self.token})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {body[:200]!r}")
        return body

    def state(self) -> dict:
        """What is said of the opened recordings."""
        return json.loads(self.ask("/api/state"))["recordings"]


def main() -> int:
    """Measure, print, and say whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--recordings", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    print(f"{datetime.date.today()}, {platform.processor() or platform.machine()}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        long = write_long(Path(folder) / "long", round(options.hours * 3600 * HELIOS.row_rate_hz))
        many = write_many(Path(folder) / "many", options.recordings)
        return int(not all([*measure_long(long, options), *measure_many(many, options)]))


def write_long(place: Path, rows: int) -> Path:
    """A store with one recording of many rows: ten minutes of random readings, over and over."""
    block = random_recordings(HELIOS, [6000], np.random.default_rng(0), missing=0.01)
    again = np.arange(rows) % 6000
    sensors = {name: values[again] for name, values in block.sensors.items()}
    write_store([Recordings(HELIOS, sensors, np.array([0, rows]), block.table)], place, source="random")
    return place


def write_many(place: Path, count: int) -> Path:
    """A store with many recordings of ten rows, of 1,000 subjects."""
    write_store(_short(count), place, source="random")
    return place


def _short(count: int) -> Iterator[Recordings]:
    size = 5000
    gestures = ["Neck - scratch", "Eyebrow - pull hair", "Text on phone", "Wave hello"]
    block = random_recordings(HELIOS, [10] * size, np.random.default_rng(0)).without("thm", "tof")
    for start in range(0, count, size):
        numbers = range(start, min(start + size, count))
        table = pl.DataFrame(
            {
                "id": [f"SEQ_{number:06d}" for number in numbers],
                "subject": [f"SUBJ_{number % 1000:06d}" for number in numbers],
                "gesture": [gestures[number % 4] for number in numbers],
            }
        )
        yield block[: len(numbers)].with_table(table)


@contextmanager
def serving(data: Path) -> Iterator[tuple[str, float]]:
    """The address of `bfrb view`, and the seconds from its start to the page."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "bfrb", "view", str(data), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        url = process.stdout.readline().strip()  # type: ignore[union-attr]
        Client(url).ask("/")
        yield url, time.perf_counter() - begin
    finally:
        process.terminate()
        process.communicate()


def measure_long(data: Path, options: argparse.Namespace) -> list[bool]:
    """A long recording: start, first traces, zooms."""
    with serving(data) as (url, start_s):
        client = Client(url)
        wait_until_ready(client)
        kept = [report(f"{options.hours:g} h: process start to page", start_s, "s", START_BAR_S)]
        base = "/api/recordings/0"
        first_s = timed(lambda: client.ask(f"{base}/traces?width={WIDTH}"))
        kept.append(report("first traces (read, all sensors)", first_s, "s", PLOT_BAR_S))
        rows = json.loads(client.ask(base))["rows"]
        for span_s in SPANS_S:
            kept += measure_zoom(client, f"{base}/traces", rows, span_s, options.repeats)
        frames_ms = 1e3 * median(timed(lambda: client.ask(f"{base}/frames?start=1000&stop=1256")) for _ in range(9))
        report("256 rows of all sensors", frames_ms, "ms", None)
        return kept + measure_browser(url, "long recording")


def measure_zoom(client: Client, path: str, rows: int, span_s: float | None, repeats: int) -> list[bool]:
    """One zoom at random places."""
    span = rows if span_s is None else round(span_s * HELIOS.row_rate_hz)
    starts = np.random.default_rng(1).integers(0, rows - span + 1, repeats)
    sizes, times = [], []
    for start in starts:
        question = f"{path}?start={start}&stop={start + span}&width={WIDTH}"
        times.append(timed(lambda asked=question: sizes.append(len(client.ask(asked)))))  # type: ignore[misc]
    name = "whole" if span_s is None else f"{span_s:g} s"
    return [
        report(f"zoom to {name}", 1e3 * median(times), "ms", ZOOM_BAR_MS),
        report("  sent", max(sizes) / 1e3, "kB", ZOOM_BAR_KB),
    ]


def measure_many(data: Path, options: argparse.Namespace) -> list[bool]:
    """A long list: start, pages and searches."""
    with serving(data) as (url, start_s):
        client = Client(url)
        kept = [report(f"{options.recordings} recordings: process start to page", start_s, "s", START_BAR_S)]
        wait_until_ready(client)
        begin = time.perf_counter()
        while not client.state()["complete"]:
            time.sleep(0.2)
        report("until it is known which sensors are missing", start_s + time.perf_counter() - begin, "s", None)
        for name, query in LISTS.items():
            path = f"/api/recordings?{query}&size=100"
            taken_ms = 1e3 * median(timed(lambda asked=path: client.ask(asked)) for _ in range(options.repeats))  # type: ignore[misc]
            kept.append(report(f"list, {name}", taken_ms, "ms", LIST_BAR_MS))
        return kept + measure_browser(url, "long list")


def measure_browser(url: str, name: str) -> list[bool]:
    """The page in Chromium: from opening the address to the first plot, and to far rows of the list."""
    try:
        from viewing_browser import open_browser
    except ImportError:
        return []
    with tempfile.TemporaryDirectory() as profile, open_browser(Path(profile)) as browser:
        if browser is None:
            return []
        drawn_s = timed(lambda: browser.open(url, 0))
        kept = [report(f"Chromium, {name}: address to first plot", drawn_s, "s", PLOT_BAR_S)]
        jump = "(document.querySelector('#list').scrollTop = arguments[0], true)"
        seen = "[...document.querySelectorAll('.row')].some(row => row.dataset.index > 5000 && row.querySelector('b'))"
        middle = browser.js("document.querySelector('.space').clientHeight") / 2
        if middle > 10_000:
            browser.js(jump, middle)
            report("Chromium, jump to the middle of the list", timed(lambda: browser.wait(seen)), "s", None)
        return kept


def wait_until_ready(client: Client) -> None:
    """Until the source has been read."""
    while client.state()["state"] == "reading":
        time.sleep(0.05)


def timed(action: Callable[[], object]) -> float:
    """Seconds that something takes."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def report(name: str, value: float, unit: str, bar: float | None) -> bool:
    """Print a measurement; whether its bar is met."""
    print(f"{name:<55}{value:9.2f} {unit:<3}" + ("" if bar is None else f"  (bar {bar:g} {unit})"), flush=True)
    return bar is None or value <= bar


if __name__ == "__main__":
    sys.exit(main())
