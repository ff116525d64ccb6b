"""Listening to whole recordings: what a stream of the same rows says, and the episodes beside it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from annotated import annotated, watch_recordings
from bfrb.predict.bundle import Bundle
from bfrb.predict.out_of_fold import HeldOutPredictor
from bfrb.predict.predictor import Predictor
from bfrb.stream.events import Event, EventRule, WindowProbabilities
from bfrb.stream.listen import Episode, Summary, find_episodes, listen, listen_held_out
from bfrb.stream.spec import EventSpec
from bfrb.stream.stream import Stream
from bfrb.study import stretches
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.labels import SEARLE_BEHAVIORS
from bfrb.study.recordings import UNKNOWN, Recordings
from bfrb.study.stretches import cut_stretches
from bfrb.study.windows import WindowSpec

RULE = EventRule(spec=EventSpec(on=0.5, off=0.4, smoothing_s=1.0, merge_s=1.0, minimum_s=1.0))
RATE_HZ = GALAXY_WATCH.row_rate_hz


@pytest.fixture(scope="module")
def bundle(watch_bundle: Path) -> Bundle:
    return Bundle.open(watch_bundle)


def disturbed(codes: np.ndarray) -> Recordings:
    """Some rows hold nothing, and some what no worn device gives."""
    made = watch_recordings(codes)
    sensors = {name: values.copy() for name, values in made.sensors.items()}
    sensors["acc"][60:140] = np.nan
    sensors["gyr"][80:100] = np.nan
    sensors["acc"][220:300] *= 0.05
    return replace(made, sensors=sensors)


@pytest.mark.parametrize("context_s", [0.0, 1.3])
@pytest.mark.parametrize("rows", [37, 20_000])
def test_what_is_heard_is_what_a_stream_of_the_held_out_members_says(
    bundle: Bundle, context_s: float, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretches, "STRETCH_ROWS", rows)
    shown = replace(bundle)
    vars(shown)["windows"] = WindowSpec(context_s=context_s)
    recording = disturbed(np.repeat([0, 1, 0], [100, 60, 340]))
    (heard,) = listen_held_out(shown, cut_stretches([recording]), RULE)
    answers: list[WindowProbabilities] = []
    predictor = HeldOutPredictor(shown).of(str(recording.subjects[0]))
    stream = Stream(predictor, RULE, on_windows=answers.append)
    events = stream.push(dict(recording.sensors)) + stream.finish()
    whole = WindowProbabilities.concat(answers, 9)
    assert all(np.array_equal(getattr(heard.windows, name), values) for name, values in vars(whole).items())
    assert stream.counts.windows == len(heard.windows)
    assert stream.counts.windows_incomplete + stream.counts.windows_too_slow > 0
    assert stream.counts.windows_implausible > 0
    found = list(listen(lambda _: predictor, cut_stretches([recording]), RULE))
    assert [event for part in found for event in part.events] == events
    assert [part.counts for part in found] == [None] * (len(found) - 1) + [stream.counts]


def test_every_recording_begins_anew_and_those_without_annotated_rows_are_passed_over(bundle: Bundle) -> None:
    three = watch_recordings(np.repeat([0, 1], [100, 60]), 3)
    plain = replace(three, annotations={}, table=three.table.with_columns(id="x" + three.table["id"]))
    heard = listen_held_out(bundle, cut_stretches([plain, three]), RULE)
    assert [one.id for one in heard] == three.ids
    assert [one.subject for one in heard] == three.subjects.tolist()
    assert all(one.seconds == pytest.approx(160 / RATE_HZ) for one in heard)
    assert all(one.windows.after_gap.tolist() == [True] + [False] * 11 for one in heard)
    assert listen_held_out(bundle, cut_stretches([plain]), RULE) == []


def test_episodes_are_runs_of_one_behaviour(bundle: Bundle) -> None:
    names = SEARLE_BEHAVIORS.classes
    codes = np.repeat([0, 1, 2, 0, UNKNOWN, 1], [10, 20, 5, 15, 5, 10])
    label = watch_recordings(codes).annotations["gesture"]
    assert find_episodes(label, np.arange(66.0), SEARLE_BEHAVIORS) == (
        Episode(10, 30, names[1]),
        Episode(30, 35, names[2]),
        Episode(55, 65, names[1]),
    )
    nothing = watch_recordings(np.zeros(9)).annotations["gesture"]
    assert find_episodes(nothing, np.arange(10.0), SEARLE_BEHAVIORS) == ()
    (heard,) = listen_held_out(bundle, cut_stretches([watch_recordings(np.repeat([0, 1, 0], [20, 10, 50]))]), RULE)
    assert heard.spans == pytest.approx(np.array([[20, 30]]) / RATE_HZ)
    assert heard.positive_share == pytest.approx([1, 0, 0, 0], abs=0.01)


def test_an_answer_stands_for_the_seconds_in_the_middle_of_its_window() -> None:
    heard = annotated("a", [0.1] * 10, [(2.25, 4.0), (7.0, 7.5)])
    assert heard.positive_share.tolist() == [0, 0, 0.75, 1, 0, 0, 0, 0.5, 0, 0]
    assert annotated("a", [0.1] * 3, []).positive_share.tolist() == [0, 0, 0]


def test_a_day_takes_no_more_memory_than_an_hour(bundle: Bundle) -> None:
    predictor = Predictor(bundle)
    kept = []
    for hours in (1, 3):
        recording = watch_recordings(np.zeros(int(hours * 3600 * RATE_HZ)))
        found = listen(lambda _: predictor, cut_stretches([recording]), EventRule(spec=EventSpec(step_s=60.0)))
        kept.append([len(part.windows) for part in found])
    assert max(kept[1]) <= max(kept[0]) + 1


def test_events_tell_their_start_by_the_clock_where_there_is_one() -> None:
    begun_s = datetime(2026, 5, 4, 9, tzinfo=UTC).timestamp()
    event = Event(start_s=100 / 3, end_s=40.0, label="pull", confidence=0.5, known_s=35.0)
    found = Summary(events=[("clocked", "ann", event, begun_s), ("counted", "ann", event, 0.0)]).event_table()
    assert found["start_utc"].to_list() == ["2026-05-04T09:00:33.333Z", ""]
    assert found["start_s"].to_list() == [33.333333] * 2
