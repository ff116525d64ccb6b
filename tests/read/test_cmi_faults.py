"""Damaged files in the CMI layout: every one is refused, with a message that says where and what to do."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import bfrb
from bfrb.errors import DataError
from bfrb.read.check import check
from bfrb.study.device import HELIOS
from cmi_files import assert_same, labelled_study, rows_as_published, write_study

STUDY = labelled_study()
ROWS = rows_as_published(STUDY)
READINGS = [name for sensor in HELIOS.sensors for name in sensor.columns]

Change = Callable[[pl.DataFrame], pl.DataFrame]


def cell(row: int, column: str, value: object, before: Change = lambda rows: rows) -> Change:
    """A change of one value; text makes its column text."""

    def change(rows: pl.DataFrame) -> pl.DataFrame:
        rows = before(rows)
        values = rows[column].cast(pl.String) if isinstance(value, str) else rows[column]
        here = pl.Series(np.arange(len(values)) == row)
        return rows.with_columns(values.set(here, value))

    return change


def corrupted(seed: int, word: str) -> Change:
    """1 % of the readings replaced by a word."""

    def change(rows: pl.DataFrame) -> pl.DataFrame:
        hit = np.random.default_rng(seed).random((rows.height, len(READINGS))) < 0.01
        return rows.with_columns(
            rows[name].cast(pl.String).set(pl.Series(hit[:, n]), word) for n, name in enumerate(READINGS)
        )

    return change


def with_quaternions(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.lit(0.5).alias(name) for name in HELIOS.sensor("quaternion").columns)


def with_images(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col(HELIOS.sensor("tof").columns).fill_null(7.0))


row_faults: dict[str, tuple[Change, str]] = {
    "no rows": (lambda rows: rows[:0], "no"),
    "shuffled rows": (lambda rows: rows.sample(fraction=1.0, shuffle=True, seed=1), "next to each other"),
    "a row missing": (lambda rows: pl.concat([rows[:5], rows[6:]]), "6 instead of 5 in 'SEQ_000000'"),
    "a row doubled": (lambda rows: pl.concat([rows[:5], rows[4:]]), "4 instead of 5"),
    "rows of two interleaved": (lambda rows: rows.sort("sequence_counter", maintain_order=True), "after other rec"),
    "a sequence twice in a row": (lambda rows: pl.concat([rows[:12], rows]), "0 instead of 12"),
    "a counter that is no number": (cell(3, "sequence_counter", "x"), "column sequence_counter"),
    "a counter with a fraction": (cell(3, "sequence_counter", "3.5"), "whole number, found '?3.5"),
    "a sequence without id": (cell(3, "sequence_id", None), "sequence_id in every row"),
    "a row without subject": (cell(3, "subject", None), "subject in every row"),
    "a subject that changes": (cell(3, "subject", "SUBJ_9"), "'SUBJ_9' after"),
    "a gesture that changes": (cell(3, "gesture", "Wave hello"), "'Wave hello' after"),
    "an unknown gesture": (
        lambda rows: rows.with_columns(gesture=pl.col("gesture").str.replace("Eyebrow", "Eyebow")),
        "found 'Eyebow - pull hair'",
    ),
    "two words among readings": (
        cell(30, "thm_2", "cold", cell(3, "thm_2", "warm")),
        r"a number, found 'warm' in (row 4|line 5), column thm_2 \(and 1 more\)",
    ),
    "a fraction of a distance": (cell(3, "tof_1_v7", "12.5"), "whole number of tof, found 12.5 in .* column tof_1_v7"),
    "a distance beyond all numbers": (cell(3, "tof_1_v7", "70000"), "found 70000 in"),
    "an infinite acceleration": (cell(3, "acc_y", np.inf), "found inf"),
    "a quaternion without length": (cell(3, "rot_w", 0.9, with_quaternions), "norm 1"),
    "two axes of an acceleration": (cell(3, "acc_y", None, cell(3, "acc_z", 1.0)), "all 3 values"),
    "63 pixels of an image": (cell(3, "tof_2_v9", None, with_images), "found 63 in .* column tof_2_v0"),
    "no accelerometer": (lambda rows: rows.drop("acc_x", "acc_y"), "expected the column 'acc_x', 'acc_y'"),
    "no ids": (lambda rows: rows.drop("sequence_id"), "expected the column 'sequence_id'"),
    "half of a sensor": (lambda rows: rows.drop("tof_3_v5"), "expected the column 'tof_3_v5'"),
    "readings 1 % words": (corrupted(1, "#REF!"), "'#REF!'"),
    "readings 1 % empty": (corrupted(2, ""), "values of a reading"),
    "readings 1 % huge": (corrupted(3, "1e6"), "1000000|1e6|1e\\+06"),
}


@pytest.mark.parametrize("fault", row_faults)
def test_rows_that_are_wrong_are_refused_from_every_source(fault: str, tmp_path: Path) -> None:
    change, message = row_faults[fault]
    rows = change(ROWS)
    rows.write_csv(tmp_path / "a.csv")
    rows.write_parquet(tmp_path / "a.parquet")
    for source in (rows, tmp_path / "a.csv", tmp_path / "a.parquet"):
        with pytest.raises(DataError, match=message) as refused:
            bfrb.read(source)
        assert refused.value.remedy
    report = check(tmp_path / "a.csv")
    assert report.verdict == "unusable"
    assert report.findings[0].severity == "error"


def unbalanced(text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    lines[3], lines[5] = lines[3].replace(b",", b"", 1), lines[5].replace(b",", b",,", 1)
    return b"".join(lines)


file_faults: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "is empty"),
    "a header and no rows": (lambda text: text[: text.index(b"\n") + 1], "no usable recordings"),
    "half a header": (lambda text: text[:500], "'tof_1_v34'"),
    "binary": (lambda _: np.random.default_rng(0).bytes(20_000), "binary"),
    "zeros in the middle": (lambda text: text[:30_000] + bytes(4096) + text[34_096:], "0x00 in line"),
    "UTF-16": (lambda text: text.decode().encode("utf-16"), "encoding"),
    "Latin-1": (lambda text: text.replace(b"Cheek", b"Ch\xe9ek"), "0xe9 in line"),
    "a web page": (lambda _: b"<html>\n<body>Sign in</body>\n</html>\n", "found <html>"),
    "semicolons": (lambda text: text.replace(b",", b";"), "',' between the columns, found ';'"),
    "line ends of old Macs": (lambda text: text.replace(b"\n", b"\r"), "carriage return"),
    "an endless name of a column": (lambda text: b"x" * 200_000 + b"," + text, "found no names"),
    "a line cut in the middle": (lambda text: text[:60_000], "fields in every line"),
    "a comma lost, another too many": (unbalanced, "found 340 in line 4 .*1 more"),
    "a blank line": (lambda text: text.replace(b"\nSEQ_000002", b"\n\nSEQ_000002", 1), "found 1 in line"),
    "a quote that stays open": (lambda text: text.replace(b"Wave", b'"Wave').replace(b"Eye", b'"Eye', 1), "stays open"),
    "the header twice": (lambda text: text + text, "line"),
    "a column twice": (lambda text: text.replace(b"row_id", b"acc_x", 1), "'acc_x' comes twice"),
}


@pytest.mark.parametrize("fault", file_faults)
def test_files_that_are_damaged_are_refused(fault: str, tmp_path: Path) -> None:
    change, message = file_faults[fault]
    path = write_study(tmp_path, STUDY)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=message) as refused:
        bfrb.read(path)
    assert refused.value.remedy
    assert check(path).verdict == "unusable"


@pytest.mark.parametrize("name", ["train.csv", "train.parquet"])
def test_a_file_cut_off_anywhere_is_refused_or_ends_with_a_whole_line(name: str, tmp_path: Path) -> None:
    path = write_study(tmp_path, STUDY, name)
    data = path.read_bytes()
    for share in np.random.default_rng(0).random(15):
        cut = data[: int(share * len(data))]
        path.write_bytes(cut)
        try:
            found = bfrb.read(path)
        except DataError:
            continue
        assert path.suffix == ".csv"
        assert cut.endswith(b"\n") or data[len(cut) : len(cut) + 1] == b"\n"
        assert_same(found[:-1], STUDY[: len(found) - 1])


def test_a_last_value_that_may_be_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    whole = with_images(ROWS).with_columns(tof_5_v63=pl.lit(131.0)).write_csv()
    for missing in range(2, 6):
        path.write_text(whole[:-missing])
        with pytest.raises(DataError, match=r"line end after the last line|fields in every line"):
            bfrb.read(path)


def test_one_changed_byte_is_refused_or_changes_one_value_and_1_percent_are_refused(tmp_path: Path) -> None:
    path = write_study(tmp_path, STUDY)
    whole, rng = np.frombuffer(path.read_bytes(), np.uint8), np.random.default_rng(0)
    for changes in (1,) * 30 + (len(whole) // 100,) * 2:
        text = whole.copy()
        text[rng.integers(whole.tolist().index(10) + 1, len(whole) - 1, changes)] = rng.integers(0, 256, changes)
        path.write_bytes(text.tobytes())
        try:
            found = bfrb.read(path)
        except DataError:
            continue
        assert changes == 1
        pairs = [(found.sensors[name], values) for name, values in STUDY.sensors.items()]
        differing = sum(int(((ours != values) & ~np.isnan(ours.astype(float))).sum()) for ours, values in pairs)
        assert differing <= 1 or differing == 4  # a quaternion whose w has changed its sign is turned as a whole
        assert found.offsets.tolist() == STUDY.offsets.tolist()


subject_faults: dict[str, tuple[str, str]] = {
    "no subject column": ("name,age\na,3\n", "column 'subject'"),
    "a word for an age": ("subject,age\nSUBJ_000000,old\n", "found 'old'"),
    "an age of 400": ("subject,age\nSUBJ_000000,400\n", "age between 0 and 120"),
    "a third hand": ("subject,handedness\nSUBJ_000000,2\n", "handedness between 0 and 1"),
    "a subject with two ages": ("subject,age\nSUBJ_000000,20\nSUBJ_000000,21\n", "'SUBJ_000000'"),
    "an empty file": ("", "is empty"),
    "a line cut off": ("subject,age,sex\nSUBJ_000000,20,1\nSUBJ_0000", "3 fields in every line"),
    "a number cut off": ("subject,height_cm\nSUBJ_000000,171.0\nSUBJ_000001,17", "line end after the last line"),
}


@pytest.mark.parametrize("fault", subject_faults)
def test_a_wrong_table_of_subjects_is_refused(fault: str, tmp_path: Path) -> None:
    text, message = subject_faults[fault]
    write_study(tmp_path, STUDY)
    (tmp_path / "train_demographics.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        bfrb.read(tmp_path)
    assert check(tmp_path).verdict == "unusable"


@pytest.mark.parametrize("column", ["tof_1_v0", "sequence_counter", "sequence_id", "gesture"])
@pytest.mark.parametrize("value", [{"x": 1}, timedelta(seconds=1)])
def test_columns_of_neither_numbers_nor_text_are_refused(column: str, value: object, tmp_path: Path) -> None:
    strange = ROWS.with_columns(pl.Series(column, [value] * ROWS.height))
    strange.write_parquet(tmp_path / "train.parquet")
    for source in (tmp_path, strange):
        with pytest.raises(DataError, match="found a value of the type .* in row 1, column " + column):
            bfrb.read(source)


@pytest.mark.parametrize(
    "names", [("gyr_x", "gyr_y", "gyr_z"), ("gyr_z",), ("Mag.X", "Mag.Y", "Mag.Z"), ("x", "y", "z"), ("time_s",)]
)
def test_columns_of_a_sensor_that_is_not_of_the_layout_are_never_left_out_in_silence(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    rows = ROWS.with_columns(pl.lit(0.5).alias(name) for name in names)
    path = tmp_path / "train.csv"
    rows.write_csv(path)
    for source in (rows, path):
        with pytest.raises(DataError, match=f"found {', '.join(names)}, which") as refused:
            bfrb.read(source)
        assert "remove these columns" in refused.value.remedy
    assert ("columns of another sensor", "warning") in [(found.kind, found.severity) for found in check(path).findings]


def test_tables_of_subjects_that_are_damaged_or_not_there_are_refused(tmp_path: Path) -> None:
    path = write_study(tmp_path, STUDY)
    subjects = tmp_path / "train_demographics.csv"
    lines = subjects.read_text().splitlines()
    subjects.write_text("\n".join([*lines, lines[-1]]) + "\n")
    assert_same(bfrb.read(path), STUDY)  # a subject twice with the same measures is no fault
    subjects.unlink()
    (tmp_path / "train_demographics.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="complete Parquet file"):
        bfrb.read(path)
    with pytest.raises(DataError, match=r"demographics"):
        bfrb.read(path, demographics=tmp_path / "absent.csv")
