"""The short way for one clean recording: where it answers, the answer is that of the long way."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfrb.errors import DataError
from bfrb.read import cmi
from bfrb.read.cmi_single import clean_recording
from bfrb.read.findings import refuse
from bfrb.study.device import HELIOS
from bfrb.study.recordings import Recordings

THM, TOF = HELIOS.sensor("thm").columns, HELIOS.sensor("tof").columns
SUBJECT = pl.DataFrame({"subject": ["S"], "adult_child": [1], "age": [34], "sex": [0], "height_cm": [160.5]})
TWO_SUBJECTS = pl.concat([SUBJECT.with_columns(subject=pl.lit("T"), age=pl.lit(20)), SUBJECT], how="vertical_relaxed")


def make_rows(length: int = 12, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    turns = rng.normal(size=(length, 4))
    turns /= np.linalg.norm(turns, axis=1, keepdims=True)
    columns: dict[str, Any] = {"row_id": [f"SEQ_{row}" for row in range(length)], "sequence_id": ["SEQ"] * length}
    columns |= {"sequence_counter": range(length), "subject": ["S"] * length}
    columns |= dict(zip(HELIOS.sensor("acc").columns, rng.normal(0, 6, (3, length)), strict=True))
    columns |= dict(zip(HELIOS.sensor("quaternion").columns, turns.T, strict=True))
    columns |= dict(zip(THM, rng.normal(27, 2, (5, length)), strict=True))
    columns |= dict(zip(TOF, rng.integers(-1, 250, (320, length)), strict=True))
    return pl.DataFrame(columns)


def texts(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col([*THM, *TOF]).cast(pl.Float64).cast(pl.String))


def nulls(rows: pl.DataFrame, names: tuple[str, ...], dtype: Any = None) -> pl.DataFrame:
    return rows.with_columns(pl.lit(None, dtype or rows.schema[name]).alias(name) for name in names)


def gap(rows: pl.DataFrame, names: tuple[str, ...], first: int, last: int) -> pl.DataFrame:
    inside = pl.int_range(pl.len()).is_between(first, last)
    return rows.with_columns(pl.when(~inside).then(pl.col(name)).alias(name) for name in names)


def assert_same(one: Recordings, other: Recordings) -> None:
    assert one.table.equals(other.table)
    assert one.table.schema == other.table.schema
    assert one.offsets.tolist() == other.offsets.tolist()
    assert list(one.sensors) == list(other.sensors)
    for name, values in one.sensors.items():
        assert values.dtype == other.sensors[name].dtype
        np.testing.assert_array_equal(values, other.sensors[name])


CLEAN = {
    "numbers": make_rows(),
    "texts": texts(make_rows()),
    "thermopiles as texts": make_rows().with_columns(pl.col(THM).cast(pl.String)),
    "numbers of all widths": make_rows().with_columns(pl.col(THM).cast(pl.Float32), pl.col(TOF[:9]).cast(pl.Int16)),
    "texts without readings": nulls(texts(make_rows()), (*THM, *TOF)),
    "columns without a type": nulls(make_rows(), (*THM, *TOF), pl.Null),
    "no proximity columns": make_rows().drop(*THM, *TOF),
    "acceleration only": make_rows().drop(*THM, *TOF, *HELIOS.sensor("quaternion").columns),
    "a gap of the orientation": gap(make_rows(), HELIOS.sensor("quaternion").columns, 2, 5),
    "one image missing": nulls(make_rows(), TOF[64:128]),
    "a gap of one image": gap(make_rows(), TOF[64:128], 0, 3),
    "a thermopile missing": nulls(make_rows(), THM[2:3]),
    "whole numbers as floats": make_rows().with_columns(pl.col(TOF).cast(pl.Float64)),
    "other column order": make_rows().select(sorted(make_rows().columns)),
    "single precision": make_rows().with_columns(pl.col(pl.Float64).cast(pl.Float32)),
    "one row": make_rows(1),
}


@pytest.mark.parametrize("rows", CLEAN.values(), ids=CLEAN)
@pytest.mark.parametrize(
    "subjects", [pl.DataFrame(), SUBJECT, SUBJECT.clear(), SUBJECT.with_columns(subject=pl.lit("T"))]
)
def test_a_clean_recording_goes_the_short_way_and_is_the_same(rows: pl.DataFrame, subjects: pl.DataFrame) -> None:
    short = clean_recording(rows, subjects)
    assert short is not None
    assert_same(short, cmi._checked_recordings(rows, subjects, refuse("it")))


UNUSUAL = {
    "two sequences": pl.concat([make_rows(), make_rows().with_columns(sequence_id=pl.lit("OTHER"))]),
    "no rows": make_rows().clear(),
    "an unknown subject": make_rows().with_columns(subject=pl.lit(None, pl.String)),
    "an empty id": make_rows().with_columns(sequence_id=pl.lit("")),
    "a row missing": make_rows().filter(pl.col("sequence_counter") != 4),
    "labels": make_rows().with_columns(gesture=pl.lit("Wave hello")),
    "half an image": nulls(make_rows(), TOF[64:90]),
    "half a quaternion": gap(make_rows(), HELIOS.sensor("quaternion").columns[:2], 2, 5),
    "a word for a number": texts(make_rows()).with_columns(pl.lit("warm").alias(THM[0])),
    "a half step": make_rows().with_columns(pl.lit(7.5).alias(TOF[9])),
    "an impossible step": make_rows().with_columns(pl.lit(999).alias(TOF[9])),
    "an impossible temperature": make_rows().with_columns(pl.lit(900.0).alias(THM[0])),
    "an infinite step": make_rows().with_columns(pl.lit(float("inf")).alias(TOF[9])),
    "a quaternion of norm 2": make_rows().with_columns(pl.col(HELIOS.sensor("quaternion").columns) * 2),
    "truth values": make_rows().with_columns(pl.lit(value=True).alias(THM[0])),
    "a column missing": make_rows().drop(TOF[7]),
    "an id that is a number": make_rows().with_columns(sequence_id=pl.lit(7)),
}


@pytest.mark.parametrize("rows", UNUSUAL.values(), ids=UNUSUAL)
def test_an_unusual_recording_goes_the_long_way(rows: pl.DataFrame) -> None:
    assert clean_recording(rows, SUBJECT) is None


@pytest.mark.parametrize(
    "subjects",
    [
        pl.concat([SUBJECT, SUBJECT]),
        SUBJECT.drop("subject"),
        SUBJECT.with_columns(age=pl.lit("34")),
        SUBJECT.with_columns(age=pl.lit(999)),
        SUBJECT.with_columns(sex=pl.lit(0.5)),
        SUBJECT.with_columns(age=pl.lit(float("nan"))),
        SUBJECT.with_columns(subject=pl.lit(None, pl.String)),
    ],
)
def test_unusual_demographics_go_the_long_way(subjects: pl.DataFrame) -> None:
    assert clean_recording(make_rows(), subjects) is None


VALUES = st.sampled_from([0, 1, -1, 250, 7.5, -2, 1e9, float("nan"), float("inf"), None, "3.0", "", "x", " 4", "nan"])


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["acc_x", "rot_w", "sequence_counter", "sequence_id", "subject", THM[1], TOF[5]]),
    values=st.lists(VALUES, min_size=3, max_size=3),
    as_text=st.booleans(),
)
def test_whatever_a_column_holds_both_ways_agree(name: str, values: list[Any], as_text: bool) -> None:
    plain = [None if value is None else str(value) for value in values]
    is_text = as_text or any(isinstance(value, str) for value in values)
    column = pl.Series(name, plain) if is_text else pl.Series(name, values, pl.Float64, strict=False)
    rows = make_rows(3).with_columns(column)
    short = clean_recording(rows, SUBJECT)
    try:
        long = cmi._checked_recordings(rows, SUBJECT, refuse("it"))
    except DataError:
        assert short is None
    else:
        assert short is None or assert_same(short, long) is None
