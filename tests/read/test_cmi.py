"""The CMI layout from every kind of source: whatever form the values come in, the recordings are the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import bfrb
from bfrb.errors import DataError
from bfrb.read import csv_blocks
from bfrb.read.demographics import find_demographics
from bfrb.read.sources import open_source
from bfrb.study.device import HELIOS
from bfrb.study.recordings import Recordings
from cmi_files import assert_same, labelled_study, rows_as_published, write_study

THM, TOF = HELIOS.sensor("thm").columns, HELIOS.sensor("tof").columns
ROTATION = HELIOS.sensor("quaternion").columns
LABELS = ("sequence_type", "orientation", "behavior", "phase", "gesture")

STUDY, FULL = labelled_study(), labelled_study(missing=0.0)
ROWS = rows_as_published(STUDY)
SUBJECTS = STUDY.table.drop("id", "gesture", "sequence_type", "orientation").unique()

Change = Callable[[pl.DataFrame], Any]


def as_strings(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.all().cast(pl.String))


def as_pandas(rows: pl.DataFrame) -> Any:
    import pandas as pd

    return pd.DataFrame(rows.to_dict(as_series=False))


def without(value: Any, dtype: Any = None) -> Change:
    return lambda rows: rows.with_columns(pl.lit(value, dtype=dtype).alias(name) for name in (*THM, *TOF))


FORMS: dict[str, Change] = {
    "as written": lambda rows: rows,
    "columns in another order": lambda rows: rows.select(sorted(rows.columns, reverse=True)),
    "more columns": lambda rows: rows.with_columns(note=pl.lit("x"), tof_6_v0=pl.lit(1e9)),
    "all strings": as_strings,
    "strings with spaces": lambda rows: rows.with_columns(pl.col(*THM, *TOF).cast(pl.String) + " "),
    "strings with NaN": lambda rows: as_strings(rows).with_columns(pl.col(*THM, *TOF).fill_null("NaN")),
    "strings in some columns": lambda rows: rows.with_columns(pl.col(THM[1], *TOF[::3]).cast(pl.String)),
    "double precision": lambda rows: rows.with_columns(pl.col(pl.Float32).cast(pl.Float64)),
    "integer distances": lambda rows: rows.with_columns(pl.col(TOF).cast(pl.Int16)),
    "NaN for null": lambda rows: rows.with_columns(pl.col(*THM, *TOF).fill_null(np.nan)),
    "categories": lambda rows: rows.with_columns(pl.col("gesture", "subject").cast(pl.Categorical)),
    "a counter with fractions": lambda rows: rows.with_columns(pl.col("sequence_counter").cast(pl.Float64)),
    "pandas": as_pandas,
    "pandas with its own nulls": lambda rows: as_pandas(rows).convert_dtypes(),
    "pandas with strings": lambda rows: as_pandas(as_strings(rows)),
}
MISSING: dict[str, Change] = {
    "null": without(None, pl.Float64),
    "null of no type": without(None),
    "null strings": without(None, pl.String),
    "empty strings": without(""),
    "absent": lambda rows: rows.drop(*THM, *TOF),
    "pandas null strings": lambda rows: as_pandas(without(None, pl.String)(rows)),
}


@pytest.mark.parametrize("form", [*FORMS, *MISSING])
def test_a_frame_in_any_form_gives_the_same_recordings(form: str) -> None:
    found = bfrb.read((FORMS | MISSING)[form](ROWS), demographics=as_strings(SUBJECTS))
    assert_same(found, STUDY.without("thm", "tof") if form in MISSING else STUDY)


def test_what_the_rows_lack_was_not_measured_and_has_no_label() -> None:
    bare = bfrb.read(ROWS.drop(*ROTATION, *LABELS))
    assert [bare.measured(name).all() for name in ("acc", "quaternion")] == [True, False]
    assert (bare.gestures, dict(bare.annotations)) == (None, {})
    first = pl.col("sequence_id") == STUDY.ids[0]
    assert bfrb.read(ROWS.with_columns(gesture=pl.when(~first).then("gesture"))).gestures == [None, *STUDY.gestures[1:]]
    for subjects in (None, SUBJECTS[:0], pl.DataFrame()):
        found = bfrb.read(ROWS, demographics=subjects)
        assert found.table.columns == STUDY.table.columns
        assert found.table["handedness"].null_count() == len(STUDY)


def test_parquet_is_known_by_its_content_and_a_mark_beside_it_says_that_it_is_simulated(tmp_path: Path) -> None:
    path = write_study(tmp_path, STUDY, "train.parquet").rename(tmp_path / "train.copy")
    assert_same(bfrb.read(path), STUDY)
    assert not bfrb.read(path).simulated
    (tmp_path / "simulated.toml").touch()
    assert bfrb.read(path).simulated


file_forms: dict[str, Callable[[bytes], bytes]] = {
    "Windows line ends": lambda text: text.replace(b"\n", b"\r\n"),
    "a byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "blank lines at the end": lambda text: text + b"\n\r\n\n",
    "everything quoted": lambda text: b'"' + text[:-1].replace(b",", b'","').replace(b"\n", b'"\n"') + b'"\n',
    "no line end at the end": lambda text: text.rstrip(b"\n"),
    "whole numbers": lambda text: text.replace(b".0,", b","),
    "quoted commas": lambda text: b"note," + text[:-1].replace(b"\n", b'\n"tired, he said ""so""",') + b"\n",
}


