"""Recordings in bodies, of any device and from anyone."""

from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from bfrb.errors import DataError
from bfrb.read import bodies
from bfrb.read.bodies import columns_of, read_csv, recordings_from_columns, unused_columns
from bfrb.read.cmi_write import rows_of
from bfrb.study.device import GALAXY_WATCH, HELIOS
from made_up import random_recordings

STILL: dict[str, Any] = {"acc_x": [0.0, 0.0], "acc_y": [0.0, 0.0], "acc_z": [9.8, 9.8]}


@pytest.mark.parametrize(
    "read",
    [
        lambda rows: read_csv(b"\xef\xbb\xbf" + rows.write_csv(line_terminator="\r\n").encode()),
        lambda rows: columns_of(rows.to_dicts()),
        lambda rows: columns_of(rows.to_dict(as_series=False)),
    ],
)
def test_what_was_written_is_read_as_it_was(read: Any) -> None:
    expected = random_recordings(HELIOS, [20, 30], np.random.default_rng(0))
    found = recordings_from_columns(read(rows_of(expected)), HELIOS)
    assert (found.ids, found.lengths.tolist()) == (expected.ids, [20, 30])
    for name, values in expected.sensors.items():
        np.testing.assert_array_equal(found.sensors[name], values)


def test_the_columns_are_those_of_the_device() -> None:
    gyr = dict(zip(GALAXY_WATCH.sensor("gyr").columns, ([1, 2], [3, None], [5, 6]), strict=True))
    found = recordings_from_columns(STILL | gyr | {"note": ["a", "b"]}, GALAXY_WATCH, handedness=0)
    np.testing.assert_array_equal(found.sensors["gyr"], [[1, 3, 5], [2, np.nan, 6]])
    assert found.table["handedness"].to_list() == [0]
    assert unused_columns(STILL | gyr, HELIOS) == list(gyr)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"acc_x": [1e9, 0]}, "between"),
        ({"acc_x": ["fast", 0]}, "a number, found 'fast' in row 1, column acc_x"),
        ({"acc_x": [[1], 0]}, "numbers or texts in the column acc_x"),
        ({"acc_x": [True, 0]}, "numbers or texts in the column acc_x"),
        ({"acc_x": [10**400, 0]}, "numbers in the column acc_x"),
        ({"rot_w": [1, 1]}, "the column 'rot_x', 'rot_y', 'rot_z'"),
        ({name: [1, 1] for name in HELIOS.sensor("quaternion").columns}, "norm 1"),
        ({name: [0.5, 1] for name in HELIOS.sensor("tof").columns}, "a whole number of tof"),
        ({name: [70_000, 1] for name in HELIOS.sensor("tof").columns}, "tof between"),
        ({"sequence_id": ["a", None]}, "a sequence_id in every row"),
        ({"sequence_counter": [0, 2]}, "rises by 1"),
        ({"time_s": [0.0, 0.02]}, "a row every 0.1 s, got one every 0.02 s"),
    ],
)
def test_what_no_device_can_have_measured_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        recordings_from_columns(STILL | change, HELIOS)


def test_damaged_csv_and_more_than_may_be_sent_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = (b"", b"a,a\n1,2\n", b"a, a\n1,2\n", b"a,b\n1\n", b"a,b,c\n1,2\r,3\n", b'a,"b\n', b"a\n\xff")
    for body in (*damaged, b"1" * 200_000):
        with pytest.raises(DataError):
            recordings_from_columns(read_csv(body), HELIOS)
    monkeypatch.setattr(bodies, "MAX_VALUES", 10)
    with pytest.raises(DataError, match="at most 10 values"):
        read_csv(b"a\n" + b"1\n" * 11)
    with pytest.raises(DataError, match="at most 10 values"):
        columns_of([{f"column {number}": 1} for number in range(4)])


def test_recordings_are_told_apart_and_their_rows_stay_together() -> None:
    four = {name: values * 2 for name, values in STILL.items()}
    order = {"sequence_counter": [0, 1, 0, 1], "time_ms": [0, 100, 50, 150]}
    assert recordings_from_columns(four | order | {"sequence_id": ["a", "a", 1, 1]}, HELIOS).ids == ["a", "1"]
    with pytest.raises(DataError, match="unique"):
        recordings_from_columns(four | {"sequence_id": ["a", "b", "a", "b"]}, HELIOS)


VALUES: list[Any] = [None, True, 3, "x", {}, {"a": [1]}, [], [1], ["", None], ["1", -1], [0, 10**400], [[1], 2]]
VALUES += [[{}, 1], [float("nan"), float("inf")], [False, 3.4028235677973366e38], [1.5, "-"], [True, "a\0b"]]


@pytest.mark.parametrize("name", [*STILL, "subject", "sequence_id", "sequence_counter", "time_s", "x"])
def test_any_json_gives_recordings_or_a_reason(name: str) -> None:
    for values in VALUES:
        with suppress(DataError):
            assert recordings_from_columns(columns_of({**STILL, name: values}), HELIOS).n_rows == 2
