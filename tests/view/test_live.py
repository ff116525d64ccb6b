"""A live stream: what is taken in, and what the page is told."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bfrb.errors import DataError
from bfrb.predict.bundle import Bundle
from bfrb.predict.predictor import Predictor, load
from bfrb.stream.events import EventRule
from bfrb.stream.stream import Stream
from bfrb.study.device import HELIOS, Device
from bfrb.view.live import KEPT_ANSWERS, KEPT_EVENTS, MOST_WEARERS, LiveFeed, LiveWearer
from bundles import make_recordings
from viewing_page import OpenPage, unpack


@pytest.fixture(scope="module")
def predictor(bundle: Path) -> Predictor:
    return load(bundle)


def chunks(rows: int = 200, size: int = 7, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Random readings of one wearer, a few at a time."""
    made = make_recordings(1, lengths=[rows], seed=seed)
    for start in range(0, rows, size):
        part = slice(start, min(start + size, rows))
        times = np.arange(part.start, part.stop) / HELIOS.row_rate_hz
        yield {"time_s": times, **{name: values[part] for name, values in made.sensors.items()}}


class Sender:
    """A source that sends what a test puts into it."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Any] = queue.Queue()

    def send(self, name: str, sent: Mapping[str, Any] | DataError | None) -> None:
        self._waiting.put((name, sent))

    def end(self) -> None:
        self._waiting.put(None)

    def listen(self, _: Device) -> Iterator[Any]:
        while (found := self._waiting.get(timeout=30)) is not None:
            yield found


def until(feed: LiveFeed, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What is said of a feed once something is so."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if true(found := feed.describe()):
            return found
        time.sleep(0.01)
    raise AssertionError(feed.describe())


def test_what_is_shown_is_what_the_stream_says(predictor: Predictor) -> None:
    rule = EventRule.of(predictor.bundle)
    eager = rule.model_copy(update={"spec": rule.spec.updated(["on=0.3", "off=0.3", "minimum_s=0", "merge_s=0"])})
    answers: list[Any] = []
    stream = Stream(predictor, eager, on_windows=answers.append)
    expected = [event for chunk in chunks() for event in stream.push(chunk)]
    shown = LiveWearer(predictor, eager)
    for chunk in chunks():
        shown.push(chunk)
    expected += stream.finish()
    shown.finish()
    arrays, values = shown.snapshot(20.0, 1000)
    assert [event["label"] for event in values["events"]] == [event.label for event in expected]
    assert values["counts"] == stream.counts.to_dict()
    known_s = np.concatenate([found.known_s for found in answers])
    probabilities = np.concatenate([found.probabilities for found in answers])
    np.testing.assert_allclose(arrays["answered"] + values["start_s"], known_s, atol=1e-4)
    np.testing.assert_allclose(arrays["probabilities"].T, probabilities, atol=1e-6)
    acc = np.concatenate([chunk["acc"] for chunk in chunks()])
    np.testing.assert_allclose(arrays["acc"].T, acc, atol=1e-5)
    np.testing.assert_array_equal(arrays["last_tof"][0], list(chunks())[-1]["tof"][-1])


def test_only_the_last_seconds_are_sent_and_never_more_than_the_screen_shows(predictor: Predictor) -> None:
    shown = LiveWearer(predictor, EventRule.of(predictor.bundle))
    for chunk in chunks(400):
        shown.push(chunk)
    arrays, values = shown.snapshot(10.0, 1000)
    assert values["rows"] == arrays["acc"].shape[1] == 100
    assert arrays["answered"].min() >= 0
    reduced, _ = shown.snapshot(40.0, 50)
    assert reduced["acc"].shape == (3, 100)
    assert (shown.events.maxlen, shown.answers.maxlen) == (KEPT_EVENTS, KEPT_ANSWERS)


def test_a_clock_that_was_set_back_clears_what_was_shown(predictor: Predictor) -> None:
    shown = LiveWearer(predictor, EventRule.of(predictor.bundle))
    for _ in range(2):
        for chunk in chunks(300):
            shown.push(chunk)
    shown.finish()
    arrays, values = shown.snapshot(600, 4000)
    assert values["start_s"] + values["rows"] / HELIOS.row_rate_hz == pytest.approx(30.0)
    assert (~np.isnan(arrays["acc"][0])).sum() == 300
    assert values["counts"]["clock_resets"] == 1


def test_a_feed_tells_how_it_is(predictor: Predictor) -> None:
    sender = Sender()
    feed = LiveFeed("a test", sender.listen, lambda: predictor)
    assert feed.describe()["state"] == "waiting"
    assert feed.snapshot("", 60, 100)[1]["wearer"] is None
    for chunk in chunks():
        sender.send("anna", chunk)
    sender.send("ben", {"nose": [1.0]})
    sender.send("ben", DataError("a line of nonsense", remedy="mend it"))
    found = until(feed, lambda found: found["refused"] == 2)
    assert (found["state"], found["last_refused"]) == ("receiving", "a line of nonsense")
    assert feed.snapshot("", 60, 100)[1]["wearer"] == "anna"
    with pytest.raises(DataError, match="nothing has come from 'nobody'"):
        feed.snapshot("nobody", 60, 100)
    for span_s in (0.0, -1.0, 1e9, float("nan")):
        with pytest.raises(DataError, match="seconds"):
            feed.snapshot("anna", span_s, 100)
    sender.end()
    until(feed, lambda found: found["state"] == "ended")


def test_there_is_a_limit_to_wearers(predictor: Predictor) -> None:
    sender = Sender()
    feed = LiveFeed("a test", sender.listen, lambda: predictor)
    for number in range(MOST_WEARERS + 3):
        sender.send(f"wearer {number}", next(chunks()))
    assert len(until(feed, lambda found: found["messages"] == MOST_WEARERS + 3)["wearers"]) == MOST_WEARERS
    assert feed.describe()["refused"] == 3
    sender.end()


def test_a_source_that_fails_says_why(predictor: Predictor) -> None:
    def fail(_: Device) -> Iterator[Any]:
        raise OSError(98, "Address already in use")
        yield

    feed = LiveFeed("a test", fail, lambda: predictor)
    found = until(feed, lambda found: found["state"] == "failed")
    assert "Address already in use" in found["problem"]["problem"]


def test_the_page_can_ask_for_a_stream(open_page: OpenPage, bundle: Path) -> None:
    page = open_page(None, bundle)
    assert page.ask("/api/live").status == 422
    assert page.ask("/api/state").json["live"] is None
    sender = Sender()
    page.viewer.show_stream("a test", sender.listen)
    for chunk in chunks():
        sender.send("<b>anna</b>", chunk)
    until(page.viewer.feed, lambda found: found["messages"] == 29)
    header, arrays = unpack(page.ask("/api/live?span=10&width=500").body)
    assert header["wearer"] == "<b>anna</b>"
    assert header["what"] == "a test"
    assert arrays["acc"].shape == (3, 100)
    assert arrays["probabilities"].shape[0] == len(Bundle.open(bundle).label_set)
    assert page.ask("/api/live?span=10&width=500", headers={"X-Bfrb-Token": None}).status == 403
    assert page.ask("/api/live", headers={"Origin": "http://elsewhere"}).status == 403
    assert page.ask("/api/live?span=no").status == 422
    sender.end()


def test_a_stream_needs_a_bundle(open_page: OpenPage) -> None:
    with pytest.raises(DataError, match="--bundle"):
        open_page(None, None).viewer.show_stream("a test", Sender().listen)
