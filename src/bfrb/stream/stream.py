"""`Stream`: samples in, events out, as they happen; and `StreamHub`, many wearers at once.

    samples -> rows at the device's rate -> windows -> features, networks (as for any recording) -> events

The events depend on the samples and their order only: chunks of 1, 7 or 1,000 samples give the same ones, to the last
bit. Memory and work a second are bounded, whatever a source sends.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from bfrb.arrays import Array, Floats
from bfrb.errors import DataError
from bfrb.predict.predictor import Predictor
from bfrb.stream.events import Event, EventDecider, EventRule, WindowProbabilities
from bfrb.stream.resampling import Orienting, Resampler, SegmentRows
from bfrb.stream.samples import TIME, StreamCounts, check_samples, check_units, count_rows, parse_samples
from bfrb.stream.spec import StreamSpec
from bfrb.stream.windowing import Plausibility, WindowBuffer, Windows, join_windows

_PATIENT_SAMPLES = 256  # so many samples may wait for a window to be complete
_EARLY_S = 1e-6  # rather look too early whether a window is complete than too late
_MOST_WINDOWS = 256  # windows that are answered at once: more cost memory and save no time


@dataclass(frozen=True)
class Wearer:
    """Who wears the device, and what its source sends."""

    handedness: int | None = None  # 1 right, 0 left, None unknown; matters to bundles that mirror left hands
    # Units of the source by sensor, such as `{"acc": "g"}`; the device's own where nothing is said.
    units: Mapping[str, str] = field(default_factory=dict)
    clock: StreamSpec = field(default_factory=StreamSpec)  # what disorder is put up with


class Stream:
    """Events of one wearer, from samples as they come.

    The rule says how events are decided, by default as the bundle does; `on_windows` is called with what was answered
    for windows, before anything is decided. ConfigError if a unit of the wearer's source is not known.
    """

    def __init__(
        self,
        predictor: Predictor,
        rule: EventRule | None = None,
        *,
        wearer: Wearer | None = None,
        on_windows: Callable[[WindowProbabilities], object] = lambda _: None,
    ) -> None:
        self.predictor = predictor
        self.rule = rule or EventRule.of(predictor.bundle)
        self.wearer = wearer or Wearer()
        self._factors = check_units(self.wearer.units, predictor.source_device)
        self._on_windows = on_windows
        bundle, device, clock = predictor.bundle, predictor.device, self.wearer.clock
        self.counts = StreamCounts()
        """What became of the samples so far; some that complete no window yet may not have been looked at."""
        orienting = Orienting(device, self.counts) if predictor.orients else None
        self._resampler = Resampler(device, clock, self.counts, bundle.manifest.rows, orienting)
        self._buffer = WindowBuffer(device, bundle.windows, self.rule.spec, clock.reorder_s, self.counts)
        self.plausibility = Plausibility(device, self.counts)
        self._decider = EventDecider(self.rule, predictor.label_set)
        self._waiting: list[dict[str, Array]] = []
        self._n_waiting = self._untimed = 0
        self._due_s = -math.inf
        self._timed: bool | None = None

    @property
    def ongoing(self) -> Event | None:
        """The event that is known to be going on, for an alarm; its end is that so far."""
        return self._decider.ongoing

    def push(self, samples: Mapping[str, Any]) -> list[Event]:
        """The events that are complete with these samples: `time_s` and the device's sensors by name, one or many.

        See `parse_samples`; without `time_s` they are taken to be rows at the device's rate. DataError if a name is no
        sensor, shapes do not fit together, or times come with some samples only; BundleError if a network fails. Bad
        values are counted, not refused.
        """
        return self._answer(self.cut(self.parse(samples)))

    def finish(self) -> list[Event]:
        """The events that were still going on; the next samples begin anew."""
        return self._answer(self.cut_last()) + self.close()

    def parse(self, samples: Mapping[str, Any]) -> dict[str, Array]:
        """Samples in shape, for `cut`; nothing is done with them yet. Errors as of `push`."""
        if self._timed not in (None, TIME in samples):
            raise DataError("expected times with all samples or with none", remedy=f"send {TIME} always, or never")
        raw = parse_samples(samples, self.predictor.source_device)
        self._timed = TIME in samples
        return raw

    def cut(self, raw: dict[str, Array]) -> Iterator[Windows]:
        """The windows that are complete; samples wait until one can be, so that single ones cost little."""
        rows = count_rows(raw)
        if not rows:
            return
        time_s = raw.get(TIME)
        if time_s is None:  # rows at the device's rate
            time_s = (self._untimed + np.arange(rows)) / self.predictor.device.row_rate_hz
            self._untimed += rows
        self._waiting.append({**raw, TIME: time_s})
        self._n_waiting += rows
        # A window may be complete now, or the clock has been set back. fmax and fmin step over NaN.
        earliest_s = self._resampler.latest_s - self.wearer.clock.reorder_s
        is_due = np.fmax.reduce(time_s) >= self._due_s or np.fmin.reduce(time_s) < earliest_s
        if is_due or self._n_waiting >= _PATIENT_SAMPLES:
            yield from self._work_off()

    def cut_last(self) -> Iterator[Windows]:
        """The windows that were complete but for samples that might have come; what follows begins anew."""
        yield from self._work_off()
        yield from self._windows(self._resampler.finish())
        self._due_s = -math.inf

    def _work_off(self) -> Iterator[Windows]:
        if self._waiting:
            waiting, self._waiting, self._n_waiting = self._waiting, [], 0
            samples = check_samples(waiting, self.predictor.source_device, self._factors)
            yield from self._windows(self._resampler.push(samples))
        self._due_s = self._resampler.due_s(self._buffer.missing_rows) - _EARLY_S

    def _windows(self, rows: Iterator[SegmentRows]) -> Iterator[Windows]:
        found = (self._buffer.push(some) for some in rows)
        yield from (windows for windows in found if windows is not None)

    def _answer(self, windows: Iterable[Windows]) -> list[Event]:
        ready = ((self, some) for some in windows)
        return [event for found in answer_windows(self.predictor, ready) for event in found]

    def decide(self, windows: Windows, probabilities: Floats) -> list[Event]:
        """The events that are complete with the next windows, given (W, K) probabilities of theirs."""
        self.plausibility.push(windows)
        answered = WindowProbabilities(windows.middle_s, windows.known_s, probabilities, windows.after_gap)
        self._on_windows(answered)
        return self._counted(self._decider.push(answered))

    def close(self) -> list[Event]:
        """The event that was still going on, if any."""
        self.plausibility.judge()
        return self._counted(self._decider.finish())

    def _counted(self, events: list[Event]) -> list[Event]:
        self.counts.events += len(events)
        return events


Ready = tuple[str, Windows]  # windows of a wearer that are complete, and not yet answered


def answer_windows(predictor: Predictor, ready: Iterable[tuple[Stream, Windows]]) -> Iterator[list[Event]]:
    """The events that are complete with the given windows of streams, in their order. BundleError if a network fails.

    Many are answered together: that costs less.
    """
    together: list[tuple[Stream, Windows]] = []
    for each in chain(ready, [None]):
        if together and (each is None or sum(len(part) for _, part in [*together, each]) > _MOST_WINDOWS):
            yield from _answer_together(predictor, together)
            together = []
        if each is not None:
            together.append(each)


def _answer_together(predictor: Predictor, ready: Sequence[tuple[Stream, Windows]]) -> list[list[Event]]:
    counts = [len(part) for _, part in ready]
    hands = [stream.wearer.handedness for (stream, _), count in zip(ready, counts, strict=True) for _ in range(count)]
    known = {"handedness": hands} if any(hand is not None for hand in hands) else {}
    recordings = join_windows(predictor.device, [part.sensors for _, part in ready], sum(counts), **known)
    stops = np.cumsum(counts)[:-1]
    for (stream, _), doubtful in zip(ready, np.split(predictor.doubtful(recordings), stops), strict=True):
        stream.counts.windows_doubtful += int(doubtful.sum())
    parts = np.split(predictor.predict_each(recordings).probabilities, stops)
    return [stream.decide(part, found) for (stream, part), found in zip(ready, parts, strict=True)]


class StreamHub:
    """Many wearers in one process, their windows answered together; none changes another's answers.

    The rule, by default the bundle's, holds for all; `wearer` gives what is known of one, by name. There are `most` at
    a time; samples of further ones are refused.

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
        self.streams: dict[str, Stream] = {}
        """The streams by wearer."""
        self._past = StreamCounts()

    @property
    def counts(self) -> StreamCounts:
        """The counts of all streams together, those that have ended too."""
        total = StreamCounts()
        for counts in (self._past, *(stream.counts for stream in self.streams.values())):
            total.add(counts)
        return total

    def push(self, samples: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Event]]:
        """The events that are complete with these samples, by wearer. A new name begins a stream.

        DataError if there are too many wearers, or as `Stream.push` does; then none of these samples has been used;
        BundleError if a network fails.
        """
        raw = {name: self._stream(name).parse(values) for name, values in samples.items()}
        ready = [(name, windows) for name, part in raw.items() for windows in self.streams[name].cut(part)]
        return {name: [] for name in samples} | self.answer(ready)

    def take(self, name: str, samples: Mapping[str, Any]) -> list[Ready]:
        """The windows that are complete with a wearer's samples, to be answered with others'; errors as of `push`."""
        stream = self._stream(name)
        return [(name, windows) for windows in stream.cut(stream.parse(samples))]

    def answer(self, ready: Sequence[Ready]) -> dict[str, list[Event]]:
        """The events that are complete with the given windows, by wearer. BundleError if a network fails."""
        events: dict[str, list[Event]] = {}
        found = answer_windows(self.predictor, ((self.streams[name], windows) for name, windows in ready))
        for (name, _), new in zip(ready, found, strict=True):
            events.setdefault(name, []).extend(new)
        return events

    def finish(self, name: str | None = None) -> dict[str, list[Event]]:
        """The events that were still going on, of one wearer or of all; their streams end."""
        names = list(self.streams) if name is None else [name]
        ready = [(each, windows) for each in names for windows in self.streams[each].cut_last()]
        events: dict[str, list[Event]] = {each: [] for each in names} | self.answer(ready)
        for each in names:
            stream = self.streams.pop(each)
            events[each] += stream.close()
            self._past.add(stream.counts)
        return events

    def _stream(self, name: str) -> Stream:
        if name not in self.streams:
            if len(self.streams) >= self._most:
                problem = f"expected at most {self._most} wearers, got one more: {name!r}"
                raise DataError(problem, remedy="end a stream that is no longer needed, or allow more")
            self.streams[name] = Stream(self.predictor, self.rule, wearer=self._wearer(name))
        return self.streams[name]
