"""Files are written whole or not at all."""

from pathlib import Path

import pytest

from bfrb.files import writing_files


def test_of_several_files_all_take_their_places_or_none_and_the_old_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(FileNotFoundError), writing_files([tmp_path / "a", tmp_path / "b"]) as (first, _):
        first.write_text("only the first was written")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
