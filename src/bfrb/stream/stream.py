"""`Stream`: samples in, events out, as they happen; and `StreamHub`, many wearers at once.

    samples -> rows at the device's rate -> windows -> features, networks (as for any recording) -> events

The events depend on the samples and their order only: chunks of 1, 7 or 1,000 samples give the same ones, to the last
bit. Memory and work a second are bounded, whatever a source sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from bfrb.arrays import Floats
from bfrb.errors import DataError
from bfrb.predict.predictor import Predictor
from bfrb.stream.counts import StreamCounts
from bfrb.stream.events import Event, EventDecider, EventRule, WindowProbabilities
from bfrb.stream.feed import Feed, Wearer
from bfrb.stream.samples import RawSamples
from bfrb.stream.spec import StreamSpec
from bfrb.stream.windowing import Windowing, Windows, to_recordings

OnWindows = Callable[[Windows, WindowProbabilities], None]
"""Called with windows and what was answered for them."""

_MOST_WINDOWS = 256
"""Windows that are answered at once: more cost memory and save no time."""


class Stream:
    """Events of one wearer, from samples as they come.

    Parameters
    ----------
    predictor
        A loaded bundle.
    rule
        How events are decided; by default as the bundle says.
    wearer
        Who wears the device, and what its source sends.
    on_windows
        Called with windows and what was answered for them, before anything is decided.

    Raises
    ------
    ConfigError
        If a unit is not known.
    """

    def __init__(
        self,
        predictor: Predictor,
        rule: EventRule | None = None,
        *,
        wearer: Wearer | None = None,
        on_windows: OnWindows | None = None,
    ) -> None:
        self.predictor = predictor
        self.rule = rule or EventRule.of(predictor.bundle)
        self.wearer = wearer or Wearer()
        self._on_windows = on_windows
        self.reset()

    def reset(self) -> None:
        """Forget everything, the counts too."""
        windowing = _windowing(self.predictor, self.rule, self.wearer.clock)
        how, orients = self.predictor.bundle.manifest.rows, self.predictor.is_heading_free
        self.feed = Feed(self.predictor.device, windowing, self.wearer, how, orients=orients)
        self._decider = EventDecider(self.rule, self.predictor.label_set)

    @property
    def counts(self) -> StreamCounts:
        """What became of the samples so far; some that complete no window yet may not have been looked at."""
        return self.feed.counts

    @property
    def ongoing(self) -> Event | None:
        """The event that is known to be going on, for an alarm; its end is that so far."""
        return self._decider.ongoing

    def push(self, samples: Mapping[str, Any]) -> list[Event]:
        """The events that are complete with these samples.

        Parameters
        ----------
        samples
            `time_s` and the device's sensors by name, one sample or many; see `parse_samples`. Without `time_s` the
            samples are taken to be rows at the device's rate.

        Raises
        ------
        DataError
            If a name is no sensor, or shapes do not fit together. Bad values are counted, not refused.
        BundleError
            If a network fails.
        """
        return self._answer(self.feed.push(self.feed.take(samples)))

    def finish(self) -> list[Event]:
        """The events that were still going on; the next samples begin anew."""
        return self._answer(self.feed.finish()) + self.close()

    def _answer(self, windows: Iterable[Windows]) -> list[Event]:
        return [event for part in windows for event in answer_windows(self.predictor, [(self, part)])[0]]

    def decide(self, windows: Windows, probabilities: Floats) -> list[Event]:
        """The events that are complete with the next windows, given (W, K) probabilities of theirs."""
        if self.wearer.adapt is not None:
            probabilities = self.wearer.adapt(windows, probabilities, self.predictor.label_set)
        answered = WindowProbabilities(windows.middle_s, windows.known_s, probabilities, windows.after_gap)
        if self._on_windows is not None:
            self._on_windows(windows, answered)
        return self._counted(self._decider.push(answered))

    def close(self) -> list[Event]:
        """The event that was still going on, if any."""
        return self._counted(self._decider.finish())

    def _counted(self, events: list[Event]) -> list[Event]:
        self.counts.events += len(events)
        return events


def answer_windows(predictor: Predictor, waiting: Sequence[tuple[Stream, Windows]]) -> list[list[Event]]:
    """The events that are complete with the given windows of streams, in their order.

    Raises
    ------
    BundleError
        If a network fails.
    """
    windows = [part for _, part in waiting]
    hands = [stream.wearer.handedness for stream, _ in waiting]
    probabilities = predictor.predict_each(to_recordings(windows, hands, predictor.device)).probabilities
    stops = np.cumsum([len(part) for part in windows])
    parts = np.split(probabilities, stops[:-1])
    return [stream.decide(part, found) for (stream, part), found in zip(waiting, parts, strict=True)]


def _windowing(predictor: Predictor, rule: EventRule, clock: StreamSpec) -> Windowing:
    """How the rows of a stream are cut: in windows like those of training, as often as the rule says."""
    rate_hz, windows = predictor.device.row_rate_hz, predictor.bundle.windows
    length, context = round(windows.length_s * rate_hz), round(windows.context_s * rate_hz)
    step = max(1, round(rule.spec.step_s * rate_hz))
    return Windowing(length, step, rule.spec.min_measured, clock.reorder_s, context)


class StreamHub:
    """Many wearers in one process, their windows answered together; none changes another's answers.

    Parameters
    ----------
    predictor
        A loaded bundle.
    rule
        How events are decided, for all; by default as the bundle says.
    wearer
        What is known of a wearer, by name; by default nothing.
    most
        Wearers at a time; samples of further ones are refused.

    Examples
    --------
    `hub.push({"anna": samples, "ben": others})` gives `{"anna": [...], "ben": []}`.
    """

    def __init__(
        self,
        predictor: Predictor,
        rule: EventRule | None = None,
        *,
        wearer: Callable[[str], Wearer] | None = None,
        most: int = 1000,
    ) -> None:
        self.predictor = predictor
        self.rule = rule or EventRule.of(predictor.bundle)
        self._wearer = wearer or (lambda _: Wearer())
        self._most = most
        self._streams: dict[str, Stream] = {}
        self._past = StreamCounts()

    @property
    def streams(self) -> Mapping[str, Stream]:
        """The streams by wearer."""
        return MappingProxyType(self._streams)

    @property
    def counts(self) -> StreamCounts:
        """The counts of all streams together, those that have ended too."""
        total = StreamCounts()
        for counts in (self._past, *(stream.counts for stream in self._streams.values())):
            total.add(counts)
        return total

    def take(self, name: str, values: Mapping[str, Any]) -> RawSamples:
        """What a wearer's source sent, to be pushed later; a new name begins a stream.

        Raises
        ------
        DataError
            If there are too many wearers, or as `Stream.push` does.
        """
        return self._stream(name).feed.take(values)

    def push(self, samples: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Event]]:
        """The events that are complete with these samples, by wearer. A new name begins a stream.

        Raises
        ------
        DataError
            If there are too many wearers, or as `Stream.push` does; then none of these samples has been used.
        BundleError
            If a network fails.
        """
        return self.push_raw({name: [self.take(name, values)] for name, values in samples.items()})

    def push_raw(self, raw: Mapping[str, Sequence[RawSamples]]) -> dict[str, list[Event]]:
        """The same for what `take` gave, any number of times for each wearer.

        Raises
        ------
        BundleError
            If a network fails.
        """
        ready = [
            (name, windows)
            for name, parts in raw.items()
            for part in parts
            for windows in self._stream(name).feed.push(part)
        ]
        return {name: [] for name in raw} | self._answer(ready)

    def finish(self, name: str | None = None) -> dict[str, list[Event]]:
        """The events that were still going on, of one wearer or of all; their streams end."""
        names = list(self._streams) if name is None else [name]
        ready = [(each, windows) for each in names for windows in self._streams[each].feed.finish()]
        events: dict[str, list[Event]] = {each: [] for each in names}
        events |= self._answer(ready)
        for each in names:
            stream = self._streams.pop(each)
            events[each] += stream.close()
            self._past.add(stream.counts)
        return events

    def _stream(self, name: str) -> Stream:
        if name not in self._streams:
            if len(self._streams) >= self._most:
                problem = f"expected at most {self._most} wearers, got one more: {name!r}"
                raise DataError(problem, remedy="end a stream that is no longer needed, or allow more")
            self._streams[name] = Stream(self.predictor, self.rule, wearer=self._wearer(name))
        return self._streams[name]

    def _answer(self, ready: list[tuple[str, Windows]]) -> dict[str, list[Event]]:
        events: dict[str, list[Event]] = {}
        for start in range(0, len(ready), _MOST_WINDOWS):
            some = ready[start : start + _MOST_WINDOWS]
            found = answer_windows(self.predictor, [(self._streams[name], windows) for name, windows in some])
            for (name, _), new in zip(some, found, strict=True):
                events.setdefault(name, []).extend(new)
        return events
