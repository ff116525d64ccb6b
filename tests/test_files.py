from pathlib import Path

import pytest

from bfrb.files import writing_file, writing_files, writing_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")

    def stop(unfinished: Path) -> None:
        unfinished.write_text("half")
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"), writing_file(tmp_path / "a.txt") as unfinished:
        stop(unfinished)
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_of_several_files_all_take_their_places_or_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), writing_files([tmp_path / "a", tmp_path / "b"]) as (first, _):
        first.write_text("only the first was written")
    assert names(tmp_path) == []


def test_a_folder_replaces_the_one_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("")
    with writing_folder(tmp_path / "out") as unfinished:
        (unfinished / "inner").mkdir()
        (unfinished / "inner" / "new").write_text("")
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["inner"]
