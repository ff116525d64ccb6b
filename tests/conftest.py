"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real recordings, from BFRB_DATA; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("BFRB_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings: {folder} is no folder (set BFRB_DATA)")
    return folder
