"""Recordings in bodies, of any form and from anyone."""

from __future__ import annotations

import io
import json
from contextlib import suppress

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bfrb.errors import DataError
from bfrb.read import bodies
from bfrb.read.bodies import ARROW, CSV, JSON, MEDIA_TYPES, Part, read_body, read_csv, read_json
from bfrb.read.cmi_write import rows_of
from bundles import make_recordings

STILL = {"acc_x": [0.0, 0.0], "acc_y": [0.0, 0.0], "acc_z": [9.8, 9.8]}


def test_null_and_absent_keys_in_json_are_missing_readings() -> None:
    rows = [{"acc_x": 1, "acc_y": 0, "acc_z": 9.5}, {"acc_x": None, "acc_y": None, "acc_z": None}]
    document = json.dumps({"rows": rows}).encode()
    recordings = read_body(Part(document, JSON), None, {})
    assert recordings.n_rows == 2
    assert recordings.sensors["acc"][0].tolist() == [1.0, 0.0, 9.5]
    assert pl.Series(recordings.sensors["acc"][1]).is_nan().all()


def test_demographics_in_json_reach_the_table() -> None:
    document = {"rows": STILL, "demographics": {"handedness": 0, "age": 31}}
    recordings = read_body(Part(json.dumps(document).encode(), JSON), None, {"height_cm": "170"})
    assert recordings.table.select("handedness", "age", "height_cm").row(0) == (0, 31.0, 170.0)


def test_demographics_of_another_subject_are_not_used() -> None:
    document = {"rows": STILL, "demographics": [{"subject": "other", "handedness": 0}]}
    recordings = read_body(Part(json.dumps(document).encode(), JSON), None, {})
    assert recordings.table["handedness"].to_list() == [None]


def test_rows_without_a_counter_are_counted_in_every_sequence() -> None:
    frame = rows_of(make_recordings(3)).drop("sequence_counter", "gesture", "sequence_type", strict=False)
    body = frame.write_csv().encode()
    assert read_body(Part(body, CSV), None, {}).lengths.tolist() == make_recordings(3).lengths.tolist()


def test_more_rows_than_may_be_sent_are_refused() -> None:
    rows = bodies.MAX_ROWS + 1
    with pytest.raises(DataError, match="100,000 rows"):
        read_csv(b"acc_x\n" + b"1\n" * rows)
    with pytest.raises(DataError, match="100,000 rows"):
        read_json(json.dumps({"rows": {"acc_x": [0] * rows}}).encode())


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    assert read_csv(b"\xef\xbb\xbfacc_x,acc_y\r\n1,2\r\n").columns == ["acc_x", "acc_y"]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(MEDIA_TYPES), st.binary(max_size=300))
def test_random_bytes_are_refused(media_type: str, body: bytes) -> None:
    with pytest.raises(DataError):
        read_body(Part(body, media_type), None, {})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)


@example({"acc_x": [False, 3.4028235677973366e38]})  # a little more than 32 bits hold
@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([*STILL, "subject", "sequence_id", "sequence_counter", "x"]), VALUES))
def test_any_json_gives_recordings_or_a_reason(change: dict[str, object]) -> None:
    document = {"rows": {**STILL, **change}}
    with suppress(DataError):
        assert read_body(Part(json.dumps(document).encode(), JSON), None, {}).n_rows == 2


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_changed_bytes_of_arrow_give_recordings_or_a_reason(data: st.DataObject) -> None:
    body = bytearray(ARROW_BODY)
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(DataError):
        assert read_body(Part(bytes(body), ARROW), None, {}).n_rows > 0


def _arrow() -> bytes:
    file = io.BytesIO()
    pl.DataFrame(STILL).write_ipc_stream(file, compat_level=pl.CompatLevel.oldest())
    return file.getvalue()


ARROW_BODY = _arrow()
