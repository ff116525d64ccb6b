"""Bundles that tests of exports share, and what was exported of them: tracing takes long."""

import shutil
from pathlib import Path

import pytest

from bfrb.export.portable import export_bundle
from bfrb.predict.bundle import Bundle, writing_bundle
from bfrb.read.orientation import with_made_orientation
from bfrb.stream.events import EventRule
from bfrb.stream.spec import EventSpec
from bfrb.study.device import GALAXY_WATCH
from bundles import make_bundle

RULE = EventRule(
    spec=EventSpec(step_s=5, smoothing_s=4, on=0.5, off=0.4, merge_s=6, minimum_s=4),
    isotonic_from=(0.1, 0.4, 0.7),
    isotonic_to=(0.05, 0.45, 0.9),
)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "model"
    requires = (("acc", "quaternion", "tof"), ("acc",))
    return make_bundle(folder, simulated=True, mirror_left_hand=True, rows="mean", requires=requires)


@pytest.fixture(scope="session")
def exported(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_bundle(Bundle.open(bundle), tmp_path_factory.mktemp("out") / "phone").parent


@pytest.fixture(scope="session")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a watch whose orientation is made; some of its branches are called like sensors."""
    place = tmp_path_factory.mktemp("watch")
    features = {"acc": ("acc", "acc_magnitude"), "rotation": ("gravity_direction", "gyr_magnitude", "linear_acc")}
    device = with_made_orientation(GALAXY_WATCH)
    made = make_bundle(place / "made", device=device, keep="first", rows="mean", features=features)
    with writing_bundle(place / "model") as folder:
        shutil.copytree(made, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("checksums.json"))
        RULE.write(folder)
    return place / "model"


@pytest.fixture(scope="session")
def exported_watch(watch: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_bundle(Bundle.open(watch), tmp_path_factory.mktemp("out") / "watch").parent
