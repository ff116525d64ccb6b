"""Small tables to and from files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from bfrb.errors import DataError
from bfrb.read.tables import (
    check_table_path,
    check_table_paths,
    make_table,
    read_table,
    write_side_by_side,
    write_table,
    write_tables,
)

TABLE = make_table({"id": ["a", "b,c"], "share": [0.25, 1e-9], "count": [1, None]})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_a_table_survives_writing_and_replaces_an_older_one(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("old")
    write_table(TABLE, tmp_path / name)
    assert read_table(tmp_path / name).equals(TABLE)
    assert names(tmp_path) == [name]


def test_a_failure_leaves_the_older_table(tmp_path: Path) -> None:
    nested = pl.DataFrame({"list": [[1, 2]]})
    (tmp_path / "table.csv").write_text("old")
    with pytest.raises(pl.exceptions.PolarsError):
        write_table(nested, tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text() == "old"
    assert names(tmp_path) == ["table.csv"]


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_tables_come_one_below_the_other(tmp_path: Path, name: str, count: int) -> None:
    parts = [TABLE.with_columns(id=pl.col("id") + str(number)) for number in range(count)]
    write_tables(iter(parts), tmp_path / name)
    assert read_table(tmp_path / name).equals(pl.concat(parts))
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
@pytest.mark.parametrize("good", [0, 1, 3])
def test_a_failure_in_a_later_part_leaves_the_older_table(tmp_path: Path, name: str, good: int) -> None:
    def parts() -> Iterator[pl.DataFrame]:
        yield from [TABLE] * good
        raise DataError("the source is damaged", remedy="copy it again")

    (tmp_path / name).write_text("old")
    with pytest.raises(DataError, match="damaged"):
        write_tables(parts(), tmp_path / name)
    assert (tmp_path / name).read_text() == "old"
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("pair", [("a.csv", "b.csv"), ("a.csv", "b.parquet"), ("a.parquet", "b.parquet")])
@pytest.mark.parametrize("fails", [False, True])
def test_files_side_by_side_are_written_together_or_not_at_all(
    tmp_path: Path, pair: tuple[str, str], *, fails: bool
) -> None:
    other = make_table({"value": [0.5]})

    def groups() -> Iterator[tuple[pl.DataFrame, ...]]:
        yield TABLE, other
        if fails:
            raise DataError("the source is damaged", remedy="copy it again")
        yield TABLE, other

    paths = [tmp_path / name for name in pair]
    if fails:
        with pytest.raises(DataError, match="damaged"):
            write_side_by_side(groups(), paths)
        assert names(tmp_path) == []
    else:
        write_side_by_side(groups(), paths)
        assert read_table(paths[0]).equals(pl.concat([TABLE, TABLE]))
        assert read_table(paths[1])["value"].to_list() == [0.5, 0.5]
        assert names(tmp_path) == sorted(pair)


def test_a_second_table_that_fails_at_the_end_leaves_the_first_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    mixed = [(TABLE, make_table({"value": [0.5]})), (TABLE, make_table({"value": ["text"], "more": [1]}))]
    with pytest.raises(pl.exceptions.PolarsError):
        write_side_by_side(mixed, [tmp_path / "a.csv", tmp_path / "b.parquet"])
    assert (tmp_path / "a.csv").read_text() == "old"
    assert names(tmp_path) == ["a.csv"]


def test_the_same_file_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a file of its own"):
        check_table_paths([tmp_path / "a.csv", tmp_path / "." / "a.csv"])


def test_no_table_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got none"):
        write_tables([], tmp_path / "table.parquet")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "complaint"), [("table.xlsx", "ends in"), ("folder.csv", "is a folder"), ("absent/table.csv", "no folder")]
)
def test_places_where_no_table_can_be_written_are_refused(tmp_path: Path, name: str, complaint: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match=complaint):
        check_table_path(tmp_path / name)


def test_a_number_far_down_in_a_csv_does_not_surprise(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("value\n" + "1\n" * 2000 + "0.5\n")
    assert read_table(path)["value"][-1] == 0.5


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2,3\n", b"PAR1garbage"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"table{suffix}"
    path.write_bytes(content)
    if (content, suffix) == (b"PAR1garbage", ".csv"):
        assert read_table(path).is_empty()
    else:
        with pytest.raises(DataError, match="cannot be read"):
            read_table(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.csv"):
        read_table(tmp_path / "absent.csv")