@pytest.mark.parametrize("form", file_forms)
@pytest.mark.parametrize("block_bytes", [csv_blocks.BLOCK_BYTES, 20_000])
def test_a_csv_written_in_any_way_gives_the_same_recordings(
    form: str, block_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(tmp_path, FULL)
    path.write_bytes(file_forms[form](path.read_bytes()))
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", block_bytes)
    assert_same(bfrb.read(path), FULL)


@pytest.mark.parametrize(("block_bytes", "max_rows"), [(3000, 60), (9001, 1), (40_000, 29)])
def test_reading_in_blocks_of_any_size_gives_the_same_recordings(
    block_bytes: int, max_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(tmp_path, STUDY)
    shares: list[float] = []
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", block_bytes)
    batches = list(open_source(path).batches(max_rows, shares.append))
    assert all(batch.n_rows <= max_rows or len(batch) == 1 for batch in batches)
    assert_same(Recordings.concat(batches), STUDY)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_folder_with_two_versions_of_the_recordings_asks_which(tmp_path: Path) -> None:
    write_study(tmp_path, STUDY, "train.csv")
    write_study(tmp_path, STUDY, "train.parquet")
    with pytest.raises(DataError, match=r"both train\.csv and train\.parquet"):
        bfrb.read(tmp_path)


@pytest.mark.parametrize(
    ("beside", "fitting", "other"),
    [
        ("train_demographics.csv", "train_sample.csv", "test.csv"),
        ("test_demographics.parquet", "test.csv", "mine.csv"),
        ("demographics.csv", "mine.csv", "demographics.csv"),
    ],
)
def test_demographics_are_found_by_name(beside: str, fitting: str, other: str, tmp_path: Path) -> None:
    (tmp_path / beside).touch()
    assert find_demographics(tmp_path / fitting) == tmp_path / beside
    assert find_demographics(tmp_path / other) is None


spellings = {
    "lost zeros": ("SUBJ_000001", "SUBJ_1"),
    "trailing blanks": ("SUBJ_000001", "SUBJ_000001 "),
    "case": ("SUBJ_000001", "subj_000001"),
    "numbers with a fraction": ("1", "1.0"),
    "other people": ("SUBJ_000001", "X"),
}


@pytest.mark.parametrize("spelling", spellings)
def test_ids_written_in_another_way_in_the_demographics_and_other_postures_are_named(
    spelling: str, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = spellings[spelling]
    rows = ROWS.filter(pl.col("subject") == "SUBJ_000001").with_columns(subject=pl.lit(ours))
    subjects = pl.DataFrame({"subject": [theirs], "age": [30]})
    found = bfrb.read(rows.with_columns(orientation=pl.lit("Standing")), demographics=subjects)
    assert set(found.table["orientation"]) == {"Standing"}  # which is kept
    for told in (repr(ours), repr(theirs), "found 'Standing' in row 1"):
        assert told in caplog.text


def test_the_real_sample_is_read_whole_from_csv_and_parquet(real_data: Path, tmp_path: Path) -> None:
    found = bfrb.read(real_data / "cmi")
    raw = pl.read_csv(real_data / "cmi" / "train_sample.csv")
    assert (len(found), found.n_rows, len(set(found.subjects))) == (15, 1000, 14)
    assert found.table["age"].null_count() == 0
    for sensor in HELIOS.sensors:
        expected = raw.select(sensor.columns).to_numpy().astype(sensor.dtype)
        np.testing.assert_array_equal(found.sensors[sensor.name].reshape(1000, -1), expected)
    names = np.array(found.annotations["behavior"].names)[found.annotations["behavior"].codes]
    assert names.tolist() == raw["behavior"].to_list()
    raw.write_parquet(tmp_path / "train.parquet")
    assert_same(bfrb.read(tmp_path, demographics=real_data / "cmi" / "train_demographics.csv"), found)
    test = bfrb.read(real_data / "cmi" / "test.csv")
    assert (test.ids, test.gestures) == (["SEQ_000001", "SEQ_000011"], None)
    assert test.table["age"].to_list() == [13.0, 25.0]
