"""Small tables to and from files."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from bfrb.errors import DataError
from bfrb.read.tables import check_file_paths, make_table, read_table, write_table, write_tables

TABLE = make_table({"id": ["a", "b,c"], "share": [0.25, 1e-9], "count": [1, None]})
BOTH = pytest.mark.parametrize("name", ["table.csv", "table.parquet"])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def parts(count: int, *, fails: bool = False) -> Iterator[pl.DataFrame]:
    for number in range(count):
        yield TABLE.with_columns(id=pl.col("id") + str(number))
    if fails:
        raise DataError("the source is damaged", remedy="copy it again")


@BOTH
def test_tables_come_one_below_the_other_or_the_older_one_stays(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_tables(parts(5), path)
    assert read_table(path).equals(pl.concat(parts(5)))
    before = path.read_bytes()
    mixed = [TABLE, make_table({"value": ["text"]})]
    for given, told in ((parts(3, fails=True), "damaged"), *([(mixed, "cannot be written")] * path.match("*.parquet"))):
        with pytest.raises(DataError, match=told):
            write_tables(given, path)
        assert (path.read_bytes(), names(tmp_path)) == (before, [name])


FULL_DISK = """
import resource, sys
from pathlib import Path
import polars as pl
from bfrb.errors import DataError
from bfrb.read.tables import write_table
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
for name in ("table.csv", "table.parquet"):
    try:
        write_table(pl.select(pl.int_range(100_000).sqrt()), Path(sys.argv[1], name))
    except DataError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
def test_a_full_disk_is_told_with_the_path_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    for name in ("table.csv", "table.parquet"):
        assert f"{tmp_path / name} cannot be written" in done.stdout
    assert done.stdout.count("to do: ") == 2
    assert names(tmp_path) == []


def test_places_where_no_table_can_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for name, told in (("table.xlsx", "ends in"), ("folder.csv", "is a folder"), ("absent/table.csv", "no folder")):
        with pytest.raises(DataError, match=told):
            check_file_paths(tmp_path / name)
    with pytest.raises(DataError, match="a file of its own"):
        check_file_paths(tmp_path / "a.csv", tmp_path / "." / "a.csv")
    with pytest.raises(DataError, match="got none"):
        write_tables([], tmp_path / "table.parquet")
    with pytest.raises(DataError, match="check the path"):
        read_table(tmp_path / "absent.csv")
    assert names(tmp_path) == ["folder.csv"]


columns = {
    "numbers with a fraction far down": ("1\n" * 2000 + "0.5\n", pl.Float64),
    "whole numbers": ("1\n-20\n\n", pl.Int64),
    "words": ("1\nx\n", pl.String),
    "numbers with zeros in front": ("01\n1\n", pl.String),
    "numbers with blanks": ("'1 '\n1\n".replace("'", '"'), pl.String),
    "nothing": ("\n\n", pl.String),
}


@pytest.mark.parametrize("kind", columns)
def test_a_column_is_text_unless_it_is_numbers_and_nothing_is_lost(tmp_path: Path, kind: str) -> None:
    text, dtype = columns[kind]
    path = tmp_path / "table.csv"
    path.write_text("row,value\n" + "".join(f"0,{line}\n" for line in text.splitlines()))
    assert read_table(path).schema["value"] == dtype


@BOTH
def test_a_table_survives_and_ids_are_text_even_if_they_are_numbers(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("old")
    write_table(TABLE.with_columns(subject=pl.Series([1, 2]), person=pl.Series([3, 4])), tmp_path / name)
    read = read_table(tmp_path / name)
    assert (read.drop("subject", "person").equals(TABLE), read["subject"].to_list()) == (True, ["1", "2"])
    assert read_table(tmp_path / name, ["person"])["person"].to_list() == ["3", "4"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", b""), ("a.csv", b"a,b\n1,2,3\n"), ("a.parquet", b""), ("a.parquet", b"PAR1garbage")],
)
def test_damaged_and_missing_files_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(DataError, match="check the path"):
        read_table(tmp_path / name)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / name)
