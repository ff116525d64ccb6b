"""A stream to look at as it comes: the last minutes of signals, answers and events of every wearer."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from bfrb.arrays import Array
from bfrb.errors import DataError
from bfrb.predict.predictor import Predictor
from bfrb.stream.events import Event, EventRule, WindowProbabilities
from bfrb.stream.lines import Message
from bfrb.stream.samples import check_samples, parse_samples
from bfrb.stream.stream import Stream
from bfrb.study.device import Device
from bfrb.view.background import describe_error
from bfrb.view.recent import RecentRows
from bfrb.view.traces import draw, make_panels

log = logging.getLogger(__name__)

KEPT_S = 600.0
"""So much of the signals can be looked back at."""

KEPT_ANSWERS = 4096
KEPT_EVENTS = 200
MOST_WEARERS = 32
"""Those who come first are shown; samples of others are refused."""

OpenStream = Callable[[Device], Iterable[Message]]
"""Opens a source of samples of a device."""

Snapshot = tuple[dict[str, Array], dict[str, Any]]
"""Arrays and values for the page."""


class LiveWearer:
    """What is shown of one wearer: the bundle answers, the rule decides events."""

    def __init__(self, predictor: Predictor, rule: EventRule) -> None:
        self.events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self.answers: deque[tuple[float, Array]] = deque(maxlen=KEPT_ANSWERS)
        self.stream = Stream(predictor, rule, on_windows=self._keep)
        self._recent = RecentRows(predictor.device, KEPT_S, self.stream.wearer.clock)

    def _keep(self, answered: WindowProbabilities) -> None:
        self.answers.extend(zip(answered.known_s.tolist(), answered.probabilities, strict=True))

    def push(self, values: Mapping[str, Any]) -> None:
        """Take in samples; DataError if they cannot be read, BundleError if a network fails."""
        device = self.stream.predictor.device
        if self._recent.push(check_samples([parse_samples(values, device)], device, {})):
            self.events.clear()
            self.answers.clear()
        self.events.extend(self.stream.push(values))

    def finish(self) -> None:
        """Take in that nothing more comes."""
        self._recent.finish()
        self.events.extend(self.stream.finish())

    def snapshot(self, span_s: float, width: int) -> Snapshot:
        """The traces of the last seconds, at most two readings a pixel, with answers and events."""
        ongoing = self.stream.ongoing
        values = {
            "panels": [],
            "events": [asdict(event) for event in self.events],
            "ongoing": None if ongoing is None else asdict(ongoing),
            "counts": self.stream.counts.to_dict(),
        }
        recent = self._recent.last(span_s)
        if recent is None:
            return {}, values
        recording, start_s = recent
        arrays, panels = draw(make_panels(recording), 0, recording.n_rows, width)
        arrays |= {f"last_{name}": readings[-1:] for name, readings in recording.sensors.items()}
        # (A,) seconds to the time at which each answer was known, and (K, A) probabilities
        answers = [(known_s - start_s, found) for known_s, found in self.answers if known_s >= start_s]
        arrays["answered"] = np.array([since_s for since_s, _ in answers], np.float32)
        probabilities = np.array([found for _, found in answers], np.float32)
        arrays["probabilities"] = probabilities.reshape(-1, len(self.stream.predictor.label_set)).T
        return arrays, values | {"panels": panels, "start_s": start_s, "rows": recording.n_rows}


class LiveFeed:
    """Reads a source in a thread of its own, for as long as there is one.

    Parameters
    ----------
    what
        What the source is, for people.
    open_stream
        Opens the source, given the device, and gives what it sends; may wait. It ends when the source does.
    load
        Gives the bundle that answers; may wait.
    """

    def __init__(self, what: str, open_stream: OpenStream, load: Callable[[], Predictor]) -> None:
        self._open, self._load = open_stream, load
        self._lock = threading.Lock()
        self._wearers: dict[str, LiveWearer] = {}
        self._about: dict[str, Any] = {
            "what": what,
            "state": "waiting",
            "problem": None,
            "messages": 0,
            "refused": 0,
            "last_refused": "",
        }
        self._latest_s = time.monotonic()
        threading.Thread(target=self._run, name="bfrb-live", daemon=True).start()

    def _run(self) -> None:
        try:
            predictor = self._load()
            rule = EventRule.of(predictor.bundle)
            for name, content in self._open(predictor.device):
                with self._lock:
                    self._take(name, content, lambda: LiveWearer(predictor, rule))
            with self._lock:
                for wearer in self._wearers.values():
                    wearer.finish()
                self._about["state"] = "ended"
        except Exception as error:  # noqa: BLE001  told on the page: nobody waits for this thread
            self._about |= {"state": "failed", "problem": describe_error(error)}
            log.warning("the live stream failed: %s", error)

    def _take(self, name: str, content: Any, make: Callable[[], LiveWearer]) -> None:
        if content is None:
            if name in self._wearers:
                self._wearers[name].finish()
            return
        self._about |= {"state": "receiving", "messages": self._about["messages"] + 1}
        self._latest_s = time.monotonic()
        try:
            if isinstance(content, DataError):
                raise content
            if name not in self._wearers:
                if len(self._wearers) >= MOST_WEARERS:
                    problem = f"only the first {MOST_WEARERS} wearers are shown, and {name!r:.40} is one more"
                    raise DataError(problem, remedy="send those that are to be looked at")
                self._wearers[name] = make()
            self._wearers[name].push(content)
        except DataError as error:
            self._about |= {"refused": self._about["refused"] + 1, "last_refused": error.problem}

    def describe(self) -> dict[str, Any]:
        """State, counts and wearers, for the page."""
        silent_s = round(time.monotonic() - self._latest_s, 1)
        return self._about | {"silent_s": silent_s, "wearers": list(self._wearers)}

    def snapshot(self, name: str, span_s: float, width: int) -> Snapshot:
        """Arrays and values of one wearer, of the first if the name is empty; and how the feed is.

        DataError if there is no such wearer, or no such span.
        """
        if not (math.isfinite(span_s) and 0 < span_s <= KEPT_S):
            raise DataError(f"expected 0 to {KEPT_S:g} seconds, got {span_s:g}", remedy="load the page again")
        with self._lock:
            chosen = name or next(iter(self._wearers), "")
            if not chosen:
                return {}, self.describe() | {"wearer": None, "panels": []}
            if chosen not in self._wearers:
                raise DataError(f"nothing has come from {chosen!r}", remedy="choose another wearer")
            arrays, values = self._wearers[chosen].snapshot(span_s, width)
            return arrays, self.describe() | {"wearer": chosen} | values
