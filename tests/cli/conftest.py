"""What the tests of commands share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bfrb.jobs import LocalProcesses
from bundles import make_bundle
from studies import Here
from typed_commands import Bfrb, runner


@pytest.fixture
def bfrb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bfrb:
    return runner(monkeypatch, capsys)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "model")


@pytest.fixture
def trained_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Members are trained in this process, which has torch already."""
    import torch

    monkeypatch.setattr(LocalProcesses, "run", Here.run)
    yield
    torch.use_deterministic_algorithms(False)
