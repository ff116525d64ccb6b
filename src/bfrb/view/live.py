"""A stream to look at as it comes: the last minutes of signals, answers and events of every wearer."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any, Literal

import numpy as np

from bfrb.arrays import Array
from bfrb.errors import DataError
from bfrb.predict.predictor import Predictor
from bfrb.stream.events import Event, EventRule, WindowProbabilities
from bfrb.stream.feed import Wearer
from bfrb.stream.samples import check_samples, check_units, parse_samples
from bfrb.stream.stream import Stream
from bfrb.stream.windowing import Windows
from bfrb.study.device import Device
from bfrb.view.pending import explain
from bfrb.view.strip import Excerpt, Strip
from bfrb.view.traces import make_panels, reduce_rows

log = logging.getLogger(__name__)

KEPT_S = 600.0
"""So much of the signals can be looked back at."""

KEPT_ANSWERS = 4096
KEPT_EVENTS = 200
MOST_WEARERS = 32
"""Those that are heard first are shown; samples of others are refused."""

Messages = Iterable[tuple[str, Mapping[str, Any] | DataError | None]]
"""With the name of the wearer: samples as `parse_samples` takes them, why something could not be read, or None where a
connection ended."""

Listen = Callable[[Device], Messages]
"""Opens a source of samples of a device."""

State = Literal["waiting", "receiving", "ended", "failed"]


class LiveWearer:
    """What is shown of one wearer.

    Parameters
    ----------
    predictor
        Answers.
    rule
        Decides events.
    wearer
        Units and clock.
    """

    def __init__(self, predictor: Predictor, rule: EventRule, wearer: Wearer) -> None:
        self.strip = Strip(predictor.device, KEPT_S, wearer.clock)
        self.events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._answers: deque[tuple[float, Array]] = deque(maxlen=KEPT_ANSWERS)
        self._factors = check_units(wearer.units, predictor.device)
        self.stream = Stream(predictor, rule, wearer=wearer, on_windows=self._keep)

    def push(self, values: Mapping[str, Any]) -> None:
        """Take in samples.

        Raises
        ------
        DataError
            If they cannot be read.
        BundleError
            If a network fails.
        """
        device = self.stream.predictor.device
        samples = check_samples([parse_samples(values, device)], device, self._factors)
        before = self.strip.beginnings
        self.strip.push(samples)
        if before and self.strip.beginnings > before:
            self.events.clear()
            self._answers.clear()
        self.events.extend(self.stream.push(values))

    def finish(self) -> None:
        """Take in that nothing more comes."""
        self.events.extend(self.stream.finish())

    def _keep(self, _: Windows, answered: WindowProbabilities) -> None:
        self._answers.extend(zip(answered.known_s.tolist(), answered.probabilities, strict=True))

    def look(self, span_s: float, width: int) -> tuple[dict[str, Array], dict[str, Any]]:
        """Arrays and values for the page: the traces of the last seconds, at most two readings a pixel."""
        excerpt = self.strip.excerpt(span_s)
        if excerpt is None:
            return {}, {"panels": [], "events": [], "ongoing": None, "counts": self.stream.counts.to_dict()}
        arrays, panels = _draw(excerpt, width)
        recent = [(known_s, values) for known_s, values in self._answers if known_s >= excerpt.start_s]
        classes = len(self.stream.predictor.label_set)
        arrays["answered"] = np.array([known_s - excerpt.start_s for known_s, _ in recent], dtype=np.float32)
        arrays["probabilities"] = np.array([values for _, values in recent], np.float32).reshape(-1, classes).T
        shown = [asdict(event) for event in self.events]
        ongoing = self.stream.ongoing
        values = {
            "panels": panels,
            "start_s": excerpt.start_s,
            "rows": excerpt.recording.n_rows,
            "events": shown,
            "ongoing": None if ongoing is None else asdict(ongoing),
            "counts": self.stream.counts.to_dict(),
        }
        return arrays, values


def _draw(excerpt: Excerpt, width: int) -> tuple[dict[str, Array], list[dict[str, Any]]]:
    recording = excerpt.recording
    arrays: dict[str, Array] = {}
    described = []
    for panel in make_panels(recording):
        arrays["times"], arrays[panel.name] = reduce_rows(panel.values, 0, recording.n_rows, width)
        described.append({name: getattr(panel, name) for name in ("name", "title", "unit", "channels")})
    arrays["times"] = (arrays["times"] / recording.device.row_rate_hz).astype(np.float32)
    return arrays | {f"last_{name}": values[-1:] for name, values in recording.sensors.items()}, described


class LiveFeed:
    """Reads a source in a thread of its own, for as long as there is one.

    Parameters
    ----------
    what
        What the source is, for people.
    listen
        Opens the source, given the device, and gives what it sends; may wait. It ends when the source does.
    load
        Gives the bundle that answers; may wait.
    wearer
        Units and clock.
    """

    def __init__(
        self,
        what: str,
        listen: Listen,
        load: Callable[[], Predictor],
        wearer: Wearer | None = None,
    ) -> None:
        self.what = what
        self._listen = listen
        self._load = load
        self._wearer = wearer or Wearer()
        self._lock = threading.Lock()
        self._wearers: dict[str, LiveWearer] = {}
        self._state: State = "waiting"
        self._problem: dict[str, str] | None = None
        self._messages = self._refused = 0
        self._heard_s = time.monotonic()
        self._last_refused = ""
        threading.Thread(target=self._run, name="bfrb-live", daemon=True).start()

    def _run(self) -> None:
        try:
            predictor = self._load()
            rule = EventRule.of(predictor.bundle)
            for name, sent in self._listen(predictor.device):
                self._take(name, sent, lambda: LiveWearer(predictor, rule, self._wearer))
            with self._lock:
                for wearer in self._wearers.values():
                    wearer.finish()
                self._state = "ended"
        except Exception as error:  # noqa: BLE001  told on the page: nobody waits for this thread
            self._problem = explain(error)
            self._state = "failed"
            log.warning("the live stream failed: %s", error)

    def _take(self, name: str, sent: Mapping[str, Any] | DataError | None, make: Callable[[], LiveWearer]) -> None:
        with self._lock:
            if sent is None:
                if name in self._wearers:
                    self._wearers[name].finish()
                return
            self._messages += 1
            self._heard_s = time.monotonic()
            self._state = "receiving"
            try:
                if isinstance(sent, DataError):
                    raise sent
                self._find(name, make).push(sent)
            except DataError as error:
                self._refused += 1
                self._last_refused = error.problem

    def _find(self, name: str, make: Callable[[], LiveWearer]) -> LiveWearer:
        if name not in self._wearers:
            if len(self._wearers) >= MOST_WEARERS:
                raise DataError(
                    f"only the first {MOST_WEARERS} wearers are shown, and {name!r:.40} is one more",
                    remedy="send those that are to be looked at",
                )
            self._wearers[name] = make()
        return self._wearers[name]

    def describe(self) -> dict[str, Any]:
        """State and wearers, for the page."""
        with self._lock:
            return self._describe()

    def _describe(self) -> dict[str, Any]:
        silent_s = round(time.monotonic() - self._heard_s, 1)
        counts = {"messages": self._messages, "refused": self._refused, "silent_s": silent_s}
        about = {"what": self.what, "state": self._state, "problem": self._problem, "last_refused": self._last_refused}
        return about | counts | {"wearers": list(self._wearers)}

    def look(self, name: str, span_s: float, width: int) -> tuple[dict[str, Array], dict[str, Any]]:
        """Arrays and values of one wearer, of the first if the name is empty; and how the feed is.

        Raises
        ------
        DataError
            If there is no such wearer, or no such span.
        """
        if not (math.isfinite(span_s) and 0 < span_s <= KEPT_S):
            raise DataError(f"expected 0 to {KEPT_S:g} seconds, got {span_s:g}", remedy="load the page again")
        with self._lock:
            about = self._describe()
            chosen = name or next(iter(self._wearers), "")
            if not chosen:
                return {}, about | {"wearer": None, "panels": []}
            if chosen not in self._wearers:
                raise DataError(f"nothing has come from {chosen!r}", remedy="choose another wearer")
            arrays, values = self._wearers[chosen].look(span_s, width)
        return arrays, about | {"wearer": chosen} | values
