"""How well episodes in continuous recordings are found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from annotated import TWO, annotated
from bfrb.metrics.events import EventCounts
from bfrb.predict.bundle import Bundle
from bfrb.predict.out_of_fold import read_fold_of
from bfrb.report.collect import collect
from bfrb.report.events import EventEvaluation, evaluate_events, hear, show_events
from bfrb.report.page import render
from bfrb.stream.events import EventRule
from bfrb.stream.listen import AnnotatedRecording
from bfrb.stream.spec import EventSpec
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.labels import SEARLE_BEHAVIORS
from bfrb.study.recordings import Annotation, Recordings
from bundles import make_recordings
from page_checks import Page, check_self_contained, check_well_made
from sources import SourceOf


@pytest.fixture(scope="module")
def continuous() -> Recordings:
    """Three recordings of 40 seconds, with episodes in two of them."""
    made = make_recordings(3, device=GALAXY_WATCH, label_set=SEARLE_BEHAVIORS, lengths=[400, 400, 400])
    rng = np.random.default_rng(0)
    acc = rng.normal([0, 0, 9.8], 0.5, (1200, 3)).astype(np.float32)
    codes = np.zeros(1200, dtype=np.int8)
    codes[100:180], codes[180:220], codes[500:600] = 2, 3, 2
    labels = {"gesture": Annotation(codes, SEARLE_BEHAVIORS.classes)}
    sensors = dict(made.sensors) | {"acc": acc}
    return Recordings(made.device, sensors, made.offsets, made.table.drop("gesture"), labels)


def plain_rule(on: float = 0.5) -> EventRule:
    return EventRule(spec=EventSpec(smoothing_s=0, merge_s=0, minimum_s=0, on=on, off=on))


def answered(subject: str, probability: list[float], *episodes: tuple[float, float]) -> AnnotatedRecording:
    return annotated(subject, probability, episodes, wait_s=2.0)


def test_events_are_counted_against_episodes() -> None:
    one = answered("a", [0.1, 0.1, 0.9, 0.9, 0.1, 0.1, 0.1, 0.9, 0.1, 0.1], (1.0, 4.0), (5.0, 6.0))
    listening = EventEvaluation(plain_rule(), TWO, (one,), 0)
    total = listening.total
    assert (total.episodes, total.found, total.events, total.right) == (2, 1, 2, 1)
    assert total.false_alarms_per_hour == pytest.approx(360.0)
    [delay_s] = total.delays_s
    assert delay_s == pytest.approx(2.5 + 2.0 - 1.0)


def test_everybody_is_judged_by_rules_from_the_others() -> None:
    rng = np.random.default_rng(1)
    several = []
    for number in range(4):
        probability = rng.uniform(0, 0.4, 600)
        probability[100:140] = probability[300:340] = 0.9
        several.append(answered(str(number), probability.tolist(), (100.0, 140.0), (300.0, 340.0)))
    listening = EventEvaluation(plain_rule(), TWO, tuple(several), 0)
    assert set(listening.rules) == {"0", "1", "2", "3"}
    assert all(rule.subjects == 3 for rule in listening.rules.values())
    total = EventCounts.total(list(listening.by_others_rules.values()))
    assert (total.episodes, total.found) == (8, 8)
    assert "8 of 8 episodes found (100 %, 95 % interval 100 % to 100 %)" in " ".join(show_events(listening).words)
    assert max(point["sensitivity"] or 0.0 for point in listening.curve) == 1.0
    assert EventEvaluation(plain_rule(), TWO, tuple(several[:1]), 0).rules == {}


def test_people_of_the_training_are_counted_as_known(watch_bundle: Bundle, continuous: Recordings) -> None:
    found = evaluate_events(watch_bundle, hear(watch_bundle, SourceOf(continuous)))
    assert found is not None
    assert found.known == sum(name in read_fold_of(watch_bundle) for name in continuous.subjects)
    assert [len(one.episodes) for one in found.recordings] == [2, 1, 0]


def test_the_page_tells_what_is_found(watch_bundle: Bundle, continuous: Recordings) -> None:
    page = Page(render(collect(watch_bundle, SourceOf(continuous))))
    check_well_made(page)
    check_self_contained(page)
    assert "What it finds when it listens" in page.visible
    assert "of 3 episodes" in page.visible
    assert "was not chosen on data" in page.visible
    assert "Episodes and events of SEQ_000000" in page.visible
    assert "Episodes and events of SEQ_000002" not in page.visible


def test_a_rule_that_was_chosen_says_for_what() -> None:
    rule = plain_rule().model_copy(update={"subjects": 9, "false_alarms_per_hour": 2.0})
    words = " ".join(show_events(EventEvaluation(rule, TWO, (answered("a", [0.1, 0.9, 0.1], (1.0, 2.0)),), 1)).words)
    assert "chosen for 2 false alarms an hour on held-out answers for 9 people" in words
    assert "each person by networks that never saw them" in words


def test_real_recordings_can_be_listened_to(watch_bundle: Bundle, real_data: Path) -> None:
    from bfrb.read.sources import open_source

    recordings = open_source(real_data / "searle2021").read()
    found = evaluate_events(watch_bundle, hear(watch_bundle, SourceOf(recordings[:1])))
    assert found is not None
    assert found.total.episodes > 5
    assert found.total.hours == pytest.approx(0.55, abs=0.05)
    assert len(found.recordings[0].windows) > 1900
