"""The experiments: alarms are counted as the event rule of the package does, and nobody is judged by who knew them."""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifierCV

from bfrb.stream.events import EventDecider, EventRule, WindowProbabilities
from bfrb.stream.spec import EventSpec
from bfrb.study.labels import LabelSet

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
TWO = LabelSet("two", ("scratch", "rest"), frozenset({"scratch"}))
STEP_S = 5.0


def experiment(folder: str, name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of an experiment, which finds those beside it."""
    monkeypatch.syspath_prepend(EXPERIMENTS / folder)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return import_module(name)


@pytest.mark.parametrize("smoothing_s", [0.0, 20.0])
def test_alarms_are_events_of_the_event_rule(smoothing_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    counted, rng = experiment("wrist", "alarms", monkeypatch), np.random.default_rng(0)
    lengths = [40, 1, 55]
    scores = rng.random(sum(lengths)) ** 3
    names = np.repeat(["a", "b", "c"], lengths)
    traces = counted.Traces.of(names, names, names, STEP_S)
    smoothed = traces.smoothed(scores, smoothing_s)
    for on in (0.2, 0.5, 0.8):
        spec = EventSpec(step_s=STEP_S, smoothing_s=smoothing_s, on=on, off=on, merge_s=counted.MERGE_S, minimum_s=0.0)
        for number, own in enumerate(np.split(scores, np.cumsum(lengths)[:-1])):
            middle_s = np.arange(len(own)) * STEP_S + STEP_S / 2
            probabilities = np.stack([own, 1 - own], axis=1)
            windows = WindowProbabilities(middle_s, middle_s + STEP_S / 2, probabilities, np.arange(len(own)) == 0)
            trace = EventDecider(EventRule(spec=spec), TWO).smooth(windows)
            np.testing.assert_allclose(smoothed[number, : len(own)], trace[0])
            decider = EventDecider(EventRule(spec=spec), TWO)
            events = decider.push(windows) + decider.finish()
            assert counted.count_alarms(smoothed, on, STEP_S)[number] == len(events)
            delay_s = counted.delays_s(smoothed, on, STEP_S, STEP_S)[number]
            assert np.isnan(delay_s) if not events else delay_s == events[0].known_s


def test_a_threshold_keeps_to_the_rate_in_every_kind_of_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    counted, rng = experiment("wrist", "alarms", monkeypatch), np.random.default_rng(1)
    names = np.repeat([f"{number:03}" for number in range(60)], 30)
    traces = counted.Traces.of(names, names, names, STEP_S)
    smoothed = traces.smoothed(rng.random(len(names)), 10.0)
    kinds = {"first": np.arange(60) < 40, "second": np.arange(60) >= 40}
    loose, strict = (counted.choose(smoothed, traces, kinds, rate) for rate in (8.0, 2.0))
    for on, rate in ((loose, 8.0), (strict, 2.0)):
        alarms = counted.count_alarms(smoothed, on, STEP_S)
        assert all(alarms[kind].sum() <= rate * traces.hours[kind].sum() for kind in kinds.values())
    assert loose < strict
    assert counted.count_alarms(smoothed, loose, STEP_S).sum() > 0


def test_no_window_is_answered_by_a_fit_that_knew_its_person_or_those_it_helps_to_judge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = experiment("wrist", "run", monkeypatch)
    subjects = np.array([f"ha24/{n}" for n in range(8)] + [f"wisdm/{n:02}" for n in range(24)])
    folds = run.fold_of(subjects)
    assert np.bincount(folds).tolist() == [3] * 8 + [8]
    known: list[tuple[set[int], set[int]]] = []

    def fit(learnt: np.ndarray, answered: np.ndarray) -> np.ndarray:
        known.append((set(folds[learnt].tolist()), set(folds[answered].tolist())))
        return np.full(answered.sum(), float(len(known)))

    found = run.answers(folds, np.zeros(len(folds), dtype=bool), fit)
    assert all(not learnt & answered and 8 in learnt for learnt, answered in known)
    judged = folds < 8
    assert np.isfinite(found[:, judged]).all()
    assert np.isnan(found[:, ~judged]).all()
    own = found[folds[judged], np.flatnonzero(judged)]
    assert sorted(set(own.tolist())) == list(range(1, 9))
    for fold in range(8):
        for other in set(range(8)) - {fold}:
            (number,) = set(found[fold, folds == other].tolist())
            assert known[int(number) - 1][1] == {fold, other}


@pytest.mark.parametrize("noise", [0.3, 3.0])
def test_the_ridge_of_the_peers_is_that_of_scikit_learn(noise: float, monkeypatch: pytest.MonkeyPatch) -> None:
    peers = experiment("real", "peers", monkeypatch)
    classes, halves = np.arange(60) % 3, np.split(np.arange(60), 2)
    features = np.eye(3, 200)[classes] * 4 + noise * np.random.default_rng(1).normal(size=(60, 200))
    features = peers.standardised(features.astype(np.float32))
    found = peers.ridge(features, classes, [tuple(halves), tuple(halves[::-1])], 3)
    for known, held_out in (halves, halves[::-1]):
        theirs = RidgeClassifierCV(alphas=np.logspace(-3, 3, 10)).fit(features[known], classes[known])
        np.testing.assert_allclose(found[held_out], theirs.decision_function(features[held_out]), atol=0.02)
