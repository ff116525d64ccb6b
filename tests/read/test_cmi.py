"""The CMI layout from every kind of source: whatever form the values come in, the recordings are the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfrb.errors import DataError
from bfrb.read import csv_blocks
from bfrb.read.cmi import find_cmi, recordings_from_frame
from bfrb.read.sources import open_source, read
from bfrb.study.device import HELIOS
from bfrb.study.recordings import Recordings
from cmi_files import assert_same, labelled_study, rows_as_published, write_study

THM, TOF = HELIOS.sensor("thm").columns, HELIOS.sensor("tof").columns
ROTATION = HELIOS.sensor("quaternion").columns
LABELS = ("sequence_type", "orientation", "behavior", "phase", "gesture")


@pytest.fixture(scope="module")
def study() -> Recordings:
    return labelled_study()


@pytest.fixture(scope="module")
def rows(study: Recordings) -> pl.DataFrame:
    return rows_as_published(study)


@pytest.fixture(scope="module")
def subjects(study: Recordings) -> pl.DataFrame:
    return study.table.drop("id", *(name for name in LABELS if name in study.table.columns)).unique()


def as_strings(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.all().cast(pl.String))


def as_pandas(rows: pl.DataFrame) -> object:
    import pandas as pd

    return pd.DataFrame(rows.to_dict(as_series=False))


forms: dict[str, Callable[[pl.DataFrame], object]] = {
    "as written": lambda rows: rows,
    "columns in another order": lambda rows: rows.select(sorted(rows.columns, reverse=True)),
    "more columns": lambda rows: rows.with_columns(note=pl.lit("x"), tof_6_v0=pl.lit(1e9)),
    "all strings": as_strings,
    "strings with spaces": lambda rows: rows.with_columns(pl.col(*THM, *TOF).cast(pl.String) + " "),
    "strings with NaN": lambda rows: as_strings(rows).with_columns(pl.col(*THM, *TOF).fill_null("NaN")),
    "double precision": lambda rows: rows.with_columns(pl.col(pl.Float32).cast(pl.Float64)),
    "integer distances": lambda rows: rows.with_columns(pl.col(TOF).cast(pl.Int16)),
    "NaN for null": lambda rows: rows.with_columns(pl.col(*THM, *TOF).fill_null(np.nan)),
    "categories": lambda rows: rows.with_columns(pl.col("gesture", "subject").cast(pl.Categorical)),
    "a counter with fractions": lambda rows: rows.with_columns(pl.col("sequence_counter").cast(pl.Float64)),
    "pandas": as_pandas,
    "pandas with its own nulls": lambda rows: as_pandas(rows).convert_dtypes(),
    "pandas with strings": lambda rows: as_pandas(as_strings(rows)),
}


@pytest.mark.parametrize("form", forms)
def test_a_frame_in_any_form_gives_the_same_recordings(
    form: str, study: Recordings, rows: pl.DataFrame, subjects: pl.DataFrame
) -> None:
    assert_same(recordings_from_frame(forms[form](rows), subjects), study)


absences: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "null": lambda rows: rows.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in (*THM, *TOF)),
    "null of no type": lambda rows: rows.with_columns(pl.lit(None).alias(name) for name in (*THM, *TOF)),
    "null strings": lambda rows: rows.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in (*THM, *TOF)),
    "empty strings": lambda rows: rows.with_columns(pl.lit("").alias(name) for name in (*THM, *TOF)),
    "absent": lambda rows: rows.drop(*THM, *TOF),
    "pandas null": lambda rows: as_pandas(absences["null"](rows)),
    "pandas null strings": lambda rows: as_pandas(absences["null strings"](rows)),
}


@pytest.mark.parametrize("absence", absences)
def test_recordings_without_thermopiles_and_images_are_read(
    absence: str, study: Recordings, rows: pl.DataFrame, subjects: pl.DataFrame
) -> None:
    assert_same(recordings_from_frame(absences[absence](rows), subjects), study.without("thm", "tof"))


def test_a_missing_orientation_sensor_is_a_missing_quaternion(study: Recordings, rows: pl.DataFrame) -> None:
    found = recordings_from_frame(rows.drop(ROTATION))
    assert not found.measured("quaternion").any()
    assert found.measured("acc").all()


def test_rows_without_labels_give_recordings_without_labels(rows: pl.DataFrame) -> None:
    found = recordings_from_frame(rows.drop(LABELS))
    assert found.gestures is None
    assert not found.annotations


def test_a_partly_labelled_frame_keeps_the_labels_it_has(study: Recordings, rows: pl.DataFrame) -> None:
    first = pl.col("sequence_id") == study.ids[0]
    found = recordings_from_frame(rows.with_columns(gesture=pl.when(~first).then("gesture")))
    assert found.gestures == [None, *study.gestures[1:]]


@pytest.mark.parametrize("kind", ["none", "no rows", "no columns", "other subjects"])
def test_unknown_subjects_have_null_measures(
    kind: str, study: Recordings, rows: pl.DataFrame, subjects: pl.DataFrame
) -> None:
    unknown = {
        "none": None,
        "no rows": subjects[:0],
        "no columns": pl.DataFrame(),
        "other subjects": subjects.with_columns(subject=pl.lit("X") + pl.col("subject")),
    }
    found = recordings_from_frame(rows, unknown[kind])
    assert found.table.columns == study.table.columns
    assert found.table["handedness"].null_count() == len(study)


def test_measures_come_as_strings_too(study: Recordings, rows: pl.DataFrame, subjects: pl.DataFrame) -> None:
    assert_same(recordings_from_frame(rows, as_strings(subjects)), study)


def test_a_posture_of_another_study_is_kept_with_a_warning(
    rows: pl.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    found = recordings_from_frame(rows.with_columns(orientation=pl.lit("Standing")))
    assert set(found.table["orientation"]) == {"Standing"}
    assert "found 'Standing' in row 1" in caplog.text


def test_one_sequence_of_one_row_is_a_recording(rows: pl.DataFrame) -> None:
    assert recordings_from_frame(rows[:1]).lengths.tolist() == [1]


def test_something_that_is_no_frame_is_refused() -> None:
    with pytest.raises(DataError, match="got dict"):
        recordings_from_frame({"acc_x": [1.0]})


@pytest.mark.parametrize("name", ["train.csv", "train.parquet"])
def test_a_file_and_its_folder_give_what_was_written(name: str, study: Recordings, tmp_path: Path) -> None:
    path = write_study(tmp_path, study, name)
    assert_same(read(path), study)
    assert_same(read(tmp_path), study)
    assert not read(path).simulated


def test_a_parquet_file_is_known_by_its_content(study: Recordings, tmp_path: Path) -> None:
    write_study(tmp_path, study, "train.parquet").rename(tmp_path / "train.pq")
    assert_same(read(tmp_path / "train.pq"), study)


def test_the_simulators_mark_is_seen(study: Recordings, tmp_path: Path) -> None:
    path = write_study(tmp_path, study)
    (tmp_path / "simulated.toml").touch()
    assert read(path).simulated


def windows_line_ends(text: bytes) -> bytes:
    return text.replace(b"\n", b"\r\n")


def quoted(text: bytes) -> bytes:
    lines = text.splitlines()
    return b"\n".join(b",".join(b'"' + field + b'"' for field in line.split(b",")) for line in lines) + b"\n"


file_forms: dict[str, Callable[[bytes], bytes]] = {
    "Windows line ends": windows_line_ends,
    "a byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "blank lines at the end": lambda text: text + b"\n\r\n\n",
    "everything quoted": quoted,
    "no line end at the end": lambda text: text.rstrip(b"\n"),
}


@pytest.mark.parametrize("form", file_forms)
def test_a_csv_written_in_any_way_gives_the_same_recordings(form: str, tmp_path: Path) -> None:
    full = labelled_study(missing=0.0)
    path = write_study(tmp_path, full)
    path.write_bytes(file_forms[form](path.read_bytes()))
    assert_same(read(path), full)


def test_a_comma_in_a_quoted_field_is_no_separator(study: Recordings, rows: pl.DataFrame, tmp_path: Path) -> None:
    path = write_study(tmp_path, study)
    rows.with_columns(note=pl.lit('tired, he said "so"')).select("note", *rows.columns).write_csv(path)
    assert_same(read(path), study)


@settings(max_examples=12, deadline=None)
@given(block_bytes=st.integers(3000, 200_000), max_rows=st.integers(1, 60))
def test_reading_in_blocks_of_any_size_gives_the_same_recordings(
    block_bytes: int, max_rows: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    study = labelled_study()
    path = write_study(tmp_path_factory.mktemp("study"), study)
    shares: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "BLOCK_BYTES", block_bytes)
        batches = list(open_source(path).batches(max_rows, shares.append))
    assert all(batch.n_rows <= max_rows or len(batch) == 1 for batch in batches)
    assert_same(Recordings.concat(batches), study)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_folder_with_two_versions_of_the_recordings_asks_which(study: Recordings, tmp_path: Path) -> None:
    write_study(tmp_path, study, "train.csv")
    write_study(tmp_path, study, "train.parquet")
    with pytest.raises(DataError, match=r"both train\.csv and train\.parquet"):
        read(tmp_path)


def test_a_folder_without_recordings_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=r"notes\.txt"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("recordings", "beside", "found"),
    [
        ("train.csv", "train_demographics.csv", True),
        ("train_sample.csv", "train_demographics.csv", True),
        ("test.csv", "test_demographics.parquet", True),
        ("mine.csv", "mine_demographics.csv", True),
        ("mine.csv", "demographics.csv", True),
        ("mine.csv", "test_demographics.csv", False),
        ("test.csv", "train_demographics.csv", False),
    ],
)
def test_demographics_are_found_by_name(recordings: str, beside: str, found: bool, tmp_path: Path) -> None:
    for name in (recordings, beside):
        (tmp_path / name).touch()
    assert find_cmi(tmp_path / recordings).demographics == (tmp_path / beside if found else None)


def test_the_real_sample_is_read_whole(real_data: Path) -> None:
    found = read(real_data / "cmi")
    raw = pl.read_csv(real_data / "cmi" / "train_sample.csv")
    assert (len(found), found.n_rows, len(set(found.subjects))) == (15, 1000, 14)
    assert found.table["age"].null_count() == 0
    for sensor in HELIOS.sensors:
        np.testing.assert_array_equal(
            found.sensors[sensor.name].reshape(1000, -1), raw.select(sensor.columns).to_numpy().astype(sensor.dtype)
        )
    names = np.array(found.annotations["behavior"].names)[found.annotations["behavior"].codes]
    assert names.tolist() == raw["behavior"].to_list()


def test_the_real_sample_is_the_same_as_parquet(real_data: Path, tmp_path: Path) -> None:
    pl.read_csv(real_data / "cmi" / "train_sample.csv").write_parquet(tmp_path / "train.parquet")
    beside = real_data / "cmi" / "train_demographics.csv"
    assert_same(read(tmp_path, demographics=beside), read(real_data / "cmi"))


def test_the_public_test_has_two_recordings_without_labels(real_data: Path) -> None:
    found = read(real_data / "cmi" / "test.csv")
    assert found.ids == ["SEQ_000001", "SEQ_000011"]
    assert found.gestures is None
    assert found.table["age"].to_list() == [13.0, 25.0]
