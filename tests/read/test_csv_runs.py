"""Runs of whole numbers read without a CSV parser: whatever a file holds, the parser would have found the same."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bfrb.errors import DataError
from bfrb.read import csv_blocks, csv_runs
from bfrb.read.check import check
from bfrb.read.cmi import CmiFile, iter_file, read_cmi
from bfrb.read.cmi_layout import IMAGES, expected_types
from bfrb.read.csv_blocks import iter_csv, open_csv
from bfrb.read.csv_runs import PlacedRun, Run
from bfrb.read.findings import Finding
from bfrb.study.device import HELIOS
from bfrb.study.recordings import Recordings
from cmi_files import assert_same, labelled_study, rows_as_published, write_study

ABSENT = -7777
NUMBERS = Run("numbers", ("x", "y"), ABSENT)
PLACED = NUMBERS.place(("id", "x", "y", "note"))

STUDY = labelled_study()
ROWS = rows_as_published(STUDY)
TOF = list(HELIOS.sensor("tof").columns)
REST = [name for name in ROWS.columns if name not in TOF]

PLAIN = ["131.0", "254", "-1.0", "-1", "0", "0.0", "400.0", "999", "-99.0", ""]
UNUSUAL = [
    *("-0", "00", "007.0", "1000", "-100", "70000", "12.5", "5.", ".0", "-.0", "-", "5.00", "5.0.0", "1e2", "+5"),
    *(" 5", "5 ", "nan", "NULL", "#REF!", "5/0", ",", "5,", '"5"', '"5', '5"', "5\r", "5\n", "\n", "5\0", "é", b"\xff"),
]
cells = st.sampled_from([*PLAIN, *UNUSUAL])


def split(block: bytes, placed: PlacedRun | None = PLACED) -> tuple[np.ndarray, bytes] | None:
    assert placed is not None
    with ThreadPoolExecutor(2) as pool:
        found = placed.split(block, pool)
    return None if found is None else (np.concatenate(found[0]), found[1])


@pytest.mark.parametrize("end", ["", ".0"])
def test_every_short_whole_number_is_known(end: str) -> None:
    numbers = np.arange(-99, 1000)
    found = split("".join(f"a,{number}{end},,b\n" for number in numbers).encode())
    assert found is not None
    np.testing.assert_array_equal(found[0], np.stack([numbers, np.full(len(numbers), ABSENT)], axis=1))
    assert found[1] == b"a,b\n" * len(numbers)


@settings(max_examples=400, deadline=None)
@given(cell=st.one_of(st.text("0123456789-.+e ,x\t\x00", max_size=7), cells.filter(lambda cell: isinstance(cell, str))))
def test_a_field_is_read_as_the_number_it_is_or_not_at_all(cell: str) -> None:
    found = split(f"a,{cell},3.0,b\nc,4,{cell},d\n".encode())
    if found is not None:
        number = float(cell) if cell else ABSENT
        assert found[0].tolist() == [[number, 3], [4, number]]
        assert found[1] == b"a,b\nc,d\n"
        assert cell in ("", f"{number:.0f}", f"{number:.1f}")
    else:
        assert cell not in PLAIN


@pytest.mark.parametrize("head", ['"a"', "a\r", "a\0", 'a"', b"\xff", "a,b", "a\nb"])
def test_lines_that_a_parser_would_part_otherwise_are_left_to_it(head: str | bytes) -> None:
    raw = head if isinstance(head, bytes) else head.encode()
    assert split(raw + b",1,2,b\n") is None
    assert split(b"a,1,2,b\n" + raw + b",1,2,b\n") is None
    assert split(b"a,1,2," + raw + b"\n") is None


def test_a_comma_too_many_does_not_make_up_for_one_that_is_lost() -> None:
    assert split(b"a,1,2\nb,1,2,3,c\n") is None
    assert split(b"a,1,2,3,c\nb,1,2\n") is None


def test_texts_of_any_language_are_kept() -> None:
    found = split("über,1,2,眉\n".encode())
    assert found is not None
    assert found[1].decode() == "über,眉\n"


@pytest.mark.parametrize(
    ("header", "stop"),
    [("x,y,a", 0), ("a,x,b,y", 0), ("a,x", 0), ("a,y,x", 3), ("a,x,y", 3), ("a,b,y,x,c", 4)],
)
def test_a_run_is_found_where_its_columns_are_together_behind_others(header: str, stop: int) -> None:
    placed = NUMBERS.place(header.split(","))
    assert (placed.stop if placed else 0) == stop


def test_columns_in_another_order_are_put_in_order() -> None:
    found = split(b"a,1,2\nb,3,4.0\n", NUMBERS.place(("id", "y", "x")))
    assert found is not None
    assert found[0].tolist() == [[2, 1], [4, 3]]
    assert found[1] == b"a\nb\n"


def test_slices_and_parts_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = np.random.default_rng(0).integers(-1, 256, (500, 2))
    block = "".join(f"{'a' * (row % 90)},{x},{y}.0,b\n" for row, (x, y) in enumerate(numbers)).encode()
    for size in (10, 100, 1000, 1 << 20):
        monkeypatch.setattr(csv_runs, "_SLICE_BYTES", size)
        found = split(block)
        assert found is not None
        np.testing.assert_array_equal(found[0], numbers)
        assert found[1].count(b"\n") == 500


def written(rows: pl.DataFrame, **options: object) -> bytes:
    return rows.write_csv(**options).encode()


def whole(rows: pl.DataFrame, columns: list[str] = TOF) -> pl.DataFrame:
    return rows.with_columns(pl.col(columns).cast(pl.Int16))


plain_files: dict[str, Callable[[], bytes]] = {
    "as published": lambda: written(ROWS),
    "whole numbers": lambda: written(whole(ROWS)),
    "whole numbers in some columns": lambda: written(whole(ROWS, TOF[::3])),
    "nothing missing": lambda: written(ROWS.with_columns(pl.col(TOF).fill_null(7.0))),
    "nothing measured": lambda: written(ROWS.with_columns(pl.lit(None).alias(name) for name in TOF)),
    "pixels in another order": lambda: written(ROWS.select(*REST, *sorted(TOF, reverse=True))),
    "pixels among the others": lambda: written(ROWS.select(*REST[:4], *TOF, *REST[4:])),
    "no line end at the end": lambda: written(ROWS).rstrip(b"\n"),
    "other columns": lambda: written(ROWS.with_columns(note=pl.lit("über"), tof=pl.lit(3))),
}


@pytest.mark.parametrize("form", plain_files)
def test_plain_files_are_read_without_the_parser(form: str, tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes(plain_files[form]())
    assert has_images(path) == [True]
    assert_same_outcome(path)


def test_the_real_sample_is_read_without_the_parser(real_data: Path) -> None:
    for name in ("train_sample.csv", "test.csv"):
        assert has_images(real_data / "cmi" / name) == [True]
        assert_same_outcome(real_data / "cmi" / name)


def test_files_that_are_not_plain_are_read_by_the_parser(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    for content in (
        written(ROWS, line_terminator="\r\n"),
        written(ROWS, quote_style="always"),
        written(ROWS.select(*TOF, *REST)),
        written(ROWS.select(*TOF[:9], *REST, *TOF[9:])),
        written(ROWS.with_columns(pl.lit("5.00").alias(TOF[8]))),
    ):
        path.write_bytes(content)
        assert has_images(path) == [False]
        assert_same_outcome(path)


def test_one_block_that_is_not_plain_leaves_the_others_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_study(tmp_path, STUDY)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[30] = lines[30].replace(b"\n", b"0\n") if lines[30].endswith(b".0\n") else lines[30].replace(b",\n", b",NA\n")
    path.write_bytes(b"".join(lines))
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 20_000)
    kinds = has_images(path)
    assert kinds.count(False) == 1
    assert len(kinds) > 3
    assert_same(read_cmi(path), STUDY)


def has_images(path: Path) -> list[bool]:
    """Whether the frames of a file have the images as one column."""
    file = open_csv(path)
    frames = iter_csv(file, expected_types(file.header), lambda _: None, None, IMAGES)
    return [IMAGES.name in frame.columns for frame in frames]


Outcome = tuple[list[Finding], str, Recordings | None]


def outcome(path: Path) -> Outcome:
    findings: list[Finding] = []
    try:
        batches = list(iter_file(CmiFile(path, None), findings.append))
    except DataError as error:
        return findings, str(error), None
    return findings, "", Recordings.concat(batches)


def assert_same_outcome(path: Path) -> Outcome:
    """What is read and found is the same as without runs."""
    fast = outcome(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "place", lambda *_: None)
        slow = outcome(path)
    assert fast[:2] == slow[:2]
    assert (fast[2] is None) == (slow[2] is None)
    if fast[2] is not None and slow[2] is not None:
        assert_same(fast[2], slow[2])
    return fast


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Files with a few cells, commas, line ends or columns changed."""
    tof = draw(st.one_of(st.just(TOF), st.permutations(TOF)))
    split_at, gap = draw(st.integers(0, len(REST))), draw(st.sampled_from([0, 0, 0, 100]))
    order = [*REST[:split_at], *tof[gap:], *REST[split_at:], *tof[:gap]]
    rows = whole(ROWS, draw(st.sampled_from([[], TOF, TOF[::2], TOF[64:]]))).select(order)
    end = draw(st.sampled_from([b"\n", b"\n", b"\n", b"\r\n"]))
    header, *lines = [line.split(b",") for line in written(rows).splitlines()]
    position = st.integers(0, len(order) - 1)
    for line, column, cell in draw(st.lists(st.tuples(st.integers(0, len(lines) - 1), position, cells), max_size=4)):
        lines[line][column] = cell if isinstance(cell, bytes) else cell.encode()
    if draw(st.integers(0, 3)) == 0:
        fields = lines[draw(st.integers(0, len(lines) - 1))]
        fields[3:5] = [fields[3] + fields[4]]  # a comma is lost
    text = end.join(b",".join(fields) for fields in [header, *lines])
    return text + draw(st.sampled_from([end, end, b"", end + end]))


