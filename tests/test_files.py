"""Files are written whole or not at all."""

import errno
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bfrb.files import drop_pages, writing_file, writing_files, writing_folder


def test_of_several_files_all_take_their_places_or_none_and_the_old_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(FileNotFoundError), writing_files([tmp_path / "a", tmp_path / "b"]) as (first, _):
        first.write_text("only the first was written")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("writing", [writing_file, writing_folder])
@pytest.mark.parametrize("given", [OSError(errno.ENOSPC, "No space left"), OSError("No space left")])
def test_a_full_disk_is_told_with_the_place(
    writing: Callable[[Path], AbstractContextManager[Any]], given: OSError, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match=r"No space left: '.*/place'") as caught, writing(tmp_path / "place"):
        raise given
    assert caught.value.filename == str(tmp_path / "place")
    assert not list(tmp_path.iterdir())


def test_pages_that_are_dropped_are_read_again_and_lose_nothing(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "numbers", np.float32, "w+", shape=(5000, 3))
    mapped[:] = expected = np.arange(15000, dtype=np.float32).reshape(5000, 3)
    drop_pages(np.asarray(mapped)[100:], expected)
    assert np.array_equal(mapped, expected)
    assert np.array_equal(np.fromfile(tmp_path / "numbers", np.float32), expected.ravel())
