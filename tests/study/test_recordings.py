"""Ragged batches: what is refused, and that every way to cut and join them keeps rows, labels and ids together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bfrb.errors import DataError
from bfrb.study.device import GALAXY_WATCH, HELIOS
from bfrb.study.recordings import UNKNOWN, Annotation, Recordings
from cmi_files import assert_same, labelled_study
from made_up import plain_table, random_recordings

some_lengths = st.lists(st.integers(1, 9), min_size=1, max_size=8)


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


@given(some_lengths, st.data())
def test_a_selection_has_the_rows_labels_and_ids_of_what_was_selected(lengths: list[int], data: st.DataObject) -> None:
    study = labelled_study(lengths)
    chosen = data.draw(st.lists(st.integers(0, len(study) - 1), min_size=1, max_size=6, unique=True))
    selection = study[chosen]
    rows = np.concatenate([rows_of(study, which) for which in chosen])
    assert selection.ids == [study.ids[which] for which in chosen]
    np.testing.assert_array_equal(selection.lengths, study.lengths[chosen])
    np.testing.assert_array_equal(selection.annotations["phase"].codes, study.annotations["phase"].codes[rows])
    for name, values in study.sensors.items():
        np.testing.assert_array_equal(selection.sensors[name], values[rows])


@given(some_lengths, st.integers(-9, 9), st.integers(-9, 9))
def test_a_slice_selects_like_a_list_and_copies_nothing(lengths: list[int], start: int, stop: int) -> None:
    study = labelled_study(lengths)
    view = study[start:stop]
    assert view.ids == study.ids[start:stop]
    if len(view):
        assert np.shares_memory(view.sensors["tof"], study.sensors["tof"])
        assert_same(view, study[list(range(len(study)))[start:stop]])


@given(some_lengths, st.integers(1, 7))
def test_pieces_joined_again_are_the_whole(lengths: list[int], size: int) -> None:
    study = labelled_study(lengths)
    assert_same(Recordings.concat([study[start : start + size] for start in range(0, len(study), size)]), study)


@given(some_lengths, st.integers(1, 30))
def test_batches_keep_to_the_limit_and_lose_nothing(lengths: list[int], max_rows: int) -> None:
    study = labelled_study(lengths)
    batches = list(study.batches(max_rows))
    assert all(batch.n_rows <= max_rows or len(batch) == 1 for batch in batches)
    assert_same(Recordings.concat(batches), study)


@given(some_lengths, st.integers(1, 5), st.integers(1, 4))
def test_windows_are_the_rows_that_their_ids_say(lengths: list[int], length: int, step: int) -> None:
    study = labelled_study(lengths)
    expected = [(which, first) for which, n in enumerate(lengths) for first in range(0, n - length + 1, step)]
    if not expected:
        with pytest.raises(DataError, match="no recording has"):
            study.windows(length, step)
        return
    windows = study.windows(length, step)
    assert windows.ids == [f"{study.ids[which]}@{first}" for which, first in expected]
    for window, (which, first) in zip(range(len(windows)), expected, strict=True):
        rows = rows_of(study, which)[first : first + length]
        np.testing.assert_array_equal(windows[window].sensors["acc"], study.sensors["acc"][rows])
        assert windows.table["subject"][window] == study.table["subject"][which]


@pytest.mark.parametrize(("length", "step"), [(0, 1), (1, 0), (-1, 3)])
def test_windows_without_rows_or_progress_are_refused(length: int, step: int) -> None:
    with pytest.raises(DataError, match="at least one row"):
        still([5]).windows(length, step)


def test_one_recording_is_taken_by_its_number_from_either_end() -> None:
    study = labelled_study()
    assert study[-1].ids == study.ids[-1:]
    assert study[1].ids == [study.ids[1]]
    with pytest.raises(IndexError):
        study[len(study)]


def test_a_mask_selects_where_it_is_true() -> None:
    study = labelled_study()
    mask = np.array([True, False, False, True, False])
    assert study[mask].ids == [study.ids[0], study.ids[3]]


@pytest.mark.parametrize("device", [HELIOS, GALAXY_WATCH], ids=lambda device: device.name)
def test_a_sensor_left_out_and_a_sensor_removed_measured_nothing(device: object) -> None:
    full = random_recordings(device, [4, 3], np.random.default_rng(0), missing=0.0)
    name = full.device.sensor_names[-1]
    removed = full.without(name)
    left_out = Recordings(
        device, {key: full.sensors[key] for key in full.sensors if key != name}, full.offsets, full.table
    )
    assert full.measured(name).all()
    assert not removed.measured(name).any()
    assert tuple(removed.sensors) == device.sensor_names
    assert_same(removed, left_out)


def test_a_recording_has_a_sensor_that_measured_one_value_in_one_row() -> None:
    thm = HELIOS.sensor("thm").empty(5)
    thm[3, 4] = 30.0
    assert still([3, 2], sensors={"thm": thm}).measured("thm").tolist() == [False, True]


def test_arrays_cannot_be_changed_by_mistake() -> None:
    study = labelled_study()
    for values in (*study.sensors.values(), study.offsets, study[0].sensors["acc"], study.annotations["phase"].codes):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 0


def test_the_callers_own_array_stays_writable() -> None:
    acc = np.zeros((3, 3), np.float32)
    still([3], sensors={"acc": acc})
    acc[0] = 1.0


def test_gestures_are_none_where_no_recording_carries_one() -> None:
    table = plain_table(1).with_columns(gesture=pl.lit(None, dtype=pl.String))
    assert still([3], table=table).gestures is None
    assert still([3]).gestures is None
    assert labelled_study().gestures == labelled_study().table["gesture"].to_list()


def test_columns_that_only_some_parts_have_become_null() -> None:
    with_age = still([2], table=plain_table(1).with_columns(age=pl.lit(30.0)))
    without = still([2], table=plain_table(1).with_columns(id=pl.lit("other")))
    assert Recordings.concat([with_age, without]).table["age"].to_list() == [30.0, None]


def test_what_any_part_simulated_is_simulated() -> None:
    other = plain_table(1).with_columns(id=pl.lit("other"))
    assert Recordings.concat([still([2]), still([2], table=other, simulated=True)]).simulated


@given(st.integers(0, 1 << 30), st.booleans())
def test_the_sign_of_an_orientation_in_a_file_changes_nothing(seed: int, with_zeros: bool) -> None:
    rng = np.random.default_rng(seed)
    turns = rng.normal(size=(20, 4))
    if with_zeros:
        turns[rng.random((20, 4)) < 0.4] = 0.0
        turns[~turns.any(axis=1)] = (0.0, 0.0, -1.0, 0.0)
    turns = (turns / np.linalg.norm(turns, axis=1, keepdims=True)).astype(np.float32)
    turns[rng.random(20) < 0.2] = np.nan
    signs = rng.choice([-1.0, 1.0], (20, 1)).astype(np.float32)
    one, other = (
        still([20], sensors={"quaternion": values}).sensors["quaternion"] for values in (turns, signs * turns)
    )
    assert one.tobytes() == other.tobytes()
    known = one[~np.isnan(one[:, 0])]
    assert (known[:, 0] >= 0).all()
    np.testing.assert_array_equal(np.abs(one), np.abs(turns))


def test_recordings_say_in_a_line_what_they_are() -> None:
    study = labelled_study()
    assert repr(study) == "<Recordings: 5 of helios, 3 subjects, 82 rows, acc quaternion thm tof>"
    simulated = still([2000, 3], table=plain_table(2).with_columns(id=pl.lit("<b>") + pl.col("id")), simulated=True)
    assert repr(simulated) == "<Recordings: 2 of helios, 1 subject, 2,003 rows, acc, SIMULATED>"
    assert repr(study[:0]) == "<Recordings: 0 of helios, 0 subjects, 0 rows, nothing measured>"
    shown = simulated._repr_html_()
    assert "2,003 rows" in shown
    assert "<b>" not in shown


def replaced(column: int, value: float, rows: int = 5) -> np.ndarray:
    acc = np.zeros((rows, 3), np.float32)
    acc[2, column] = value
    return acc


faults: dict[str, tuple[Callable[[], object], str]] = {
    "no row": (lambda: still([2], offsets=[0, 0, 2], table=plain_table(2)), "offsets"),
    "offsets that fall": (lambda: still([2], offsets=[0, 3, 2], table=plain_table(2)), "offsets"),
    "offsets that begin later": (lambda: still([2], offsets=[1, 2]), "offsets"),
    "a row too few": (lambda: still([2], sensors={"acc": np.zeros((1, 3))}), "shape"),
    "two of three axes": (lambda: still([2], sensors={"acc": np.zeros((2, 2))}), "shape"),
    "a sensor of another device": (lambda: still([2], sensors={"gyr": np.zeros((2, 3))}), "no sensor gyr"),
    "an impossible reading": (lambda: still([5], sensors={"acc": replaced(1, 500.0)}), "found 500 in row 2"),
    "an infinite reading": (lambda: still([5], sensors={"acc": replaced(0, -np.inf)}), "row 2"),
    "a quaternion of norm 2": (lambda: still([1], sensors={"quaternion": np.float32([[1, 1, 1, 1]]) * 0.9}), "norm 1"),
    "a distance of 300": (lambda: still([1], sensors={"tof": np.full((1, 5, 8, 8), 300, np.int16)}), "300"),
    "no subject": (lambda: still([1], table=pl.DataFrame({"id": ["a"]})), "columns id and subject"),
    "a subject that is null": (
        lambda: still(
            [1], table=pl.DataFrame({"id": ["a"], "subject": [None]}, schema_overrides={"subject": pl.String})
        ),
        "string for every",
    ),
    "ids that are numbers": (lambda: still([1], table=pl.DataFrame({"id": [1], "subject": ["s"]})), "string for every"),
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


def test_rows_without_a_label_have_the_code_for_unknown() -> None:
    assert Annotation(np.int8([UNKNOWN, 0]), ("a",)).take([0]).codes.tolist() == [UNKNOWN]