@settings(max_examples=60, deadline=None)
@given(content=files(), block_bytes=st.integers(8_000, 150_000))
@example(content=written(ROWS).replace(b".0,", b".0,,", 1), block_bytes=20_000)
@example(content=written(ROWS)[:-1900], block_bytes=30_000)
@example(content=written(ROWS) + b"\n\n", block_bytes=200_000)
def test_whatever_a_file_holds_is_read_and_found_as_by_the_parser(
    content: bytes, block_bytes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("file") / "train.csv"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "BLOCK_BYTES", block_bytes)
        patch.setattr(csv_runs, "_SLICE_BYTES", 6_000)
        assert_same_outcome(path)


def test_faults_in_images_are_found_in_their_places(tmp_path: Path) -> None:
    path = write_study(tmp_path, labelled_study(missing=0.0))
    lines = path.read_bytes().splitlines(keepends=True)
    header = lines[0].decode().strip().split(",")
    for line, column, cell in ((3, "tof_1_v7", b"400.0"), (5, "tof_2_v9", b""), (8, "tof_5_v63", b"-2")):
        fields = lines[line].rstrip(b"\n").split(b",")
        fields[header.index(column)] = cell
        lines[line] = b",".join(fields) + b"\n"
    path.write_bytes(b"".join(lines))
    assert has_images(path) == [True]
    found = {finding.kind: (finding.place, finding.count) for finding in check(tmp_path).findings}
    assert found["impossible value"] == ("line 4, column tof_1_v7", 2)
    assert found["incomplete tof"] == ("line 6, column tof_2_v0", 1)
    assert_same_outcome(path)


def test_pieces_of_a_block_are_whole_lines_and_all_of_it() -> None:
    block = b"".join(b"x" * length + b"\n" for length in range(60))
    pieces = csv_runs._cut(block, range(len(block)), 7)
    assert pieces[0].start == 0
    assert pieces[-1].stop == len(block)
    assert all(one.stop == other.start and block[one.stop - 1] == ord("\n") for one, other in pairwise(pieces))
    assert len(pieces) > 3
