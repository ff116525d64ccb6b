"""Events: from the probabilities of one window after the other to behaviours with a begin and an end.

The rule, in words. The targets' probabilities are summed, the sum is calibrated, and an exponential mean over the
windows so far smooths it. Two hysteresis thresholds make *runs* of it: stretches of windows at or above `off` that
reach `on` somewhere. Runs that are at most `merge_s` apart are one *event*, which has to last `minimum_s`. Nothing is
carried over a gap in the data.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import model_validator

from bfrb.arrays import Bools, Floats
from bfrb.errors import BundleError, ConfigError
from bfrb.predict.bundle import Bundle
from bfrb.spec import NotNegative, Spec
from bfrb.stream.spec import EventSpec, Probability
from bfrb.study.labels import LabelSet

EVENTS = "events.json"  # name of the rule's file in a bundle
FORMAT = 1  # version of that file; a later one is refused


@dataclass(frozen=True)
class Event:
    """A behaviour that happened; times are in seconds by the clock of the samples, the end is not included.

    It was known at `known_s`, when the samples of the deciding window were complete, that an event is going on: an
    alarm can be raised then. The end is known later.
    """

    start_s: float
    end_s: float
    label: str  # the most probable target class over the event
    confidence: float  # the largest smoothed probability, from 0 to 1, that the wearer did any of the targets
    known_s: float

    def since(self, begin_s: float) -> Event:
        """The same by a clock that begins at that time."""
        return replace(self, **{name: getattr(self, name) - begin_s for name in ("start_s", "end_s", "known_s")})


class EventRule(Spec):
    """How events are decided, and what that was chosen for: `events.json` of a bundle."""

    format: int = FORMAT
    spec: EventSpec = EventSpec()  # thresholds, smoothing and durations
    # Knots of a rising, piecewise linear map of the summed probability of the targets; none leaves it as it is. Below
    # the first knot and beyond the last the map is constant.
    isotonic_from: tuple[Probability, ...] = ()
    isotonic_to: tuple[Probability, ...] = ()
    # The rate that the thresholds were chosen for; None if they were not, or if no threshold kept to it.
    false_alarms_per_hour: NotNegative | None = None
    subjects: int | None = None  # number of held-out subjects they were chosen and calibrated on
    simulated: bool = False  # whether any of those came from a simulator
    note: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.format != FORMAT:
            raise ValueError(f"expected format {FORMAT}, got {self.format}; a later version of bfrb may read it")
        knots, values = self.isotonic_from, self.isotonic_to
        rising = all(a < b for a, b in itertools.pairwise(knots))
        if len(knots) != len(values) or not rising or list(values) != sorted(values):
            raise ValueError("expected as many isotonic_to as isotonic_from, both rising")
        return self

    @classmethod
    def of(cls, bundle: Bundle) -> Self:
        """The rule of a bundle; the defaults if it has none of its own.

        BundleError if the rule is damaged or written by a later version.
        """
        path = bundle.file(EVENTS)
        if not path.is_file():
            return cls(simulated=bundle.manifest.simulated)
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(values, dict) and values.get("temperature") == 1.0:  # version 0.1 wrote it
                del values["temperature"]
            return cls.parse(values)
        except (ConfigError, json.JSONDecodeError, UnicodeDecodeError) as error:
            why = error.problem if isinstance(error, ConfigError) else str(error)
            problem = f"the bundle {bundle.path} has an unusable {EVENTS}: {why}"
            remedy = f"repair {EVENTS}, or copy the bundle again from where it was made"
            raise BundleError(problem, remedy=remedy) from None

    def write(self, folder: Path) -> None:
        """Write the rule into the folder of a bundle that is being made (see `writing_bundle`)."""
        (folder / EVENTS).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def calibrate(self, claimed: Floats) -> Floats:
        """(W,) calibrated probabilities that any target is done, from (W,) claimed ones."""
        return np.interp(claimed, self.isotonic_from, self.isotonic_to) if self.isotonic_from else claimed


@dataclass(frozen=True, eq=False)
class WindowProbabilities:
    """What a predictor answered for W windows of one stream, in the order of time."""

    middle_s: Floats  # (W,) middles of the windows
    known_s: Floats  # (W,) when the samples of each window were complete
    probabilities: Floats  # (W, K) probabilities of every class
    after_gap: Bools  # (W,) whether there is a gap in the data before the window, so that nothing before it counts

    def __len__(self) -> int:
        return len(self.middle_s)

    @classmethod
    def concat(cls, parts: Sequence[Self], classes: int) -> Self:
        """Several, one after the other; none give 0 windows of so many classes."""
        nothing = np.zeros(0)
        whole = [cls(nothing, nothing, np.zeros((0, classes)), np.zeros(0, dtype=bool)), *parts]
        return cls(*(np.concatenate([getattr(part, one.name) for part in whole]) for one in fields(cls)))

    def claimed(self, label_set: LabelSet) -> Floats:
        """(W,) Probabilities of any target, not calibrated; to the last bit the same for any number of windows."""
        # One column after the other: sums of floats depend on the order.
        return np.asarray(np.cumsum(self.probabilities[:, label_set.is_target], axis=1)[:, -1])


@dataclass(frozen=True, eq=False)
class _Span:
    """A run, or an event in the making: several runs."""

    start_s: float
    end_s: float
    peak: float
    mass: Floats
    known_s: float | None = None

    def joined(self, later: _Span) -> _Span:
        known_s = later.known_s if self.known_s is None else self.known_s
        return _Span(self.start_s, later.end_s, max(self.peak, later.peak), self.mass + later.mass, known_s)


class EventDecider:
    """Decides events window by window, without looking ahead; the same however the windows are handed over.

    >>> two = LabelSet("two", ("scratch", "rest"), frozenset({"scratch"}))
    >>> scratch = np.array([0.1, 0.9, 0.9, 0.9, 0.1, 0.1])
    >>> probabilities = np.stack([scratch, 1 - scratch], axis=1)
    >>> windows = WindowProbabilities(np.arange(6) + 2.5, np.arange(6) + 5.0, probabilities, np.arange(6) == 0)
    >>> decider = EventDecider(EventRule(spec=EventSpec(smoothing_s=0, merge_s=0)), two)
    >>> decider.push(windows)
    [Event(start_s=3.0, end_s=6.0, label='scratch', confidence=0.9, known_s=7.0)]
    """

    def __init__(self, rule: EventRule, label_set: LabelSet) -> None:
        self.rule = rule
        self.label_set = label_set
        spec = rule.spec
        self._targets = np.flatnonzero(label_set.is_target)
        self._half_s = spec.step_s / 2
        self._weight = 1.0 if spec.smoothing_s == 0 else -math.expm1(-spec.step_s / spec.smoothing_s)
        self._smooth: float | None = None
        self._run: _Span | None = None
        self._event: _Span | None = None
        self._last_end_s = -math.inf

    @property
    def ongoing(self) -> Event | None:
        """The event that is known to be going on, or to have just ended; its end is that so far."""
        return self._reported(self._in_the_making())

    def push(self, windows: WindowProbabilities) -> list[Event]:
        """The events that are complete with these windows."""
        return self.decide(windows, *self.smooth(windows))

    def finish(self) -> list[Event]:
        """The event that was still going on, at a gap or at the end of the data."""
        self._end_run()
        self._smooth = None
        return list(self._close())

    def smooth(self, windows: WindowProbabilities) -> tuple[Floats, Floats]:
        """(W,) calibrated and smoothed probabilities of any target, and (W, T) how that of each target counts."""
        claimed = windows.claimed(self.label_set)
        targets = self.rule.calibrate(claimed)
        # What a window says for each target: its share of the calibrated sum.
        scale = np.divide(targets, claimed, out=np.zeros_like(claimed), where=claimed > 0)
        smoothed, latest = np.empty(len(targets)), self._smooth
        for number, (target, after_gap) in enumerate(zip(targets.tolist(), windows.after_gap.tolist(), strict=True)):
            before = target if latest is None or after_gap else latest
            smoothed[number] = latest = before + self._weight * (target - before)
        self._smooth = latest
        return smoothed, windows.probabilities[:, self._targets] * scale[:, None]

    def decide(self, windows: WindowProbabilities, smoothed: Floats, shares: Floats) -> list[Event]:
        """The events that are complete with these windows, given what `smooth` makes of them."""
        events: list[Event] = []
        if not len(windows):
            return events
        above = smoothed >= self.rule.spec.off
        edges = np.flatnonzero((above[1:] != above[:-1]) | windows.after_gap[1:]) + 1
        for first, stop in itertools.pairwise([0, *edges.tolist(), len(above)]):
            starts_s, ends_s = (windows.middle_s[first:stop] + half_s for half_s in (-self._half_s, self._half_s))
            if windows.after_gap[first] or not above[first]:
                self._end_run()
            if windows.after_gap[first]:
                events += self._close()
            now_s = float(starts_s[0] if above[first] else ends_s[-1])
            if self._run is None and self._event and now_s - self._event.end_s > self.rule.spec.merge_s:
                events += self._close()  # a run that begins now is no part of it
            if above[first]:
                run = self._run or _Span(float(starts_s[0]), 0.0, 0.0, np.zeros(len(self._targets)))
                peaks = np.maximum(np.maximum.accumulate(smoothed[first:stop]), run.peak)
                known_s = self._known_s(run, peaks, ends_s, windows.known_s[first:stop])
                # One after the other: sums of floats depend on the order.
                mass = np.cumsum(np.concatenate([[run.mass], shares[first:stop]]), axis=0)[-1]
                self._run = _Span(run.start_s, float(ends_s[-1]), float(peaks[-1]), mass, known_s)
        return events

    def _known_s(self, run: _Span, peaks: Floats, ends_s: Floats, known_s: Floats) -> float | None:
        """When it was known that a run, with its further windows, is an event of its own or a part of one."""
        start_s = run.start_s if self._event is None else self._event.start_s
        enough = (peaks >= self.rule.spec.on) & (ends_s - start_s >= self.rule.spec.minimum_s)
        if run.known_s is not None or not enough.any():
            return run.known_s
        return float(known_s[enough.argmax()])

    def _in_the_making(self) -> _Span | None:
        """The event so far, with the run that is going on if that is one."""
        if self._run is None or self._run.peak < self.rule.spec.on:
            return self._event
        return self._run if self._event is None else self._event.joined(self._run)

    def _end_run(self) -> None:
        self._event = self._in_the_making()
        self._run = None

    def _close(self) -> Iterator[Event]:
        event = self._reported(self._event)
        self._event = None
        if event is not None:
            self._last_end_s = event.end_s
            yield event

    def _reported(self, span: _Span | None) -> Event | None:
        """The event, if there is one, it is long enough, and it does not follow another too soon."""
        if span is None or span.known_s is None:
            return None
        # A negative pause means that the clock was set back.
        if 0.0 <= span.start_s - self._last_end_s < self.rule.spec.refractory_s:
            return None
        label = self.label_set.classes[self._targets[int(span.mass.argmax())]]
        return Event(span.start_s, span.end_s, label, span.peak, span.known_s)


def decide_events(windows: WindowProbabilities, rule: EventRule, label_set: LabelSet) -> list[Event]:
    """All events in the windows of a whole recording."""
    decider = EventDecider(rule, label_set)
    return decider.push(windows) + decider.finish()
