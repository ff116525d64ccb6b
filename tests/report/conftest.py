"""Bundles that reports are made of."""

from pathlib import Path

import pytest

from bfrb.predict.bundle import Bundle
from bundles import make_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """One of the Helios device that was trained on simulated recordings."""
    return Bundle.open(make_bundle(tmp_path_factory.mktemp("reports") / "model", simulated=True))


@pytest.fixture(scope="session")
def of_watch(watch_bundle: Path) -> Bundle:
    """One of a watch, trained on real recordings."""
    return Bundle.open(watch_bundle)
