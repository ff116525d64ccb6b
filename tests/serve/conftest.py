"""A small bundle to serve, and the requests captured from the real gateway."""

from pathlib import Path

import pytest

from bundles import make_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "model")


@pytest.fixture(scope="session")
def captured(real_data: Path) -> Path:
    folder = real_data / "kaggle_gateway"
    if not folder.is_dir():
        pytest.skip(f"no captured requests: {folder} is no folder")
    return folder
