"""What all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from bfrb.jobs import LocalProcesses
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.labels import SEARLE_BEHAVIORS
from bundles import make_bundle, make_recordings
from cmi_files import labelled_study, write_study
from studies import Here, here
from typed_commands import Bfrb, runner

ROOT = Path(__file__).resolve().parents[1]

settings.register_profile("few", max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("few")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest first, lest one worker is left with it at the end, or two start a cluster each."""
    items.sort(key=lambda item: item.path.parent.name != "cluster")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real recordings, from BFRB_DATA; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("BFRB_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings: {folder} is no folder (set BFRB_DATA)")
    return folder


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small networks for single gestures of the Helios device."""
    return make_bundle(tmp_path_factory.mktemp("bundles") / "model")


@pytest.fixture(scope="session")
def watch_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small networks for a watch."""
    place = tmp_path_factory.mktemp("bundles") / "watch"
    return make_bundle(place, device=GALAXY_WATCH, label_set=SEARLE_BEHAVIORS)


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of two members, which answer at random, that held out two people each."""
    return make_bundle(tmp_path_factory.mktemp("teacher") / "model", mirror_left_hand=True)


@pytest.fixture(scope="session")
def distilled(teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny `micro` that this bundle has taught."""
    from bfrb.predict.bundle import Bundle
    from bfrb.read.sources import HeldSource
    from bfrb.train.distill import distill
    from bfrb.train.presets import read_preset

    spec = read_preset("micro").updated(["training.epochs=1", "micro.widths=[8, 16]", "micro.kernel_s=0.3"])
    recordings = HeldSource(make_recordings(24, subjects=4, seed=5), "made up")
    out = tmp_path_factory.mktemp("distilled") / "small"
    distill(Bundle.open(teacher), recordings, spec, out, options=here())
    return out


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder of five labelled recordings in the CMI layout."""
    folder = tmp_path / "study"
    folder.mkdir()
    write_study(folder, labelled_study())
    return folder


@pytest.fixture
def bfrb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bfrb:
    """The command line, in this process."""
    return runner(monkeypatch, capsys)


@pytest.fixture
def jobs_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are done in this process, which has loaded all already."""
    monkeypatch.setattr(LocalProcesses, "run", Here.run)
