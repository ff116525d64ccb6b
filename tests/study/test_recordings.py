"""Ragged batches: what is refused, and that every way to cut and join them keeps rows, labels and ids together."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bfrb.errors import DataError
from bfrb.study.device import GALAXY_WATCH, HELIOS
from bfrb.study.recordings import Annotation, Recordings
from cmi_files import assert_same, labelled_study
from made_up import plain_table, random_recordings


def rows_of(recordings: Recordings, which: int) -> np.ndarray:
    return np.arange(recordings.offsets[which], recordings.offsets[which + 1])


def still(lengths: list[int], **changes: object) -> Recordings:
    fields = {
        "device": HELIOS,
        "sensors": {"acc": np.tile(np.float32([0, 0, 9.81]), (sum(lengths), 1))},
        "offsets": np.concatenate([[0], np.cumsum(lengths)]),
        "table": plain_table(len(lengths)),
    }
    return Recordings(**(fields | changes))


@given(seed=st.integers(0, 2**32 - 1))
def test_what_is_cut_keeps_its_rows_labels_and_ids(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 10, rng.integers(1, 9)).tolist()
    study = labelled_study(lengths)
    chosen = rng.permutation(len(study))[: rng.integers(1, 7)].tolist()
    selection, rows = study[chosen], np.concatenate([rows_of(study, which) for which in chosen])
    assert selection.ids == [study.ids[which] for which in chosen]
    np.testing.assert_array_equal(selection.lengths, study.lengths[chosen])
    np.testing.assert_array_equal(selection.annotations["phase"].codes, study.annotations["phase"].codes[rows])
    for name, values in study.sensors.items():
        np.testing.assert_array_equal(selection.sensors[name], values[rows])
    start, stop = rng.integers(-9, 10, 2).tolist()
    view = study[start:stop]
    assert view.ids == study.ids[start:stop]
    if len(view):
        assert np.shares_memory(view.sensors["tof"], study.sensors["tof"])
        assert_same(view, study[list(range(len(study)))[start:stop]])
    max_rows = int(rng.integers(1, 31))
    batches = list(study.batches(max_rows))
    assert all(batch.n_rows <= max_rows or len(batch) == 1 for batch in batches)
    assert_same(Recordings.concat(batches), study)


@pytest.mark.parametrize(("length", "step"), [(1, 1), (5, 2), (3, 4), (9, 1)])
def test_windows_are_the_rows_that_their_ids_say(length: int, step: int) -> None:
    lengths = [9, 3, 1, 7]
    study = labelled_study(lengths)
    expected = [(which, first) for which, n in enumerate(lengths) for first in range(0, n - length + 1, step)]
    windows = study.windows(length, step)
    assert windows.ids == [f"{study.ids[which]}@{first}" for which, first in expected]
    for window, (which, first) in zip(range(len(windows)), expected, strict=True):
        rows = rows_of(study, which)[first : first + length]
        np.testing.assert_array_equal(windows[window].sensors["acc"], study.sensors["acc"][rows])
        assert windows.table["subject"][window] == study.table["subject"][which]


def test_recordings_are_taken_by_number_and_by_mask() -> None:
    study = labelled_study()
    assert (study[-1].ids, study[1].ids) == (study.ids[-1:], study.ids[1:2])
    assert study[np.array([True, False, False, True, False])].ids == [study.ids[0], study.ids[3]]
    with pytest.raises(IndexError):
        study[len(study)]


def test_a_sensor_left_out_or_removed_measured_nothing_and_one_that_gave_a_single_value_something() -> None:
    full = random_recordings(HELIOS, [4, 3], np.random.default_rng(0), missing=0.0)
    others = {name: values for name, values in full.sensors.items() if name != "tof"}
    assert full.measured("tof").all()
    assert not full.without("tof").measured("tof").any()
    assert_same(full.without("tof"), Recordings(HELIOS, others, full.offsets, full.table))
    thm = HELIOS.sensor("thm").empty(5)
    thm[3, 4] = 30.0
    assert still([3, 2], sensors={"thm": thm}).measured("thm").tolist() == [False, True]


def test_arrays_cannot_be_changed_by_mistake_and_the_callers_own_stay_writable() -> None:
    study, acc = labelled_study(), np.zeros((3, 3), np.float32)
    for values in (*study.sensors.values(), study.offsets, study[0].sensors["acc"], study.annotations["phase"].codes):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 0
    still([3], sensors={"acc": acc})
    acc[0] = 1.0


def test_a_table_may_tell_no_gesture_and_what_only_some_parts_know_becomes_null() -> None:
    table = plain_table(1).with_columns(gesture=pl.lit(None, dtype=pl.String))
    assert still([3], table=table).gestures is still([3]).gestures is None
    with_age = still([2], table=plain_table(1).with_columns(age=pl.lit(30.0)))
    other = still([2], table=plain_table(1).with_columns(id=pl.lit("other")), simulated=True)
    joined = Recordings.concat([with_age, other])
    assert (joined.table["age"].to_list(), joined.simulated) == ([30.0, None], True)


@given(seed=st.integers(0, 2**32 - 1))
def test_the_sign_of_an_orientation_in_a_file_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    turns = rng.normal(size=(20, 4))
    turns[rng.random((20, 4)) < 0.4 * (seed % 2)] = 0.0
    turns[~turns.any(axis=1)] = (0.0, 0.0, -1.0, 0.0)
    turns = (turns / np.linalg.norm(turns, axis=1, keepdims=True)).astype(np.float32)
    turns[rng.random(20) < 0.2] = np.nan
    signed = turns * rng.choice([-1.0, 1.0], (20, 1)).astype(np.float32)
    one, other = (still([20], sensors={"quaternion": each}).sensors["quaternion"] for each in (turns, signed))
    assert one.tobytes() == other.tobytes()
    assert not (one[:, 0] < 0).any()
    np.testing.assert_array_equal(np.abs(one), np.abs(turns))


def test_recordings_say_in_a_line_what_they_are() -> None:
    study = labelled_study()
    assert repr(study) == "<Recordings: 5 of helios, 3 subjects, 82 rows, acc quaternion thm tof>"
    simulated = still([2000, 3], table=plain_table(2).with_columns(id=pl.lit("<b>") + pl.col("id")), simulated=True)
    assert repr(simulated) == "<Recordings: 2 of helios, 1 subject, 2,003 rows, acc, SIMULATED>"
    assert repr(study.device) == "<Device: helios, acc quaternion thm tof at 10 Hz>"
    assert study[study.ids[3]].ids == study.ids[3:4]
    with pytest.raises(IndexError, match="no recording 'absent'"):
        study["absent"]
    assert repr(study[:0]) == "<Recordings: 0 of helios, 0 subjects, 0 rows, nothing measured>"
    assert "<b>" not in simulated._repr_html_()


faults: dict[str, tuple[Callable[[], object], str]] = {
    "no row": (lambda: still([2], offsets=[0, 0, 2], table=plain_table(2)), "offsets"),
    "offsets that fall": (lambda: still([2], offsets=[0, 3, 2], table=plain_table(2)), "offsets"),
    "offsets that begin later": (lambda: still([2], offsets=[1, 2]), "offsets"),
    "a row too few": (lambda: still([2], sensors={"acc": np.zeros((1, 3))}), "shape"),
    "a sensor of another device": (lambda: still([2], sensors={"gyr": np.zeros((2, 3))}), "no sensor gyr"),
    "an impossible reading": (lambda: still([2], sensors={"acc": [[0, 0, 9], [0, 500, 0]]}), "found 500 in row 1"),
    "an infinite reading": (lambda: still([2], sensors={"acc": [[0, 0, 9], [0, 0, -np.inf]]}), "row 1"),
    "a quaternion of norm 2": (lambda: still([1], sensors={"quaternion": np.float32([[1, 1, 1, 1]]) * 0.9}), "norm 1"),
    "a distance of 300": (lambda: still([1], sensors={"tof": np.full((1, 5, 8, 8), 300, np.int16)}), "300"),
    "no subject": (lambda: still([1], table=pl.DataFrame({"id": ["a"]})), "columns id and subject"),
    "a subject that is null": (
        lambda: still([1], table=plain_table(1).with_columns(subject=pl.lit(None, dtype=pl.String))),
        "string for every",
    ),
    "ids that are numbers": (lambda: still([1], table=pl.DataFrame({"id": [1], "subject": ["s"]})), "string for every"),
    "windows without rows": (lambda: still([5]).windows(0, 1), "at least one row"),
    "windows without a step": (lambda: still([5]).windows(1, 0), "at least one row"),
    "windows that are too long": (lambda: still([5]).windows(6, 1), "no recording has"),
    "an id twice": (lambda: still([1, 1], table=pl.DataFrame({"id": ["a", "a"], "subject": ["s", "s"]})), "'a'"),
    "labels for other rows": (
        lambda: still([2], annotations={"phase": Annotation(np.zeros(3, np.int8), ("a",))}),
        "expected 2 codes",
    ),
    "a code without a name": (lambda: Annotation(np.int8([0, 1]), ("a",)), "codes"),
    "nothing to join": (lambda: Recordings.concat([]), "got none"),
    "an id in two parts": (lambda: Recordings.concat([still([1]), still([1])]), "'r0'"),
    "two devices": (
        lambda: Recordings.concat([still([1]), random_recordings(GALAXY_WATCH, [1], np.random.default_rng(0))]),
        "different devices",
    ),
    "a table of other recordings": (lambda: still([1, 1]).with_table(plain_table(1)), "table of 2"),
}


@pytest.mark.parametrize("fault", faults)
def test_what_does_not_fit_together_is_refused(fault: str) -> None:
    make, message = faults[fault]
    with pytest.raises(DataError, match=message):
        make()
