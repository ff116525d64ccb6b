"""Temporary folders go away in the end."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from bfrb.view.temporary import LOCK, TemporaryFolder


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def make_old(folder: Path) -> None:
    os.utime(folder, (1e9, 1e9))


def test_a_folder_goes_with_its_owner(tmp_path: Path) -> None:
    folder = TemporaryFolder()
    (folder.path / "x").write_text("x")
    folder.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    abandoned = tmp_path / "bfrb-view-abandoned"
    abandoned.mkdir()
    (abandoned / LOCK).touch()
    (abandoned / "large").write_text("x")
    make_old(abandoned)
    TemporaryFolder().close()
    assert not abandoned.exists()


def test_what_is_in_use_just_made_or_anothers_is_kept(tmp_path: Path) -> None:
    used = TemporaryFolder()
    (used.path / "x").write_text("x")
    make_old(used.path)
    new, other = tmp_path / "bfrb-view-new", tmp_path / "else"
    new.mkdir()
    other.mkdir()
    make_old(other)
    TemporaryFolder().close()
    assert (used.path / "x").exists()
    assert new.exists()
    assert other.exists()
    used.close()
