"""From the probabilities of windows to events, against the rule as it is worded."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfrb.errors import BundleError
from bfrb.predict.bundle import Bundle
from bfrb.stream.events import Event, EventDecider, EventRule, WindowProbabilities, decide_events
from bfrb.stream.spec import EventSpec
from bfrb.study.labels import LabelSet
from bundles import make_bundle

LABELS = LabelSet("three", ("pinch", "rest", "scratch"), frozenset({"pinch", "scratch"}))
PLAIN = EventSpec(smoothing_s=0, on=0.6, off=0.4, merge_s=0, minimum_s=0)


def answers(targets: Any, fresh: Any = (), pinch: float = 0.25) -> WindowProbabilities:
    """Windows of 5 s, one a second, with these target probabilities, a share of which is pinching."""
    target = np.asarray(targets, dtype=np.float64)
    probabilities = np.stack([pinch * target, 1 - target, (1 - pinch) * target], axis=1)
    seconds = np.arange(len(target), dtype=np.float64)
    return WindowProbabilities(seconds + 2.5, seconds + 5.0, probabilities, np.isin(seconds, [0, *fresh]))


def decide(targets: Any, spec: EventSpec = PLAIN, **options: Any) -> list[Event]:
    return decide_events(answers(targets, **options), EventRule(spec=spec), LABELS)


def test_the_ongoing_event_is_known_before_it_is_complete() -> None:
    decider = EventDecider(EventRule(spec=PLAIN.model_copy(update={"merge_s": 2.0})), LABELS)
    whole = answers([0.9, 0.9, 0.1, 0.1, 0.1])
    parts = [replace(whole, **{name: value[n : n + 1] for name, value in vars(whole).items()}) for n in range(5)]
    assert decider.push(parts[0]) == []
    assert decider.ongoing == Event(2.0, 3.0, "scratch", 0.9, 5.0)
    assert [len(decider.push(part)) for part in parts[1:]] == [0, 0, 0, 1]
    assert decider.ongoing is None


probability = st.floats(0, 1).map(lambda value: round(value, 2))
specs = st.builds(
    lambda off, more, **durations: EventSpec(off=off, on=min(1.0, off + more), **durations),
    st.floats(0.1, 0.8),
    st.floats(0, 0.3),
    smoothing_s=st.sampled_from([0.0, 0.5, 3.0]),
    **dict.fromkeys(["merge_s", "minimum_s", "refractory_s"], st.integers(0, 4)),
)


def as_worded(targets: list[float], fresh: list[int], spec: EventSpec) -> list[tuple[float, float, float]]:
    """Start, end and known_s by the wording of the rule, looking at the whole recording at once."""
    weight = 1.0 if spec.smoothing_s == 0 else -math.expm1(-1 / spec.smoothing_s)
    segment = np.isin(np.arange(len(targets)), [0, *fresh]).cumsum()
    smooth: list[float] = []
    for n, target in enumerate(targets):
        new = n == 0 or segment[n] != segment[n - 1]
        smooth.append(target if new else smooth[-1] + weight * (target - smooth[-1]))
    runs: list[list[int]] = []
    for n, value in enumerate(smooth):
        if value >= spec.off:
            if n and smooth[n - 1] >= spec.off and segment[n] == segment[n - 1]:
                runs[-1].append(n)
            else:
                runs.append([n])
    runs = [run for run in runs if max(smooth[n] for n in run) >= spec.on]
    events: list[list[list[int]]] = []
    for run in runs:
        near = bool(events) and run[0] - (events[-1][-1][-1] + 1) <= spec.merge_s
        if near and segment[run[0]] == segment[events[-1][-1][-1]]:
            events[-1].append(run)
        else:
            events.append([run])
    found: list[tuple[float, float, float]] = []
    for event in events:
        start, end = event[0][0] + 2.0, event[-1][-1] + 3.0
        soon = found and start - found[-1][1] < spec.refractory_s
        if end - start >= spec.minimum_s and not soon:
            known = next(
                n + 5.0
                for run in event
                for n in run
                if max(smooth[m] for m in run if m <= n) >= spec.on and n + 3.0 - start >= spec.minimum_s
            )
            found.append((start, end, known))
    return found


@settings(deadline=None)
@given(st.lists(probability, max_size=40), st.lists(st.integers(1, 39), max_size=3), specs)
def test_events_are_those_of_the_rule_as_worded(targets: list[float], fresh: list[int], spec: EventSpec) -> None:
    found = [(event.start_s, event.end_s, event.known_s) for event in decide(targets, spec, fresh=fresh)]
    assert found == as_worded(targets, fresh, spec)


@settings(deadline=None)
@given(st.lists(probability, min_size=1, max_size=40), specs, st.integers(1, 9), st.booleans())
def test_events_do_not_depend_on_how_windows_are_handed_over(
    targets: list[float], spec: EventSpec, size: int, calibrated: bool
) -> None:
    rule = EventRule(spec=spec)
    if calibrated:
        rule = EventRule(spec=spec, isotonic_from=(0.1, 0.5, 0.8), isotonic_to=(0.0, 0.3, 0.9))
    whole, decider, events = answers(targets), EventDecider(rule, LABELS), []
    for start in range(0, len(targets), size):
        part = {name: value[start : start + size] for name, value in vars(whole).items()}
        events += decider.push(WindowProbabilities(**part))
    assert events + decider.finish() == decide_events(whole, rule, LABELS)


def test_an_isotonic_map_is_constant_beyond_its_knots_and_leaves_the_label_alone() -> None:
    rule = EventRule(
        isotonic_from=(0.2, 0.8), isotonic_to=(0.0, 0.3), spec=PLAIN.model_copy(update={"on": 0.2, "off": 0.1})
    )
    assert rule.calibrate(np.array([0.0, 0.2, 0.5, 1.0])) == pytest.approx([0.0, 0.0, 0.15, 0.3])
    (event,) = decide_events(answers([0.1, 0.7, 0.1]), rule, LABELS)
    assert event.confidence == pytest.approx(0.25)
    assert event.label == "scratch"


def test_a_rule_travels_in_a_bundle(tmp_path: Path) -> None:
    bundle = Bundle.open(make_bundle(tmp_path / "bundle"))
    assert EventRule.of(bundle) == EventRule()
    rule = EventRule(spec=EventSpec(on=0.9), false_alarms_per_hour=2.0, subjects=9)
    rule.write(bundle.path)
    assert EventRule.of(bundle) == rule
    older = json.loads((bundle.path / "events.json").read_text(encoding="utf-8")) | {"temperature": 1.0}
    (bundle.path / "events.json").write_text(json.dumps(older), encoding="utf-8")
    assert EventRule.of(bundle) == rule


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ({"format": 2}, "format"),
        ({"temperature": 1.5}, "temperature"),
        ({"spec": {"onn": 0.5}}, "onn"),
        ({"isotonic_from": [0.5, 0.1]}, "isotonic"),
        ({"spec": {"on": 0.3, "off": 0.5}}, "expected off to be at most on"),
    ],
)
def test_an_unusable_rule_is_refused(tmp_path: Path, damage: dict[str, Any], told: str) -> None:
    bundle = Bundle.open(make_bundle(tmp_path / "bundle"))
    (bundle.path / "events.json").write_text(json.dumps(damage), encoding="utf-8")
    with pytest.raises(BundleError, match=rf"(?s)unusable events\.json.*{told}"):
        EventRule.of(bundle)
