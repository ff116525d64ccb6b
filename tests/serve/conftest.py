"""The requests captured from the real gateway."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def captured(real_data: Path) -> Path:
    folder = real_data / "kaggle_gateway"
    if not folder.is_dir():
        pytest.skip(f"no captured requests: {folder} is no folder")
    return folder
