"""Samples in, events out: the same events however they come, and none without data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bfrb.errors import DataError
from bfrb.predict.bundle import Bundle
from bfrb.predict.predictor import Predictor, load
from bfrb.read.sources import read
from bfrb.stream.events import Event, EventRule
from bfrb.stream.samples import StreamCounts
from bfrb.stream.spec import EventSpec
from bfrb.stream.stream import Stream, StreamHub, Wearer
from bfrb.study.device import HELIOS
from bfrb.study.recordings import Annotation, Recordings
from bfrb.study.windows import WindowSpec
from bundles import make_bundle, make_recordings

Values = dict[str, Any]
Found = tuple[list[Event], np.ndarray, StreamCounts]

ROWS = 600


@pytest.fixture(scope="module")
def helios(bundle: Path) -> Predictor:
    return load(bundle)


@pytest.fixture(scope="module")
def averaging(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """The same networks in a bundle whose rows are means."""
    return load(make_bundle(tmp_path_factory.mktemp("bundles") / "model", rows="mean"))


def wear(rows: int = ROWS, seed: int = 0) -> Values:
    """Possible readings of a Helios."""
    return dict(make_recordings(1, lengths=[rows], seed=seed).sensors)


def recording(values: Values) -> Recordings:
    table = pl.DataFrame({"id": ["day"], "subject": ["ann"]})
    return Recordings(HELIOS, values, np.array([0, len(values["acc"])]), table)


def rule_around(probabilities: np.ndarray, predictor: Predictor, **spec: Any) -> EventRule:
    """A rule that finds some events in these answers, and not one that lasts all the time."""
    target = probabilities[:, predictor.label_set.is_target].sum(axis=1)
    low, high = np.quantile(target, [0.5, 0.6])
    values = {"on": float(high), "off": float(low), "smoothing_s": 1.0, "merge_s": 1.0, "minimum_s": 1.0} | spec
    return EventRule(spec=EventSpec(**values))


def listen(predictor: Predictor, rule: EventRule, values: Values, chunk: int | None = None, **wearer: Any) -> Found:
    answers: list[np.ndarray] = []
    options = {"wearer": Wearer(**wearer), "on_windows": lambda found: answers.append(found.probabilities)}
    stream = Stream(predictor, rule, **options)
    events: list[Event] = []
    size = len(next(iter(values.values())))
    for start in range(0, size, chunk or size):
        events += stream.push({name: array[start : start + (chunk or size)] for name, array in values.items()})
    events += stream.finish()
    return events, np.concatenate([np.zeros((0, len(predictor.label_set))), *answers]), stream.counts


def assert_equal(found: Found, expected: Found) -> None:
    assert found[0] == expected[0]
    assert np.array_equal(found[1], expected[1])
    assert found[2] == expected[2]


def test_a_stream_answers_as_the_predictor_does_for_the_windows_of_the_whole_recording(helios: Predictor) -> None:
    values = wear()
    windows = recording(values).windows(50, 10)
    alone = np.concatenate([helios.predict(windows[n]).probabilities for n in range(len(windows))])
    _, answers, counts = listen(helios, EventRule(), values, 7)
    assert np.array_equal(answers, alone)
    assert np.array_equal(helios.predict_each(windows).probabilities, alone)
    assert helios.predict(windows).probabilities == pytest.approx(alone, abs=1e-6)
    assert counts.windows == len(windows) == (ROWS - 50) // 10 + 1
    rule = rule_around(alone, helios)
    expected = listen(helios, rule, values)
    assert len(expected[0]) >= 2
    assert_equal(listen(helios, rule, values | {"time_s": np.arange(ROWS) / 10}, 1), expected)


disturbances = st.lists(
    st.tuples(
        st.integers(0, ROWS - 1),
        st.sampled_from(["gap", "long gap", "set back", "duplicate", "swap", "wrong time", "nothing", "wild", "late"]),
    ),
    max_size=6,
)


def disturb(values: Values, jitter_s: float, disturbed: list[tuple[int, str]]) -> Values:
    """Times with jitter, gaps and jumps, and samples that come twice, too late, or with nonsense in them."""
    rng = np.random.default_rng(0)
    time_s = 100 + np.arange(ROWS) / 10 + rng.uniform(-jitter_s, jitter_s, ROWS)
    acc, order = values["acc"].copy(), list(range(ROWS))
    for row, what in disturbed:
        if what in ("gap", "long gap", "set back"):
            time_s[row:] += {"gap": 0.8, "long gap": 30.0, "set back": -60.0}[what]
        elif what in ("duplicate", "late"):
            order.insert(order.index(row) + {"duplicate": 1, "late": 20}[what], row)
        elif what == "swap" and row:
            place = order.index(row)
            order[place - 1 : place + 1] = order[place - 1 : place + 1][::-1]
        elif what == "wrong time":
            time_s[row] = rng.choice([np.nan, 1e12, -5.0])
        elif what in ("nothing", "wild"):
            acc[row : row + 30] = {"nothing": np.nan, "wild": 900.0}[what]
    return {"time_s": time_s[order], **{name: array[order] for name, array in (values | {"acc": acc}).items()}}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([10, 20, 50, 100]), st.sampled_from([0.0, 0.2, 0.8]), disturbances, st.sampled_from([1, 7, 64]))
def test_disturbed_streams_give_the_same_events_in_chunks_of_any_size(
    helios: Predictor, averaging: Predictor, rate_hz: int, jitter: float, disturbed: list[tuple[int, str]], chunk: int
) -> None:
    predictor = helios if rate_hz == 10 else averaging
    values = disturb(wear(), jitter / 10, disturbed)
    values["time_s"] = 100 + (values["time_s"] - 100) * 10 / rate_hz
    rule = rule_around(listen(predictor, EventRule(), wear())[1], predictor)
    assert_equal(listen(predictor, rule, values, chunk), listen(predictor, rule, values))


def test_whole_real_recordings_give_events_as_their_windows_do_offline(watch_bundle: Path, real_data: Path) -> None:
    recordings, watch = read(real_data / "searle2021"), load(watch_bundle)
    rule = EventRule(spec=EventSpec(step_s=5.0))
    for number in (0, 7):
        one = recordings[number]
        values = dict(one.sensors)
        events, answers, counts = listen(watch, rule, values)
        windows = watch.cut(one)
        assert counts.windows == len(windows)
        assert np.array_equal(answers, watch.predict_each(windows).probabilities)
        assert_equal(listen(watch, rule, values, 1000), (events, answers, counts))


@pytest.mark.parametrize("chunk", [7, ROWS])
def test_windows_that_are_shown_what_was_before_are_those_of_training(tmp_path: Path, chunk: int) -> None:
    bundle = Bundle.open(make_bundle(tmp_path / "bundle", max_length=200, members=1))
    vars(bundle)["windows"] = WindowSpec(step_s=1.0, context_s=12.0)
    predictor, values = Predictor(bundle), wear()
    labels = Annotation(np.zeros(ROWS, dtype=np.int8), predictor.label_set.classes)
    windows = predictor.cut(replace(recording(values), annotations={"gesture": labels}))
    _, answers, _ = listen(predictor, EventRule(), values, chunk)
    assert set(windows.lengths) == {170}
    assert np.array_equal(answers, predictor.predict_each(windows).probabilities)


def test_a_hub_refuses_more_wearers_than_agreed_and_goes_on(helios: Predictor) -> None:
    hub = StreamHub(helios, most=1)
    hub.push({"ann": wear(10)})
    with pytest.raises(DataError, match="at most 1 wearers"):
        hub.push({"ben": wear(10)})
    assert hub.counts.samples == 10


def certain(**spec: Any) -> EventRule:
    """Everything is an event."""
    return EventRule(spec=EventSpec(on=0.0, off=0.0, **spec))


def test_no_event_lies_where_there_is_no_data(helios: Predictor) -> None:
    values = wear() | {"time_s": np.arange(ROWS) / 10 + np.where(np.arange(ROWS) < 300, 0, 3600)}
    events, _, counts = listen(helios, certain(merge_s=9999), values)
    assert [(event.start_s, event.end_s) for event in events] == [(2.0, 28.0), (3632.0, 3658.0)]
    assert counts.gaps == 1


@pytest.mark.parametrize(("lost", "answered"), [(0.2, True), (0.8, False)])
def test_windows_of_a_source_that_loses_samples_are_answered_if_enough_are_left(
    helios: Predictor, lost: float, answered: bool
) -> None:
    acc = wear()["acc"].copy()
    acc[np.random.default_rng(0).random(ROWS) < lost] = np.nan
    _, _, counts = listen(helios, certain(), wear() | {"acc": acc})
    assert (counts.windows > 50) == answered
    assert (counts.windows_incomplete + counts.windows_too_slow > 50) != answered


def test_left_hands_are_mirrored_where_the_bundle_says_so(tmp_path: Path) -> None:
    predictor = load(make_bundle(tmp_path / "bundle", mirror_left_hand=True))
    left, right = (listen(predictor, certain(), wear(), handedness=hand)[1] for hand in (0, 1))
    offline = recording(wear())
    offline = offline.with_table(offline.table.with_columns(handedness=pl.lit(0)))
    assert np.array_equal(left, predictor.predict_each(offline.windows(50, 10)).probabilities)
    assert not np.array_equal(left, right)


def test_a_stream_keeps_no_more_than_it_needs(helios: Predictor) -> None:
    stream = Stream(helios, certain())
    for seed in range(5):
        stream.push(wear(2000, seed))
    kept = sum(len(part) for part in stream._waiting) + len(stream._buffer._kept["acc"])
    assert kept < 100
    assert stream._buffer._kept["tof"].base is None
