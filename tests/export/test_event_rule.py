"""The event rule in C says what the package's own says, to the last bit."""

import ctypes
import os
import shutil
import subprocess
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfrb.stream.events import Event, EventRule, WindowProbabilities, decide_events
from bfrb.stream.spec import EventSpec
from bfrb.study.labels import LabelSet

DAYS = int(os.environ.get("BFRB_DAYS", "2"))
"""How many simulated days are compared; 100 take some minutes."""

LABELS = LabelSet("three", ("scratch", "rest", "pull", "bite"), frozenset({"scratch", "pull", "bite"}))


DURATIONS = ("step_s", "smoothing_s", "on", "off", "merge_s", "minimum_s", "refractory_s")


class CRule(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_double) for name in DURATIONS),
        *((name, ctypes.c_int) for name in ("targets", "knots")),
        *((name, ctypes.POINTER(ctypes.c_double)) for name in ("isotonic_from", "isotonic_to")),
    ]


class CEvent(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_double) for name in ("start_s", "end_s", "confidence", "known_s")),
        ("target", ctypes.c_int),
    ]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler")
    built = tmp_path_factory.mktemp("c") / "event_rule.so"
    with as_file(files("bfrb.export").joinpath("event_rule.c")) as source:
        assert len(Path(source).read_text().splitlines()) <= 200
        strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2", "-ffp-contract=off"]
        subprocess.run([compiler, *strict, "-shared", "-fPIC", source, "-o", built, "-lm"], check=True)
    loaded = ctypes.CDLL(str(built))
    loaded.bfrb_push.argtypes = [
        ctypes.c_void_p, ctypes.c_double, ctypes.c_double, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(CEvent),
    ]  # fmt: skip
    return loaded


def decide_in_c(library: ctypes.CDLL, windows: WindowProbabilities, rule: EventRule) -> list[Event]:
    names = [name for name, target in zip(LABELS.classes, LABELS.is_target, strict=True) if target]
    knots = [(ctypes.c_double * len(rule.isotonic_to))(*side) for side in (rule.isotonic_from, rule.isotonic_to)]
    durations = [getattr(rule.spec, name) for name in DURATIONS]
    spec = CRule(*durations, len(names), len(rule.isotonic_to), *knots)
    state = ctypes.create_string_buffer(4096)
    library.bfrb_start(state, ctypes.byref(spec))
    found, event = [], CEvent()

    def take() -> None:
        found.append(Event(event.start_s, event.end_s, names[event.target], event.confidence, event.known_s))

    targets = np.ascontiguousarray(windows.probabilities[:, LABELS.is_target])
    times = zip(windows.middle_s.tolist(), windows.known_s.tolist(), windows.after_gap.tolist(), strict=True)
    for row, (middle_s, known_s, after_gap) in enumerate(times):
        probabilities = targets.ctypes.data + row * targets.strides[0]
        if library.bfrb_push(state, middle_s, known_s, probabilities, after_gap, ctypes.byref(event)):
            take()
    if library.bfrb_finish(state, ctypes.byref(event)):
        take()
    return found


def make_windows(seed: int, windows: int, step_s: float) -> WindowProbabilities:
    """Probabilities that wander as those of a day do, with gaps, and a clock that is set back once in a while."""
    rng = np.random.default_rng(seed)
    wander = np.cumsum(rng.normal(0, 0.6, (windows, 4)) - 0.02, axis=0)
    logits = 3 * np.sin(wander / 3) + rng.normal(0, 0.5, wander.shape) + np.array([0, 1.5, 0, 0])
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    pauses = np.where(rng.random(windows) < 0.003, rng.uniform(-20, 90, windows), 0.0)
    middle_s = 2.5 + np.arange(windows) * step_s + np.cumsum(pauses)
    return WindowProbabilities(middle_s, middle_s + 2.5, probabilities, pauses != 0)


def test_the_same_events_on_whole_days(library: ctypes.CDLL) -> None:
    rule = EventRule(isotonic_from=(0.05, 0.4, 0.7), isotonic_to=(0.01, 0.3, 0.95))
    for day in range(DAYS):
        windows = make_windows(day, 86_400, 1.0)
        expected = decide_events(windows, rule, LABELS)
        assert len(expected) > 100
        assert decide_in_c(library, windows, rule) == expected


times = st.floats(0.0, 10.0)


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 10_000),
    step_s=st.floats(0.1, 5.0),
    spec=st.tuples(times, st.floats(0.3, 0.95), times, times, times),
    knots=st.lists(st.floats(0.0, 1.0), max_size=5, unique=True).map(sorted),
)
def test_the_same_events_by_any_rule(
    library: ctypes.CDLL, seed: int, step_s: float, spec: tuple[float, ...], knots: list[float]
) -> None:
    smoothing_s, on, *others = spec
    given = dict(zip(DURATIONS, (step_s, smoothing_s, on, on * 0.8, *others), strict=True))
    isotonic_to = tuple(knot**0.5 for knot in knots)
    rule = EventRule(spec=EventSpec.parse(given), isotonic_from=tuple(knots), isotonic_to=isotonic_to)
    windows = make_windows(seed, 400, step_s)
    assert decide_in_c(library, windows, rule) == decide_events(windows, rule, LABELS)
