"""What a report collects from a bundle and its recordings, and how well episodes in continuous ones are found."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from annotated import TWO, annotated, watch_recordings
from bfrb.errors import DataError
from bfrb.metrics.events import EventCounts
from bfrb.predict.bundle import OUT_OF_FOLD, Bundle
from bfrb.predict.evaluation import Answers
from bfrb.predict.out_of_fold import read_fold_of
from bfrb.read.store import Store, write_store
from bfrb.read.tables import read_table
from bfrb.report.collect import Evaluation, collect, find_mistakes
from bfrb.report.events import EventEvaluation, show_events
from bfrb.report.groups import ALL_SENSORS, SENSORS, Matched, compare
from bfrb.report.page import render
from bfrb.report.summary import tell_failures, tell_how_good
from bfrb.stream.events import EventRule
from bfrb.stream.listen import AnnotatedRecording
from bfrb.stream.spec import EventSpec
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.labels import SEARLE_BEHAVIORS, LabelSet
from bfrb.study.recordings import Annotation, Recordings
from bundles import make_recordings, relabelled
from page_checks import Page, check_self_contained, check_well_made
from studies import SourceOf

THREE = LabelSet("three", ("pull", "rest", "wave"), frozenset({"pull"}))


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    """Those the made bundle keeps predictions of, with demographics."""
    made = make_recordings(72, subjects=4)
    right = pl.Series("handedness", [number % 4 != 1 for number in range(72)]).cast(pl.Int8)
    return made.with_table(made.table.with_columns(right, age=pl.Series([10.0 + number % 4 for number in range(72)])))


def answers(truth: list[str], given: list[str], subjects: list[str] | None = None) -> Answers:
    sure = np.where(np.array(THREE.classes)[None] == np.array(given)[:, None], 0.8, 0.1)
    names = subjects or [f"S{number % 2}" for number in range(len(truth))]
    return Answers(np.array(truth, object), np.array(given, object), names, sure)


def test_recordings_bring_facts_and_the_signals_of_mistakes(bundle: Bundle, recordings: Recordings) -> None:
    found = collect(bundle, SourceOf(recordings))
    matched, mistakes = found.matched, found.mistakes
    assert matched is not None
    assert (len(matched.facts), matched.strangers, found.new_people) == (72, 0, {})
    assert matched.facts["SEQ_000001"] == {"handedness": 0, "age": 11.0, SENSORS: ALL_SENSORS}
    assert set(matched.signals) == {mistake.id for mistake in mistakes}
    kept = matched.signals[mistakes[0].id]
    row = recordings.ids.index(mistakes[0].id)
    np.testing.assert_array_equal(kept.sensors["acc"], recordings[row].sensors["acc"])


def test_a_study_with_the_same_ids_is_scored_as_other_people(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    found = collect(bundle, SourceOf(make_recordings(72, subjects=4, seed=1)))
    assert found.matched is not None
    assert (found.matched.facts, found.matched.signals, found.matched.strangers) == ({}, {}, 72)
    assert found.new_people["all"]["recordings"] == 72
    assert "the recordings of a test: 4 people (SUBJ_000000, SUBJ_000001, SUBJ_000002 ...) with names of" in caplog.text


def test_a_recording_that_was_changed_since_is_left_out(
    bundle: Bundle, recordings: Recordings, caplog: pytest.LogCaptureFixture
) -> None:
    acc = recordings.sensors["acc"].copy()
    acc[0] += 1
    matched = collect(bundle, SourceOf(recordings.with_sensors(acc=acc))).matched
    assert matched is not None
    assert (len(matched.facts), matched.strangers) == (71, 0)
    assert "1 recording of the same people bear an id of the training, but hold something else" in caplog.text


def test_new_people_are_scored_on_their_own(bundle: Bundle, recordings: Recordings) -> None:
    new = make_recordings(18, subjects=1, seed=1)
    named = new.table.with_columns(pl.lit("new ").add(pl.col("id")).alias("id"), pl.lit("NEW").alias("subject"))
    found = collect(bundle, SourceOf(Recordings.concat([recordings[:54], new.with_table(named)])))
    assert set(found.new_people) == {"all", "imu", "half"}
    assert found.new_people["all"]["recordings"] == 18
    assert list(found.new_people["all"]["per_subject"]) == ["NEW"]
    assert found.matched is not None
    assert len(found.matched.facts) == 54


def test_recordings_of_another_device_are_refused(bundle: Bundle) -> None:
    watch = make_recordings(2, device=GALAXY_WATCH, label_set=SEARLE_BEHAVIORS)
    with pytest.raises(DataError, match="galaxy_watch"):
        collect(bundle, SourceOf(watch))


def test_groups_are_scored_like_everybody() -> None:
    given = answers(["pull", "rest", "pull", "rest"], ["pull", "rest", "rest", "pull"], ["a", "a", "b", "b"])
    facts: dict[str, dict[str, object]] = {
        "1": {"handedness": 1}, "2": {"handedness": 1}, "3": {"handedness": 0}, "4": {"handedness": 0, "age": 30.0}
    }  # fmt: skip
    by_question = compare(("1", "2", "3", "4"), given, Matched(facts), THREE)
    hands = by_question["Dominant hand"]
    assert [(group.name, group.score, group.subjects, group.recordings, group.interval) for group in hands] == [
        ("left-handed", 0.0, 1, 2, None),
        ("right-handed", 1.0, 1, 2, None),
    ]
    assert [group.recordings for group in by_question["Age"]] == [1]


def test_mistakes_are_ranked_by_confidence_and_free_ones_left_out() -> None:
    given = answers(["pull", "rest", "rest", "pull"], ["rest", "pull", "wave", "pull"])
    probabilities = np.array([[0.3, 0.5, 0.2], [0.9, 0.05, 0.05], [0.0, 0.01, 0.99], [1, 0, 0]])
    found = find_mistakes("abcd", Answers(given.truth, given.prediction, given.subjects, probabilities), THREE)
    assert [(mistake.id, mistake.confidence) for mistake in found] == [("b", 0.9), ("a", 0.5)]
    assert found[0].probable == (("pull", 0.9), ("rest", 0.05), ("wave", 0.05))


def evaluate(bundle: Bundle, truth: list[str], given: list[str]) -> Evaluation:
    return Evaluation(relabelled(bundle, THREE), tuple(map(str, range(len(truth)))), {"all": answers(truth, given)})


def test_words_tell_what_the_numbers_mean(bundle: Bundle) -> None:
    found = evaluate(bundle, ["pull"] * 4 + ["rest"] * 6, ["pull", "pull", "pull", "rest", "pull"] + ["rest"] * 5)
    told = " ".join(tell_how_good(found))
    for words in (
        "of 100 behaviours it is looking for, it notices 75.",
        "of 100 other movements, 17 raise an alarm.",
        "25 are false alarms in this study, where 40 of 100 recordings are behaviours.",
        "if one movement in 100 were a behaviour, 96 of 100",
        "Only 2 people",
    ):
        assert words in told
    assert dict(tell_failures(found, {}))["Confusions"] == "most often pull is taken for rest (1 of 4 recordings)"


def test_a_model_below_its_floor_is_called_useless_and_a_perfect_one_has_nothing_to_confess(bundle: Bundle) -> None:
    useless = evaluate(bundle, ["pull"] * 4, ["rest"] * 4)
    perfect = evaluate(bundle, ["pull", "pull", "rest", "rest"], ["pull", "pull", "rest", "rest"])
    assert useless.floor == 1.0
    assert "of no use" in tell_how_good(useless)[0]
    assert dict(tell_failures(useless, {}))["Behaviours"] == "never recognised: pull"
    assert tell_how_good(perfect)[0].startswith("Better than")
    assert perfect.mistakes == []
    assert "Confusions" not in dict(tell_failures(perfect, {}))


def test_bundles_without_predictions_ask_for_recordings(bundle: Bundle, tmp_path: Path, recordings: Recordings) -> None:
    shutil.copytree(bundle.path, tmp_path / "empty")
    read_table(bundle.file(OUT_OF_FOLD))[:0].write_parquet(tmp_path / "empty" / OUT_OF_FOLD)
    emptied = replace(bundle, path=tmp_path / "empty")
    with pytest.raises(DataError, match="keeps no out-of-fold predictions"):
        collect(emptied)
    judged = collect(emptied, SourceOf(recordings))
    assert (judged.out_of_fold, len(judged.ids), judged.new_people) == (False, 72, {})


@pytest.fixture(scope="module")
def continuous() -> Recordings:
    """Three recordings of 40 seconds, with episodes in two of them."""
    made = watch_recordings(np.zeros(400), 3)
    codes = np.zeros(1200, dtype=np.int8)
    codes[100:180], codes[180:220], codes[500:600] = 2, 3, 2
    return replace(made, annotations={"gesture": Annotation(codes, SEARLE_BEHAVIORS.classes)})


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


def test_long_recordings_are_taken_in_stretches_and_what_physics_speaks_against_is_told(
    of_watch: Bundle,
    continuous: Recordings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    in_g = continuous.with_sensors(acc=continuous.sensors["acc"] / np.float32(9.81))
    store = write_store([in_g], tmp_path / "days", source="made up")
    monkeypatch.setattr(Store, "batches", None)
    assert collect(of_watch, store).matched is not None
    assert 'unit = "g"' in caplog.text


def test_the_page_tells_what_is_found_and_whom_the_training_knows(of_watch: Bundle, continuous: Recordings) -> None:
    found = collect(of_watch, SourceOf(continuous))
    assert found.events is not None
    assert found.events.known == sum(name in read_fold_of(of_watch) for name in continuous.subjects)
    assert [len(one.episodes) for one in found.events.recordings] == [2, 1, 0]
    page = Page(render(found))
    check_well_made(page)
    check_self_contained(page)
    for told in ("What it finds when it listens", "of 3 episodes", "was not chosen on data"):
        assert told in page.visible
    assert "Episodes and events of SEQ_000000" in page.visible
    assert "Episodes and events of SEQ_000002" not in page.visible


def test_a_rule_that_was_chosen_says_for_what() -> None:
    rule = plain_rule().model_copy(update={"subjects": 9, "false_alarms_per_hour": 2.0})
    words = " ".join(show_events(EventEvaluation(rule, TWO, (answered("a", [0.1, 0.9, 0.1], (1.0, 2.0)),), 1)).words)
    assert "chosen for 2 false alarms an hour on held-out answers for 9 people" in words
    assert "each person by networks that never saw them" in words
