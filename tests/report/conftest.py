"""Bundles that reports are made of."""

import pytest

from bfrb.predict.bundle import Bundle
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.labels import SEARLE_BEHAVIORS
from bundles import make_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """One of the Helios device that was trained on simulated recordings."""
    return Bundle.open(make_bundle(tmp_path_factory.mktemp("reports") / "model", simulated=True))


@pytest.fixture(scope="session")
def watch_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """One of a watch, trained on real recordings."""
    place = tmp_path_factory.mktemp("reports") / "watch"
    return Bundle.open(make_bundle(place, device=GALAXY_WATCH, label_set=SEARLE_BEHAVIORS))
